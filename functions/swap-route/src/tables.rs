//! Route tables of AWS for the journal: which call writes a step, and what a table is seen to hold.

use backon::{ExponentialBuilder, Retryable};
use holdfast_aws_network::{AwsNetwork, Ec2Error, ErrorKind, RouteTarget, SeenRoute};
use holdfast_journal::{RouteTables, Seen, TablesError};
use holdfast_model::{Prefix, RouteState, Scope};
use holdfast_plan::{Place, RouteValue, Step};
use std::collections::BTreeMap;
use std::time::Duration;

/// First pause between two reads of a route that is changing; it doubles. A static route settles within seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Longest pause between two reads.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Route tables of every account and Region of the network map.
pub(crate) struct AwsTables<'a>(pub(crate) &'a BTreeMap<Scope, AwsNetwork>);

impl AwsTables<'_> {
    fn network(&self, step: &Step) -> Result<&AwsNetwork, TablesError> {
        self.0
            .get(&step.scope)
            .ok_or_else(|| TablesError::Refused(format!("{} is not in the network map any more", step.scope)))
    }
}

impl RouteTables for AwsTables<'_> {
    async fn read_route(&self, step: &Step) -> Result<Seen, TablesError> {
        let seen = self.network(step)?.read_route(&step.table, route(step)?).await.map_err(of_ec2)?;
        of_seen(step, seen)
    }

    async fn write_route(&self, step: &Step) -> Result<(), TablesError> {
        let network = self.network(step)?;
        let (table, prefix) = (&step.table, route(step)?);
        let written = match (target(&step.before)?, target(&step.after)?) {
            (None, None) => return Ok(()),
            (None, Some(target)) => network.create_route(table, prefix, &target).await,
            (Some(_), Some(target)) => network.replace_route(table, prefix, &target).await,
            (Some(_), None) => network.delete_route(table, prefix).await,
        };
        written.map_err(of_ec2)
    }

    async fn await_route(&self, step: &Step, within: Duration) -> Result<Seen, TablesError> {
        let read = || async {
            match self.read_route(step).await {
                Ok(Seen::Settled(value)) if value == step.after => Ok(Seen::Settled(value)),
                Ok(seen) => Err(Waiting::Seen(seen)),
                Err(error) => Err(Waiting::Failed(error)),
            }
        };
        let pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_total_delay(Some(within))
            .without_max_times();
        match read.retry(pauses).when(|waiting| matches!(waiting, Waiting::Seen(_))).await {
            Ok(seen) | Err(Waiting::Seen(seen)) => Ok(seen),
            Err(Waiting::Failed(error)) => Err(error),
        }
    }
}

/// Why a read is not the last one.
enum Waiting {
    Seen(Seen),
    Failed(TablesError),
}

/// The prefix of a step about a transit gateway's route.
fn route(step: &Step) -> Result<Prefix, TablesError> {
    match &step.place {
        Place::Route { prefix } if step.table.is_tgw() => Ok(*prefix),
        Place::Route { .. } | Place::Reference { .. } | Place::Propagation { .. } => {
            Err(TablesError::Refused(format!("{} of {} cannot be read or written yet", step.place, step.label())))
        }
    }
}

fn target(value: &RouteValue) -> Result<Option<RouteTarget>, TablesError> {
    match value {
        RouteValue::Absent => Ok(None),
        RouteValue::Static { attachment } => Ok(Some(RouteTarget::Attachment(attachment.clone()))),
        RouteValue::Blackhole => Ok(Some(RouteTarget::Blackhole)),
        RouteValue::Tgw { .. } | RouteValue::VpcPeering { .. } | RouteValue::Eni { .. } | RouteValue::Propagates => {
            Err(TablesError::Refused(format!("a transit gateway route cannot be `{value}`")))
        }
    }
}

fn of_seen(step: &Step, seen: SeenRoute) -> Result<Seen, TablesError> {
    let (value, state) = match seen {
        SeenRoute::Absent { .. } => return Ok(Seen::Settled(RouteValue::Absent)),
        SeenRoute::Static { attachment, state } => (RouteValue::Static { attachment }, state),
        SeenRoute::Blackhole { state } => (RouteValue::Blackhole, state),
        SeenRoute::PrefixList => {
            let text = "a managed prefix list made this route; static routes cannot be written over it";
            return Err(TablesError::Refused(text.to_owned()));
        }
    };
    match (state, &value) {
        (RouteState::Blackhole, RouteValue::Static { attachment }) if value == step.after => {
            Err(TablesError::Refused(format!("the route to {attachment} is a blackhole: the attachment is gone")))
        }
        (RouteState::Active | RouteState::Blackhole, _) => Ok(Seen::Settled(value)),
        (RouteState::Pending, _) => Ok(Seen::Changing(value)),
        (RouteState::Deleting, _) => Ok(Seen::Changing(RouteValue::Absent)),
        (RouteState::Unknown, _) => Err(TablesError::Refused("the route is in a state that is not known".to_owned())),
    }
}

fn of_ec2(error: Ec2Error) -> TablesError {
    let text = error.to_string();
    match error.kind {
        ErrorKind::AlreadyExists | ErrorKind::RouteNotFound => TablesError::Changed(text),
        ErrorKind::Busy => TablesError::Busy(text),
        ErrorKind::Throttled => TablesError::Throttled(text),
        ErrorKind::Denied => TablesError::Denied(text),
        ErrorKind::NotSent | ErrorKind::NoAnswer | ErrorKind::Malformed => TablesError::Unavailable(text),
        ErrorKind::IdNotFound | ErrorKind::LimitReached | ErrorKind::Refused => TablesError::Refused(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_model::{AccountName, AttachmentId, NetworkName, Region, RouteTableId, TableName};

    fn attachment(name: &str) -> AttachmentId {
        AttachmentId::parse(format!("tgw-attach-0000000{name}")).unwrap()
    }

    fn route(name: &str) -> RouteValue {
        RouteValue::Static { attachment: attachment(name) }
    }

    fn step() -> Step {
        let scope =
            Scope { account: AccountName::parse("main").unwrap(), region: Region::parse("ap-northeast-1").unwrap() };
        Step {
            table: RouteTableId::parse("tgw-rtb-0000000a").unwrap(),
            name: TableName::parse("tokyo").unwrap(),
            tag: None,
            scope,
            networks: [NetworkName::parse("app").unwrap()].into(),
            place: Place::Route { prefix: Prefix::parse("172.30.1.0/24").unwrap() },
            before: route("a"),
            after: route("b"),
            why: String::new(),
        }
    }

    #[test]
    fn routes_in_transition_are_not_settled() {
        let seen = |state| of_seen(&step(), SeenRoute::Static { attachment: attachment("b"), state });
        assert_eq!(seen(RouteState::Active), Ok(Seen::Settled(route("b"))));
        assert_eq!(seen(RouteState::Pending), Ok(Seen::Changing(route("b"))));
        assert_eq!(seen(RouteState::Deleting), Ok(Seen::Changing(RouteValue::Absent)));
        assert!(seen(RouteState::Unknown).is_err());
    }

    #[test]
    fn a_wanted_route_whose_attachment_is_gone_is_never_done() {
        let blackhole =
            |name| of_seen(&step(), SeenRoute::Static { attachment: attachment(name), state: RouteState::Blackhole });
        assert!(blackhole("b").is_err());
        assert_eq!(blackhole("a"), Ok(Seen::Settled(route("a"))));
    }

    #[test]
    fn a_propagated_route_reads_as_absent_and_a_prefix_list_route_is_refused() {
        assert_eq!(of_seen(&step(), SeenRoute::Absent { propagated: None }), Ok(Seen::Settled(RouteValue::Absent)));
        assert!(of_seen(&step(), SeenRoute::PrefixList).is_err());
    }

    #[test]
    fn only_what_certainly_changed_nothing_is_not_read_again() {
        let error = |kind| {
            of_ec2(Ec2Error {
                scope: step().scope,
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
    }
}
