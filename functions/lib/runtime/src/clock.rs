//! The clock, passed to whoever needs the time, and the deadline of an invocation.

use holdfast_model::Clock;
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until it is moved on; clones show the same time.
#[derive(Debug, Clone)]
pub struct FixedClock(Arc<Mutex<Timestamp>>);

impl FixedClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = after(*now, by);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One invocation of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Id of the Lambda request, which no other invocation has.
    pub id: String,
    /// When Lambda ends it.
    pub deadline: Deadline,
}

/// When Lambda ends an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Timestamp);

impl Deadline {
    /// A deadline at a time.
    #[must_use]
    pub fn at(time: Timestamp) -> Self {
        Self(time)
    }

    /// The deadline that came with an invocation.
    #[must_use]
    pub fn of(context: &lambda_runtime::Context) -> Self {
        let milliseconds = i64::try_from(context.deadline).unwrap_or(i64::MAX);
        Self(Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX))
    }

    /// The time of the deadline.
    #[must_use]
    pub fn time(self) -> Timestamp {
        self.0
    }

    /// Time left; zero when it is past.
    #[must_use]
    pub fn left(self, now: Timestamp) -> Duration {
        Duration::try_from(self.0.duration_since(now)).unwrap_or(Duration::ZERO)
    }

    /// Time until which a write begun before the deadline may still take effect: `more` is the time-out of one call.
    #[must_use]
    pub fn lease_until(self, more: Duration) -> Timestamp {
        after(self.0, more)
    }
}

fn after(time: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| time.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_is_past_leaves_nothing() {
        let clock = FixedClock::at("2026-01-02T03:04:05Z".parse().unwrap());
        let deadline = Deadline::at("2026-01-02T03:04:15Z".parse().unwrap());
        assert_eq!(deadline.left(clock.now()), Duration::from_secs(10));
        clock.clone().advance(Duration::from_secs(11));
        assert_eq!(deadline.left(clock.now()), Duration::ZERO);
        assert_eq!(deadline.lease_until(Duration::from_secs(25)).to_string(), "2026-01-02T03:04:40Z");
    }
}
