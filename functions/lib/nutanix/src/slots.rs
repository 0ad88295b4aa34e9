//! How many calls are under way at once to one appliance: as many as it bears.
//!
//! Nutanix publishes no rate limit (nutanix-api E), so it is found by trying, as TCP does: more while all goes well, half as many when the
//! appliance says that it is too much or takes too long.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::wait::pause;
use crate::{NutanixError, TimeLimit};

/// Calls at once to begin with.
const FIRST: usize = 8;

/// Most calls at once: more than the tasks that a Prism Central is known to work on at once.
const MOST: usize = 64;

/// A reply that takes as long comes from an appliance that has too much to do: it answers in tens of milliseconds otherwise.
const SLOW: Duration = Duration::from_secs(5);

/// How a call ended, for those that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The appliance did what it was asked, or said why not.
    Well,
    /// It was asked too much, and maybe said for how long to leave it alone.
    TooMuch(Option<Duration>),
    /// It was not reached: that says nothing.
    Otherwise,
}

/// The slots of one appliance.
#[derive(Debug)]
pub(crate) struct Slots {
    free: Semaphore,
    state: Mutex<State>,
}

/// A call under way.
#[derive(Debug)]
pub(crate) struct Slot<'a> {
    of: &'a Slots,
    permit: Option<SemaphorePermit<'a>>,
    begun: Instant,
    cuts: u64,
}

#[derive(Debug)]
struct State {
    /// Calls allowed at once.
    limit: usize,
    /// Slots that vanish when their calls end.
    surplus: usize,
    /// Calls that went well since the limit last changed.
    well: usize,
    /// How often the limit was halved.
    cuts: u64,
    /// Nothing is sent before this.
    quiet: Option<Instant>,
}

/// What a changed limit does to the slots.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    OneMore,
    Fewer(usize),
}

impl State {
    fn new() -> Self {
        Self { limit: FIRST, surplus: 0, well: 0, cuts: 0, quiet: None }
    }

    /// A call that began after `cuts` halvings has ended. Those that were under way at a halving tell nothing new.
    fn ended(&mut self, ended: Ended, cuts: u64) -> Change {
        match ended {
            Ended::Otherwise => Change::Nothing,
            Ended::TooMuch(_) if cuts < self.cuts => Change::Nothing,
            Ended::TooMuch(_) => {
                let fewer = self.limit / 2;
                self.limit -= fewer;
                self.well = 0;
                self.cuts += 1;
                Change::Fewer(fewer)
            }
            Ended::Well => {
                self.well += 1;
                // Doubled each round until the first refusal, then one more a round.
                let enough = if self.cuts == 0 { 1 } else { self.limit };
                if self.limit >= MOST || self.well < enough {
                    return Change::Nothing;
                }
                self.limit += 1;
                self.well = 0;
                Change::OneMore
            }
        }
    }
}

impl Slots {
    pub(crate) fn new() -> Self {
        Self { free: Semaphore::new(FIRST), state: Mutex::new(State::new()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a slot, and for the end of a silence that the appliance asked for, but not beyond the limit.
    pub(crate) async fn take(&self, until: Option<&TimeLimit>) -> Result<Slot<'_>, NutanixError> {
        let permit = self.free.acquire().await.map_err(|_| NutanixError::Config("the client is closed".to_owned()))?;
        loop {
            let quiet = self.state().quiet.map(|until| until.saturating_duration_since(Instant::now()));
            match quiet {
                Some(left) if !left.is_zero() && !until.is_some_and(TimeLimit::is_over) => {
                    pause(until.map_or(left, |until| until.left().min(left))).await;
                }
                _ => break,
            }
        }
        let cuts = self.state().cuts;
        Ok(Slot { of: self, permit: Some(permit), begun: Instant::now(), cuts })
    }
}

impl Slot<'_> {
    /// Gives the slot back, and tells how the call ended.
    pub(crate) fn end(self, ended: Ended) {
        let slow = !matches!(ended, Ended::TooMuch(_)) && self.begun.elapsed() >= SLOW;
        let ended = if slow { Ended::TooMuch(None) } else { ended };
        let mut state = self.of.state();
        if let Ended::TooMuch(Some(silence)) = ended {
            state.quiet = state.quiet.max(Some(Instant::now() + silence));
        }
        match state.ended(ended, self.cuts) {
            Change::Nothing => {}
            Change::OneMore if state.surplus > 0 => state.surplus -= 1,
            Change::OneMore => self.of.free.add_permits(1),
            Change::Fewer(fewer) => {
                tracing::info!(calls_at_once = state.limit, "the appliance is asked less at once");
                state.surplus += fewer - self.of.free.forget_permits(fewer);
            }
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut state = self.of.state();
        if state.surplus > 0
            && let Some(permit) = self.permit.take()
        {
            state.surplus -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_doubles_until_the_appliance_has_enough_and_then_grows_by_one_a_round() {
        let mut state = State::new();
        for _ in 0..FIRST {
            assert_eq!(state.ended(Ended::Well, 0), Change::OneMore);
        }
        assert_eq!(state.limit, 2 * FIRST);
        assert_eq!(state.ended(Ended::TooMuch(None), 0), Change::Fewer(FIRST));
        // The rest of that round was sent before.
        assert_eq!(state.ended(Ended::TooMuch(None), 0), Change::Nothing);
        assert_eq!(state.limit, FIRST);
        let grown: Vec<Change> = (0..FIRST).map(|_| state.ended(Ended::Well, 1)).collect();
        assert_eq!(grown.iter().filter(|change| **change == Change::OneMore).count(), 1);
        assert_eq!(state.ended(Ended::Otherwise, 1), Change::Nothing);
    }

    #[test]
    fn one_call_at_a_time_is_the_least_and_there_is_a_most() {
        let mut state = State::new();
        for _ in 0..1000 {
            state.ended(Ended::Well, 0);
        }
        assert_eq!(state.limit, MOST);
        for cuts in 0..20 {
            state.ended(Ended::TooMuch(None), cuts);
        }
        assert_eq!(state.limit, 1);
    }

    #[tokio::test]
    async fn slots_are_as_many_as_the_limit_also_when_it_shrinks_while_all_are_taken() {
        let slots = Slots::new();
        let mut taken = Vec::new();
        for _ in 0..FIRST {
            taken.push(slots.take(None).await.unwrap());
        }
        taken.pop().unwrap().end(Ended::TooMuch(None));
        assert_eq!(slots.state().limit, FIRST / 2);
        for slot in taken {
            slot.end(Ended::Otherwise);
        }
        assert_eq!(slots.free.available_permits(), FIRST / 2);
        slots.take(None).await.unwrap().end(Ended::TooMuch(None));
        assert_eq!(slots.free.available_permits(), FIRST / 4);
    }
}
