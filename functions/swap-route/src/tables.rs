//! Route tables of AWS for the journal: what a failed call means for a step, and how long is waited.

use backon::{ExponentialBuilder, Retryable};
use holdfast_aws_network::{AwsNetwork, Ec2Error, ErrorKind};
use holdfast_journal::{RouteTables, Seen, TablesError};
use holdfast_model::Scope;
use holdfast_plan::Step;
use std::collections::BTreeMap;
use std::time::Duration;

/// First pause between two reads of a route that is changing; it doubles. A static route settles within seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Longest pause between two reads.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Pause before a step that EC2 did not take is tried again; it doubles. A token bucket gains 5 tokens a second.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Route tables of every account and Region of the network map.
#[derive(Debug)]
pub struct AwsTables<'a>(pub &'a BTreeMap<Scope, AwsNetwork>);

impl AwsTables<'_> {
    fn network(&self, step: &Step) -> Result<&AwsNetwork, TablesError> {
        self.0
            .get(&step.scope)
            .ok_or_else(|| TablesError::Refused(format!("{} is not in the network map any more", step.scope)))
    }
}

impl RouteTables for AwsTables<'_> {
    async fn read_route(&self, step: &Step) -> Result<Seen, TablesError> {
        self.network(step)?.read_place(step).await.map_err(of_ec2)
    }

    async fn write_route(&self, step: &Step) -> Result<Seen, TablesError> {
        self.network(step)?.write_place(step).await.map_err(of_ec2)
    }

    async fn await_route(&self, step: &Step, within: Duration) -> Result<Seen, TablesError> {
        let read = || async {
            match self.read_route(step).await {
                Ok(Seen::Settled(value)) if value == step.after => Ok(Seen::Settled(value)),
                Ok(seen) => Err(Waiting::Seen(seen)),
                Err(error) => Err(Waiting::Failed(error)),
            }
        };
        match read.retry(pauses(within)).when(|waiting| matches!(waiting, Waiting::Seen(_))).await {
            Ok(seen) | Err(Waiting::Seen(seen)) => Ok(seen),
            Err(Waiting::Failed(error)) => Err(error),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "EC2 says of no condition when its buckets are full or an attachment is ready again; tries are few"
    )]
    async fn pause(&self, tried: u32) {
        tokio::time::sleep(FIRST_RETRY.saturating_mul(2_u32.saturating_pow(tried))).await;
    }
}

/// Pauses between reads of what is changing.
pub(crate) fn pauses(within: Duration) -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_total_delay(Some(within))
        .without_max_times()
}

/// Why a read is not the last one.
enum Waiting {
    Seen(Seen),
    Failed(TablesError),
}

fn of_ec2(error: Ec2Error) -> TablesError {
    let text = error.to_string();
    match error.kind {
        ErrorKind::AlreadyExists | ErrorKind::RouteNotFound => TablesError::Changed(text),
        ErrorKind::Busy => TablesError::Busy(text),
        ErrorKind::Throttled => TablesError::Throttled(text),
        ErrorKind::Denied => TablesError::Denied(text),
        ErrorKind::NotSent | ErrorKind::NoAnswer | ErrorKind::Malformed => TablesError::Unavailable(text),
        ErrorKind::IdNotFound | ErrorKind::LimitReached | ErrorKind::NotOurs | ErrorKind::Refused => {
            TablesError::Refused(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_model::{AccountName, Region};

    #[test]
    fn only_what_certainly_changed_nothing_is_not_read_again() {
        let scope =
            Scope { account: AccountName::parse("main").unwrap(), region: Region::parse("ap-northeast-1").unwrap() };
        let error = |kind| {
            of_ec2(Ec2Error {
                scope: scope.clone(),
                action: "ReplaceTransitGatewayRoute",
                what: "x".into(),
                kind,
                detail: String::new(),
            })
        };
        assert!(matches!(error(ErrorKind::NoAnswer), TablesError::Unavailable(_)));
        assert!(matches!(error(ErrorKind::Malformed), TablesError::Unavailable(_)));
        assert!(matches!(error(ErrorKind::RouteNotFound), TablesError::Changed(_)));
        assert!(matches!(error(ErrorKind::Busy), TablesError::Busy(_)));
        assert!(matches!(error(ErrorKind::NotOurs), TablesError::Refused(_)));
    }
}
