//! What a person could start when an execution holds: go on, take it back, force it, replace what nobody can end, do without what is silent. Each is planned, proven and judged now, and nothing is changed.

use crate::command::Command;
use crate::context::Context;
use crate::goal::{Goal, goal};
use crate::swap::Swap;
use crate::words::take_fault;
use holdfast_journal::{JournalStore, Operation, read_locks};
use holdfast_model::wire::{ChoicesOutput, FailoverRequest, Force, SCHEMA_VERSION, SwapRouteInput, Waiver};
use holdfast_model::{Fault, FaultName, MapRef, NetworkMap, OperationId, Region, Site, SiteName};
use holdfast_runtime::Invocation;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The longest that a choice is checked: a person waits for the page.
const LIMIT: Duration = Duration::from_secs(60);

/// What stands in a command for what a person has to write.
const BY: &str = "YOUR NAME";
const REASON: &str = "WHY";

/// One thing that a person could start.
struct Choice {
    what: String,
    /// The command; none where an execution of no state machine asks.
    command: Option<Command>,
    /// The input.
    input: String,
    would: Would,
}

/// What would come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Would {
    /// It would be done: what.
    Done(String),
    /// It would be refused: why.
    Refused(Fault),
    /// Nobody can say beforehand: why.
    Unknown(String),
}

/// What a person could start now, as commands, each with what would come of it.
///
/// # Guarantees
/// Nothing is changed. What cannot be checked is told as that.
pub(crate) async fn choices(
    context: &Context,
    input: &SwapRouteInput,
    invocation: &Invocation,
    (map, reference): (&Arc<NetworkMap>, MapRef),
) -> ChoicesOutput {
    let asking = Asking { context, input, invocation, map, reference };
    let all = match untouched(&input.request) {
        true => vec![
            asking.go_on(Would::Unknown("no route was touched yet; it checks by itself whether it can".to_owned())),
        ],
        false => asking.all().await,
    };
    ChoicesOutput { schema_version: SCHEMA_VERSION, map: asking.reference, summary: told(&all) }
}

/// Whether an execution holds that did not get as far as routes.
fn untouched(request: &FailoverRequest) -> bool {
    request.networks.is_none() && request.undo.is_none() && request.reconcile.is_none()
}

struct Asking<'a> {
    context: &'a Context,
    input: &'a SwapRouteInput,
    invocation: &'a Invocation,
    map: &'a Arc<NetworkMap>,
    reference: MapRef,
}

impl Asking<'_> {
    async fn all(&self) -> Vec<Choice> {
        let request = &self.input.request;
        let (go_on, undo, force) =
            futures::future::join3(async { self.go_on(self.would(request).await) }, self.undo(), async {
                match request.force {
                    // Who goes on forces it again.
                    Some(_) => None,
                    None => Some(self.force().await),
                }
            })
            .await;
        let lost = match &go_on.would {
            Would::Refused(fault) if fault.name == FaultName::Unread => {
                let (waive, lost) = futures::future::join(self.waive(), self.lost()).await;
                waive.into_iter().chain(lost).collect()
            }
            Would::Refused(_) | Would::Done(_) | Would::Unknown(_) => Vec::new(),
        };
        let helps = |choice: &Choice| matches!(choice.would, Would::Done(_));
        let replace = match helps(&go_on) || undo.as_ref().is_some_and(helps) {
            true => Vec::new(),
            false => self.replace().await,
        };
        [Some(go_on), undo, force].into_iter().flatten().chain(replace).chain(lost).collect()
    }

    /// Replaces what is open on the networks, by a person's word, with a move to any site but the one that was asked for: forcing that is a choice
    /// already. None where nothing is open.
    async fn replace(&self) -> Vec<Choice> {
        let Ok(Some((open, asked))) = self.replaceable().await else { return Vec::new() };
        let networks: BTreeSet<_> =
            open.plan.networks.iter().filter(|network| self.map.networks.contains_key(*network)).cloned().collect();
        let sites = self.map.sites.keys().filter(|site| asked.as_ref() != Some(*site));
        let choices = sites.map(async |site| {
            let request = FailoverRequest {
                networks: Some(networks.clone()),
                to: Some(site.clone()),
                hosts: open.plan.hosts.clone(),
                lost: self.input.request.lost.clone().filter(|lost| self.map.sites.get(site).is_none_or(|at| at.region() != lost)),
                inventory: self.input.request.inventory.clone(),
                force: Some(Force { by: BY.to_owned(), reason: REASON.to_owned() }),
                ..FailoverRequest::default()
            };
            let would = self.would(&request).await;
            let what = format!(
                "If the machines of operation {} are at {site}: lead them there from where the tables are, by your word, which is recorded and ends that operation",
                open.id
            );
            self.failover(what, &request, would)
        });
        futures::future::join_all(choices).await
    }

    /// The operation that is open on the networks of what is asked, and the site that a forced move is asked to.
    async fn replaceable(&self) -> Result<Option<(Operation, Option<SiteName>)>, Fault> {
        let (request, operations) = (&self.input.request, &self.context.operations);
        let read = async |id: &OperationId| {
            let read = operations.read_operation(id).await;
            read.map_err(|error| Fault::new(error.fault(), error.to_string()))
        };
        let (networks, to) = match (goal(request, self.map, operations).await, &request.undo) {
            (Ok(Goal { networks, to, undone: None, .. }), _) => (networks, Some(to)),
            (Ok(Goal { networks, .. }), _) => (networks, None),
            // What cannot be taken back has networks all the same.
            (Err(fault), Some(id)) => (read(id).await?.ok_or(fault)?.plan.networks, None),
            (Err(fault), None) => return Err(fault),
        };
        let locks = read_locks(&self.map.entangled(&networks), operations).await.map_err(|error| take_fault(&error))?;
        match locks.values().find_map(|lock| lock.open.as_ref()) {
            None => Ok(None),
            Some(open) => Ok(read(&open.operation).await?.map(|operation| (operation, to))),
        }
    }

    /// Goes on without the word of the sites that were silent; none where none was, or they are gone without already.
    async fn waive(&self) -> Option<Choice> {
        let request = &self.input.request;
        let to = goal(request, self.map, &self.context.operations).await.ok()?.to;
        let evidence = self.context.evidence.get(self.input.evidence.as_ref()?).await.ok()??;
        let sites: BTreeSet<SiteName> = evidence.sites_unread.into_keys().filter(|site| *site != to).collect();
        if sites.is_empty() || request.waived.is_some() {
            return None;
        }
        let names: Vec<&str> = sites.iter().map(SiteName::as_str).collect();
        let what =
            format!("Do without the word of {}, and answer for no machine there serving anybody", names.join(", "));
        let waived = Some(Box::new(Waiver { sites, by: BY.to_owned(), reason: REASON.to_owned() }));
        let request = FailoverRequest { waived, event: None, approved_by: None, ..request.clone() };
        let would = self.would(&request).await;
        Some(self.failover(what, &request, would))
    }

    /// Goes on without a Region that has not told something: each of them but the one that the networks go to.
    async fn lost(&self) -> Vec<Choice> {
        let request = &self.input.request;
        let found = goal(request, self.map, &self.context.operations).await;
        let Ok(Goal { to, lost: None, steady: None, .. }) = found else { return Vec::new() };
        let to = self.map.sites.get(&to).map(Site::region);
        let of_sites = self.map.sites.values().map(Site::region);
        let regions: BTreeSet<&Region> =
            of_sites.chain(self.map.route_tables.values().map(|table| &table.region)).collect();
        let others = regions.into_iter().filter(|region| Some(*region) != to && request.reconcile.is_none());
        let without = others.map(async |region| {
            let request = FailoverRequest {
                lost: Some(region.clone()),
                waived: None,
                event: None,
                approved_by: None,
                ..request.clone()
            };
            let would = self.would(&request).await;
            let what = format!("Declare {region} lost: no call is made to it, its tables stay as they are, and you answer for no machine there serving anybody");
            self.failover(what, &request, would)
        });
        futures::future::join_all(without).await
    }

    fn go_on(&self, would: Would) -> Choice {
        let input = match &self.input.again {
            Some(again) => again.clone(),
            None => written(&self.input.request),
        };
        let command = Command::again(&self.input.execution, &input);
        Choice { what: "Go on, which repeats nothing".to_owned(), command, input, would }
    }

    /// Takes back what is open on the networks, else what led them to where they were to go; none where nothing did.
    async fn undo(&self) -> Option<Choice> {
        let found = self.undoable().await;
        let (id, request) = match found {
            Ok(found) => found?,
            Err(fault) => {
                let why = format!("the operations of its networks were not read: {}", fault.message);
                let (what, input) = ("Take it back".to_owned(), r#"{"undo": "op-.."}"#.to_owned());
                let command = Command::failover(&self.input.execution, &input);
                return Some(Choice { what, command, input, would: Would::Unknown(why) });
            }
        };
        let would = self.would(&request).await;
        Some(self.failover(format!("Take operation {id} back"), &request, would))
    }

    async fn undoable(&self) -> Result<Option<(OperationId, FailoverRequest)>, Fault> {
        // What is wrong with the request is told where it would go on.
        let Ok(Goal { networks, to, .. }) = goal(&self.input.request, self.map, &self.context.operations).await else {
            return Ok(None);
        };
        let operations = &self.context.operations;
        let locks = read_locks(&networks, operations).await.map_err(|error| take_fault(&error))?;
        if let Some(open) = locks.values().find_map(|lock| lock.open.as_ref()) {
            let request = undo_of(&open.operation, open.intent.lost().cloned());
            return Ok(Some((open.operation.clone(), request)));
        }
        let mut left = locks.into_values().filter_map(|lock| lock.left).filter(|left| left.site == to);
        let Some(left) = left.next() else { return Ok(None) };
        let read = operations.read_operation(&left.operation).await;
        let read = read.map_err(|error| Fault::new(error.fault(), error.to_string()))?;
        Ok(read.map(|operation| (operation.id.clone(), undo_of(&operation.id, operation.intent.lost().cloned()))))
    }

    async fn force(&self) -> Choice {
        let force = Some(Force { by: BY.to_owned(), reason: REASON.to_owned() });
        let request = FailoverRequest { force, event: None, approved_by: None, ..self.input.request.clone() };
        let would = self.would(&request).await;
        let what =
            "Force it by your word, which is recorded: nobody then checks that the machines are there".to_owned();
        self.failover(what, &request, would)
    }

    fn failover(&self, what: String, request: &FailoverRequest, would: Would) -> Choice {
        let input = written(request);
        Choice { what, command: Command::failover(&self.input.execution, &input), input, would }
    }

    async fn would(&self, request: &FailoverRequest) -> Would {
        match tokio::time::timeout(LIMIT, Box::pin(self.rehearse(request))).await {
            Ok(Ok(done)) => Would::Done(done),
            Ok(Err(fault)) if fault.name.retryable() => Would::Unknown(fault.message),
            Ok(Err(fault)) => Would::Refused(fault),
            Err(_) => Would::Unknown(format!("the check took longer than {} s", LIMIT.as_secs())),
        }
    }

    async fn rehearse(&self, request: &FailoverRequest) -> Result<String, Fault> {
        let input = SwapRouteInput {
            request: request.clone(),
            evidence: self.input.evidence.clone().filter(|_| request.force.is_none()),
            ..self.input.clone()
        };
        let swap = Swap::of(self.context, input, self.invocation.clone(), self.map, self.reference.clone()).await?;
        swap.rehearse().await
    }
}

fn undo_of(operation: &OperationId, lost: Option<Region>) -> FailoverRequest {
    FailoverRequest { undo: Some(operation.clone()), lost, ..FailoverRequest::default() }
}

/// A request as a person types it.
fn written(request: &FailoverRequest) -> String {
    serde_json::to_string(request).unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"))
}

/// The choices as a person reads them.
fn told(choices: &[Choice]) -> String {
    // Whatever is started with such an input ends here again.
    let unasked =
        |choice: &Choice| matches!(&choice.would, Would::Refused(fault) if fault.name == FaultName::InvalidInput);
    if choices.iter().all(unasked) {
        return "Nothing was changed, and nothing can be started with this input: mend it as said above, and start that.".to_owned();
    }
    let mut text =
        "What can be started now, with what would come of it. All of it is looked at anew when it is started."
            .to_owned();
    for (at, Choice { what, command, input, would }) in choices.iter().enumerate() {
        let would = match would {
            Would::Done(what) => format!("It would be done: {what}"),
            Would::Refused(fault) => format!("It would be refused: {}", fault.message),
            Would::Unknown(why) => format!("It is not known what would come of it: {why}"),
        };
        let start = command.as_ref().map_or_else(|| format!("start it with {input}"), ToString::to_string);
        text.push_str(&format!("\n{}. {what}. {would}\n   {start}", at + 1));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXECUTION: &str = "arn:aws:states:ap-northeast-1:111122223333:execution:holdfast-failover:run-1";

    #[test]
    fn an_input_that_is_wrong_is_no_choice() {
        let wrong = || Would::Refused(Fault::new(FaultName::InvalidInput, "network `ap` is not in the network map"));
        let choice = |would| Choice { what: "Go on".to_owned(), command: None, input: "{}".to_owned(), would };
        let text =
            "Nothing was changed, and nothing can be started with this input: mend it as said above, and start that.";
        assert_eq!(told(&[choice(wrong()), choice(wrong())]), text);
        // What is open can be ended all the same.
        assert!(told(&[choice(wrong()), choice(Would::Done("1 route is changed".into()))]).contains("2. Go on"));
    }

    #[test]
    fn each_choice_is_a_command_with_what_would_come_of_it() {
        let undo = undo_of(&OperationId::parse("op-00000001").unwrap(), None);
        let choice = |what: &str, input: &str, would| Choice {
            what: what.to_owned(),
            command: Command::failover(EXECUTION, input),
            input: input.to_owned(),
            would,
        };
        let all = [
            choice("Go on", r#"{"networks": ["app"], "to": "nc2-osaka"}"#, Would::Done("1 route is changed".into())),
            choice(
                "Take it back",
                &written(&undo),
                Would::Refused(Fault::new(FaultName::EvidenceAgainst, "web-1 runs at `nc2-osaka`")),
            ),
            Choice { command: None, ..choice("Force it", "{}", Would::Unknown("no answer".into())) },
        ];
        insta::assert_snapshot!(told(&all), @r#"
        What can be started now, with what would come of it. All of it is looked at anew when it is started.
        1. Go on. It would be done: 1 route is changed
           aws stepfunctions start-execution --region ap-northeast-1 --state-machine-arn arn:aws:states:ap-northeast-1:111122223333:stateMachine:holdfast-failover --input '{"networks": ["app"], "to": "nc2-osaka"}'
        2. Take it back. It would be refused: web-1 runs at `nc2-osaka`
           aws stepfunctions start-execution --region ap-northeast-1 --state-machine-arn arn:aws:states:ap-northeast-1:111122223333:stateMachine:holdfast-failover --input '{"undo":"op-00000001"}'
        3. Force it. It is not known what would come of it: no answer
           start it with {}
        "#);
    }

    #[test]
    fn what_is_written_is_what_the_machine_takes() {
        let request = FailoverRequest {
            networks: Some([holdfast_model::NetworkName::parse("app").unwrap()].into()),
            to: Some(holdfast_model::SiteName::parse("nc2-osaka").unwrap()),
            force: Some(Force { by: BY.to_owned(), reason: REASON.to_owned() }),
            ..FailoverRequest::default()
        };
        let text = written(&request);
        assert_eq!(text, r#"{"networks":["app"],"to":"nc2-osaka","force":{"by":"YOUR NAME","reason":"WHY"}}"#);
        assert_eq!(serde_json::from_str::<FailoverRequest>(&text).unwrap(), request);
        assert!(untouched(&FailoverRequest::default()) && !untouched(&request));
    }
}
