//! What a drill says of its test failover, while the copies are there: whether the machines run there with their addresses, and whether no way leads to
//! them from outside.
//!
//! That production alone answers is shown beside it: by the traces and probes of the same drill, which are made while the copies run.

use crate::checks::{fail, list, pass, unknown, warn};
use holdfast_model::wire::Check;
use holdfast_model::{ExtId, HostRecord, Landing, NetworkMap, Power, Prefix, SiteName, TestSeen, TestSubnet, TestVm};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// All that is to be said of a test; `hosts` are the captured ones of the drill's networks.
pub(crate) fn checks(seen: &TestSeen, name: &str, to: &SiteName, map: &NetworkMap, hosts: &[HostRecord]) -> Vec<Check> {
    let mut checks = vec![job(seen, name, to)];
    checks.extend(hosts.iter().map(|host| copy(seen, host, to, map)));
    let networks: BTreeSet<Prefix> = map.networks.values().map(|network| network.prefix).collect();
    checks.extend(seen.subnets.iter().map(|(id, subnet)| shut_off(id, subnet, to, &networks)));
    checks
}

fn job(seen: &TestSeen, name: &str, to: &SiteName) -> Check {
    let title = format!("test failover at {to}");
    let took = seen.seconds.map_or_else(String::new, |seconds| format!(" in {seconds} s"));
    match &seen.failed {
        None => pass(title, format!("job `{name}` ended well{took}, with {} VMs", seen.vms.len())),
        Some(why) => fail(title, format!("job `{name}`: {why}; look at its steps in Prism Central")),
    }
}

/// Whether the copy of a host runs with the addresses of the host.
fn copy(seen: &TestSeen, host: &HostRecord, to: &SiteName, map: &NetworkMap) -> Check {
    let title = format!("{} in the test network of {to}", host.name);
    let Some(TestVm { vm, failed, power, nics }) = seen.copy_of(&host.name) else {
        return fail(title, "the recovery plan has no VM of this name; a failover would leave the machine behind");
    };
    if let Some(why) = failed {
        return fail(title, why.clone());
    }
    let Some(vm) = vm else { return unknown(title, "Prism Central does not tell which VM it is") };
    match power {
        Power::On => {}
        Power::Off => return fail(title, format!("VM {vm} is powered off")),
        Power::Unknown => return unknown(title, format!("the power state of VM {vm} is not known")),
    }
    let given: BTreeSet<Ipv4Addr> = nics.iter().flat_map(|nic| nic.configured.iter().copied()).collect();
    let used: BTreeSet<Ipv4Addr> = nics.iter().flat_map(|nic| nic.learned.iter().copied()).collect();
    let kept = map.kept(host);
    let recorded: Vec<Ipv4Addr> = kept.addresses().filter(|address| kept.uses(*address)).collect();
    let missing: Vec<&Ipv4Addr> = recorded.iter().filter(|a| !given.contains(a) && !used.contains(a)).collect();
    if !missing.is_empty() {
        let has = if given.is_empty() { "none".to_owned() } else { list(given) };
        return fail(title, format!("VM {vm} runs without {}; it was given {has}", list(missing)));
    }
    let unseen: Vec<&Ipv4Addr> = recorded.iter().filter(|address| !used.contains(address)).collect();
    if unseen.is_empty() {
        return pass(title, format!("VM {vm} runs and uses {}", list(recorded)));
    }
    warn(
        title,
        format!("VM {vm} runs and was given {}; that its guest uses {} was not seen", list(&recorded), list(unseen)),
    )
}

/// Whether no table outside can lead to a subnet with copies.
///
/// NC2 writes a route into the tables of its VPC for what is externally routable in a Flow VPC with an external subnet without NAT, and for nothing else
/// (Nutanix's Terraform examples of the no-NAT shape).
fn shut_off(id: &ExtId, subnet: &TestSubnet, to: &SiteName, networks: &BTreeSet<Prefix>) -> Check {
    let named = subnet.landing.as_ref().map_or_else(|| id.to_string(), |landing| landing.subnet.clone());
    let title = format!("test network `{named}` of {to} is shut off");
    if let Some(network) = &subnet.production {
        let mend = "map another subnet as test network in the recovery plan";
        return fail(
            title,
            format!("it is the subnet that carries {network} for production, and the copies are on it; {mend}"),
        );
    }
    let Some(Landing { vpc, routable, external, .. }) = &subnet.landing else {
        return unknown(title, "it is in no Flow VPC: where its VLAN leads is not known here");
    };
    if subnet.production_vpc {
        let mend = "give the test network a Flow VPC of its own";
        return fail(title, format!("it is in Flow VPC `{vpc}`, which production is reached by; {mend}"));
    }
    let ways: Vec<&str> = external.iter().filter(|way| !way.nat).map(|way| way.name.as_str()).collect();
    let led: Vec<&Prefix> =
        routable.iter().filter(|prefix| networks.iter().any(|network| network.overlaps(prefix))).collect();
    if !ways.is_empty() && !led.is_empty() {
        let mend = "take them out of the externally routable prefixes of that VPC";
        return fail(
            title,
            format!(
                "Flow VPC `{vpc}` makes {} reachable by {} without NAT, so tables can lead there; {mend}",
                list(led),
                list(ways)
            ),
        );
    }
    let shown = "no prefix of the network map is reachable in it from outside";
    if external.is_empty() {
        pass(title, format!("Flow VPC `{vpc}` has no way out: {shown}"))
    } else {
        pass(title, format!("Flow VPC `{vpc}`: {shown}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated::{host, id, map};
    use holdfast_model::wire::CheckStatus;
    use holdfast_model::{SightedNic, WayOut};
    use std::collections::BTreeMap;

    fn ext(last: u8) -> ExtId {
        ExtId::parse(format!("11111111-1111-4111-8111-1111111111{last:02}")).unwrap()
    }

    /// One copy that runs with its address, on a subnet of a Flow VPC without a way out.
    fn seen() -> TestSeen {
        let address: Ipv4Addr = "172.30.1.34".parse().unwrap();
        let nic = SightedNic {
            nic: ext(2),
            mac: None,
            connected: true,
            subnet: Some(ext(3)),
            configured: vec![address],
            learned: vec![address],
        };
        let copy = TestVm { vm: Some(ext(1)), failed: None, power: Power::On, nics: vec![nic] };
        let landing = Landing {
            subnet: "app-test".into(),
            vpc: "test".into(),
            prefix: Some(id("172.30.1.0/24")),
            gateway: None,
            dhcp_server: None,
            pools: Vec::new(),
            kept: BTreeMap::new(),
            routable: Vec::new(),
            external: Vec::new(),
        };
        let subnet = TestSubnet { landing: Some(landing), production: None, production_vpc: false };
        TestSeen {
            at: jiff::Timestamp::UNIX_EPOCH,
            seconds: Some(90),
            failed: None,
            vms: [("web-1".to_owned(), copy)].into(),
            subnets: [(ext(3), subnet)].into(),
        }
    }

    fn statuses(seen: &TestSeen) -> [CheckStatus; 3] {
        let checks = checks(seen, "holdfast-drill-1", &id("nc2"), &map(), &[host()]);
        let [job, copy, subnet] = checks.as_slice() else { panic!("{checks:#?}") };
        [job.status, copy.status, subnet.status]
    }

    fn copy_of(seen: &mut TestSeen) -> &mut TestVm {
        seen.vms.get_mut("web-1").unwrap()
    }

    fn subnet_of(seen: &mut TestSeen) -> &mut TestSubnet {
        seen.subnets.values_mut().next().unwrap()
    }

    /// Makes the test network reachable: without NAT or with, by the network's prefix or another one.
    fn reachable(seen: &mut TestSeen, nat: bool, prefix: &str) {
        let landing = subnet_of(seen).landing.as_mut().unwrap();
        landing.external.push(WayOut { name: "out".into(), external: true, nat });
        landing.routable.push(id(prefix));
    }

    #[test]
    fn a_test_is_good_when_the_machines_run_with_their_addresses_where_nobody_reaches_them() {
        use CheckStatus::{Fail, Pass, Unknown, Warn};
        type Change = fn(&mut TestSeen);
        let rows: [(&str, Change, [CheckStatus; 3]); 14] = [
            ("all is well", |_| {}, [Pass, Pass, Pass]),
            ("the job failed", |seen| seen.failed = Some("it failed".into()), [Fail, Pass, Pass]),
            ("the plan does not have the machine", |seen| drop(seen.vms.remove("web-1")), [Pass, Fail, Pass]),
            ("it could not be recovered", |seen| copy_of(seen).failed = Some("no space".into()), [Pass, Fail, Pass]),
            ("it is off", |seen| copy_of(seen).power = Power::Off, [Pass, Fail, Pass]),
            ("its power is not known", |seen| copy_of(seen).power = Power::Unknown, [Pass, Unknown, Pass]),
            ("it has no address", |seen| copy_of(seen).nics.clear(), [Pass, Fail, Pass]),
            ("its guest was not seen", |seen| copy_of(seen).nics[0].learned.clear(), [Pass, Warn, Pass]),
            (
                "the copies are on production's subnet",
                |seen| subnet_of(seen).production = Some(id("app")),
                [Pass, Pass, Fail],
            ),
            ("they are in production's Flow VPC", |seen| subnet_of(seen).production_vpc = true, [Pass, Pass, Fail]),
            ("they are on a VLAN", |seen| subnet_of(seen).landing = None, [Pass, Pass, Unknown]),
            ("their network is reachable", |seen| reachable(seen, false, "172.30.0.0/16"), [Pass, Pass, Fail]),
            ("another prefix is reachable", |seen| reachable(seen, false, "10.99.0.0/16"), [Pass, Pass, Pass]),
            ("it is reachable by NAT only", |seen| reachable(seen, true, "172.30.1.0/24"), [Pass, Pass, Pass]),
        ];
        for (row, change, wanted) in rows {
            let mut seen = seen();
            change(&mut seen);
            assert_eq!(statuses(&seen), wanted, "{row}");
        }
    }
}
