//! Failovers, by a Prism Central's record of its recovery jobs.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt};
use holdfast_model::{
    Action, Became, Ending, Event, EventId, ExtId, HostName, HostRecord, Job, NetworkMap, NetworkName, PrismName, Site,
    SiteName,
};
use holdfast_nutanix::{
    Fate, NutanixError, Prism, RecoveredEntity, RecoveryAction, RecoveryJob, RecoveryState, Toward,
};
use jiff::Timestamp;

use super::look::Eyes;

/// VMs asked for at once.
const VMS_AT_ONCE: usize = 8;

/// A job that has ended, and who tells of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended<'a> {
    pub(super) map: &'a NetworkMap,
    pub(super) eyes: &'a Eyes,
    /// The sides that Prism Centrals are, of those that tell.
    pub(super) sides: &'a BTreeMap<PrismName, String>,
    /// Prism Centrals that answer.
    pub(super) heard: &'a BTreeSet<PrismName>,
    pub(super) here: &'a PrismName,
    pub(super) prism: &'a Prism,
    pub(super) job: &'a RecoveryJob,
    pub(super) now: Timestamp,
}

/// What became of a job.
pub(super) enum Fallout {
    /// It is an event.
    Event(Box<Event>),
    /// It concerns nobody, and why.
    Nobody(String),
}

/// Why it cannot be told yet what became of a job.
#[derive(Debug, thiserror::Error)]
pub(super) enum Untold {
    /// A Prism Central does not say.
    #[error(transparent)]
    Prism(#[from] NutanixError),
    /// What is missing.
    #[error("{0}")]
    Missing(String),
}

/// The id of the event of a job.
pub(super) fn event_id(job: &ExtId) -> Result<EventId, Untold> {
    let id = EventId::parse(format!("failover-{}", job.as_str().to_ascii_lowercase()));
    id.map_err(|error| Untold::Missing(error.to_string()))
}

/// A VM of the job, and where it was found.
struct Placed {
    entity: RecoveredEntity,
    name: Option<String>,
    place: Place,
}

/// Where a recovered VM is.
enum Place {
    /// In the cluster of this site.
    At(SiteName),
    /// Nowhere that the map knows, in words.
    Nowhere(String),
}

/// What became of a job that has ended.
pub(super) async fn read(ended: &Ended<'_>, hosts: &[HostRecord]) -> Result<Fallout, Untold> {
    let Ended { prism, job, .. } = ended;
    all_heard(ended)?;
    let entities = prism.recovered_entities(&job.id).await?;
    if entities.is_empty() && matches!(job.state, RecoveryState::Succeeded | RecoveryState::Warned) {
        return Err(Untold::Missing(format!(
            "recovery job `{}` ({}) has ended well and names no VM",
            job.name, job.id
        )));
    }
    let clusters = clusters(ended).await?;
    let captured: BTreeMap<&str, Vec<&HostRecord>> = hosts.iter().fold(BTreeMap::new(), |mut all, host| {
        all.entry(host.name.as_str()).or_insert_with(Vec::new).push(host);
        all
    });
    let ours = |entity: &RecoveredEntity| entity.name.as_deref().is_none_or(|name| captured.contains_key(name));
    let placed: Vec<Placed> = futures::stream::iter(entities.iter().filter(|entity| ours(entity)).cloned())
        .map(|entity| place(ended, &clusters, entity))
        .buffered(VMS_AT_ONCE)
        .try_collect()
        .await?;
    let named = |placed: &Placed| placed.name.as_deref().and_then(|name| captured.get_key_value(name)).is_some();
    let placed: Vec<Placed> = placed.into_iter().filter(named).collect();
    let records = placed.iter().filter_map(|placed| captured.get(placed.name.as_deref()?)).flatten();
    let networks: BTreeSet<NetworkName> =
        records.flat_map(|host| ended.map.kept(host).nics).map(|nic| nic.network).collect();
    if networks.is_empty() {
        let names: Vec<&str> = entities.iter().map(|it| it.name.as_deref().unwrap_or(it.source.as_str())).collect();
        let names = if names.is_empty() { "no VM".to_owned() } else { names.join(", ") };
        return Ok(Fallout::Nobody(format!(
            "recovery job `{}` ({}) of {} moves no captured host, but {names}",
            job.name, job.id, ended.here
        )));
    }
    event(ended, &placed, networks).map(|event| Fallout::Event(Box::new(event)))
}

/// Prism Centrals that the VMs may be at: the one that says it is the side that the job goes to, else every other one.
fn may_be_at<'a>(ended: &Ended<'a>) -> Vec<&'a PrismName> {
    let is_to = |name: &PrismName| ended.job.to.is_some() && ended.sides.get(name) == ended.job.to.as_ref();
    let told = ended.eyes.prisms.keys().any(is_to);
    let asked = |name: &&PrismName| match ended.job.toward {
        Toward::Here => *name == ended.here,
        Toward::Elsewhere if told => is_to(name),
        Toward::Elsewhere => *name != ended.here,
        Toward::Unknown => true,
    };
    ended.eyes.prisms.keys().filter(asked).collect()
}

fn targets<'a>(ended: &Ended<'a>) -> Vec<(&'a PrismName, &'a Prism)> {
    may_be_at(ended).into_iter().filter_map(|name| Some((name, ended.eyes.prisms.get(name)?.as_ref().ok()?))).collect()
}

/// Where one of them does not answer, the others are not asked either: that a VM is nowhere else tells nothing.
fn all_heard(ended: &Ended<'_>) -> Result<(), Untold> {
    match may_be_at(ended).into_iter().find(|name| !ended.heard.contains(*name)) {
        Some(name) => Err(Untold::Missing(format!("its VMs may be at Prism Central {name}, which does not answer"))),
        None => Ok(()),
    }
}

/// Sites by the Prism Central and the id of their cluster.
async fn clusters(ended: &Ended<'_>) -> Result<BTreeMap<(PrismName, ExtId), SiteName>, Untold> {
    let mut all = BTreeMap::new();
    for (name, prism) in targets(ended) {
        for (site, cluster) in sites_of(ended.map, name) {
            if let [only] = prism.clusters_named(cluster).await?.as_slice() {
                all.insert((name.clone(), only.clone()), site.clone());
            }
        }
    }
    Ok(all)
}

fn sites_of<'a>(map: &'a NetworkMap, prism: &PrismName) -> impl Iterator<Item = (&'a SiteName, &'a String)> {
    map.sites.iter().filter_map(move |(name, site)| match site {
        Site::Nc2 { prism_central, cluster, .. } if prism_central == prism => Some((name, cluster)),
        Site::Nc2 { .. } | Site::Ec2 { .. } => None,
    })
}

async fn place(
    ended: &Ended<'_>,
    clusters: &BTreeMap<(PrismName, ExtId), SiteName>,
    entity: RecoveredEntity,
) -> Result<Placed, Untold> {
    let name = entity.name.clone();
    let (Fate::Recovered(vm) | Fate::Failed { vm: Some(vm), .. }) = &entity.fate else {
        return Ok(Placed { entity, name, place: Place::Nowhere("there is no VM".to_owned()) });
    };
    for (prism_name, prism) in targets(ended) {
        let read = match prism.vm(vm).await {
            Ok(read) => read.vm,
            Err(NutanixError::NotFound { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let cluster = read.cluster.and_then(|cluster| clusters.get(&(prism_name.clone(), cluster)));
        let place = match cluster {
            Some(site) => Place::At(site.clone()),
            None => {
                Place::Nowhere(format!("VM {vm} is in a cluster of {prism_name} that the network map has no site for"))
            }
        };
        return Ok(Placed { name: name.or(Some(read.name)), entity, place });
    }
    let place = Place::Nowhere(format!("no Prism Central that the job goes to has VM {vm}"));
    Ok(Placed { entity, name, place })
}

fn event(ended: &Ended<'_>, placed: &[Placed], networks: BTreeSet<NetworkName>) -> Result<Event, Untold> {
    let job = ended.job;
    let mut at: BTreeMap<&SiteName, usize> = BTreeMap::new();
    for placed in placed {
        if let Place::At(site) = &placed.place {
            *at.entry(site).or_default() += 1;
        }
    }
    let to = at.iter().max_by_key(|(_, count)| **count).map(|(site, _)| (*site).clone());
    let to = to.or_else(|| aimed_at(ended, &networks));
    let to = to.ok_or_else(|| Untold::Missing(format!("it is not known where recovery job {} goes to", job.id)))?;
    let mut machines: BTreeMap<HostName, Became> = BTreeMap::new();
    for placed in placed {
        let Some(host) = placed.name.as_deref().and_then(|name| HostName::parse(name).ok()) else { continue };
        let elsewhere = match &placed.place {
            Place::At(site) if *site == to => None,
            Place::At(site) => Some(format!("its VM is at {site}")),
            Place::Nowhere(why) => Some(why.clone()),
        };
        let (vm, failed) = match &placed.entity.fate {
            Fate::Recovered(vm) => (Some(vm.clone()), elsewhere),
            Fate::Failed { vm, why } => (vm.clone(), Some(why.clone())),
            Fate::Pending => (None, Some("the job has ended without it".to_owned())),
        };
        machines.insert(host, Became { source: Some(placed.entity.source.to_string()), vm, failed });
    }
    let well = machines.values().filter(|machine| machine.failed.is_none()).count();
    let ended_well = matches!(job.state, RecoveryState::Succeeded | RecoveryState::Warned);
    let ending = match (well == machines.len() && ended_well, well) {
        (true, _) => Ending::Finished,
        (false, 0) => Ending::Failed,
        (false, _) => Ending::PartlyFinished,
    };
    Ok(Event {
        schema_version: 1,
        id: event_id(&job.id)?,
        job: Job::Failover {
            prism_central: ended.here.clone(),
            job: job.id.clone(),
            name: job.name.clone(),
            action: action(&job.action)?,
        },
        ending,
        networks,
        from: from(ended, &to),
        summary: summary(ended, &machines, well, &to),
        to,
        machines,
        ended: job.ended,
        found_at: ended.now,
    })
}

fn action(action: &RecoveryAction) -> Result<Action, Untold> {
    match action {
        RecoveryAction::Planned => Ok(Action::Planned),
        RecoveryAction::Live => Ok(Action::Live),
        RecoveryAction::Unplanned => Ok(Action::Unplanned),
        RecoveryAction::Validate | RecoveryAction::TestFailover | RecoveryAction::Other(_) => {
            Err(Untold::Missing("a job by which no VM changes sides is no failover".to_owned()))
        }
    }
}

/// The site that a job without any VM was to go to: one of its Prism Central, first of all one that carries a network of it.
fn aimed_at(ended: &Ended<'_>, networks: &BTreeSet<NetworkName>) -> Option<SiteName> {
    let sites: Vec<&SiteName> =
        targets(ended).into_iter().flat_map(|(name, _)| sites_of(ended.map, name)).map(|(site, _)| site).collect();
    let carries = |site: &&&SiteName| {
        let mut networks = networks.iter().filter_map(|name| ended.map.networks.get(name));
        networks.any(|network| network.subnets.contains_key(**site))
    };
    sites.iter().find(carries).or(sites.first()).map(|site| (*site).clone())
}

/// The only site of the Prism Central that the VMs came from, where that tells which side it is.
fn from(ended: &Ended<'_>, to: &SiteName) -> Option<SiteName> {
    let side = ended.job.from.as_ref()?;
    let (prism, _) = ended.sides.iter().find(|(_, own)| *own == side)?;
    let mut sites = sites_of(ended.map, prism).map(|(site, _)| site).filter(|site| *site != to);
    let only = sites.next()?;
    sites.next().is_none().then(|| only.clone())
}

fn summary(ended: &Ended<'_>, machines: &BTreeMap<HostName, Became>, well: usize, to: &SiteName) -> String {
    let job = ended.job;
    let state = match &job.state {
        RecoveryState::Succeeded => "ended well",
        RecoveryState::Warned => "ended with a warning",
        RecoveryState::Failed => "failed",
        RecoveryState::Aborted => "was aborted",
        RecoveryState::Unknown(word) | RecoveryState::Unfinished(word) => word,
    };
    let wrong: Vec<String> =
        machines.iter().filter_map(|(host, it)| Some(format!("{host} ({})", it.failed.as_ref()?))).collect();
    let wrong = if wrong.is_empty() { String::new() } else { format!("; not {}", wrong.join(", ")) };
    format!(
        "recovery job `{}` ({}) of {} {state}: {well} of {} captured machines are at {to}{wrong}",
        job.name,
        job.id,
        ended.here,
        machines.len()
    )
}
