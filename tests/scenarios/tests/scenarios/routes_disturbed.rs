//! `swap-route` disturbed at every change that it makes, on a move that holds every kind of step at once, and the same input started again.

use crate::every_route::{ALL, asked, captured, migrated, recover, run, served};
use crate::support::{fault, forget, invoke, invoke_and_kill, last_call, no_faults, restore, swap_with_fresh_evidence};
use crate::tables::{Tables, tables};
use holdfast_lab::Lab;
use holdfast_sim::World;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const FUNCTION: &str = "holdfast-swap-route";

/// A death after a change is one before the next call, so every call of a start is died at.
#[tokio::test(flavor = "multi_thread")]
async fn swap_route_that_dies_one_call_later_each_time_comes_to_its_end() {
    let moved = Moved::new().await;
    let calls = moved.undisturbed().await;
    moved.dies_again_and_again(&calls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn swap_route_killed_after_any_kind_of_change_is_finished_by_the_same_input() {
    let moved = Moved::new().await;
    let calls = moved.undisturbed().await;
    moved.disturbed(&calls, &[How::Killed]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn swap_route_unheard_or_unanswered_at_any_kind_of_change_is_finished_by_the_same_input() {
    let moved = Moved::new().await;
    let calls = moved.undisturbed().await;
    moved.disturbed(&calls, &[How::Unheard, How::Unanswered]).await;
}

/// One machine is ahead at `east` by host routes, the rest at `legacy`; all machines are at `west` now, and both networks follow: creates, replaces and
/// deletes in transit gateway and VPC tables, a reference, an aggregate, blackholes, and propagations that go off.
struct Moved {
    lab: Lab,
    before: World,
    request: Value,
}

impl Moved {
    async fn new() -> Self {
        let lab = captured().await;
        migrated(&lab, "first").await;
        run(&lab, "cutover", json!({"wave": "first"})).await;
        for wave in ["rest", "data"] {
            migrated(&lab, wave).await;
            let restore = json!({"schema_version": 1, "execution": "killed", "wave": wave});
            invoke(&lab, "holdfast-restore-nic", &restore).await.unwrap_or_else(|error| panic!("{error}"));
        }
        recover(&lab).await;
        // Each route that settles is a pause of the function: here only what was written last before a death takes its time.
        let mut before = lab.sim().shared().world().clone();
        before.switches.ec2.route_pending_reads = 0;
        before.switches.ec2.prefix_list_pending_reads = 0;
        before.switches.ec2.attachment_pending_reads = 0;
        Self { lab, before, request: json!({"networks": ["app", "db"], "to": "west"}) }
    }

    async fn input(&self) -> Value {
        swap_with_fresh_evidence(&self.lab, self.request.clone()).await
    }

    async fn begin_again(&self) {
        restore(&self.lab, &self.before);
        forget(&self.lab, "holdfast-operations", "evidence#").await;
    }

    /// What it does without a disturbance: its calls.
    async fn undisturbed(&self) -> Calls {
        let lab = &self.lab;
        self.begin_again().await;
        let input = self.input().await;
        let since = last_call(lab).await;
        finished(lab, &input, "undisturbed").await;
        served(lab, &ALL, "pc-west");
        Calls { made: calls(lab, since).await, right: tables(lab) }
    }

    /// Every call that changes something goes wrong in these ways, each time from the same world; of each action the first call alone goes unheard.
    async fn disturbed(&self, calls: &Calls, ways: &[How]) {
        let lab = &self.lab;
        let mut input = Value::Null;
        let mut disturbed = 0;
        let mut unheard = BTreeSet::new();
        for (at, change) in calls.made.iter().enumerate() {
            for how in change.disturbances().iter().filter(|how| ways.contains(how)) {
                if *how == How::Unheard && !unheard.insert(change) {
                    continue;
                }
                self.begin_again().await;
                if disturbed % 20 == 0 {
                    input = self.input().await;
                }
                let case = format!("call {at} of {}, {how:?}", calls.made.len());
                how.at(lab, at, &input, &case).await;
                disturbed += 1;
                if *how != How::Unheard {
                    still_pending(lab, &self.before);
                }
                never_worse(lab, &case);
                finished(lab, &input, &case).await;
                assert_eq!(tables(lab), calls.right, "{case}");
                never_worse(lab, &case);
            }
        }
        println!("disturbed {disturbed} times in {} calls", calls.made.len());
        served(lab, &ALL, "pc-west");
        assert!(disturbed > 20, "{disturbed}");
        assert!(!ways.contains(&How::Unheard) || unheard.len() > 5, "{}", unheard.len());
    }

    /// Whoever dies while it reads has changed nothing: each start dies one call later than the one before it, whatever that one left behind, until one
    /// has come to its end.
    async fn dies_again_and_again(&self, calls: &Calls) {
        let lab = &self.lab;
        self.begin_again().await;
        let left = tables(lab);
        let input = self.input().await;
        let first = calls.made.iter().position(|call| !matches!(call, Change::Nothing)).unwrap();
        let mut at = 0;
        loop {
            let when = if at % 2 == 0 { "before" } else { "after" };
            let hold = json!({"match": {"source": "aws", "function": FUNCTION}, "skip": at, "when": when});
            if !invoke_and_kill(lab, FUNCTION, &input, hold).await {
                break;
            }
            at += 1;
            if at < first {
                assert_eq!(tables(lab), left, "killed {when} call {at}");
            }
            never_worse(lab, &format!("killed {when} call {at}"));
        }
        println!("died {at} times in a row; nothing is changed before call {first}");
        assert!(at > first && first > 20, "{at} deaths, call {first} is the first change");
        assert_eq!(tables(lab), calls.right);
        served(lab, &ALL, "pc-west");
    }
}

/// The calls of one run, and the tables that it leaves.
struct Calls {
    made: Vec<Change>,
    right: Tables,
}

/// How one call of the function goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    /// The process dies when the call has had its effect.
    Killed,
    /// The connection closes, and the call has no effect.
    Unheard,
    /// The connection closes instead of an answer, and the call has had its effect.
    Unanswered,
}

impl How {
    /// Starts the function with its call number `at` disturbed; that it ends well by itself is allowed where it lives.
    async fn at(self, lab: &Lab, at: usize, input: &Value, case: &str) {
        let pattern = json!({"source": "aws", "function": FUNCTION});
        let skip = u32::try_from(at).unwrap();
        let effect = match self {
            How::Killed => {
                let hold = json!({"match": pattern, "skip": skip, "when": "after"});
                assert!(invoke_and_kill(lab, FUNCTION, input, hold).await, "{case} was not made");
                return;
            }
            How::Unheard => "drop_request",
            How::Unanswered => "drop_reply",
        };
        fault(lab, pattern, skip, 1, json!({"kind": effect})).await;
        if let Err(error) = invoke(lab, FUNCTION, input).await {
            assert_eq!(error["errorType"], "Unavailable", "{case}: {error}");
        }
        let left = lab.control().get("/faults").await.unwrap();
        assert!(!left.to_string().contains("\"times\":1"), "{case} was not made: {left}");
        no_faults(lab).await;
    }
}

/// What was written is shown as `pending` once more.
fn still_pending(lab: &Lab, before: &World) {
    for (id, table) in &mut lab.sim().shared().world().ec2.tgw_route_tables {
        let earlier = &before.ec2.tgw_route_tables[id].routes;
        for (_, route) in table.routes.iter_mut().filter(|(prefix, route)| earlier.get(*prefix) != Some(*route)) {
            route.pending_reads = 1;
        }
    }
}

/// Runs to the end, over as many invocations as it asks for.
async fn finished(lab: &Lab, input: &Value, case: &str) {
    let again = invoke(lab, FUNCTION, input).await;
    let again = again.unwrap_or_else(|error| panic!("{case}: {error}"));
    assert!(again["result"] == "done" || again["result"] == "nothing_to_do", "{case}: {again}");
}

/// What a call changes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    /// By this action.
    OfRoutes(String),
    OfJournal,
    Nothing,
}

impl Change {
    /// What is done to such a call. A death before it is the death after the change before it.
    fn disturbances(&self) -> &'static [How] {
        match self {
            Change::OfRoutes(_) => &[How::Killed, How::Unheard, How::Unanswered],
            Change::OfJournal => &[How::Killed, How::Unanswered],
            Change::Nothing => &[],
        }
    }
}

/// The calls that the function made, in their order.
async fn calls(lab: &Lab, since: u64) -> Vec<Change> {
    let log = lab.control().get(&format!("/log?since={since}")).await.unwrap();
    let own = log.as_array().unwrap().iter().filter(|call| call["function"] == FUNCTION);
    let change = |call: &Value| match (call["mutating"] == true, call["service"] == "ec2") {
        (true, true) => Change::OfRoutes(call["action"].to_string()),
        (true, false) => Change::OfJournal,
        (false, _) => Change::Nothing,
    };
    own.map(change).collect()
}

/// The machines have left: until the routes follow some addresses do not answer, but nothing loops and nothing is dropped that had a route.
pub fn never_worse(lab: &Lab, case: &str) {
    for client in ["campus", "depot", "desk", "monitor"] {
        for address in ALL {
            let seen = asked(lab, client, address);
            let text = seen.to_string().to_lowercase();
            assert!(
                !text.contains("loop") && !text.contains("blackhole") && !text.contains("no_route"),
                "{case}: {seen}"
            );
        }
    }
}
