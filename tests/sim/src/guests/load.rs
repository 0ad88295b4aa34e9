//! Builds guests and sites from the world file.

use ipnet::Ipv4Net;

use super::{
    events,
    file::{EntryFile, GuestFile, OnPremisesFile},
    hardware::{self, nth},
    lease,
    state::{Addressing, Agent, Entry, Guest, GuestId, Place, Site},
};
use crate::{
    ec2::{AttachmentKind, Home, Kind, Platform, id},
    prism::{ExtId, Signal},
    world::World,
    world_file::{WorldError, WorldFile},
};

/// Builds the guests and sites of a world file; EC2, Prism and Move are built already.
///
/// # Errors
/// The first thing in the file that does not fit, with its place.
pub fn load(file: &WorldFile, world: &mut World) -> Result<(), WorldError> {
    for (region, section) in &file.regions {
        for instance in &section.instances {
            let Some(id) = world.ec2.find(Kind::Instance, region, &instance.name).map(str::to_owned) else { continue };
            let place = format!("regions.{region}.instances[{}].guest", instance.name);
            let at = Place::Instance { instance: id.clone() };
            let guest = usual(world, &instance.name, instance.platform, at, Agent::Instance);
            differ(world, &guest, instance.guest.as_ref(), &place)?;
            events::instance_changed(world, &id);
        }
    }
    for (prism, section) in &file.prism_centrals {
        for vm in &section.vms {
            let place = format!("prism_centrals.{prism}.vms[{}].guest", vm.name);
            let Some(ext_id) = vm_of(world, prism, &vm.name, vm.id.as_deref()) else { continue };
            let at = Place::Vm { prism: prism.clone(), vm: ext_id };
            let name = match world.guests.named(&vm.name) {
                Some(_) => format!("{}@{prism}", vm.name),
                None => vm.name.clone(),
            };
            let guest = usual(world, &name, vm.platform, at, Agent::None);
            differ(world, &guest, vm.guest.as_ref(), &place)?;
            if !vm.powered_off {
                events::vm_changed(world, prism, &Signal::Booted { vm: ext_id });
            }
        }
    }
    for site in &file.on_premises {
        on_premises(world, site)?;
    }
    Ok(())
}

/// The VM that a section of the file has made.
fn vm_of(world: &World, prism: &str, name: &str, id: Option<&str>) -> Option<ExtId> {
    let mut named = world.prisms.get(prism)?.vms_named(name);
    named.find(|found| id.is_none_or(|id| found.ext_id.to_string() == id)).map(|found| found.ext_id)
}

/// Makes a guest as they usually are; it does not run yet.
pub(super) fn usual(world: &mut World, name: &str, platform: Platform, place: Place, agent: Agent) -> GuestId {
    let id = world.guests.free_name(name);
    let (host_name, os) = match platform {
        // NetBIOS names are upper case and have 15 characters at most.
        Platform::Windows => (
            id.machine().chars().take(15).collect::<String>().to_uppercase(),
            "Microsoft Windows Server 2022 Datacenter",
        ),
        Platform::Linux => (id.machine().to_owned(), "Amazon Linux 2023"),
    };
    let guest = Guest {
        host_name,
        os: os.to_owned(),
        platform,
        place,
        running: false,
        silent: false,
        agent,
        adapters: Vec::new(),
    };
    world.guests.all.insert(id.clone(), guest);
    id
}

/// Applies what the file says of a guest.
fn differ(world: &mut World, id: &GuestId, file: Option<&GuestFile>, place: &str) -> Result<(), WorldError> {
    let Some(file) = file else { return Ok(()) };
    let agent = agent(world, id, file, place)?;
    let Some(nics) = world.guests.all.get(id).map(|guest| hardware::of(world, &guest.place)) else { return Ok(()) };
    if file.adapters.len() > nics.len() {
        let problem = format!("the machine has {} NICs, but {} adapters are given", nics.len(), file.adapters.len());
        return Err(WorldError::at(format!("{place}.adapters"), problem));
    }
    let Some(guest) = world.guests.all.get_mut(id) else { return Ok(()) };
    if let Some(host_name) = &file.host_name {
        guest.host_name.clone_from(host_name);
    }
    if let Some(os) = &file.os {
        guest.os.clone_from(os);
    }
    guest.silent = file.silent;
    guest.agent = agent;
    for (index, (adapter, nic)) in file.adapters.iter().zip(&nics).enumerate() {
        let name = adapter.name.clone().unwrap_or_else(|| lease::adapter_name(guest.platform, index));
        let mut own = lease::fresh(name, &nic.mac);
        lease::take(&mut own, nic.offer.as_ref());
        if adapter.static_ || !adapter.addresses.is_empty() {
            own.addressing = Addressing::Static;
        }
        if !adapter.addresses.is_empty() {
            own.addresses.clone_from(&adapter.addresses);
            own.gateway = adapter.gateway;
        }
        if !adapter.dns.is_empty() {
            own.dns.clone_from(&adapter.dns);
        }
        if !adapter.suffixes.is_empty() {
            own.suffixes.clone_from(&adapter.suffixes);
        }
        own.routes = adapter.routes.iter().map(|route| (route.prefix, route.gateway)).collect();
        own.mtu = adapter.mtu.unwrap_or(own.mtu);
        guest.adapters.push(own);
    }
    Ok(())
}

fn agent(world: &World, id: &GuestId, file: &GuestFile, place: &str) -> Result<Agent, WorldError> {
    let usual = world.guests.all.get(id).map_or(Agent::None, |guest| guest.agent.clone());
    match (&file.managed_id, file.managed, &file.managed_region) {
        (Some(id), None | Some(true), Some(region)) => {
            let account = file.managed_account.clone().unwrap_or_else(|| world.accounts.default.clone());
            hybrid(world, id, Home { region: region.clone(), account }, place)
        }
        (Some(_), None | Some(true), None) => {
            Err(WorldError::at(format!("{place}.managed_id"), "a hybrid activation needs `managed_region`"))
        }
        (Some(_), Some(false), _) => Err(WorldError::at(place, "write either `managed: false` or `managed_id`")),
        (None, Some(false), _) => Ok(Agent::None),
        (None, Some(true), _) if usual == Agent::None => {
            Err(WorldError::at(format!("{place}.managed"), "only an EC2 instance is managed without a `managed_id`"))
        }
        (None, None | Some(true), _) => Ok(usual),
    }
}

fn hybrid(world: &World, id: &str, home: Home, place: &str) -> Result<Agent, WorldError> {
    if !id.starts_with("mi-") {
        return Err(WorldError::at(place, format!("`{id}` is not the id of a hybrid activation; write `mi-..`")));
    }
    let taken =
        world.guests.all.values().any(|guest| matches!(&guest.agent, Agent::Hybrid { id: own, .. } if own == id));
    if taken {
        return Err(WorldError::at(place, format!("`{id}` is used twice")));
    }
    Ok(Agent::Hybrid { id: id.to_owned(), home })
}

fn on_premises(world: &mut World, file: &OnPremisesFile) -> Result<(), WorldError> {
    let place = format!("on_premises[{}]", file.name);
    if file.prefix != file.prefix.trunc() {
        let problem = format!("`{}` has host bits; write `{}`", file.prefix, file.prefix.trunc());
        return Err(WorldError::at(format!("{place}.prefix"), problem));
    }
    if world.guests.sites.contains_key(&file.name) {
        return Err(WorldError::at(place, "two sites have this name"));
    }
    let entries = match (&file.attachment, file.entries.as_slice()) {
        (Some(attachment), []) => {
            let everything = Some(vec![Ipv4Net::default()]);
            let only = EntryFile { region: file.region.clone(), attachment: attachment.clone(), prefixes: everything };
            vec![entry(world, &format!("{place}.attachment"), &only)?]
        }
        (None, [_, ..]) => {
            let numbered = file.entries.iter().enumerate();
            numbered.map(|(n, it)| entry(world, &format!("{place}.entries[{n}]"), it)).collect::<Result<_, _>>()?
        }
        _ => return Err(WorldError::at(place, "write either `attachment` or `entries`")),
    };
    let site = Site { prefix: file.prefix, entries, stateful: file.stateful };
    world.guests.sites.insert(file.name.clone(), site);

    let machine = &file.client;
    let address = machine.address.unwrap_or_else(|| nth(file.prefix, 10));
    if !file.prefix.contains(&address) {
        return Err(WorldError::at(
            format!("{place}.client.address"),
            format!("`{address}` is not in {}", file.prefix),
        ));
    }
    let name = machine.name.clone().unwrap_or_else(|| format!("{}-client", file.name));
    let managed_id = file.machine.clone().unwrap_or_else(|| id::id("mi", &name));
    let account = machine.account.clone().unwrap_or_else(|| world.accounts.default.clone());
    let home = Home { region: file.region.clone(), account };
    let agent = hybrid(world, &managed_id, home, &format!("{place}.machine"))?;
    let at = Place::OnPremises { site: file.name.clone() };
    let guest = usual(world, &name, machine.platform, at, agent);
    if let Some(found) = world.guests.all.get_mut(&guest) {
        let mut adapter = lease::fresh(lease::adapter_name(found.platform, 0), &id::mac(&name));
        adapter.addressing = Addressing::Static;
        adapter.addresses = Ipv4Net::new(address, file.prefix.prefix_len()).into_iter().collect();
        adapter.gateway = Some(nth(file.prefix, 1));
        adapter.plugged = true;
        adapter.link = true;
        found.adapters.push(adapter);
    }
    lease::boot(world, &guest);
    Ok(())
}

/// One way of a site into AWS.
fn entry(world: &World, place: &str, file: &EntryFile) -> Result<Entry, WorldError> {
    let missing = || {
        let problem = format!("there is no attachment `{}` in {}", file.attachment, file.region);
        WorldError::at(place, problem)
    };
    let found = world.ec2.find(Kind::Attachment, &file.region, &file.attachment);
    let attachment = found.map(str::to_owned).ok_or_else(missing)?;
    match world.ec2.attachments.get(&attachment).map(|found| &found.kind) {
        Some(AttachmentKind::Vpn { .. } | AttachmentKind::DirectConnectGateway { .. }) => {}
        Some(AttachmentKind::Vpc { .. } | AttachmentKind::Peering { .. }) | None => {
            let problem = "a site enters by an attachment of kind `vpn` or `direct-connect-gateway`";
            return Err(WorldError::at(place, problem));
        }
    }
    Ok(Entry { region: file.region.clone(), attachment, prefixes: file.prefixes.clone() })
}
