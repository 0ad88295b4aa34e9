//! What Prism Centrals and Move finished by themselves, as events: each once, whoever watches.
//!
//! What had ended when an appliance was asked for the first time is no event. An appliance that does not answer is unknown, never a failover, and
//! the others are heard all the same. An event says what an appliance says of its own job; where the machines are is for evidence.

mod cutover;
mod look;
mod recovery;
mod stay;
mod tell;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{FuturesUnordered, select};
use holdfast_model::{EventId, Fault, FaultName, HostRecord, MoveName, NetworkName, PrismName};
use holdfast_nutanix::{MovePlan, MoveRecord, Prism};
use holdfast_runtime::Bus;
use holdfast_store::{First, Note, Watched, WatchedAppliance};
use tokio::sync::OnceCell;

use look::Jobs;

pub(crate) use look::has_ended;
pub use look::{Eyes, LOOK, PATIENCE};
pub use stay::{AGAIN, Stay};
pub use tell::Desk;

/// What one look found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finished {
    /// Events that were found and stored.
    pub found: BTreeSet<EventId>,
    /// Events that were put on the bus.
    pub published: BTreeSet<EventId>,
    /// Events that are not known to be on the bus, with why.
    pub unpublished: BTreeMap<EventId, String>,
    /// Jobs that concern no captured host, with the reason.
    pub ignored: Vec<String>,
    /// Appliances that did not tell, with why.
    pub unknown: BTreeMap<String, String>,
}

/// An appliance's answer, and what is known of it.
struct Answer<T> {
    known: Watched,
    said: Result<T, String>,
}

/// Who answered.
enum Answered<'a> {
    PrismCentral(&'a PrismName, Answer<Jobs>),
    Move(&'a MoveName, Answer<Vec<MovePlan>>),
}

/// Looks once at every appliance, stores what finished and publishes it.
///
/// # Flow
/// All are asked at once. What those tell that answer soon is on the bus before the others are waited for any longer: the site that machines left may be
/// gone, and its Prism Central with it. A Prism Central with a recovery job that goes on is asked again, as long as the desk stays: the job's end is then
/// known within seconds.
///
/// # Guarantees
/// An event is stored before it is published, and what is stored and not published is published by a later look of any Region. One that was published
/// and not noted as such is published again: who acts on events has to bear that.
///
/// # Errors
/// What the tables can return; the next look does the rest.
pub async fn find<B: Bus>(desk: &Desk<'_, B>, eyes: &Eyes) -> Result<Finished, Fault> {
    let mut prisms: FuturesUnordered<_> =
        eyes.prisms.iter().map(|(name, prism)| ask_prism(desk, name, prism, Duration::ZERO)).collect();
    let moves = eyes.moves.iter().map(async |(name, appliance)| {
        let known = desk.watches.read(&WatchedAppliance::Move(name.clone())).await?;
        let said = match appliance {
            Ok(appliance) => look::within(appliance.plans()).await,
            Err(why) => Err(why.clone()),
        };
        Ok::<_, Fault>(Answered::Move(name, Answer { known, said }))
    });
    let mut moves: FuturesUnordered<_> = moves.collect();
    let mut round = Round {
        desk,
        eyes,
        sides: BTreeMap::new(),
        heard: BTreeSet::new(),
        hosts: OnceCell::new(),
        finished: Finished::default(),
    };
    loop {
        let mut some = Vec::new();
        let waited = tokio::time::timeout(desk.patience, async {
            while let Some(answered) = select(&mut prisms, &mut moves).next().await {
                some.push(answered);
            }
        });
        drop(waited.await);
        let go_on = round.hear(some.into_iter().collect::<Result<Vec<_>, Fault>>()?).await?;
        for (name, prism) in eyes.prisms.iter().filter(|(name, _)| go_on.contains(*name) && desk.stays()) {
            prisms.push(ask_prism(desk, name, prism, desk.stay.again));
        }
        if prisms.is_empty() && moves.is_empty() {
            return Ok(round.finished);
        }
    }
}

/// What is known of a Prism Central and what it says of its jobs, asked after a pause.
async fn ask_prism<'a, B: Bus>(
    desk: &Desk<'_, B>,
    name: &'a PrismName,
    prism: &Result<Prism, String>,
    pause: Duration,
) -> Result<Answered<'a>, Fault> {
    stay::pause(pause).await;
    let known = desk.watches.read(&WatchedAppliance::PrismCentral(name.clone())).await?;
    let said = match prism {
        Ok(prism) => {
            let since = known.first.as_ref().and_then(|first| first.since);
            look::within(look::jobs(prism, since)).await
        }
        Err(why) => Err(why.clone()),
    };
    Ok(Answered::PrismCentral(name, Answer { known, said }))
}

/// One look.
struct Round<'a, B> {
    desk: &'a Desk<'a, B>,
    eyes: &'a Eyes,
    /// The sides that Prism Centrals are, of those that tell.
    sides: BTreeMap<PrismName, String>,
    /// Prism Centrals that have answered.
    heard: BTreeSet<PrismName>,
    hosts: OnceCell<Vec<HostRecord>>,
    finished: Finished,
}

impl<B: Bus> Round<'_, B> {
    /// Hears what was answered; the Prism Centrals of which a recovery job goes on.
    async fn hear(&mut self, answers: Vec<Answered<'_>>) -> Result<BTreeSet<PrismName>, Fault> {
        let mut go_on = BTreeSet::new();
        for answered in &answers {
            if let Answered::PrismCentral(name, Answer { said: Ok(jobs), .. }) = answered {
                self.heard.insert((*name).clone());
                self.sides.extend(jobs.side.clone().map(|side| ((*name).clone(), side)));
                if jobs.jobs.iter().any(|job| stay::goes_on(job, self.desk.now())) {
                    go_on.insert((*name).clone());
                }
            }
        }
        for answered in answers {
            match answered {
                Answered::PrismCentral(name, answer) => self.prism(name, answer).await?,
                Answered::Move(name, answer) => self.migrations(name, answer).await?,
            }
        }
        Ok(go_on)
    }

    /// Every captured host, read when the first is asked for.
    async fn hosts(&self) -> Result<Vec<HostRecord>, Fault> {
        let read = || async {
            let networks: BTreeSet<NetworkName> = self.desk.map.networks.keys().cloned().collect();
            self.desk.inventory.hosts_of(&networks, &BTreeMap::new()).await.map_err(Fault::from)
        };
        self.hosts.get_or_try_init(read).await.cloned()
    }

    async fn prism(&mut self, name: &PrismName, answer: Answer<Jobs>) -> Result<(), Fault> {
        let appliance = WatchedAppliance::PrismCentral(name.clone());
        let known = answer.known;
        let jobs = match answer.said {
            Ok(said) => said.jobs,
            Err(why) => {
                self.desk.dark(&appliance, &known, &why, &mut self.finished).await?;
                return self.left_over(&appliance, &known).await;
            }
        };
        self.desk.light(&appliance, &known).await?;
        self.finished.unknown.remove(&appliance.to_string());
        let first = match &known.first {
            Some(first) => first.clone(),
            None => {
                let ended = jobs.iter().filter(|job| look::has_ended(job)).map(|job| job.id.to_string()).collect();
                let first = First { v: 1, at: self.desk.now(), since: look::since(&jobs), ended };
                self.desk.watches.put_first(&appliance, &first).await?
            }
        };
        let Some(Ok(prism)) = self.eyes.prisms.get(name) else { return Ok(()) };
        for job in jobs.iter().filter(|job| look::has_ended(job) && !first.ended.contains(job.id.as_str())) {
            let ended = recovery::Ended {
                map: self.desk.map,
                eyes: self.eyes,
                sides: &self.sides,
                heard: &self.heard,
                here: name,
                prism,
                job,
                now: self.desk.now(),
            };
            let became = match recovery::event_id(&job.id) {
                Ok(id) if known.jobs.get(&id).is_some_and(|noted| noted.settled) => continue,
                Ok(id) => recovery::read(&ended, &self.hosts().await?).await.map(|became| (id, became)),
                Err(why) => Err(why),
            };
            let words = format!("recovery job {} of {appliance}", job.id);
            self.finished.unknown.remove(&words);
            match became {
                Ok((_, recovery::Fallout::Event(event))) => {
                    let note = Note::Event { whole: BTreeSet::new() };
                    self.desk.tell(&appliance, &event, &note, &mut self.finished).await?;
                }
                Ok((id, recovery::Fallout::Nobody(why))) => {
                    tracing::info!("ignored: {why}");
                    self.desk.watches.note(&appliance, &id, &Note::Ignored { why: why.clone() }).await?;
                    self.finished.ignored.push(why);
                }
                Err(why) => {
                    tracing::warn!("{words} is not understood yet: {why}");
                    self.finished.unknown.insert(words, why.to_string());
                }
            }
        }
        self.left_over(&appliance, &known).await
    }

    async fn migrations(&mut self, name: &MoveName, answer: Answer<Vec<MovePlan>>) -> Result<(), Fault> {
        let appliance = WatchedAppliance::Move(name.clone());
        let known = answer.known;
        let plans = match answer.said {
            Ok(plans) => plans,
            Err(why) => {
                self.desk.dark(&appliance, &known, &why, &mut self.finished).await?;
                return self.left_over(&appliance, &known).await;
            }
        };
        self.desk.light(&appliance, &known).await?;
        let records: Vec<MoveRecord> = plans.into_iter().flat_map(|plan| plan.machines).collect();
        let ended = look::ends(&records);
        let first = match &known.first {
            Some(first) => first.clone(),
            None => {
                let first = First { v: 1, at: self.desk.now(), since: None, ended: ended.clone() };
                self.desk.watches.put_first(&appliance, &first).await?
            }
        };
        if !ended.is_subset(&first.ended) {
            let told = cutover::Told {
                map: self.desk.map,
                appliance: name,
                first: &first,
                known: &known,
                records: &records,
                now: self.desk.now(),
            };
            let events = cutover::events(&told, &self.hosts().await?);
            let events = events.map_err(|error| Fault::new(FaultName::Internal, error.to_string()))?;
            for (event, note) in events.iter().filter(|(event, _)| !is_settled(&known, &event.id)) {
                self.desk.tell(&appliance, event, note, &mut self.finished).await?;
            }
        }
        self.left_over(&appliance, &known).await
    }

    /// Events of an appliance that somebody found and, it may be, did not live to publish.
    async fn left_over(&mut self, appliance: &WatchedAppliance, known: &Watched) -> Result<(), Fault> {
        let told = |id: &EventId| self.finished.published.contains(id) || self.finished.unpublished.contains_key(id);
        let open: Vec<EventId> =
            known.jobs.iter().filter(|(id, noted)| !noted.settled && !told(id)).map(|(id, _)| id.clone()).collect();
        for id in open {
            self.desk.again(appliance, &id, &mut self.finished).await?;
        }
        Ok(())
    }
}

fn is_settled(known: &Watched, id: &EventId) -> bool {
    known.jobs.get(id).is_some_and(|noted| noted.settled)
}
