//! Which machines Systems Manager manages.

use std::collections::BTreeMap;

use crate::{
    ec2::{InstanceState, Platform},
    front::Caller,
    guests::{Agent, Guest, GuestId, Place},
    world::World,
};

/// A managed machine.
pub(super) struct Managed<'w> {
    /// `i-..` or `mi-..`
    pub id: String,
    pub guest_id: &'w GuestId,
    pub guest: &'w Guest,
    pub online: bool,
    pub tags: BTreeMap<String, String>,
}

impl Managed<'_> {
    pub fn ping(&self) -> &'static str {
        if self.online { "Online" } else { "ConnectionLost" }
    }

    pub fn platform(&self) -> &'static str {
        match self.guest.platform {
            Platform::Windows => "Windows",
            Platform::Linux => "Linux",
        }
    }

    pub fn resource_type(&self) -> &'static str {
        if self.id.starts_with("mi-") { "ManagedInstance" } else { "EC2Instance" }
    }
}

/// The machines of the caller's account and Region that Systems Manager manages, by id.
pub(super) fn managed<'w>(world: &'w World, caller: &Caller) -> Vec<Managed<'w>> {
    let mut found: Vec<Managed<'w>> =
        world.guests.all.iter().filter_map(|(id, guest)| one(world, caller, id, guest)).collect();
    found.sort_by(|a, b| (&a.id, !a.online).cmp(&(&b.id, !b.online)));
    // The copies of a disk have one activation: it is where it runs.
    found.dedup_by(|a, b| a.id == b.id);
    found
}

fn one<'w>(world: &'w World, caller: &Caller, guest_id: &'w GuestId, guest: &'w Guest) -> Option<Managed<'w>> {
    let own = |account: &str, region: &str| account == caller.account && region == caller.region;
    match (&guest.agent, &guest.place) {
        (Agent::Instance, Place::Instance { instance }) => {
            let found = world.ec2.instances.get(instance)?;
            if !own(&found.home.account, &found.home.region) || found.state == InstanceState::Terminated {
                return None;
            }
            let online = guest.running && found.state.is_on();
            Some(Managed { id: instance.clone(), guest_id, guest, online, tags: found.tags.clone() })
        }
        (Agent::Hybrid { id, home }, _) if own(&home.account, &home.region) => {
            let tags = BTreeMap::from([("Name".to_owned(), guest_id.machine().to_owned())]);
            Some(Managed { id: id.clone(), guest_id, guest, online: guest.running, tags })
        }
        (Agent::None | Agent::Instance | Agent::Hybrid { .. }, _) => None,
    }
}
