//! What is read of the world before anything is decided: the routing, evidence, the machines of EC2.

use super::ground::{EC2, HOSTS, NC2, TABLES, address, instances, site, table};
use super::machines::State;
use super::world::{Day, Gate, pause};
use holdfast_model::{
    Clock, Evidence, EvidenceId, ExtId, HostName, NetworkMap, NetworkName, Picture, Power, RouteState, SightedNic,
    Sighting, SiteName, Unread,
};
use jiff::SignedDuration;
use std::collections::{BTreeMap, BTreeSet};

/// How long what is changing is given to settle, in seconds.
const SETTLE: i64 = 30;

/// The routing, each table read at its own moment, once nothing in it is changing.
pub(crate) async fn read_picture(day: &Day, map: &NetworkMap) -> Picture {
    let until = day.now() + SignedDuration::from_secs(SETTLE);
    loop {
        let picture = read_once(day, map).await;
        let changes = |state: RouteState| matches!(state, RouteState::Pending | RouteState::Deleting);
        let mut routes = picture.tgw_tables.values().flat_map(|table| table.routes.values());
        if !routes.any(|route| changes(route.state)) || day.now() > until {
            return picture;
        }
        pause(day, 2).await;
    }
}

async fn read_once(day: &Day, map: &NetworkMap) -> Picture {
    let mut picture = Picture { read_at: day.now(), ..day.ground.picture.clone() };
    for id in TABLES.map(table) {
        Gate(day).await;
        let world = day.world();
        let told = picture.tgw_tables[&id].scope.clone();
        let fails = !map.reachable(&told.region) || !world.answers(&id);
        if fails {
            picture.tgw_tables.remove(&id);
            picture.attachments.remove(&told.region);
            picture.vpcs.retain(|_, vpc| vpc.scope.region != told.region);
            if map.reachable(&told.region) {
                let why = "no answer".to_owned();
                picture.unread.push(Unread { what: format!("routes of {id}"), scope: told, why });
            }
        } else {
            world.routes.tell(&mut picture, &id, world.now);
        }
    }
    picture
}

/// Asks every Prism Central, each at its own moment.
pub(crate) async fn take_evidence(day: &Day, networks: &BTreeSet<NetworkName>, map: &NetworkMap) -> Evidence {
    let taken_at = day.now();
    let number = day.world().number();
    let mut evidence = Evidence {
        id: EvidenceId(format!("ev-{number}")),
        taken_at,
        networks: networks.clone(),
        sites_read: BTreeSet::new(),
        sites_unread: BTreeMap::new(),
        landings: BTreeMap::new(),
        hosts: BTreeMap::new(),
    };
    for name in NC2 {
        let at = site(name);
        if map.sites.get(&at).is_some_and(|site| !map.reachable(site.region())) {
            continue;
        }
        Gate(day).await;
        let world = day.world();
        if !world.tells(name) {
            evidence.sites_unread.insert(at, "no answer".to_owned());
            continue;
        }
        for host in super::ground::hosts_of(networks) {
            let state = world.machines.state(host, name);
            if state != State::None {
                let all = evidence.hosts.entry(HostName::parse(HOSTS[host].0).unwrap()).or_default();
                all.push(sighting(host, at.clone(), state));
            }
        }
        evidence.sites_read.insert(at);
    }
    evidence
}

fn sighting(host: usize, site: SiteName, state: State) -> Sighting {
    let number = if site.as_str() == NC2[0] { 10 + host } else { 20 + host };
    let id = ExtId::parse(format!("{number:08}-1111-1111-1111-111111111111")).unwrap();
    let learned = match state {
        State::On => vec![address(host)],
        State::Astray => vec![std::net::Ipv4Addr::new(172, 30, address(host).octets()[2], 99)],
        State::Off | State::None => Vec::new(),
    };
    Sighting {
        site,
        vm: id.clone(),
        power: if state.runs() { Power::On } else { Power::Off },
        nics: vec![SightedNic {
            nic: id,
            mac: None,
            connected: true,
            subnet: None,
            configured: vec![address(host)],
            learned,
        }],
    }
}

/// The machines of every site that a judgement looks at.
///
/// # Errors
/// Why one was not read.
pub(crate) async fn read_machines(
    day: &Day,
    sites: &BTreeSet<SiteName>,
    map: &NetworkMap,
) -> Result<BTreeMap<SiteName, holdfast_model::Machines>, String> {
    let mut all = BTreeMap::new();
    for name in sites.iter().filter(|name| map.reachable(map.sites[*name].region())) {
        Gate(day).await;
        let world = day.world();
        if world.lost == Some(super::ground::region_of(name.as_str())) {
            return Err(format!("machines of {name} were not read"));
        }
        let machines = match name.as_str() == EC2 {
            true => instances(|host| world.machines.state(host, EC2).runs()),
            false => holdfast_model::Machines { targets: Some(Vec::new()), ..holdfast_model::Machines::default() },
        };
        all.insert(name.clone(), machines);
    }
    Ok(all)
}
