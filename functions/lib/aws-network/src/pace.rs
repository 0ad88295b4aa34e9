//! Keeps the calls of one account and Region under the limits of the EC2 API.

use governor::clock::DefaultClock;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

type Bucket = RateLimiter<NotKeyed, InMemoryState, DefaultClock>;

/// Class of a call of the EC2 API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Non-mutating, filtered or paginated, as all of ours are: 100 tokens, 20 a second.
    Read,
    /// Mutating: 50 tokens, 5 a second.
    Write,
}

impl Class {
    /// What we let ourselves send: all that AWS takes, but for what it refills in a second. AWS refills once a second, so an even rate after a full
    /// burst is ahead of it by up to that. <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>
    #[must_use]
    pub fn quota(self) -> Quota {
        let (size, per_second) = match self {
            Class::Read => (100_u32, 20),
            Class::Write => (50, 5),
        };
        let at_least_one = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Quota::per_second(at_least_one(per_second)).allow_burst(at_least_one(size.saturating_sub(per_second)))
    }
}

/// One token bucket per action, as AWS has them for each account and Region.
///
/// Clones share their buckets: whoever makes clients again for the same account and Region keeps what the first ones used up.
#[derive(Clone, Default)]
pub struct Pace {
    buckets: Arc<Mutex<BTreeMap<&'static str, Arc<Bucket>>>>,
}

impl Pace {
    /// Full buckets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits for a token of this action.
    pub(crate) async fn take(&self, action: &'static str, class: Class) {
        let bucket = {
            let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(buckets.entry(action).or_insert_with(|| Arc::new(RateLimiter::direct(class.quota()))))
        };
        bucket.until_ready().await;
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace").finish_non_exhaustive()
    }
}
