//! Asking again while a recovery job goes on, so that its end need not wait for the schedule's next minute.

use std::time::Duration;

use holdfast_nutanix::RecoveryJob;
use holdfast_runtime::Bus;
use jiff::{SignedDuration, Timestamp};

use super::{Desk, look};

/// The pause before a Prism Central with a job that goes on is asked again.
pub const AGAIN: Duration = Duration::from_secs(5);

/// A job that began longer ago, by the clock of Prism Central, is left to the schedule: one that hangs shall not be asked about every few seconds for
/// days.
const LONGEST: SignedDuration = SignedDuration::from_hours(12);

/// How long appliances with a recovery job that goes on are asked again.
#[derive(Debug, Clone, Copy)]
pub struct Stay {
    /// Nobody is asked again at this time or later.
    pub until: Timestamp,
    /// The pause before each time.
    pub again: Duration,
}

impl Stay {
    /// Everybody is asked once.
    pub const NOT: Self = Self { until: Timestamp::MIN, again: AGAIN };
}

impl<B: Bus> Desk<'_, B> {
    /// Whether there is time to ask once more.
    pub(super) fn stays(&self) -> bool {
        let after = SignedDuration::try_from(self.stay.again).ok().and_then(|pause| self.now().checked_add(pause).ok());
        after.is_some_and(|after| after < self.stay.until)
    }
}

/// Whether a job may end within the minute.
pub(super) fn goes_on(job: &RecoveryJob, now: Timestamp) -> bool {
    !look::has_ended(job) && job.started.is_none_or(|started| now.duration_since(started) < LONGEST)
}

#[expect(clippy::disallowed_methods, reason = "the pause between two looks at a job, which `stays` limits")]
pub(super) async fn pause(length: Duration) {
    if !length.is_zero() {
        tokio::time::sleep(length).await;
    }
}
