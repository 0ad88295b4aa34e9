//! What a Move appliance holds.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::file::{MoveFile, PlanFile};
use crate::{
    ec2::Kind,
    prism::ExtId,
    world::World,
    world_file::{WorldError, WorldFile},
};

/// How long a token lives: about 15 minutes (sbourdeaud/nutanix).
const TOKEN_LIFE: SignedDuration = SignedDuration::from_mins(15);

/// One Move appliance.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MoveAppliance {
    /// User that may log in.
    pub username: String,
    /// The user's password.
    #[serde(skip)]
    pub password: String,
    /// Whether it knows only the older login.
    pub older_login_only: bool,
    /// Migration plans by UUID.
    pub plans: BTreeMap<ExtId, Plan>,
    /// Tokens and when each ends.
    #[serde(skip)]
    tokens: BTreeMap<String, Timestamp>,
    #[serde(skip)]
    logins: u64,
}

/// A migration plan.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// Its UUID.
    pub uuid: ExtId,
    /// Its name.
    pub name: String,
    /// Region of the instances.
    pub region: String,
    /// Target Prism Central.
    pub prism: String,
    /// Target cluster.
    pub cluster: ExtId,
    /// Landing subnet.
    pub network: ExtId,
    /// Subnet of test cutovers.
    pub test_network: Option<ExtId>,
    /// The machines.
    pub workloads: Vec<Workload>,
}

/// How far a workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Seeded; a cutover may start.
    ReadyToCutover,
    /// The cutover goes on; this many more reads show it.
    CuttingOver(u32),
    /// Done.
    Completed,
    /// The cutover failed; the instance runs on. Another one may start.
    Failed,
}

impl Progress {
    /// The state as Move shows it; the word for one that failed is unverified.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadyToCutover => "ReadyToCutover",
            Self::CuttingOver(_) => "CutoverInProgress",
            Self::Completed => "Completed",
            Self::Failed => "CutoverFailed",
        }
    }
}

/// A machine of a migration plan.
#[derive(Debug, Clone, Serialize)]
pub struct Workload {
    /// Its UUID.
    pub uuid: ExtId,
    /// Id of the instance.
    pub instance: String,
    /// Name: the instance's tag `Name`, which the VM gets too.
    pub name: String,
    /// Landing subnet of its own.
    pub network: Option<ExtId>,
    /// How far it is.
    pub progress: Progress,
    /// Why its last cutover failed.
    pub error: Option<String>,
    /// The VM at the target, once there is one.
    pub vm: Option<ExtId>,
    /// The VM of its test cutover, while that is there.
    pub test_vm: Option<ExtId>,
}

impl MoveAppliance {
    /// A token for the one user, if the credentials are right.
    pub fn log_in(&mut self, username: &str, password: &str, now: Timestamp) -> Option<String> {
        if username != self.username || password != self.password {
            return None;
        }
        self.logins += 1;
        let token = ExtId::derived(&["token", username, &self.logins.to_string()]).to_string();
        self.tokens.insert(token.clone(), now.checked_add(TOKEN_LIFE).unwrap_or(now));
        Some(token)
    }

    /// Whether a token is known and has not ended.
    pub fn knows(&self, token: &str, now: Timestamp) -> bool {
        self.tokens.get(token).is_some_and(|end| now < *end)
    }

    /// Ends a token.
    pub fn log_out(&mut self, token: &str) {
        self.tokens.remove(token);
    }

    /// The plan with this name or UUID.
    pub fn plan(&self, name: &str) -> Option<&Plan> {
        let by_id = || self.plans.get(&ExtId::parse(name)?);
        self.plans.values().find(|p| p.name == name).or_else(by_id)
    }

    /// One read of the plans: cutovers that go on come nearer to their end.
    pub fn observe(&mut self) {
        for workload in self.plans.values_mut().flat_map(|p| &mut p.workloads) {
            workload.progress = match workload.progress {
                Progress::CuttingOver(0) => Progress::Completed,
                Progress::CuttingOver(reads) => Progress::CuttingOver(reads - 1),
                other => other,
            };
        }
    }
}

/// Builds the Move appliances of a world file.
///
/// # Errors
/// The first thing in the file that does not fit, with its place.
pub fn load(file: &WorldFile, world: &mut World) -> Result<(), WorldError> {
    for (name, section) in &file.moves {
        let appliance = appliance(name, section, world)?;
        world.moves.insert(name.clone(), appliance);
    }
    Ok(())
}

fn appliance(name: &str, section: &MoveFile, world: &World) -> Result<MoveAppliance, WorldError> {
    let mut plans = BTreeMap::new();
    for plan in &section.plans {
        let place = format!("moves.{name}.plans[{}]", plan.name);
        let uuid = ExtId::derived(&["move", name, &plan.name]);
        if plans.insert(uuid, read_plan(uuid, plan, &place, world)?).is_some() {
            return Err(WorldError::at(place, "another plan has this name"));
        }
    }
    Ok(MoveAppliance {
        username: section.username.clone(),
        password: section.password.clone(),
        older_login_only: section.older_login_only,
        plans,
        ..MoveAppliance::default()
    })
}

fn read_plan(uuid: ExtId, plan: &PlanFile, place: &str, world: &World) -> Result<Plan, WorldError> {
    let target = &plan.prism_central;
    let prism = world.prisms.get(target).ok_or_else(|| {
        WorldError::at(format!("{place}.prism_central"), format!("there is no Prism Central `{target}`"))
    })?;
    let subnet = |name: &str| {
        prism.subnet_named(name).map(|s| s.ext_id).ok_or_else(|| {
            WorldError::at(format!("{place}.network"), format!("Prism Central `{target}` has no subnet `{name}`"))
        })
    };
    let cluster = match &plan.cluster {
        None => prism.first_cluster,
        Some(name) => prism.cluster_named(name).ok_or_else(|| {
            WorldError::at(format!("{place}.cluster"), format!("Prism Central `{target}` has no cluster `{name}`"))
        })?,
    };
    let mut workloads = Vec::new();
    for workload in &plan.workloads {
        let place = format!("{place}.workloads[{}]", workload.instance);
        let id = world.ec2.find(Kind::Instance, &plan.region, &workload.instance).ok_or_else(|| {
            WorldError::at(&place, format!("Region `{}` has no instance `{}`", plan.region, workload.instance))
        })?;
        let tag = world.ec2.instances.get(id).and_then(|i| i.tags.get("Name"));
        workloads.push(Workload {
            uuid: ExtId::derived(&["workload", &uuid.to_string(), id]),
            instance: id.to_owned(),
            name: tag.cloned().unwrap_or_else(|| id.to_owned()),
            network: workload.network.as_deref().map(subnet).transpose()?,
            progress: Progress::ReadyToCutover,
            error: None,
            vm: None,
            test_vm: None,
        });
    }
    Ok(Plan {
        uuid,
        name: plan.name.clone(),
        region: plan.region.clone(),
        prism: target.clone(),
        cluster,
        network: subnet(&plan.network)?,
        test_network: plan.test_network.as_deref().map(subnet).transpose()?,
        workloads,
    })
}
