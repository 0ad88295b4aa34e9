//! Recovery plans between two Prism Centrals.

use std::collections::BTreeSet;

use serde::Serialize;

use super::super::file::{NetworkMappingFile, RecoveryPlanFile, Side};
use super::super::ids::ExtId;
use super::super::state::Prism;
use crate::{world::World, world_file::WorldError};

/// A recovery plan between two Prism Centrals.
#[derive(Debug, Clone, Serialize)]
pub struct RecoveryPlan {
    /// Its id, the same at both Prism Centrals; that it is so on the platform is unverified.
    pub ext_id: ExtId,
    /// Its name.
    pub name: String,
    /// Prism Central of the primary side.
    pub primary: String,
    /// Prism Central of the recovery side.
    pub recovery: String,
    /// Subnets that stand for each other.
    pub networks: Vec<Mapping>,
    /// Names of the VMs.
    pub vms: Vec<String>,
    /// Where the VMs run.
    pub live: Side,
    /// Names of VMs that run at the other side already, where a job did not take all of them.
    pub ahead: BTreeSet<String>,
    /// VMs that a failover left behind at the side that it came from.
    pub stale: Vec<(Side, ExtId)>,
    /// The job that has not ended. One plan has one at a time; that the platform has it so is unverified.
    pub open_job: Option<ExtId>,
    /// Jobs so far.
    pub jobs: u64,
}

/// The subnets of both sides that stand for each other.
#[derive(Debug, Clone, Serialize)]
pub struct Mapping {
    primary: Mapped,
    recovery: Mapped,
}

/// The subnets of one side.
#[derive(Debug, Clone, Copy, Serialize)]
struct Mapped {
    subnet: ExtId,
    test: Option<ExtId>,
}

impl Mapping {
    fn at(&self, side: Side) -> Mapped {
        match side {
            Side::Primary => self.primary,
            Side::Recovery => self.recovery,
        }
    }
}

/// A recovery plan as a Prism Central shows it. Both sides show it; that they do on the platform is unverified.
#[derive(Debug, Clone, Serialize)]
pub struct PlanShown {
    /// Its id.
    pub ext_id: ExtId,
    /// Its name.
    pub name: String,
    /// The Prism Central of the primary side.
    pub primary: Zone,
    /// The Prism Central of the recovery side.
    pub recovery: Zone,
}

/// A side: what v4 calls a domain manager and v3 an availability zone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Zone {
    /// Id of the domain manager; v3 has it as the URL of the zone, in which form is unverified.
    pub ext_id: ExtId,
    /// Name of the Prism Central.
    pub name: String,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Primary => Self::Recovery,
            Self::Recovery => Self::Primary,
        }
    }
}

impl RecoveryPlan {
    /// Builds a plan of the world file; its Prism Centrals exist already.
    ///
    /// # Errors
    /// A Prism Central or a subnet that does not exist.
    pub(in super::super) fn from_file(name: &str, file: &RecoveryPlanFile, world: &World) -> Result<Self, WorldError> {
        let place = format!("recovery_plans.{name}");
        let prism = |name: &str, key: &str| {
            let problem = || format!("there is no Prism Central `{name}` under `prism_centrals`");
            world.prisms.get(name).ok_or_else(|| WorldError::at(format!("{place}.{key}"), problem()))
        };
        let (primary, recovery) = (prism(&file.primary, "primary")?, prism(&file.recovery, "recovery")?);
        let subnet = |prism: &Prism, name: &str| {
            prism.subnet_named(name).map(|s| s.ext_id).ok_or_else(|| {
                let problem = format!("Prism Central `{}` has no subnet `{name}`", prism.name);
                WorldError::at(format!("{place}.networks"), problem)
            })
        };
        let mapped = |prism: &Prism, name: &str, test: Option<&String>| {
            Ok(Mapped { subnet: subnet(prism, name)?, test: test.map(|name| subnet(prism, name)).transpose()? })
        };
        let mapping = |file: &NetworkMappingFile| {
            Ok(Mapping {
                primary: mapped(primary, &file.primary, file.primary_test.as_ref())?,
                recovery: mapped(recovery, &file.recovery, file.recovery_test.as_ref())?,
            })
        };
        Ok(Self {
            ext_id: ExtId::derived(&["recovery-plan", name]),
            name: name.to_owned(),
            primary: file.primary.clone(),
            recovery: file.recovery.clone(),
            networks: file.networks.iter().map(mapping).collect::<Result<_, WorldError>>()?,
            vms: file.vms.clone(),
            live: file.live,
            ahead: BTreeSet::new(),
            stale: Vec::new(),
            open_job: None,
            jobs: 0,
        })
    }

    /// What its Prism Centrals show of it.
    pub(in super::super) fn shown(&self, world: &World) -> PlanShown {
        PlanShown {
            ext_id: self.ext_id,
            name: self.name.clone(),
            primary: zone(world, &self.primary),
            recovery: zone(world, &self.recovery),
        }
    }

    /// The Prism Central of a side.
    pub fn prism(&self, side: Side) -> &str {
        match side {
            Side::Primary => &self.primary,
            Side::Recovery => &self.recovery,
        }
    }

    /// The side of a Prism Central.
    pub(super) fn side(&self, prism: &str) -> Option<Side> {
        [Side::Primary, Side::Recovery].into_iter().find(|side| self.prism(*side) == prism)
    }

    /// Names of the VMs that run at a side.
    pub(super) fn at(&self, side: Side) -> Vec<String> {
        let here = |name: &&String| self.ahead.contains(*name) != (side == self.live);
        self.vms.iter().filter(here).cloned().collect()
    }

    /// Notes that a VM runs at a side now. The plan's own side follows once all of them are there.
    pub(super) fn arrived(&mut self, vm: &str, side: Side) {
        if side == self.live {
            self.ahead.remove(vm);
        } else {
            self.ahead.insert(vm.to_owned());
        }
        if self.vms.iter().all(|name| self.ahead.contains(name)) {
            self.live = self.live.other();
            self.ahead.clear();
        }
    }

    /// The subnet of the other side that stands for `subnet` of the side `from`; for a test, the test network there.
    pub(super) fn mapped(&self, subnet: ExtId, from: Side, test: bool) -> Option<ExtId> {
        let mapping = self.networks.iter().find(|mapping| mapping.at(from).subnet == subnet)?;
        let there = mapping.at(from.other());
        if test { there.test } else { Some(there.subnet) }
    }
}

/// The side that a Prism Central is.
pub(super) fn zone(world: &World, prism: &str) -> Zone {
    let ext_id = world.prisms.get(prism).map_or_else(|| ExtId::derived(&[prism]), |it| it.ext_id);
    Zone { ext_id, name: prism.to_owned() }
}
