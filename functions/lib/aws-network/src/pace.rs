//! Keeps the calls of one account and Region under the limits of the EC2 API.

use governor::clock::DefaultClock;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::num::NonZeroU32;

type Bucket = RateLimiter<NotKeyed, InMemoryState, DefaultClock>;

/// Tokens that are never used. AWS refills its buckets once a second, so an even rate after a full burst can still find them empty, and somebody
/// else may be calling too. <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>
const KEPT_BACK: u32 = 5;

/// One token bucket per class of the EC2 API.
pub(crate) struct Pace {
    reads: Bucket,
    writes: Bucket,
}

impl Pace {
    /// Full buckets. AWS: 100 tokens, 20 a second for non-mutating calls that are filtered or paginated, as all of ours are; 50 and 5 for mutating ones.
    pub(crate) fn new() -> Self {
        Self { reads: bucket(100, 20), writes: bucket(50, 5) }
    }

    /// Waits for a token of a non-mutating call.
    pub(crate) async fn read(&self) {
        self.reads.until_ready().await;
    }

    /// Waits for a token of a mutating call.
    pub(crate) async fn write(&self) {
        self.writes.until_ready().await;
    }
}

fn bucket(size: u32, per_second: u32) -> Bucket {
    let at_least_one = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    RateLimiter::direct(
        Quota::per_second(at_least_one(per_second)).allow_burst(at_least_one(size.saturating_sub(KEPT_BACK))),
    )
}
