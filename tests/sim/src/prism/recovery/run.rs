//! Running recovery plans: as a whole, or step by step under a person's hand.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::file::Side;
use super::super::ids::ExtId;
use super::job::{Entity, Fate, Job, State};
use super::plan::zone;
use super::{Kind, RecoveryPlan, vms};
use crate::world::World;

/// How far a job goes by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// It waits to begin.
    Queued,
    /// It has begun and recovered nothing.
    Running,
    /// To its end.
    #[default]
    Finished,
}

/// How a recovery plan is to be run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// What the job does.
    pub kind: Kind,
    /// How far it goes by itself; to its end unless told otherwise.
    #[serde(default)]
    pub until: Until,
    /// Names of VMs that it does not recover.
    #[serde(default)]
    pub fail: Vec<String>,
    /// Whether its validation has something to say.
    #[serde(default)]
    pub warning: bool,
    /// The Prism Central that recovers; the one at which the VMs are not, unless given.
    #[serde(default)]
    pub to: Option<String>,
    /// Name of the job.
    #[serde(default)]
    pub name: Option<String>,
}

impl Order {
    /// A whole run that goes well.
    pub fn of(kind: Kind) -> Self {
        Self { kind, until: Until::Finished, fail: Vec::new(), warning: false, to: None, name: None }
    }
}

/// How a job ends before its time, or in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The VMs that are left are recovered.
    Finished,
    /// The VMs that are left stay where they are.
    Aborted,
}

/// The next step of a job that has not ended. One that says nothing begins a job that is queued.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// Names of VMs that are recovered now.
    pub recover: Vec<String>,
    /// Names of VMs that fail now.
    pub fail: Vec<String>,
    /// How the job ends; it goes on unless given.
    pub end: Option<End>,
}

fn plan_named(world: &World, name: &str) -> Result<RecoveryPlan, String> {
    world.recovery_plans.get(name).cloned().ok_or_else(|| format!("there is no recovery plan `{name}`"))
}

/// Both sides that a job needs answer.
fn answering(world: &World, plan: &RecoveryPlan, kind: Kind, from: Side) -> Result<(), String> {
    let (source, target) = (plan.prism(from), plan.prism(from.other()));
    if world.lost_prisms.contains(target) {
        return Err(format!("Prism Central `{target}` is lost: nothing can be recovered there"));
    }
    if kind.needs_source() && world.lost_prisms.contains(source) {
        return Err(format!("Prism Central `{source}` is lost: only an unplanned failover is possible"));
    }
    Ok(())
}

/// Moves the VMs of the recovery plan `name` to its other side.
///
/// # Errors
/// As [`start`].
pub fn failover(world: &mut World, name: &str, planned: bool, now: Timestamp) -> Result<Value, String> {
    start(world, name, &Order::of(if planned { Kind::Planned } else { Kind::Unplanned }), now)
}

/// Runs the recovery plan `name`: a job at the Prism Central that recovers.
///
/// A planned failover needs both Prism Centrals and leaves the source VM removed or powered off (switch
/// `planned_source`). An unplanned one needs only the target and leaves the source VM as it is, stale: if its Prism
/// Central is there, both run, with the same address. A VM that comes back takes the place of the stale one. A test makes
/// VMs in the test network, which [`clean_up`] removes. After a job that did not recover all VMs the next one of the same
/// direction takes the others.
///
/// # Errors
/// A sentence that says why it cannot be done; nothing has changed then.
pub fn start(world: &mut World, name: &str, order: &Order, now: Timestamp) -> Result<Value, String> {
    let mut plan = plan_named(world, name)?;
    if let Some(job) = plan.open_job {
        return Err(format!("job `{job}` of recovery plan `{name}` has not ended"));
    }
    let to = match &order.to {
        None => plan.live.other(),
        Some(prism) => plan.side(prism).ok_or_else(|| format!("`{prism}` is not a side of recovery plan `{name}`"))?,
    };
    let from = to.other();
    answering(world, &plan, order.kind, from)?;
    let protected = plan.at(from);
    if protected.is_empty() {
        return Err(format!("all VMs of recovery plan `{name}` are at `{}` already", plan.prism(to)));
    }
    if let Some(unknown) = order.fail.iter().find(|vm| !protected.contains(vm)) {
        return Err(format!("recovery plan `{name}` has no VM `{unknown}` to recover"));
    }
    if order.until == Until::Queued && !order.fail.is_empty() {
        return Err("a job that has not begun has no VM that failed".to_owned());
    }
    // A validation looks at VMs; only what it finds wrong shows.
    let names = if order.kind == Kind::Validate { &order.fail } else { &protected };
    let mut entities = Vec::new();
    for vm in names {
        let source = vms::source(world, &plan, from, vm)?.ext_id;
        entities.push(Entity { name: vm.clone(), source, fate: Fate::Waiting, at: None });
    }
    let wanted = entities.iter().filter(|entity| !order.fail.contains(&entity.name)).map(|entity| entity.source);
    vms::check(world, &plan, from, order.kind, &wanted.collect::<Vec<_>>())?;

    plan.jobs += 1;
    let ext_id = ExtId::derived(&["recovery-plan-job", name, &plan.jobs.to_string()]);
    plan.open_job = Some(ext_id);
    let state = if order.until == Until::Queued { State::Queued } else { State::Running };
    let job = Job {
        ext_id,
        name: order.name.clone().unwrap_or_else(|| format!("{name}-{}-{}", order.kind.as_str(), plan.jobs)),
        plan: plan.ext_id,
        plan_name: name.to_owned(),
        kind: order.kind,
        from: zone(world, plan.prism(from)),
        to: zone(world, plan.prism(to)),
        started: now,
        ended: None,
        state,
        warning: order.warning,
        entities,
        reads_left: None,
        cleaned_up: None,
    };
    remember(world, &plan, &job);
    world.recovery_plans.insert(name.to_owned(), plan);
    let end = (order.until == Until::Finished).then_some(End::Finished);
    if order.fail.is_empty() && end.is_none() {
        return Ok(report(world, &job));
    }
    step(world, name, &Step { recover: Vec::new(), fail: order.fail.clone(), end }, now)
}

/// Takes the job of the recovery plan `name` that has not ended a step further.
///
/// # Errors
/// A sentence that says why it cannot be done; nothing has changed then.
pub fn step(world: &mut World, name: &str, step: &Step, now: Timestamp) -> Result<Value, String> {
    let mut plan = plan_named(world, name)?;
    let open = plan.open_job.ok_or_else(|| format!("recovery plan `{name}` has no job that has not ended"))?;
    let found = world.prisms.values().find_map(|prism| prism.jobs.get(&open));
    let mut job = found.cloned().ok_or_else(|| format!("job `{open}` is gone"))?;
    let from = plan.side(&job.from.name).ok_or("the job is not of this plan")?;
    answering(world, &plan, job.kind, from)?;

    let waiting = |vm: &str| job.entities.iter().find(|entity| entity.name == vm && entity.fate == Fate::Waiting);
    if let Some(unknown) = step.recover.iter().chain(&step.fail).find(|vm| waiting(vm).is_none()) {
        return Err(format!("VM `{unknown}` does not wait to be recovered by this job"));
    }
    let turn = |entity: &&Entity| {
        let left = step.end == Some(End::Finished) && entity.fate == Fate::Waiting;
        !step.fail.contains(&entity.name) && (left || step.recover.contains(&entity.name))
    };
    let turns: Vec<ExtId> = job.entities.iter().filter(turn).map(|entity| entity.source).collect();
    vms::check(world, &plan, from, job.kind, &turns)?;

    job.state = State::Running;
    for entity in &mut job.entities {
        if turns.contains(&entity.source) {
            let new = vms::recover(world, &mut plan, from, job.kind, entity.source, now);
            entity.fate = new.map_or_else(|| Fate::Failed("the VM is gone".into()), Fate::Recovered);
            entity.at = Some(now);
        } else if step.fail.contains(&entity.name) {
            entity.fate = Fate::Failed(format!("VM {} could not be recovered", entity.name));
            entity.at = Some(now);
        }
    }
    if let Some(end) = step.end {
        job.state = match end {
            End::Finished => job.verdict(&world.switches.prism),
            End::Aborted => State::Aborted,
        };
        job.ended = Some(now);
        plan.open_job = None;
    }
    remember(world, &plan, &job);
    world.recovery_plans.insert(name.to_owned(), plan);
    Ok(report(world, &job))
}

/// Removes the VMs of the last test of the recovery plan `name` (nutanix-api E.3), and only those.
///
/// # Errors
/// A sentence that says why it cannot be done; nothing has changed then.
pub fn clean_up(world: &mut World, name: &str, now: Timestamp) -> Result<Value, String> {
    clean_up_job(world, name, None, now)
}

/// The same for one test, where it is given.
pub(super) fn clean_up_job(
    world: &mut World,
    name: &str,
    test: Option<ExtId>,
    now: Timestamp,
) -> Result<Value, String> {
    let plan = plan_named(world, name)?;
    let meant = |job: &Job| test.is_none_or(|test| test == job.ext_id);
    let ended = |job: &&Job| job.plan == plan.ext_id && job.kind == Kind::Test && job.ended.is_some() && meant(job);
    let jobs = world.prisms.values().flat_map(|prism| prism.jobs.values());
    let last = jobs.filter(ended).filter(|job| job.cleaned_up.is_none()).max_by_key(|job| (job.started, job.ext_id));
    let mut job = last.cloned().ok_or_else(|| format!("recovery plan `{name}` has no test to clean up"))?;
    if world.lost_prisms.contains(&job.to.name) {
        return Err(format!("Prism Central `{}` is lost: nothing can be removed there", job.to.name));
    }
    let made: Vec<ExtId> = job.made().collect();
    vms::remove(world, &job.to.name, &made);
    job.cleaned_up = Some(now);
    remember(world, &plan, &job);
    Ok(json!({"recovery_plan": name, "job": job.ext_id, "removed": made}))
}

/// Both sides keep a job; which of them shows it is another question.
fn remember(world: &mut World, plan: &RecoveryPlan, job: &Job) {
    for side in [Side::Primary, Side::Recovery] {
        if let Some(prism) = world.prisms.get_mut(plan.prism(side)) {
            prism.jobs.insert(job.ext_id, job.clone());
        }
    }
}

fn report(world: &World, job: &Job) -> Value {
    let target = world.prisms.get(&job.to.name);
    let vms: Vec<Value> = job
        .entities
        .iter()
        .map(|entity| match &entity.fate {
            Fate::Waiting => json!({"name": entity.name, "source_ext_id": entity.source}),
            Fate::Failed(why) => json!({"name": entity.name, "source_ext_id": entity.source, "failed": why}),
            Fate::Recovered(id) => {
                let nics = target.and_then(|prism| prism.vms.get(id)).map_or(&[][..], |vm| &vm.nics);
                let addresses: Vec<_> = nics.iter().filter_map(|nic| nic.address).collect();
                json!({"name": entity.name, "source_ext_id": entity.source, "recovered_ext_id": id, "addresses": addresses})
            }
        })
        .collect();
    json!({"recovery_plan": job.plan_name, "job": job.ext_id, "state": job.state, "kind": job.kind.as_str(),
        "from": job.from.name, "to": job.to.name, "vms": vms})
}
