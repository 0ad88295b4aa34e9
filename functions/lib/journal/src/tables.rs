//! What the journal needs of route tables.

use holdfast_plan::{RouteValue, Step};
use std::future::Future;
use std::time::Duration;

/// Route tables that steps are read from and written to: routes, references to prefix lists and propagations, each a place of a table.
pub trait RouteTables: Send + Sync {
    /// Reads what the place of a step holds. A propagated route is [`RouteValue::Absent`].
    fn read_route(&self, step: &Step) -> impl Future<Output = Result<Seen, TablesError>> + Send;

    /// Writes `step.after`, with the call that fits `step.before`; returns what the answer says. Sent once.
    fn write_route(&self, step: &Step) -> impl Future<Output = Result<Seen, TablesError>> + Send;

    /// Reads again until the place is settled at `step.after` or the limit has passed; returns what was read last.
    fn await_route(&self, step: &Step, within: Duration) -> impl Future<Output = Result<Seen, TablesError>> + Send;

    /// Waits before the same step is tried again: longer from try to try, the first being 0.
    fn pause(&self, tried: u32) -> impl Future<Output = ()> + Send;
}

/// What a table was seen to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// This, and it is in use.
    Settled(RouteValue),
    /// It is changing to this: the route is `pending` or `deleting`.
    Changing(RouteValue),
}

/// Why a route could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TablesError {
    /// The table does not hold what the call needs: it was changed in between.
    #[error("the route changed in between: {0}")]
    Changed(String),
    /// The table, attachment or route is in a state that does not take the call now.
    #[error("not possible in the present state: {0}")]
    Busy(String),
    /// Asked to slow down, and kept asking.
    #[error("throttled: {0}")]
    Throttled(String),
    /// No answer, or an error of its own. Whether a write had its effect is unknown.
    #[error("no answer: {0}")]
    Unavailable(String),
    /// No right.
    #[error("access denied: {0}")]
    Denied(String),
    /// Anything else, in EC2's words.
    #[error("refused by EC2: {0}")]
    Refused(String),
}
