//! Runs the committed shell scripts with this machine's own `sh`, and reads what they print.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at the first thing that is not as it says")]

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use holdfast_guest::{CAPTURE_PS1, CAPTURE_SH, PROBE_PS1, PROBE_SH, ProbeAnswer, ProbeResult, read_capture};
use holdfast_model::{Addressing, GuestReport};

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

/// Brings up four NICs of a network namespace of its own, then runs the capture script once for each shell that this machine has, a line each: with
/// `ip`, and, but for busybox, which has one built in, without.
const NAMESPACE: &str = r#"
set -e
mount -t sysfs sysfs /sys
for n in 1 2 3 4; do
    ip link add eth$n address 02:00:00:00:00:0$n type veth peer name peer$n
    ip link set peer$n up
done
ip link set eth3 mtu 9001
ip addr add 172.30.1.34/24 dev eth1
ip addr add 172.30.1.36/24 dev eth1
ip addr add 172.30.2.10/25 dev eth2 valid_lft 3600 preferred_lft 3600
ip addr add 10.9.9.1/30 dev eth3
ip addr add 10.9.8.1/30 dev eth4
for n in 1 2 3 4; do ip link set eth$n up; done
ip route add default via 172.30.1.1 dev eth1
ip route add 10.0.0.0/8 via 172.30.2.1 dev eth2
ip route add 169.254.169.254/32 dev eth1
ip route add 169.254.169.123/32 via 172.30.1.1 dev eth1
for shell in dash 'bash --posix' 'busybox sh' sh; do
    command -v ${shell%% *} >/dev/null || continue
    echo "$shell" >&2
    env -i HOLDFAST_ROOT="$ROOT" PATH="$PATH" $shell "$SCRIPT"
    [ "$shell" = 'busybox sh' ] || env -i HOLDFAST_ROOT="$ROOT" PATH="$BARE:$SHELLS" $shell "$SCRIPT"
done
"#;

fn write(root: &Path, file: &str, text: &str) {
    let file = root.join(file);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
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
fn every_shell_reads_several_nics_of_a_namespace_alike() {
    let may = Command::new("unshare").args(["-rnm", "true"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this machine gives no network namespaces");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "script.sh", CAPTURE_SH);
    write(
        root.path(),
        "etc/resolv.conf",
        "nameserver 172.30.0.2\nnameserver 169.254.169.253\nsearch a.example b.example\n",
    );
    write(root.path(), "etc/chrony.conf", "# server 169.254.169.123\nserver 169.254.169.123 prefer\n");
    write(root.path(), "etc/sysconfig/network-scripts/ifcfg-eth1", "DEVICE=eth1\nBOOTPROTO=\"none\"\n");
    write(root.path(), "run/systemd/network/10-netplan-eth3.network", "[Match]\nName=eth3\n\n[Network]\nDHCP=ipv4\n");
    let profile = "[connection]\nid=four\ninterface-name=eth4\n\n[ipv4]\nmethod=manual\n\n[ipv6]\nmethod=auto\n";
    write(root.path(), "etc/NetworkManager/system-connections/four.nmconnection", profile);
    write(root.path(), "var/lib/NetworkManager/internal-1-eth2.lease", "ADDRESS=172.30.2.10\n");
    let bare = only(&["tr", "uname"]);
    let shells: Vec<&str> = ["dash", "bash", "sh"]
        .into_iter()
        .filter(|shell| SYSTEM_PATH.split(':').any(|directory| Path::new(directory).join(shell).exists()))
        .collect();
    let shells = only(&shells);
    let output = Command::new("unshare")
        .args(["-rnm", "/bin/sh", "-c", NAMESPACE])
        .env_clear()
        .env("PATH", SYSTEM_PATH)
        .env("ROOT", root.path())
        .env("SCRIPT", root.path().join("script.sh"))
        .env("BARE", bare.path())
        .env("SHELLS", shells.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let reports: Vec<GuestReport> = stdout.lines().map(|line| read_capture(line).unwrap()).collect();
    assert!(reports.len() >= 4, "at least two shells, with and without `ip`: {stderr}");
    for report in &reports {
        let nics: Vec<_> =
            report.nics.iter().map(|nic| (nic.name.as_str(), nic.addressing, nic.mtu.unwrap())).collect();
        let expected = [
            ("eth1", Addressing::Static, 1500),
            ("eth2", Addressing::Dhcp, 1500),
            ("eth3", Addressing::Dhcp, 9001),
            ("eth4", Addressing::Static, 1500),
        ];
        assert_eq!(nics, expected, "{stderr}");
        let held: Vec<_> =
            addresses(report).into_iter().map(|(_, address, length)| format!("{address}/{length}")).collect();
        assert_eq!(held, ["172.30.1.34/24", "172.30.1.36/24", "172.30.2.10/25", "10.9.9.1/30", "10.9.8.1/30"]);
        let gateways: Vec<_> = report.nics.iter().map(|nic| nic.gateway).collect();
        assert_eq!(gateways, [Some(Ipv4Addr::new(172, 30, 1, 1)), None, None, None]);
        let routes: Vec<_> =
            report.nics.iter().flat_map(|nic| &nic.routes).map(|route| route.prefix.to_string()).collect();
        assert_eq!(routes, ["10.0.0.0/8"], "routes to link-local addresses are EC2's own");
        assert_eq!(report.nics[0].dns.len(), 2);
        assert_eq!(report.nics[0].dns_suffixes, ["a.example", "b.example"]);
        let told = report.ec2_only.join(", ");
        for setting in [
            "route 169.254.169.254",
            "route 169.254.169.123",
            "time server 169.254.169.123 in /etc/chrony.conf",
            "DNS server 169.254.169.253",
        ] {
            assert!(told.contains(setting), "{setting}: {told}");
        }
    }
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
