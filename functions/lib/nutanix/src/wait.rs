//! Waiting on a condition: growing pauses inside a time limit.

use std::time::{Duration, Instant};

/// A moment after which nothing more is begun.
#[derive(Debug, Clone, Copy)]
pub struct TimeLimit(Instant);

impl TimeLimit {
    /// The moment that is `left` from now.
    #[must_use]
    pub fn after(left: Duration) -> Self {
        Self(Instant::now() + left)
    }

    /// Time until the moment.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether the moment has come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// The earlier of this moment and the one that is `left` from now.
    #[must_use]
    pub fn within(&self, left: Duration) -> Self {
        Self(self.0.min(Instant::now() + left))
    }
}

/// First pauses; each that follows is twice as long as the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// Between two looks at something that takes its time.
    pub look: Duration,
    /// Between two tries of one request.
    pub again: Duration,
}

impl Default for Pauses {
    /// A NIC task takes about three seconds on hardware; Prism's own clients look every 2 to 5 seconds, and at a task that is done at once a short
    /// first pause saves most of the time.
    fn default() -> Self {
        Self { look: Duration::from_millis(100), again: Duration::from_millis(250) }
    }
}

impl Pauses {
    pub(crate) fn backoff(&self) -> Backoff {
        Backoff { next: self.look }
    }
}

/// Pauses between two looks at something that takes its time: 0.1, 0.2, 0.4 .. 5 seconds by [`Pauses::default`].
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
}

impl Backoff {
    const LONGEST: Duration = Duration::from_secs(5);

    /// Waits for the next pause. False when the time limit does not allow another look.
    pub async fn pause(&mut self, limit: &TimeLimit) -> bool {
        let left = limit.left();
        if left.is_zero() {
            return false;
        }
        pause(self.next.min(left)).await;
        self.next = (self.next * 2).min(Self::LONGEST);
        true
    }
}

/// The one place that sleeps: between two looks, or because an appliance asked for it.
#[expect(clippy::disallowed_methods, reason = "the pause between two looks at a condition that has a time limit")]
pub(crate) async fn pause(length: Duration) {
    tokio::time::sleep(length).await;
}
