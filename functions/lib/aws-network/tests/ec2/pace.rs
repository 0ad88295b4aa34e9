//! What we let ourselves send against the simulated buckets of EC2, each on a clock that stands still.

use governor::RateLimiter;
use governor::clock::{Clock as _, DefaultClock, FakeRelativeClock};
use holdfast_aws_network::Class;
use holdfast_plan::RouteValue;
use holdfast_sim::ec2::throttle::{Buckets, MUTATING, READING};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

#[test]
fn as_many_calls_as_we_send_are_never_throttled_and_take_no_longer_than_they_must() {
    for (class, rate) in [(Class::Read, READING), (Class::Write, MUTATING)] {
        // AWS refills on its own second, which is anywhere in ours.
        for phase in (0..1000).step_by(25) {
            let clock = FakeRelativeClock::default();
            let ours = RateLimiter::direct_with_clock(class.quota(), clock.clone());
            let mut theirs = Buckets::default();
            let (start, mut waited) = (Timestamp::from_millisecond(phase).unwrap(), Duration::ZERO);
            let calls = i32::try_from(rate.bucket + 20 * rate.refill).unwrap();
            for call in 0..calls {
                while let Err(not_yet) = ours.check() {
                    let wait = not_yet.wait_time_from(clock.now());
                    clock.advance(wait);
                    waited += wait;
                }
                let now = start + SignedDuration::try_from(waited).unwrap();
                assert!(theirs.take("main", "eu-west-1", "any", rate, now), "{class:?} {call} {phase}");
            }
            assert_eq!(waited.as_secs(), 21, "{class:?}: 20 seconds of refills and the one kept back");
        }
    }
}

#[tokio::test]
async fn calls_of_one_action_wait_for_their_tokens() {
    let sim = super::start(|_| {}).await;
    let west = super::network(&sim, "eu-west-1");
    let writes: Vec<_> = (0..50_u8)
        .map(|n| super::places::tgw_step(&format!("100.64.0.{n}/32"), RouteValue::Absent, RouteValue::Blackhole))
        .collect();
    let clock = DefaultClock::default();
    let begun = clock.now();
    let ended = futures::future::join_all(writes.iter().map(|step| west.write_place(step))).await;
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    // Forty-five at once and five a second: a slow machine only makes it longer.
    assert!(clock.now().duration_since(begun) >= Duration::from_secs(1));
}
