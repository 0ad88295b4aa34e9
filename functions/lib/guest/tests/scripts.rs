//! Runs the committed shell scripts with this machine's own `sh`, and reads what they print.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at the first thing that is not as it says")]

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use holdfast_guest::{CAPTURE_PS1, CAPTURE_SH, PROBE_PS1, PROBE_SH, ProbeAnswer, ProbeResult, read_capture};
use holdfast_model::GuestReport;

const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs `script` as the SSM agent does, as one file for `sh`, and returns its stdout.
fn sh(script: &str, path: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("_script.sh");
    fs::write(&file, script).unwrap();
    let output =
        Command::new("/bin/sh").arg(&file).env_clear().env("PATH", path).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8(output.stdout).unwrap()
}

/// A directory for PATH with only these programs in it.
fn only(programs: &[&str]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for program in programs {
        let real = SYSTEM_PATH.split(':').map(|d| Path::new(d).join(program)).find(|p: &PathBuf| p.exists());
        symlink(real.expect("a standard tool"), directory.path().join(program)).unwrap();
    }
    directory
}

/// A `ping` that prints `output` and ends with `status`.
fn fake_ping(directory: &Path, output: &str, status: u8) {
    let file = directory.join("ping");
    fs::write(&file, format!("#!/bin/sh\ncat <<'TEXT'\n{output}\nTEXT\nexit {status}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

fn probe(parameters: &str, path: &str) -> Vec<ProbeResult> {
    ProbeResult::read_all(&sh(&format!("{parameters}\n{PROBE_SH}"), path)).unwrap()
}

fn addresses(report: &GuestReport) -> Vec<(String, Ipv4Addr, u8)> {
    let mut all: Vec<_> = report
        .nics
        .iter()
        .flat_map(|nic| nic.addresses.iter().map(|a| (nic.mac.to_string(), a.address, a.prefix_length)))
        .collect();
    all.sort();
    all
}

#[test]
fn capture_reads_this_machine() {
    let report = read_capture(&sh(CAPTURE_SH, SYSTEM_PATH)).unwrap();
    assert_eq!(report.host_name, fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim());
    assert!(!report.os.is_empty());
    for nic in &report.nics {
        let kernel = fs::read_to_string(format!("/sys/class/net/{}/address", nic.name)).unwrap();
        assert_eq!(nic.mac.as_str(), kernel.trim());
    }
}

#[test]
fn capture_without_ip_reads_the_same_addresses_from_proc() {
    let with = read_capture(&sh(CAPTURE_SH, SYSTEM_PATH)).unwrap();
    let tools = only(&["tr", "uname"]);
    let without = read_capture(&sh(CAPTURE_SH, tools.path().to_str().unwrap())).unwrap();
    assert_eq!(addresses(&with), addresses(&without));
    let gateways = |r: &GuestReport| r.nics.iter().map(|n| (n.name.clone(), n.gateway)).collect::<Vec<_>>();
    assert_eq!(gateways(&with), gateways(&without));
}

#[test]
fn probe_of_loopback_answers_or_says_why_it_could_not_ask() {
    let results = probe("HOLDFAST_TARGETS='127.0.0.1 127.0.0.2'; HOLDFAST_COUNT=1; HOLDFAST_PORT=", SYSTEM_PATH);
    assert_eq!(results.len(), 2);
    for result in results {
        match result.answer {
            ProbeAnswer::Asked { sent, received, duplicates } => {
                assert_eq!((sent, received, duplicates), (1, 1, Some(0)))
            }
            ProbeAnswer::Unknown { error } => assert!(error.contains("ping"), "{error}"),
        }
        assert_eq!(result.tcp, None);
    }
}

#[test]
fn probe_without_ping_is_unknown_and_not_silence() {
    let tools = only(&["tr", "cat", "grep", "mktemp", "rm"]);
    let results =
        probe("HOLDFAST_TARGETS='127.0.0.1'; HOLDFAST_COUNT=1; HOLDFAST_PORT=", tools.path().to_str().unwrap());
    assert_eq!(results[0].answer, ProbeAnswer::Unknown { error: "no ping on this machine".to_owned() });
}

#[test]
fn probe_connects_to_a_listening_port_and_not_to_a_closed_one() {
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = open.local_addr().unwrap().port();
    let connect = |port: u16| {
        let parameters = format!("HOLDFAST_TARGETS='127.0.0.1'; HOLDFAST_COUNT=1; HOLDFAST_PORT={port}");
        probe(&parameters, SYSTEM_PATH).remove(0).tcp
    };
    let answer = connect(port).expect("a tool of this machine that connects: bash with timeout, or nc");
    assert!(answer.connected);
    drop(open);
    assert!(!connect(port).unwrap().connected);
}

#[test]
fn counts_of_every_known_ping_are_read() {
    let tools = only(&["tr", "cat", "grep", "mktemp", "rm"]);
    let cases = [
        ("3 packets transmitted, 3 received, 0% packet loss, time 2003ms", 0, (3, 3, 0)),
        ("3 packets transmitted, 0 received, 100% packet loss, time 2035ms", 1, (3, 0, 0)),
        ("3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 2035ms", 1, (3, 0, 0)),
        ("3 packets transmitted, 3 received, +2 duplicates, 0% packet loss, time 2003ms", 0, (3, 3, 2)),
        ("3 packets transmitted, 2 packets received, 33% packet loss", 0, (3, 2, 0)),
        ("3 packets transmitted, 3 packets received, 3 duplicates, 0% packet loss", 0, (3, 3, 3)),
    ];
    for (summary, status, (sent, received, duplicates)) in cases {
        fake_ping(
            tools.path(),
            &format!("PING 10.0.0.1: 56 data bytes\n\n--- 10.0.0.1 ping statistics ---\n{summary}"),
            status,
        );
        let results =
            probe("HOLDFAST_TARGETS='10.0.0.1'; HOLDFAST_COUNT=3; HOLDFAST_PORT=", tools.path().to_str().unwrap());
        assert_eq!(results[0].answer, ProbeAnswer::Asked { sent, received, duplicates: Some(duplicates) }, "{summary}");
    }
}

#[test]
fn a_ping_that_fails_is_unknown() {
    let tools = only(&["tr", "cat", "grep", "mktemp", "rm"]);
    fake_ping(tools.path(), "ping: socktype: SOCK_RAW\nping: \"Operation\" not permitted", 2);
    let results =
        probe("HOLDFAST_TARGETS='10.0.0.1'; HOLDFAST_COUNT=3; HOLDFAST_PORT=", tools.path().to_str().unwrap());
    assert!(matches!(&results[0].answer, ProbeAnswer::Unknown { error } if error.contains("not permitted")));
}

#[test]
fn a_target_that_is_no_address_is_never_given_to_a_program() {
    let tools = only(&["tr", "cat", "grep", "mktemp", "rm"]);
    let printed = sh(
        &format!("HOLDFAST_TARGETS='-c5;id'; HOLDFAST_COUNT=3; HOLDFAST_PORT=22\n{PROBE_SH}"),
        tools.path().to_str().unwrap(),
    );
    assert!(printed.contains("not an IPv4 address") && !printed.contains("uid="), "{printed}");
}

#[test]
fn every_script_is_ascii_and_ends_its_output_with_the_marker() {
    for script in [CAPTURE_SH, CAPTURE_PS1, PROBE_SH, PROBE_PS1] {
        assert!(script.is_ascii());
        assert!(script.contains("\"end\":true") || script.contains("end = $true"));
    }
}
