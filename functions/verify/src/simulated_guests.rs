//! What a person is told of guests that answer a simulated Systems Manager, and of those that do not.

use crate::context::Context;
use crate::facts::Subject;
use crate::guests::{ask, judged};
use crate::simulated::{WORLD, host, id, map, no_vm, start};
use holdfast_model::wire::{Check, CheckStatus};
use holdfast_model::*;
use holdfast_sim::Sim;
use holdfast_sim::guests::{Agent, Guest};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 30, 1, 34);

/// A host at `nc2` whose guest answers by a hybrid activation, as it was captured.
struct Scene {
    sim: Sim,
    context: Context,
    map: NetworkMap,
    host: HostRecord,
    evidence: Option<Evidence>,
}

impl Scene {
    async fn start() -> Self {
        let usual = "interfaces: [{ subnet: app, address: 172.30.1.34 }]";
        let moved = "guest: { managed_id: mi-00000000000000034, managed_region: ap-northeast-1, adapters: [{ dns: [192.168.10.53] }] }";
        let (sim, context) = start(&WORLD.replace(usual, &format!("{usual}, {moved}"))).await;
        let now = {
            let world = sim.shared().world();
            let guest = world.guests.named("web-1").unwrap().1;
            serde_json::from_value::<GuestReport>(holdfast_sim::guests::report::capture(guest)).unwrap()
        };
        let mac = now.nics[0].mac.clone();
        let mut then = now;
        // EC2's own resolver is not restored and not missed; the MAC address is another one than in EC2.
        then.nics[0].dns.insert(0, "172.30.0.2".parse().unwrap());
        then.nics[0].mac = host().nics[0].mac.clone().unwrap();
        let host = HostRecord { guest: Some(then), ..host() };
        let nic = SightedNic {
            nic: ExtId::parse("22222222-2222-4222-8222-222222222222").unwrap(),
            mac: Some(mac),
            connected: true,
            subnet: None,
            configured: vec![ADDRESS],
            learned: vec![ADDRESS],
        };
        let vm = ExtId::parse("11111111-1111-4111-8111-111111111111").unwrap();
        let seen = vec![Sighting { site: id("nc2"), vm, power: Power::On, nics: vec![nic] }];
        let evidence = Some(Evidence { hosts: BTreeMap::from([(id("web-1"), seen)]), ..no_vm() });
        Self { sim, context, map: map(), host, evidence }
    }

    /// Changes the guest behind everybody's back.
    fn guest(&self, change: impl FnOnce(&mut Guest)) {
        let mut world = self.sim.shared().world();
        change(world.guests.all.values_mut().find(|guest| guest.host_name == "web-1").unwrap());
    }

    fn nic(&mut self) -> &mut SightedNic {
        &mut self.evidence.as_mut().unwrap().hosts.get_mut(&id::<HostName>("web-1")).unwrap()[0].nics[0]
    }

    fn then(&mut self) -> &mut GuestNic {
        &mut self.host.guest.as_mut().unwrap().nics[0]
    }

    async fn check(&self, answered: &[Ipv4Addr]) -> Check {
        let networks = BTreeSet::from([id("app")]);
        let (hosts, evidence) = (vec![self.host.clone()], self.evidence.clone());
        let subject =
            Subject { map: &self.map, networks, addresses: None, hosts, evidence, now: Timestamp::UNIX_EPOCH };
        let answers = ask(&self.context, &subject, &id("nc2")).await.unwrap();
        let (answered, resolvers) = (answered.iter().copied().collect(), ["172.30.0.2".parse().unwrap()].into());
        let mut checks = judged(&subject, &id("nc2"), &answers, &answered, &resolvers);
        assert_eq!(checks.len(), 1, "{checks:#?}");
        checks.remove(0)
    }

    /// One check with this status that tells of all these.
    async fn tells(&self, status: CheckStatus, texts: &[&str]) {
        let check = self.check(&[]).await;
        assert_eq!(check.status, status, "{}", check.saw);
        for text in texts {
            assert!(check.saw.contains(text), "`{text}` is not in `{}`", check.saw);
        }
    }
}

#[tokio::test]
async fn a_guest_that_answers_is_compared_with_its_capture() {
    let mut scene = Scene::start().await;
    scene.tells(CheckStatus::Pass, &["web-1: as captured, says `mi-00000000000000034`"]).await;

    scene.guest(|guest| guest.adapters[0].gateway = Some("172.30.1.254".parse().unwrap()));
    scene.then().dns.push("192.168.10.54".parse().unwrap());
    scene.then().addressing = Addressing::Static;
    let differs = ["its gateway is 172.30.1.254, it was 172.30.1.1", "DNS server 192.168.10.54 any more", "DHCP gives"];
    scene.tells(CheckStatus::Warn, &differs).await;

    scene.guest(|guest| guest.adapters[0].gateway = None);
    scene.tells(CheckStatus::Fail, &["it has no gateway, it had 172.30.1.1"]).await;
}

/// What Prism Central has learned may be old: the guest's own word counts.
#[tokio::test]
async fn an_address_that_went_with_its_lease_fails() {
    let scene = Scene::start().await;
    scene.guest(|guest| guest.adapters[0].addresses = vec!["172.30.1.77/24".parse().unwrap()]);
    scene.tells(CheckStatus::Fail, &["`mi-00000000000000034` says: eth0: it uses 172.30.1.77, not 172.30.1.34"]).await;
    scene.guest(|guest| guest.adapters[0].addresses = vec!["172.30.1.34/16".parse().unwrap()]);
    scene.tells(CheckStatus::Fail, &["the prefix length of 172.30.1.34 is 16, it was 24"]).await;
}

#[tokio::test]
async fn of_a_silent_guest_counts_what_others_saw_and_else_nothing_is_known() {
    let mut scene = Scene::start().await;
    scene.guest(|guest| guest.agent = Agent::None);
    let unknown =
        "its gateway, DNS and lease are unknown: Systems Manager has no hybrid activation of a machine named `web-1`";
    scene.tells(CheckStatus::Pass, &["Prism Central has seen its addresses in use", unknown]).await;
    scene.nic().learned.clear();
    scene.tells(CheckStatus::Unknown, &["nobody has seen its addresses in use", "hybrid activation"]).await;
    let probed = scene.check(&[ADDRESS]).await;
    assert_eq!(probed.status, CheckStatus::Pass);
    assert!(probed.saw.contains("its addresses answer probes"), "{}", probed.saw);
}

/// Two machines of one host name, or one that only has the name, are never taken for the VM.
#[tokio::test]
async fn a_machine_that_only_has_the_name_says_nothing_of_the_host() {
    let mut scene = Scene::start().await;
    scene.nic().learned.clear();
    scene.nic().mac = Some(MacAddress::parse("50:6b:8d:00:00:01").unwrap());
    scene.tells(CheckStatus::Unknown, &["`mi-00000000000000034` is another machine of this name"]).await;
    {
        let mut world = scene.sim.shared().world();
        let client = world
            .guests
            .all
            .values_mut()
            .find(|guest| guest.host_name != "web-1" && matches!(guest.agent, Agent::Hybrid { .. }));
        client.unwrap().host_name = "WEB-1.corp.example".into();
    }
    scene
        .tells(
            CheckStatus::Unknown,
            &["several machines in Systems Manager are named `web-1`: mi-00000000000000010, mi-00000000000000034"],
        )
        .await;
}
