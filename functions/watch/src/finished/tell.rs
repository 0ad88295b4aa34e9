//! From what was found to the bus: each event once, whoever finds it and whoever dies meanwhile.

use holdfast_model::{ApplianceUnknown, Clock, Event, EventId, Fault, NetworkMap, Region};
use holdfast_runtime::{Bus, Message, code_of_this_program};
use holdfast_store::{Asked, Dark, Events, Found, Inventory, Note, Published, Put, Watched, WatchedAppliance, Watches};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

use super::{Finished, Stay};

/// How long who stored an event may take to publish it, before another does.
const PUBLISHES: SignedDuration = SignedDuration::from_secs(60);

/// How often it is noted that an appliance answers.
const NOTED_EVERY: SignedDuration = SignedDuration::from_mins(10);

/// Where what is found is kept and told.
#[derive(Clone, Copy)]
pub struct Desk<'a, B> {
    /// The network map.
    pub map: &'a NetworkMap,
    /// Captured hosts.
    pub inventory: &'a Inventory,
    /// Events.
    pub events: &'a Events,
    /// What is known of appliances.
    pub watches: &'a Watches,
    /// Where events are put.
    pub bus: &'a B,
    /// The Region that watches.
    pub region: &'a Region,
    /// Our clock.
    pub clock: &'a dyn Clock,
    /// The invocation, which no other has.
    pub invocation: &'a str,
    /// How long all appliances are waited for before those that have answered are heard.
    pub patience: Duration,
    /// How long appliances with a recovery job that goes on are asked again and again.
    pub stay: Stay,
}

impl<B: Bus> Desk<'_, B> {
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn by(&self) -> String {
        format!("{} in {}", self.invocation, self.region)
    }

    /// Stores an event and, where nobody has, publishes it.
    pub(super) async fn tell(
        &self,
        appliance: &WatchedAppliance,
        event: &Event,
        note: &Note,
        finished: &mut Finished,
    ) -> Result<(), Fault> {
        // First the note: an event that is stored and not published is then found again even when its appliance tells of nothing any more.
        self.watches.note(appliance, &event.id, note).await?;
        match self.events.put_found(&Found { v: 1, event: event.clone(), by: self.by() }).await? {
            Put::Stored => {
                tracing::info!(event.id = %event.id, "found: {}", event.summary);
                finished.found.insert(event.id.clone());
                self.publish(appliance, event, finished).await
            }
            Put::AlreadyThere => self.again(appliance, &event.id, finished).await,
        }
    }

    /// Publishes an event whose finder has not, after a time that it may need itself.
    pub(super) async fn again(
        &self,
        appliance: &WatchedAppliance,
        id: &EventId,
        finished: &mut Finished,
    ) -> Result<(), Fault> {
        let record = self.events.read(id).await?;
        if record.published.is_some() {
            return Ok(self.watches.settle(appliance, id, self.now()).await?);
        }
        match record.found {
            Some(found) if self.now().duration_since(found.event.found_at) >= PUBLISHES => {
                self.publish(appliance, &found.event, finished).await
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn publish(&self, appliance: &WatchedAppliance, event: &Event, finished: &mut Finished) -> Result<(), Fault> {
        if let Err(fault) = self.bus.put(&Message::of_event(event)?).await {
            tracing::warn!(event.id = %event.id, "not published: {}", fault.message);
            finished.unpublished.insert(event.id.clone(), fault.message);
            return Ok(());
        }
        tracing::info!(event.id = %event.id, "published as `{}`", event.detail_type());
        finished.published.insert(event.id.clone());
        self.events.put_published(&event.id, &Published { v: 1, by: self.by(), at: self.now() }).await?;
        Ok(self.watches.settle(appliance, &event.id, self.now()).await?)
    }

    /// Notes that an appliance does not tell, and tells a person once it has lasted.
    pub(super) async fn dark(
        &self,
        appliance: &WatchedAppliance,
        known: &Watched,
        why: &str,
        finished: &mut Finished,
    ) -> Result<(), Fault> {
        tracing::warn!("{appliance} is unknown: {why}");
        finished.unknown.insert(appliance.to_string(), why.to_owned());
        let Some(darkness) = known.dark.get(self.region) else {
            let dark = Dark { v: 1, since: self.now(), why: why.to_owned() };
            return Ok(self.watches.put_dark(appliance, self.region, &dark).await?);
        };
        let lasted = self.now().duration_since(darkness.dark.since);
        let borne = SignedDuration::from_secs(self.map.policy.unknown_alarm_seconds.into());
        // One message is enough, from whichever Region.
        if lasted < borne || known.dark.values().any(|darkness| darkness.told) {
            return Ok(());
        }
        let unknown = ApplianceUnknown {
            schema_version: 1,
            appliance: appliance.to_string(),
            region: self.region.clone(),
            since: darkness.dark.since,
            why: why.to_owned(),
            summary: format!(
                "{appliance} has told nothing to {} for {} s: {why}. What finishes there is not seen meanwhile, and starts nothing. Look whether it \
                 runs, whether the way from the function's subnets to it is open, and whether its secret and certificate in the network map are right",
                self.region,
                lasted.as_secs()
            ),
        };
        if let Err(fault) = self.bus.put(&Message::of_unknown(&unknown)?).await {
            tracing::warn!("nobody was told that {appliance} is unknown: {}", fault.message);
            return Ok(());
        }
        Ok(self.watches.mark_told(appliance, self.region, self.now()).await?)
    }

    /// Notes that an appliance answers.
    pub(super) async fn light(&self, appliance: &WatchedAppliance, known: &Watched) -> Result<(), Fault> {
        let code = code_of_this_program();
        let fresh = |asked: &Asked| self.now().duration_since(asked.at) < NOTED_EVERY && asked.code.as_deref() == code;
        if !known.asked.get(self.region).is_some_and(fresh) {
            let asked = Asked { v: 1, at: self.now(), code: code.map(str::to_owned) };
            self.watches.put_asked(appliance, self.region, &asked).await?;
        }
        if known.dark.contains_key(self.region) {
            tracing::info!("{appliance} answers again");
            self.watches.end_dark(appliance, self.region, self.now()).await?;
        }
        Ok(())
    }
}
