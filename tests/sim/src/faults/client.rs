//! Who is at the other end of a loopback connection: found in `/proc`, as `ss -p` does.

use std::{fs, net::SocketAddr};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A process of this machine that called a simulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its process id.
    pub pid: i32,
    /// The Lambda function that it runs, from its environment.
    pub function: Option<String>,
}

impl Client {
    /// Whether the simulators run in this very process.
    pub fn is_ourselves(&self) -> bool {
        i64::from(self.pid) == i64::from(std::process::id())
    }

    /// Kills the process at once (SIGKILL). The simulator's own process is never killed.
    ///
    /// # Errors
    /// A sentence that says why the process was not killed.
    pub fn kill(&self) -> Result<(), String> {
        if self.is_ourselves() {
            return Err("the held call was made by the simulator's own process".into());
        }
        kill(Pid::from_raw(self.pid), Signal::SIGKILL)
            .map_err(|error| format!("process {} cannot be killed: {error}", self.pid))
    }
}

/// Finds the process that holds the client's end of the connection `peer` -> `local`.
pub fn find(peer: SocketAddr, local: SocketAddr) -> Option<Client> {
    let inode = inode_of(peer, local)?;
    let pid = holder_of(inode)?;
    Some(Client { pid, function: function_of(pid) })
}

/// The kernel writes an IPv4 socket as little-endian hexadecimal address, colon, port (proc_net_tcp.txt).
fn kernel_form(address: SocketAddr) -> Option<String> {
    match address {
        SocketAddr::V4(v4) => Some(format!("{:08X}:{:04X}", u32::from_le_bytes(v4.ip().octets()), v4.port())),
        SocketAddr::V6(_) => None,
    }
}

/// The table has a line for every connection that ended within the last minute too, so lines are searched, not taken apart.
fn inode_of(peer: SocketAddr, local: SocketAddr) -> Option<u64> {
    let ends = format!(" {} {} ", kernel_form(peer)?, kernel_form(local)?);
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let (_, line) = table.split_once(&ends)?;
    // State, queues, timer, retransmissions, user and time-out are before it.
    line.split_whitespace().nth(6)?.parse().ok()
}

/// The simulators' own process is asked first, then the others from the newest on: functions come and go.
fn holder_of(inode: u64) -> Option<i32> {
    let wanted = format!("socket:[{inode}]");
    let holds = |pid: &i32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.into_iter().any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == wanted.as_str()))
    };
    let ours = i32::try_from(std::process::id()).ok()?;
    if holds(&ours) {
        return Some(ours);
    }
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut pids: Vec<i32> = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable_by(|one, other| other.cmp(one));
    pids.into_iter().find(holds)
}

fn function_of(pid: i32) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = |name: &str| {
        environment.split(|byte| *byte == 0).find_map(|pair| {
            let pair = String::from_utf8_lossy(pair);
            pair.strip_prefix(name)?.strip_prefix('=').map(str::to_owned)
        })
    };
    // A process is a function if it was given a runtime interface to take its events from.
    value("AWS_LAMBDA_RUNTIME_API")?;
    Some(value("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| "unnamed".into()))
}
