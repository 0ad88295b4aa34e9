//! Random waves: one to three hosts of up to eight NICs, some with secondary addresses, some to have their MAC addresses of EC2 in two networks, whose VMs came out with NICs on any subnet, with addresses of the pool, of
//! their own or of each other, a NIC too many or too few now and then.

use std::collections::BTreeMap;
use std::fmt::Write;

use holdfast_model::{HostRecord, Macs};
use holdfast_nutanix::Nic;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;

use crate::world::Scene;

/// Where a NIC of a VM is, and with what.
#[derive(Debug, Clone, Copy)]
enum At {
    /// On the landing subnet, with an address of its pool.
    Landing,
    /// In a network, with an address of its pool.
    Pool(usize),
    /// With the address that the n-th captured NIC of the wave has.
    Own(usize),
}

/// One captured NIC: its network, and whether it has a secondary address.
type Captured = (usize, bool);

#[derive(Debug, Clone)]
struct Case {
    hosts: Vec<Vec<Captured>>,
    /// For each host, where the NICs of its VM are.
    vms: Vec<Vec<At>>,
    /// Whether MAC addresses of EC2 are given back.
    macs: bool,
}

const NETWORKS: [(&str, &str); 2] = [("app", "172.30.1"), ("data", "172.30.2")];

fn cases() -> impl Strategy<Value = Case> {
    let captured = (0..2usize, prop::bool::weighted(0.3));
    prop::collection::vec(prop::collection::vec(captured, 0..=8), 1..=2).prop_flat_map(|hosts| {
        let all: usize = hosts.iter().map(Vec::len).sum();
        let order = Just((0..all).collect::<Vec<_>>()).prop_shuffle();
        let kinds = prop::collection::vec(0..4u8, all);
        let odd = prop::option::weighted(0.15, any::<bool>());
        (Just(hosts), order, kinds, odd, any::<bool>()).prop_map(|(hosts, order, kinds, odd, macs)| {
            let mut next = order.iter().zip(&kinds).map(|(own, kind)| match kind {
                0 => At::Landing,
                1 => At::Pool(own % 2),
                _ => At::Own(*own),
            });
            let mut vms: Vec<Vec<At>> = hosts.iter().map(|nics| next.by_ref().take(nics.len()).collect()).collect();
            match odd {
                Some(true) => vms[0].push(At::Landing),
                Some(false) => drop(vms[0].pop()),
                None => {}
            }
            Case { hosts, vms, macs }
        })
    })
}

impl Case {
    /// The captured NICs of the wave, in order: network and address.
    fn captured(&self) -> Vec<(&'static str, String)> {
        let nics = self.hosts.iter().flatten().enumerate();
        nics.map(|(n, (network, _))| (NETWORKS[*network].0, format!("{}.{}", NETWORKS[*network].1, 20 + n))).collect()
    }

    fn world(&self, file: &str) -> String {
        let captured = self.captured();
        let mut vms = String::new();
        for (n, nics) in self.vms.iter().enumerate() {
            let nics: Vec<String> = nics
                .iter()
                .map(|at| match at {
                    At::Landing => "{ subnet: landing }".to_owned(),
                    At::Pool(network) => format!("{{ subnet: {} }}", NETWORKS[*network].0),
                    At::Own(nic) => format!("{{ subnet: {}, address: {} }}", captured[*nic].0, captured[*nic].1),
                })
                .collect();
            writeln!(vms, "      - {{ name: host-{n}, nics: [{}] }}", nics.join(", ")).unwrap();
        }
        let data = "      - { name: data, vpc: prod, cidr: 172.30.2.0/24, pools: [{ first: 172.30.2.100, last: 172.30.2.199 }] }\n";
        file.replacen("      - { name: landing,", &format!("{data}      - {{ name: landing,"), 1).replacen(
            "    vms:\n",
            &format!("    vms:\n{vms}"),
            1,
        )
    }

    fn records(&self) -> Vec<HostRecord> {
        let mut captured = self.captured().into_iter();
        let mut host = |n: usize, nics: &[Captured]| {
            let nics: Vec<_> = nics
                .iter()
                .zip(captured.by_ref())
                .enumerate()
                .map(|(device, ((network, secondary), (name, address)))| {
                    let secondary: Vec<String> =
                        secondary.then(|| format!("{}.{}", NETWORKS[*network].1, 60 + 8 * n + device)).into_iter().collect();
                    json!({"device_index": device, "eni": format!("eni-{n:08x}{device}"), "mac": format!("0a:00:00:00:0{n}:0{device}"),
                        "primary": address, "secondary": secondary, "subnet": "subnet-0a1b2c3d4e",
                        "prefix": format!("{}.0/24", NETWORKS[*network].1), "network": name})
                })
                .collect();
            serde_json::from_value(
                json!({"name": format!("host-{n}"), "wave": "wave-1", "instance": format!("i-{n:017x}"),
                "platform": "linux", "captured_at": "2026-01-02T03:04:05Z", "guest": null, "nics": nics}),
            )
            .unwrap()
        };
        self.hosts.iter().enumerate().map(|(n, nics)| host(n, nics)).collect()
    }
}

/// How a case ended: all right, or some refused.
async fn play(case: &Case) -> bool {
    let mut scene = Scene::before_cutover(|file| case.world(&file)).await;
    scene.with_move = false;
    scene.hosts = case.records();
    scene.guests_use_primary();
    scene.declared.mac_addresses = if case.macs { Macs::AsCaptured } else { Macs::AsMoved };
    let mut subnets = BTreeMap::new();
    for name in ["app", "data"] {
        subnets.insert(name, scene.prism().subnets_named(name).await.unwrap().remove(0).id);
    }
    let nics = async |host: &HostRecord| scene.vm(host.name.as_str()).await.nics;
    let mut before = Vec::new();
    for host in &scene.hosts {
        before.push(nics(host).await);
    }
    let ended = scene.start().await;
    let refused = ended.as_ref().err().map(|fault| fault.message.clone()).unwrap_or_default();
    for (host, before) in scene.hosts.iter().zip(before) {
        let now = nics(host).await;
        let right = now.len() == host.nics.len()
            && host.nics.iter().all(|record| {
                let has = |nic: &Nic| {
                    nic.connected
                        && nic.subnet.as_ref() == subnets.get(record.network.as_str())
                        && nic.configured == record.addresses().collect::<Vec<_>>()
                        && nic.learned == [record.primary]
                        && (!case.macs || nic.mac == record.mac)
                };
                now.iter().any(has)
            });
        let place =
            |nics: &[Nic]| -> Vec<_> { nics.iter().map(|n| (n.id.clone(), n.subnet.clone(), n.primary())).collect() };
        let named = refused.contains(&format!("{}: ", host.name));
        let untouched = place(&now) == place(&before);
        assert!(right || named && untouched, "{case:?}\n{}: {now:?}\n{ended:?}", host.name);
    }
    assert!(scene.notes.is_empty(), "{case:?}");
    ended.is_ok()
}

#[tokio::test]
async fn random_waves_end_as_captured_or_are_refused_untouched() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let cases: Vec<Case> = (0..16).map(|_| cases().new_tree(&mut runner).unwrap().current()).collect();
    let ended = futures::future::join_all(cases.iter().map(play)).await;
    let right = ended.iter().filter(|right| **right).count();
    assert!(right * 5 >= ended.len() && (ended.len() - right) * 5 >= ended.len(), "{right} of {} right", ended.len());
}
