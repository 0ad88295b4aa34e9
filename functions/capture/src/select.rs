//! Which machines a wave is, and whether they may be captured: pure.

use holdfast_model::{
    Eni, Fault, FaultName, HostName, Instance, InstanceId, InstanceState, Machines, NetworkMap, Select, VpcId, Wave,
    WaveName,
};
use std::collections::BTreeMap;

/// A machine that is not captured this time, and why; the others are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Its name.
    pub name: HostName,
    /// The instance.
    pub instance: InstanceId,
    /// The fault that it is.
    pub fault: FaultName,
    /// What was seen.
    pub why: String,
}

/// A machine to capture, with its network interfaces in device order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// Its name.
    pub name: HostName,
    /// The instance, running or stopped.
    pub instance: Instance,
    /// Its network interfaces.
    pub enis: Vec<Eni>,
}

/// The machines of a wave out of what EC2 returned, in name order.
///
/// # Errors
/// `InvalidInput` when the wave is empty or names an instance that is not there; `DuplicateName`; `OutsideNetworks` for an instance without
/// name, of another VPC, or with an address outside the declared networks.
pub fn select(
    map: &NetworkMap,
    name: &WaveName,
    wave: &Wave,
    vpc: &VpcId,
    machines: &Machines,
) -> Result<Vec<Selected>, Fault> {
    let live: Vec<&Instance> =
        machines.instances.values().filter(|instance| belongs(map, wave, instance, machines)).collect();
    missing(name, wave, &live)?;
    let mut selected: BTreeMap<HostName, Selected> = BTreeMap::new();
    for instance in live {
        let host = host_name(instance)?;
        if instance.vpc != *vpc {
            return Err(outside(format!(
                "instance `{}` (`{host}`) of wave `{name}` is in `{}`, not in `{vpc}` of site `{}`",
                instance.id, instance.vpc, wave.from
            )));
        }
        let enis = enis_of(&host, instance, machines)?;
        inside(map, &host, instance, &enis)?;
        let found = Selected { name: host.clone(), instance: instance.clone(), enis };
        if let Some(other) = selected.insert(host.clone(), found) {
            return Err(Fault::new(
                FaultName::DuplicateName,
                format!(
                    "instances `{}` and `{}` of wave `{name}` are both named `{host}`; Move gives the name to the VM, so give one of them another Name tag",
                    other.instance.id, instance.id
                ),
            ));
        }
    }
    Ok(selected.into_values().collect())
}

/// Whether an instance that EC2 returned is of the wave. EC2 chose by ids, tags and subnet itself, and its tag filters know wildcards.
fn belongs(map: &NetworkMap, wave: &Wave, instance: &Instance, machines: &Machines) -> bool {
    let enis = instance.enis.iter().filter_map(|id| machines.enis.get(id));
    let chosen = match &wave.select {
        Select::Network { .. } => wave.selects(instance, enis, &map.networks),
        Select::Instances { .. } | Select::Tags { .. } | Select::Subnet { .. } | Select::Vpc => true,
    };
    chosen && instance.state != InstanceState::Terminated
}

fn missing(name: &WaveName, wave: &Wave, live: &[&Instance]) -> Result<(), Fault> {
    if let Select::Instances { ids } = &wave.select {
        let absent: Vec<&str> =
            ids.iter().filter(|id| live.iter().all(|instance| instance.id != **id)).map(InstanceId::as_str).collect();
        if !absent.is_empty() {
            return Err(Fault::new(
                FaultName::InvalidInput,
                format!("wave `{name}` names instances that EC2 does not have: {}", absent.join(", ")),
            ));
        }
    }
    if live.is_empty() {
        return Err(Fault::new(
            FaultName::InvalidInput,
            format!(
                "wave `{name}` selects no instance of site `{}`; look at its `select` in the network map",
                wave.from
            ),
        ));
    }
    Ok(())
}

fn host_name(instance: &Instance) -> Result<HostName, Fault> {
    let name = instance.name.as_deref().unwrap_or_default();
    if name.trim().is_empty() {
        return Err(outside(format!(
            "instance `{}` has no Name tag; Move names the VM by it, so give it one",
            instance.id
        )));
    }
    HostName::parse(name).map_err(|error| outside(format!("instance `{}`: Name tag {error}", instance.id)))
}

/// Why a machine cannot be captured in the state that it is in, if it cannot.
pub(crate) fn unsettled(state: InstanceState) -> Option<&'static str> {
    match state {
        InstanceState::Running | InstanceState::Stopped | InstanceState::Terminated => None,
        InstanceState::Pending => Some("it is starting; capture again when it runs"),
        InstanceState::Stopping => Some("it is stopping; capture again when it is stopped"),
        InstanceState::Unknown => Some("it is in a state that this version does not know"),
    }
}

fn enis_of(host: &HostName, instance: &Instance, machines: &Machines) -> Result<Vec<Eni>, Fault> {
    let enis: Option<Vec<Eni>> = instance.enis.iter().map(|id| machines.enis.get(id).cloned()).collect();
    match enis {
        Some(enis) if !enis.is_empty() => Ok(enis),
        _ => Err(outside(format!("`{host}` ({}) has no network interface with an IPv4 address", instance.id))),
    }
}

fn inside(map: &NetworkMap, host: &HostName, instance: &Instance, enis: &[Eni]) -> Result<(), Fault> {
    for eni in enis {
        for address in std::iter::once(eni.primary).chain(eni.secondary.iter().copied()) {
            if map.network_of(address).is_none() {
                let declared: Vec<String> =
                    map.networks.iter().map(|(name, network)| format!("{name} {}", network.prefix)).collect();
                return Err(outside(format!(
                    "`{host}` ({}) has {address} on `{}`, which is in none of the declared networks ({}); declare it or take the instance out of the wave",
                    instance.id,
                    eni.id,
                    declared.join(", ")
                )));
            }
        }
    }
    Ok(())
}

fn outside(message: String) -> Fault {
    Fault::new(FaultName::OutsideNetworks, message)
}
