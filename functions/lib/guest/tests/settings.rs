//! Runs the committed settings script in network namespaces of their own, with `ip` alone and with what manages adapters of a machine played by
//! scripts that read the files or profiles that it writes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends at the first thing that is not as it says"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use holdfast_guest::{SETTINGS_PS1, SETTINGS_SH, SettingsOutcome, SettingsResult, read_settings};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An adapter with an address and a gateway by DHCP; then the script, and what the adapter has.
const NAMESPACE: &str = r#"
set -e
mount -t sysfs sysfs /sys
ip link add eth1 address 02:00:00:00:00:01 type veth peer name peer1
ip link set peer1 up
ip link set eth1 up
ip addr add 172.30.1.99/24 dev eth1 valid_lft 3600 preferred_lft 3600
ip route add default via 172.30.1.254 dev eth1
for shell in $SHELLS; do
    HOLDFAST_SETTINGS="$SETTINGS" HOLDFAST_ROOT="$ROOT" HOLDFAST_LOOKS=$LOOKS $shell "$ROOT/settings.sh" || echo ended >&2
done
ip -o -4 addr show dev eth1 | sed 's/.*inet \([^ ]*\) .*/\1/'
ip -4 route show | sed 's/ proto.*//'
echo "mtu $(cat /sys/class/net/eth1/mtu)"
"#;

/// What plays a program that manages adapters: it applies what it is given, unless it is broken.
const MANAGER: &str = r#"#!/bin/sh
echo "${0##*/} $*" >>"$HOLDFAST_ROOT/log"
apply() {
    ip addr flush dev eth1
    for address in $1; do ip addr add "$address" dev eth1; done
    [ -z "$2" ] || ip route replace default via "$2" dev eth1
}
old() { apply 172.30.1.99/24 172.30.1.254; }
lease() { apply 172.30.1.34/24 172.30.1.1; }
mtu() { [ -z "$1" ] || ip link set dev eth1 mtu "$1"; }
broken() { [ -e "$HOLDFAST_ROOT/broken" ]; }
networkd() {
    file=$HOLDFAST_ROOT/etc/systemd/network/05-holdfast-eth1.network
    if [ ! -e "$file" ] || broken; then old && return; fi
    mtu "$(sed -n 's/^MTUBytes=//p' "$file")"
    if [ -e "$HOLDFAST_ROOT/half" ]; then apply 172.30.1.34/24 '' && return; fi
    if grep -q '^DHCP=ipv4$' "$file"; then lease && return; fi
    apply "$(sed -n 's/^Address=//p' "$file")" "$(sed -n 's/^Gateway=//p' "$file" | head -n 1)"
}
ifcfg() {
    ONBOOT=
    MTU=
    . "$HOLDFAST_ROOT/etc/sysconfig/network-scripts/ifcfg-eth1"
    mtu "$MTU"
    if [ -z "$ONBOOT" ] || broken; then old && return; fi
    if [ "$BOOTPROTO" = dhcp ]; then lease && return; fi
    apply "$IPADDR0/$PREFIX0 ${IPADDR1:+$IPADDR1/$PREFIX1}" "$GATEWAY"
}
case "${0##*/} $*" in
    'nmcli -g RUNNING general') echo running ;;
    'nmcli -g GENERAL.STATE device show eth1') echo '100 (connected)' ;;
    'nmcli -g GENERAL.CON-UUID device show eth1') echo 11111111-1111-4111-8111-111111111111 ;;
    'nmcli connection add '*)
        while [ $# -gt 1 ]; do
            case $1 in
                ipv4.addresses) echo "$2" | tr , ' ' >"$HOLDFAST_ROOT/addresses" ;;
                ipv4.gateway) echo "$2" >"$HOLDFAST_ROOT/gateway" ;;
                ipv4.method) echo "$2" >"$HOLDFAST_ROOT/method" ;;
                802-3-ethernet.mtu) echo "$2" >"$HOLDFAST_ROOT/mtu" ;;
            esac
            shift
        done ;;
    'nmcli --wait 10 connection up 11111111-'*) old ;;
    'nmcli --wait 10 connection up '*)
        [ ! -e "$HOLDFAST_ROOT/mtu" ] || mtu "$(cat "$HOLDFAST_ROOT/mtu")"
        broken && exit
        if [ "$(cat "$HOLDFAST_ROOT/method")" = auto ]; then lease && exit; fi
        apply "$(cat "$HOLDFAST_ROOT/addresses")" "$(cat "$HOLDFAST_ROOT/gateway")" ;;
    'networkctl --no-legend '*) echo '2 eth1 ether routable configured' ;;
    'networkctl reconfigure eth1') networkd ;;
    'ifup eth1') ifcfg ;;
esac
"#;

const LINES: &str = "nic 02:00:00:00:00:01\naddress 172.30.1.34/24\naddress 172.30.1.44/24\ngateway 172.30.1.1\ndns 192.168.10.53\nsuffix corp.example\nroute 10.0.0.0/8 172.30.1.2\n";

/// What the script printed, and what the adapter and the machine have then; nothing where this machine gives no namespaces.
struct Ran {
    results: Vec<Vec<SettingsResult>>,
    addresses: Vec<String>,
    routes: Vec<String>,
    root: tempfile::TempDir,
}

impl Ran {
    fn outcome(&self) -> SettingsOutcome {
        self.results[0][0].outcome
    }

    fn file(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.root.path().join(name)).ok()
    }
}

fn run(lines: &str, programs: &[&str], shells: &str, prepare: impl Fn(&Path)) -> Option<Ran> {
    let may = Command::new("unshare").args(["-rnm", "true"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this machine gives no network namespaces");
        return None;
    }
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("settings.sh"), SETTINGS_SH).unwrap();
    let own = root.path().join("bin");
    fs::create_dir(&own).unwrap();
    // Only what is meant manages adapters, whatever this machine has; nothing is pinged, and nothing waits.
    for program in ["nmcli", "networkctl", "ping"] {
        fs::write(own.join(program), "#!/bin/sh\nexit 1\n").unwrap();
    }
    fs::write(own.join("sleep"), "#!/bin/sh\n[ ! -e \"$HOLDFAST_ROOT/half\" ] || kill -TERM $PPID\n").unwrap();
    for program in programs {
        fs::write(own.join(program), MANAGER).unwrap();
    }
    for file in fs::read_dir(&own).unwrap() {
        fs::set_permissions(file.unwrap().path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
    prepare(root.path());
    let output = Command::new("unshare")
        .args(["-rnm", "/bin/sh", "-c", NAMESPACE])
        .env_clear()
        .env("PATH", format!("{}:{PATH}", own.display()))
        .env("ROOT", root.path())
        .env("SHELLS", shells)
        .env("LOOKS", "2")
        .env("SETTINGS", base64::engine::general_purpose::STANDARD.encode(lines))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let (printed, have): (Vec<&str>, Vec<&str>) = stdout.lines().partition(|line| line.starts_with('{'));
    let results =
        printed.into_iter().filter(|line| line.ends_with('}')).map(|line| read_settings(line).unwrap()).collect();
    let (routes, addresses): (Vec<&str>, Vec<&str>) = have.into_iter().partition(|line| line.contains(' '));
    let texts = |texts: Vec<&str>| texts.into_iter().map(|text| text.trim().to_owned()).collect();
    Some(Ran { results, addresses: texts(addresses), routes: texts(routes), root })
}

const OLD: ([&str; 1], &str) = (["172.30.1.99/24"], "default via 172.30.1.254 dev eth1");
const NEW: [&str; 2] = ["172.30.1.34/24", "172.30.1.44/24"];

fn dhcp(root: &Path) {
    let directory = root.join("etc/sysconfig/network-scripts");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("ifcfg-eth1"), "DEVICE=eth1\nBOOTPROTO=dhcp\n").unwrap();
}

const WAYS: [(&str, &[&str]); 3] =
    [("NetworkManager", &["nmcli"]), ("systemd-networkd", &["networkctl"]), ("ifcfg", &["ifup", "ifdown"])];

#[test]
fn an_adapter_gets_what_was_captured_by_whatever_manages_it() {
    for (by, programs) in WAYS {
        let Some(ran) = run(LINES, programs, "sh", dhcp) else { return };
        assert_eq!((ran.outcome(), ran.results[0][0].by.as_str()), (SettingsOutcome::Set, by), "{:?}", ran.results);
        assert_eq!(ran.addresses, NEW, "{by}");
        assert!(ran.routes.contains(&"default via 172.30.1.1 dev eth1".to_owned()), "{by}: {:?}", ran.routes);
        match by {
            "NetworkManager" => {
                let log = ran.file("log").unwrap();
                let wanted = "ipv4.method manual ipv4.addresses 172.30.1.34/24,172.30.1.44/24 ipv4.gateway 172.30.1.1 ipv4.dns 192.168.10.53 ipv4.dns-search corp.example ipv4.routes 10.0.0.0/8 172.30.1.2";
                assert!(log.contains(wanted), "{log}");
                let kept = "nmcli connection modify 11111111-1111-4111-8111-111111111111 connection.autoconnect no";
                assert!(log.contains(kept) && !log.contains("delete"), "{log}");
            }
            "systemd-networkd" => {
                let file = ran.file("etc/systemd/network/05-holdfast-eth1.network").unwrap();
                let wanted = "[Match]\nMACAddress=02:00:00:00:00:01\n\n[Network]\nDHCP=no\nAddress=172.30.1.34/24\nAddress=172.30.1.44/24\nGateway=172.30.1.1\nDNS=192.168.10.53\nDomains=corp.example\n\n[Route]\nDestination=10.0.0.0/8\nGateway=172.30.1.2\n";
                assert_eq!(file, wanted);
            }
            _ => {
                let file = ran.file("etc/sysconfig/network-scripts/ifcfg-eth1").unwrap();
                assert!(
                    file.contains("BOOTPROTO=none") && file.contains("DNS1=192.168.10.53\nDOMAIN=\"corp.example\""),
                    "{file}"
                );
                let routes = ran.file("etc/sysconfig/network-scripts/route-eth1").unwrap();
                assert_eq!(routes, "10.0.0.0/8 via 172.30.1.2\n");
                assert_eq!(ran.file("var/lib/holdfast/ifcfg-eth1").unwrap(), "DEVICE=eth1\nBOOTPROTO=dhcp\n");
            }
        }
    }
}

#[test]
fn a_configuration_that_does_not_hold_gives_way_to_the_old_one() {
    for (by, programs) in WAYS {
        let broken = |root: &Path| {
            dhcp(root);
            fs::write(root.join("broken"), "").unwrap();
        };
        let Some(ran) = run(LINES, programs, "sh", broken) else { return };
        assert_eq!(ran.outcome(), SettingsOutcome::Back, "{:?}", ran.results);
        assert_eq!(ran.addresses, OLD.0, "{by}");
        assert!(ran.routes.contains(&OLD.1.to_owned()), "{by}: {:?}", ran.routes);
        assert_eq!(ran.file("etc/systemd/network/05-holdfast-eth1.network"), None, "{by}");
        let ifcfg = ran.file("etc/sysconfig/network-scripts/ifcfg-eth1").unwrap();
        assert_eq!(ifcfg, "DEVICE=eth1\nBOOTPROTO=dhcp\n", "{by}");
        assert_eq!(ran.file("etc/sysconfig/network-scripts/route-eth1"), None, "{by}");
        if by == "NetworkManager" {
            let log = ran.file("log").unwrap();
            assert!(log.contains("nmcli connection delete") && !log.contains("autoconnect no"), "{log}");
        }
    }
}

#[test]
fn a_script_that_is_ended_while_it_looks_leaves_the_old_configuration() {
    let half = |root: &Path| fs::write(root.join("half"), "").unwrap();
    let Some(ran) = run(LINES, &["networkctl"], "sh", half) else { return };
    assert!(ran.results.is_empty(), "{:?}", ran.results);
    assert_eq!(ran.addresses, OLD.0);
    assert!(ran.routes.contains(&OLD.1.to_owned()), "{:?}", ran.routes);
    assert_eq!(ran.file("etc/systemd/network/05-holdfast-eth1.network"), None);
}

#[test]
fn with_ip_alone_every_shell_sets_it_until_the_next_start_and_twice_is_as_good_as_once() {
    let shells: Vec<&str> = ["dash", "bash", "busybox sh", "sh"]
        .into_iter()
        .filter(|shell| {
            let program = shell.split(' ').next().unwrap();
            PATH.split(':').any(|directory| Path::new(directory).join(program).exists())
        })
        .collect();
    for shell in shells.into_iter().filter(|shell| !shell.contains(' ')) {
        let Some(ran) = run(LINES, &[], &format!("{shell} {shell}"), |_| {}) else { return };
        let outcomes: Vec<_> = ran.results.iter().map(|results| results[0].outcome).collect();
        assert_eq!(outcomes, [SettingsOutcome::UntilRestart; 2], "{shell}: {:?}", ran.results);
        assert_eq!(ran.addresses, ["172.30.1.99/24", NEW[0], NEW[1]], "{shell}");
        for route in ["default via 172.30.1.1 dev eth1", "10.0.0.0/8 via 172.30.1.2 dev eth1"] {
            assert!(ran.routes.contains(&route.to_owned()), "{shell}: {:?}", ran.routes);
        }
    }
}

#[test]
fn with_ip_alone_what_cannot_be_taken_is_taken_back() {
    let unreachable = LINES.replace("gateway 172.30.1.1\n", "gateway 10.99.0.1\n");
    let Some(ran) = run(&unreachable, &[], "sh", |_| {}) else { return };
    assert_eq!(ran.outcome(), SettingsOutcome::Back, "{:?}", ran.results);
    assert_eq!((ran.addresses, ran.routes.contains(&OLD.1.to_owned())), (vec![OLD.0[0].to_owned()], true));
}

#[test]
fn settings_that_are_not_sound_change_nothing_and_run_nothing() {
    let evil = "nic 02:00:00:00:00:01\naddress $(touch /tmp/x)/24\n";
    for lines in [
        evil,
        "",
        "address 172.30.1.34/24\n",
        "nic 02:00:00:00:00:01;id\n",
        "nic 02:00:00:00:00:01\nsuffix -x\n",
        "nic 02:00:00:00:00:01\nexec id\n",
        "nic 02:00:00:00:00:01\ngateway 1.2.3.4 5\n",
        "nic 02:00:00:00:00:01\ndhcp yes\n",
        "nic 02:00:00:00:00:01\nmtu 14x0\n",
    ] {
        let Some(ran) = run(lines, &["nmcli"], "sh", |_| {}) else { return };
        assert_eq!(ran.outcome(), SettingsOutcome::Refused, "{lines}: {:?}", ran.results);
        assert_eq!((ran.addresses.len(), ran.file("log")), (1, None), "{lines}");
    }
    let Some(ran) = run(&LINES.replace("00:01", "00:09"), &["nmcli"], "sh", |_| {}) else { return };
    assert_eq!(ran.results[0][0].why, "there is no adapter with this MAC address");
}

#[test]
fn the_scripts_are_ascii_and_end_their_output_with_the_marker() {
    for script in [SETTINGS_SH, SETTINGS_PS1] {
        assert!(script.is_ascii());
        assert!(script.contains("\"end\":true") || script.contains("end = $true"));
    }
}

/// One that had a lease, whatever it has now.
const LEASE: &str = "nic 02:00:00:00:00:01\ndhcp\naddress 172.30.1.34/24\nmtu 1400\n";

fn has(ran: &Ran, line: &str) -> bool {
    ran.routes.iter().any(|route| route == line)
}

#[test]
fn an_adapter_takes_a_lease_again_and_gets_its_mtu_by_whatever_manages_it() {
    for (by, programs) in WAYS {
        let Some(ran) = run(LEASE, programs, "sh", dhcp) else { return };
        assert_eq!((ran.outcome(), ran.results[0][0].by.as_str()), (SettingsOutcome::Set, by), "{:?}", ran.results);
        assert_eq!(ran.addresses, ["172.30.1.34/24"], "{by}");
        assert!(has(&ran, "default via 172.30.1.1 dev eth1") && has(&ran, "mtu 1400"), "{by}: {:?}", ran.routes);
        let (file, wanted) = match by {
            "NetworkManager" => ("log", "priority 100 ipv4.method auto 802-3-ethernet.mtu 1400\n"),
            "systemd-networkd" => (
                "etc/systemd/network/05-holdfast-eth1.network",
                "[Match]\nMACAddress=02:00:00:00:00:01\n\n[Link]\nMTUBytes=1400\n\n[Network]\nDHCP=ipv4\n",
            ),
            _ => (
                "etc/sysconfig/network-scripts/ifcfg-eth1",
                "DEVICE=eth1\nTYPE=Ethernet\nONBOOT=yes\nMTU=1400\nBOOTPROTO=dhcp\n",
            ),
        };
        assert!(ran.file(file).unwrap().contains(wanted), "{by}: {:?}", ran.file(file));

        let Some(ran) = run(&format!("{LINES}mtu 1400\n"), programs, "sh", dhcp) else { return };
        assert_eq!(
            (ran.outcome(), ran.addresses.as_slice()),
            (SettingsOutcome::Set, &NEW.map(str::to_owned)[..]),
            "{by}"
        );
        assert!(has(&ran, "mtu 1400"), "{by}: {:?}", ran.routes);
    }
}

#[test]
fn a_lease_that_does_not_come_gives_way_to_the_old_configuration_and_the_old_mtu() {
    for (by, programs) in WAYS {
        let broken = |root: &Path| {
            dhcp(root);
            fs::write(root.join("broken"), "").unwrap();
        };
        let Some(ran) = run(LEASE, programs, "sh", broken) else { return };
        assert_eq!(ran.outcome(), SettingsOutcome::Back, "{:?}", ran.results);
        assert_eq!(ran.addresses, OLD.0, "{by}");
        assert!(has(&ran, OLD.1) && has(&ran, "mtu 1500"), "{by}: {:?}", ran.routes);
        assert_eq!(ran.file("etc/systemd/network/05-holdfast-eth1.network"), None, "{by}");
    }
}

#[test]
fn with_ip_alone_no_lease_is_taken_and_an_mtu_is_given_or_taken_back() {
    let Some(ran) = run(LEASE, &[], "sh", |_| {}) else { return };
    assert_eq!(ran.outcome(), SettingsOutcome::Refused, "{:?}", ran.results);
    assert_eq!((ran.addresses.as_slice(), has(&ran, "mtu 1500")), (&OLD.0.map(str::to_owned)[..], true));
    // It has its lease.
    let Some(ran) = run(&LEASE.replace(".34/", ".99/"), &[], "sh", |_| {}) else { return };
    assert_eq!(ran.outcome(), SettingsOutcome::UntilRestart, "{:?}", ran.results);
    assert_eq!((ran.addresses.as_slice(), has(&ran, "mtu 1400")), (&OLD.0.map(str::to_owned)[..], true));
    // The one is not taken, the other is, and then the gateway is not.
    let unreachable = LINES.replace("gateway 172.30.1.1\n", "gateway 10.99.0.1\n");
    for lines in [format!("{LINES}mtu 70000\n"), format!("{unreachable}mtu 1400\n")] {
        let Some(ran) = run(&lines, &[], "sh", |_| {}) else { return };
        assert_eq!(ran.outcome(), SettingsOutcome::Back, "{:?}", ran.results);
        assert_eq!((ran.addresses.as_slice(), has(&ran, "mtu 1500")), (&OLD.0.map(str::to_owned)[..], true));
    }
}
