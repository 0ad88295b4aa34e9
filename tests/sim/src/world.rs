//! The state of one emulated world.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    direct_connect::{self, DirectConnect},
    ec2::{self, Ec2},
    front::accounts::Accounts,
    guests::{self, Guests},
    move_::{self, MoveAppliance},
    prism::{self, Prism, RecoveryPlan},
    ssm::RunCommand,
    switches::Switches,
    world_file::{WorldError, WorldFile},
};

/// Everything that exists in a simulation. Each part belongs to the module of its name. A copy goes its own way.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Accounts, their roles, and the sessions that were issued.
    pub accounts: Accounts,
    /// EC2 in all Regions.
    pub ec2: Ec2,
    /// Direct Connect gateways.
    pub direct_connect: DirectConnect,
    /// Prism Centrals by name.
    pub prisms: BTreeMap<String, Prism>,
    /// Move appliances by name.
    pub moves: BTreeMap<String, MoveAppliance>,
    /// Nutanix recovery plans by name.
    pub recovery_plans: BTreeMap<String, RecoveryPlan>,
    /// The operating systems of all machines, and the on-premises sites.
    pub guests: Guests,
    /// Commands sent through Run Command.
    pub run_command: RunCommand,
    /// Settings that tests turn.
    pub switches: Switches,
    /// Regions that answer nothing.
    pub lost_regions: BTreeSet<String>,
    /// Prism Centrals that answer nothing.
    pub lost_prisms: BTreeSet<String>,
}

impl World {
    /// A world with the default account and nothing in it.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Builds the world that a file describes.
    ///
    /// # Errors
    /// The first thing in the file that does not fit, with its place.
    pub fn from_file(file: &WorldFile) -> Result<Self, WorldError> {
        let mut world =
            Self { accounts: Accounts::from_file(file)?, switches: file.switches.clone(), ..Self::default() };
        direct_connect::load(file, &mut world)?;
        ec2::load(file, &mut world)?;
        prism::load(file, &mut world)?;
        move_::load(file, &mut world)?;
        guests::load(file, &mut world)?;
        Ok(world)
    }

    /// Reads a world file's text and builds its world.
    ///
    /// # Errors
    /// What is wrong in the text, with its line; or the first thing that does not fit, with its place.
    pub fn from_yaml(text: &str) -> Result<Self, WorldError> {
        Self::from_file(&WorldFile::parse(text)?)
    }
}
