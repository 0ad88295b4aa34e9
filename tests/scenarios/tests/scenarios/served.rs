//! The `lab` program itself: what it prints, how it ends, and that nothing of it is left behind.

use holdfast_lab::{LabError, Progress, Workspace, ministack, wait};
use holdfast_sim::clients;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

#[tokio::test(flavor = "multi_thread")]
async fn the_served_lab_tells_all_on_one_line_works_with_boto3_and_leaves_nothing_behind() {
    let mut lab = Program::start(&["serve", "--json", "--no-build"]).await;
    let line = lab.out.next_line().await.unwrap().unwrap();
    let said = drive(&line).await;
    assert!(said.contains("captured 2 hosts of wave-1") && said.ends_with("all held\n"), "{said}");
    let all = lab.descendants();
    assert!(all.len() > 2, "the emulator and functions should run: {all:?}");
    lab.signal(Signal::SIGINT);
    let (status, _) = lab.end().await;
    assert_eq!(status.code(), Some(0));
    gone(&all).await;
    let ca_file = line.split("\"ca_file\":\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(!Path::new(ca_file).exists(), "`{ca_file}` is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_that_is_stopped_or_loses_a_child_ends_with_one_line_and_leaves_nothing_behind() {
    let interrupted = async {
        let mut lab = Program::start(&["--no-build"]).await;
        lab.until("2 ").await;
        let all = lab.descendants();
        lab.signal(Signal::SIGINT);
        let (status, last) = lab.end().await;
        assert_eq!(status.code(), Some(1), "{last}");
        assert_eq!(last, "lab: stopped by Ctrl-C; every process that the lab started is gone");
        gone(&all).await;
    };
    let without_emulator = async {
        let mut lab = Program::start(&["--no-build"]).await;
        lab.until("1 capture on EC2").await;
        let all = lab.descendants();
        let emulator = children(lab.pid()).into_iter().next().unwrap();
        kill(Pid::from_raw(emulator), Signal::SIGKILL).unwrap();
        let (status, last) = lab.end().await;
        assert_eq!(status.code(), Some(1), "{last}");
        assert!(last.starts_with("lab: the AWS emulator on port ") && last.ends_with(": start again"), "{last}");
        gone(&all).await;
    };
    let killed = async {
        let mut lab = Program::start(&["serve", "--empty", "--json", "--no-build"]).await;
        lab.out.next_line().await.unwrap().unwrap();
        let all = lab.descendants();
        lab.signal(Signal::SIGKILL);
        lab.end().await;
        gone(&all).await;
    };
    tokio::join!(interrupted, without_emulator, killed, no_python(), busy_port());
}

/// Built into a folder without the emulator's environment; in `PATH` is nothing, and then only a Python later than any that was tried.
async fn no_python() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-python");
    std::fs::create_dir_all(folder.join("debug")).unwrap();
    let (program, python) = (folder.join("debug/lab"), folder.join("python3"));
    drop(std::fs::remove_file(&program));
    drop(std::fs::remove_file(&python));
    std::fs::hard_link(built().await.binary("lab"), &program).unwrap();
    let last = async || {
        let ended = Command::new(&program).arg("--no-build").env("PATH", &folder).output().await.unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        said.lines().last().unwrap().to_owned()
    };
    let none = last().await;
    let mend = "install one and put it in PATH";
    assert!(none.starts_with("lab: no Python 3.10 or later") && none.ends_with(mend), "{none}");

    let later = "#!/bin/sh\n[ \"$1\" = -c ] && echo 3 99 && exit\necho \"error: $*\"; exit 7\n";
    std::fs::write(&python, later).unwrap();
    std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
    let tried = last().await;
    assert!(tried.starts_with("lab: `python3` failed (exit status: 7): error: -m venv --clear "), "{tried}");
}

/// Somebody takes the port between its choice and the emulator's start.
async fn busy_port() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let settings = ministack::Settings {
        python: &built().await.target().join("lab/python/bin/python"),
        port,
        front: "http://127.0.0.1:1",
        account: "111122223333",
        region: "ap-northeast-1",
        folder: folder.path(),
        variables: &[],
    };
    let line = ministack::Ministack::start(settings).await.err().unwrap().line();
    assert!(line.starts_with(&format!("the AWS emulator on port {port} ended by itself")), "{line}");
    assert!(line.ends_with("stop what listens on that port, or start again for another one"), "{line}");
}

/// The workspace, once its programs are built.
async fn built() -> Workspace {
    let workspace = Workspace::find().unwrap();
    let python = holdfast_lab::prepare(&workspace, &Progress::silent()).await;
    python.unwrap_or_else(|error: LabError| panic!("{}", error.line()));
    workspace
}

/// A running `lab` with its output.
struct Program {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    err: Lines<BufReader<ChildStderr>>,
}

impl Program {
    async fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(built().await.binary("lab"));
        // A group of its own: the signal is for the program alone, and it has to see to its children itself.
        command.args(arguments).process_group(0).kill_on_drop(true).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let err = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, out, err }
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.id().unwrap()).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Reads its progress up to this step.
    async fn until(&mut self, step: &str) {
        while let Some(line) = self.err.next_line().await.unwrap() {
            if line.contains(step) {
                return;
            }
        }
        panic!("it ended before `{step}`");
    }

    /// How it ended, and the last line of what it said on stderr.
    async fn end(mut self) -> (ExitStatus, String) {
        let mut last = String::new();
        while let Some(line) = self.err.next_line().await.unwrap() {
            last = line;
        }
        (self.child.wait().await.unwrap(), last)
    }

    /// Every process below it.
    fn descendants(&self) -> BTreeSet<i32> {
        let mut all = BTreeSet::new();
        let mut below = children(self.pid());
        while let Some(pid) = below.pop() {
            if all.insert(pid) {
                below.extend(children(pid));
            }
        }
        all
    }
}

fn children(parent: i32) -> Vec<i32> {
    let is_child = |pid: &i32| status(*pid).is_some_and(|(ppid, _)| ppid == parent);
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_child).collect()
}

/// Parent and state of a process.
fn status(pid: i32) -> Option<(i32, char)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

/// None of the processes runs any more; whoever waits for an orphan may leave it as a zombie for a while.
async fn gone(all: &BTreeSet<i32>) {
    let left = || all.iter().filter(|pid| status(**pid).is_some_and(|(_, state)| state != 'Z')).count();
    let ended = wait::until("the end of every process of the lab", Duration::from_secs(60), || async {
        Ok((left() == 0).then_some(()))
    });
    ended.await.unwrap_or_else(|error| panic!("{}: {} of {all:?} run", error.line(), left()));
}

/// Gives the line to boto3 and returns what it said.
async fn drive(line: &str) -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let python = tokio::task::spawn_blocking(|| clients::python(target)).await.unwrap().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/drive_lab.py");
    let mut command = Command::new(python);
    command.arg(script).env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command.env_remove("AWS_PROFILE").env("NO_PROXY", "127.0.0.1").stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    drop(stdin);
    let ended = child.wait_with_output().await.unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}
