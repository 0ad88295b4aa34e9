//! Output in plain words, and ids.

use holdfast_journal::{Intent, Operation, Steady, TakeError};
use holdfast_model::wire::Force;
use holdfast_model::{Fault, FaultName, Lost, NetworkName, OperationId, SiteName, VantageName, first_lines};
use holdfast_plan::{Forecast, Objections, Plan, Violation, plan_table, plan_text};
use holdfast_runtime::chain;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Id of an operation: the time, and a hash of the invocation that plans it.
pub(crate) fn operation_id(now: Timestamp, invocation: &str) -> Result<OperationId, Fault> {
    // FNV-1a: stable over versions of Rust, and nothing secret is in it.
    let hash =
        invocation.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let text = format!("op-{}-{hash:08x}", now.strftime("%Y%m%dt%H%M%S"));
    OperationId::parse(text).map_err(|error| Fault::new(FaultName::Internal, error.to_string()))
}

/// What moves: the networks, or some machines of them.
pub(crate) fn moving(networks: &BTreeSet<NetworkName>, hosts: Option<&BTreeSet<Ipv4Addr>>) -> String {
    let names: Vec<&str> = networks.iter().map(NetworkName::as_str).collect();
    let names = names.join(", ");
    let Some(hosts) = hosts else { return names };
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    format!("{} of {names}", hosts.join(", "))
}

/// Lines of a plan that an output shows: the state of an execution holds 256 KiB, and nobody approves more by reading.
const SHOWN: usize = 200;

/// Neighbours that an output and a stored operation name.
const NAMED: usize = 100;

/// The first of many lines, and how many there are more.
pub(crate) fn some(mut lines: Vec<String>) -> Vec<String> {
    if let Some(more) = lines.len().checked_sub(NAMED).filter(|more| *more > 0) {
        lines.truncate(NAMED);
        lines.push(format!("and {more} more"));
    }
    lines
}

/// The plan as text, of which the first lines where there are many, what it costs, and whom it cuts off.
pub(crate) fn shown(plan: &Plan, forecast: &Forecast, cut_off: &[String]) -> String {
    let text = steps_shown(plan, forecast);
    if cut_off.is_empty() {
        return text;
    }
    let lines: Vec<String> = some(cut_off.to_vec()).into_iter().map(|line| format!("  {line}")).collect();
    format!("{}\n\ncut off:\n{}", text.trim_end(), lines.join("\n"))
}

/// What a way back meets that the last move did not leave so.
pub(crate) fn changed_meanwhile(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines: Vec<String> = some(lines.to_vec()).into_iter().map(|line| format!("  {line}")).collect();
    format!("\n\nchanged since the last move:\n{}", lines.join("\n"))
}

fn steps_shown(plan: &Plan, forecast: &Forecast) -> String {
    let count = plan.steps().count();
    if count <= SHOWN {
        return plan_text(plan, forecast);
    }
    let mut left = SHOWN;
    let stages = plan.stages.iter().map(|stage| {
        let some: Vec<_> = stage.iter().take(left).cloned().collect();
        left = left.saturating_sub(some.len());
        some
    });
    let first = Plan {
        networks: plan.networks.clone(),
        to: plan.to.clone(),
        hosts: plan.hosts.clone(),
        stages: stages.collect(),
    };
    let per_stage: Vec<String> = plan.stages.iter().map(|stage| stage.len().to_string()).collect();
    format!(
        "{}\nand {} more: the stages have {} steps; the whole plan is stored with its operation when it is applied\n\n{forecast}",
        plan_table(&first),
        count - SHOWN,
        per_stage.join(", ")
    )
}

/// `1 route in 1 stage`, `3 routes in 2 stages`.
fn size(plan: &Plan) -> String {
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    format!("{} in {}", plural(plan.steps().count(), "route"), plural(plan.stages.len(), "stage"))
}

fn forced(force: Option<&Force>) -> String {
    force.map_or_else(String::new, |force| {
        format!("; forced by {} ({}), so nobody checked that the machines are there", force.by, force.reason)
    })
}

pub(crate) fn done(operation: &Operation, force: Option<&Force>, verdict: &[String], lost: Option<&Lost>) -> String {
    let what = match &operation.intent {
        Intent::Move { .. } => String::new(),
        Intent::Undo { operation, .. } => format!(" again: {operation} is taken back"),
    };
    let looked = if force.is_some() { "cut off" } else { "seen" };
    let seen = if verdict.is_empty() {
        String::new()
    } else {
        format!("; {looked}: {}", first_lines(verdict.iter().cloned()).join("; "))
    };
    format!(
        "every declared table leads {} to {}{what}{}; changed {} (operation {}{}){}{}{seen}",
        moving(&operation.plan.networks, operation.plan.hosts.as_ref()),
        operation.plan.to,
        without(lost, &operation.plan.networks),
        size(&operation.plan),
        operation.id,
        in_place_of(operation),
        started(operation),
        forced(force),
    )
}

/// What an operation ended that was open, but for one that it takes back.
fn in_place_of(operation: &Operation) -> String {
    let undone = match &operation.intent {
        Intent::Move { .. } => None,
        Intent::Undo { operation, .. } => Some(operation),
    };
    let ended: Vec<&str> =
        operation.replaces.iter().filter(|id| undone != Some(*id)).map(OperationId::as_str).collect();
    if ended.is_empty() { String::new() } else { format!(" in place of {}", ended.join(", ")) }
}

/// What started an operation, where no person did.
fn started(operation: &Operation) -> String {
    let approved = operation.approved_by.as_ref().map_or_else(String::new, |who| format!(", approved by {who}"));
    operation.event.as_ref().map_or_else(String::new, |event| format!("; started by event {event}{approved}"))
}

/// What an operation without a lost Region leaves open.
fn without(lost: Option<&Lost>, networks: &BTreeSet<NetworkName>) -> String {
    let Some(Lost { region, cut_off }) = lost else { return String::new() };
    let cut: Vec<&str> = cut_off.iter().map(VantageName::as_str).collect();
    let cut = if cut.is_empty() { String::new() } else { format!(", and {} can only enter there", cut.join(", ")) };
    let quoted: Vec<String> = networks.iter().map(|network| format!("\"{network}\"")).collect();
    format!(
        " but those of {region}, which is declared lost and was not called{cut}; when it answers again, start `{{\"reconcile\": [{}]}}`",
        quoted.join(", ")
    )
}

pub(crate) fn nothing_to_do(moving: &str, to: &SiteName) -> String {
    format!("every declared table already leads {moving} to {to}; nothing was changed")
}

pub(crate) fn planned(plan: &Plan, cut_off: &[String], lost: Option<&Lost>) -> String {
    let strands = if cut_off.is_empty() { "" } else { "; whom it cuts off is under `cut off` in the plan" };
    format!(
        "leading {} to {} would change {}; every state on the way was checked from every vantage{}{strands}; nothing was changed, and evidence is judged when the plan is applied",
        moving(&plan.networks, plan.hosts.as_ref()),
        plan.to,
        size(plan),
        beyond(lost),
    )
}

/// What a plan without a lost Region cannot reach.
fn beyond(lost: Option<&Lost>) -> String {
    let Some(Lost { region, cut_off }) = lost else { return String::new() };
    let cut: Vec<&str> = cut_off.iter().map(VantageName::as_str).collect();
    let cut = if cut.is_empty() {
        "every vantage can enter elsewhere".to_owned()
    } else {
        format!("{} can only enter there and stays cut off until it answers again", cut.join(", "))
    };
    format!(", without {region}, which counts as lost: no table of it is changed, and {cut}")
}

/// What a start would do that finishes an open operation.
pub(crate) fn would_finish(operation: &OperationId, rest: &Plan) -> String {
    match rest.is_empty() {
        true => format!("operation {operation} is finished, no route of it is left to change"),
        false => format!("operation {operation} is finished, {} left", size(rest)),
    }
}

/// What a start would do that begins anew and ends these operations; `leased` is until when somebody's call may still be under way.
pub(crate) fn would_change(plan: Option<&Plan>, ended: &BTreeSet<OperationId>, leased: Option<Timestamp>) -> String {
    let ended: Vec<&str> = ended.iter().map(OperationId::as_str).collect();
    let ends = match ended.as_slice() {
        [] => String::new(),
        ended => format!("; {} ends where it is, and nobody finishes it any more", ended.join(", ")),
    };
    let waits = leased
        .map_or_else(String::new, |until| format!(" once no call of another execution can be under way, at {until}"));
    match plan.filter(|plan| !plan.is_empty()) {
        None => {
            format!(
                "no route changes, as every declared table leads there already, and it is verified anew{waits}{ends}"
            )
        }
        Some(plan) => format!("{} changed, each state on the way proven{waits}{ends}", size(plan)),
    }
}

pub(crate) fn to_be_continued(operation: &Operation, done: usize) -> String {
    format!(
        "{done} of {} done (operation {}); the time ran out, call again with the same input",
        size(&operation.plan),
        operation.id
    )
}

/// What was done, where it was to correct drift.
pub(crate) fn corrected(done: &str) -> String {
    format!("drift is corrected: {done}")
}

/// Why drift is not corrected, where machines are not where the last operations left their networks.
pub(crate) fn left_elsewhere(steady: &Steady, objections: &Objections) -> String {
    let left: Vec<String> = steady
        .by
        .iter()
        .map(|(network, by)| format!("operation {by} left network `{network}` at `{}`", steady.site))
        .collect();
    format!(
        "{}, which the evidence does not bear out, so no drift is corrected: {objections}; if the machines are where they belong, start `{{\"networks\": [..], \"to\": \"<their site>\"}}`",
        left.join(", ")
    )
}

/// Why a reconcile does not finish an open operation.
pub(crate) fn not_resumed(operation: &Operation, only: &BTreeSet<NetworkName>) -> String {
    let only: Vec<String> = only.iter().map(|network| format!("`{network}`")).collect();
    format!(
        "operation {} ({}) is open, and policy has drift of {} only reported (`drift: report`), so a reconcile does not finish it; start its own input again to finish it, or take it back with `{}`; {}",
        operation.id,
        operation.intent,
        only.join(", "),
        operation.intent.undo_input(&operation.id),
        operation.or_replace()
    )
}

/// A fault that keeps an operation from its end, with what else a person can do.
pub(crate) fn stays_open(fault: Fault, operation: &Operation) -> Fault {
    let undo = operation.intent.undo_input(&operation.id);
    let or_replace = operation.or_replace();
    let message = format!(
        "{}; operation {} stays open: start its input again, or take it back with `{undo}`; {or_replace}",
        fault.message, operation.id
    );
    Fault::new(fault.name, message)
}

/// Why an operation is not resumed, when its plan is older than policy allows.
pub(crate) fn too_old(operation: &Operation, now: Timestamp, allowed: u32) -> Option<String> {
    let age = now.duration_since(operation.planned_at).as_secs();
    let id = &operation.id;
    let undo = operation.intent.undo_input(id);
    (age > i64::from(allowed)).then(|| {
        format!(
            "the plan of operation {id} is {age} s old, policy allows {allowed} s (`plan_max_age_seconds`); take it back with `{undo}` and start anew, or start with `force` (who and why)"
        )
    })
}

/// A plan that the checker does not accept: a bug of the planner, or a map that changed.
pub(crate) fn violations(violations: &[Violation]) -> Fault {
    let lines: Vec<String> = violations.iter().take(5).map(ToString::to_string).collect();
    let more = violations.len().saturating_sub(lines.len());
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    Fault::new(FaultName::Refused, format!("the checker refuses the plan: {}{more}", lines.join("; ")))
}

pub(crate) fn take_fault(error: &TakeError) -> Fault {
    Fault::new(error.fault(), chain(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_id_has_its_form_and_differs_by_invocation() {
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        let id = operation_id(now, "a").unwrap();
        assert_eq!(id.as_str(), "op-20260102t030405-e40c292c");
        assert_ne!(id, operation_id(now, "b").unwrap());
    }

    #[test]
    fn machines_that_move_ahead_of_their_network_are_named() {
        let networks = [NetworkName::parse("app").unwrap(), NetworkName::parse("db").unwrap()].into();
        assert_eq!(moving(&networks, None), "app, db");
        let hosts = ["10.0.0.9".parse().unwrap(), "10.0.0.10".parse().unwrap()].into();
        assert_eq!(moving(&networks, Some(&hosts)), "10.0.0.9, 10.0.0.10 of app, db");
    }

    #[test]
    fn of_a_long_plan_the_first_lines_are_shown_and_how_many_there_are() {
        use holdfast_model::{AccountName, NetworkMap, Picture, Prefix, Region, RouteTableId, Scope, TableName};
        use holdfast_plan::{Place, RouteValue, Step, forecast};
        let step = |n: u32| Step {
            table: RouteTableId::parse("tgw-rtb-0000000a").unwrap(),
            name: TableName::parse("hub").unwrap(),
            tag: None,
            scope: Scope { account: AccountName::parse("main").unwrap(), region: Region::parse("eu-west-1").unwrap() },
            networks: [NetworkName::parse("app").unwrap()].into(),
            place: Place::Route { prefix: Prefix::parse(&format!("100.64.{}.{}/32", n / 256, n % 256)).unwrap() },
            before: RouteValue::Absent,
            after: RouteValue::Blackhole,
            why: "app is at nc2-osaka, by its VPC attachment".into(),
        };
        let stages = vec![(0..150).map(step).collect(), (150..8000).map(step).collect()];
        let to = SiteName::parse("nc2-osaka").unwrap();
        let plan = Plan { networks: [NetworkName::parse("app").unwrap()].into(), to, hosts: None, stages };
        let map = NetworkMap::parse(include_str!("../../../infra/network-map.example.yaml")).unwrap();
        let picture = Picture::empty("2026-01-02T03:04:05Z".parse().unwrap());
        let cut_off: Vec<String> = (0..130).map(|n| format!("eni-{n}")).collect();
        let text = shown(&plan, &forecast(&plan, &map, &picture), &cut_off);
        assert!(text.len() < 100_000, "{}", text.len());
        assert!(text.contains("100.64.0.199/32") && !text.contains("100.64.0.200/32"));
        assert!(text.contains("and 7800 more: the stages have 150, 7850 steps"), "{text}");
        assert!(text.ends_with("\n  eni-99\n  and 30 more"), "{text}");
    }

    #[test]
    fn a_plan_older_than_policy_is_not_resumed() {
        let operation: Operation = serde_json::from_value(serde_json::json!({
            "v": 2, "id": "op-00000001", "intent": {"kind": "move", "networks": ["app"], "to": "nc2-osaka"}, "from": {},
            "map": {"bucket": "b", "key": "k", "version": "", "sha256": "00"}, "force": null, "evidence": null,
            "verdict": [], "planned_at": "2026-01-02T03:00:00Z",
            "planned_by": {"execution": "e1", "invocation": "r1"},
            "plan": {"networks": ["app"], "to": "nc2-osaka", "stages": []}
        }))
        .unwrap();
        assert_eq!(too_old(&operation, "2026-01-02T03:01:00Z".parse().unwrap(), 60), None);
        insta::assert_snapshot!(too_old(&operation, "2026-01-02T03:01:01Z".parse().unwrap(), 60).unwrap(), @r#"the plan of operation op-00000001 is 61 s old, policy allows 60 s (`plan_max_age_seconds`); take it back with `{"undo": "op-00000001"}` and start anew, or start with `force` (who and why)"#);
    }

    #[test]
    fn a_race_is_tried_again_and_an_open_operation_is_not() {
        let network = NetworkName::parse("app").unwrap();
        assert!(take_fault(&TakeError::Raced { network: network.clone() }).name.retryable());
        let open = TakeError::OperationOpen {
            network,
            operation: OperationId::parse("op-00000001").unwrap(),
            intent: Box::new(Intent::Undo { operation: OperationId::parse("op-00000000").unwrap(), lost: None }),
            since: "2026-01-02T03:04:05Z".parse().unwrap(),
            holder: None,
            replace: Some("where neither is possible, replace it".to_owned()),
        };
        let fault = take_fault(&open);
        assert_eq!((fault.name, fault.name.retryable()), (FaultName::OperationOpen, false));
        insta::assert_snapshot!(fault.message, @r#"operation op-00000001 (undo op-00000000) is open on network `app` since 2026-01-02T03:04:05Z; start its input again to finish it, or take it back with `{"undo": "op-00000001"}`; where neither is possible, replace it"#);
    }
}
