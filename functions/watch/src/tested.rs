//! What a drill asks of its test failover, over the wire.

use holdfast_model::wire::{DrillRequest, Progress, SCHEMA_VERSION, TestedOutput};
use holdfast_model::{Clock, Fault, FaultName, MapRef, NetworkMap, Site};
use holdfast_nutanix::{Prism, Timeouts};
use holdfast_runtime::Invocation;

use crate::handle::{Context, REPLY};
use crate::subject::of_request;
use crate::test_failover::{Advance, Cleaned, TestDesk, WantedTest, advance, clean};

/// What is wanted of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It is up.
    Up,
    /// It is cleaned up.
    Gone,
}

/// Takes the test failover of a drill a step further, up or down.
///
/// # Errors
/// `Refused` where this Region may not write to the tables; `InvalidInput` for a request that does not go together, and those of [`advance`] and [`clean`].
pub(crate) async fn test_failover(
    context: &Context,
    (map, reference): (&NetworkMap, MapRef),
    (execution, request): (&str, &DrillRequest),
    wanted: Wanted,
    invocation: &Invocation,
) -> Result<TestedOutput, Fault> {
    // Of eventually consistent tables one Region alone writes: what is written down elsewhere would not keep a second test from being started.
    context.poll.writer.allows(context.poll.region.as_str(), None)?;
    let invalid = |why: String| Fault::new(FaultName::InvalidInput, why);
    let scope = of_request(map, &request.networks, &request.to)?;
    let plan = request.tested_plan().map_err(invalid)?;
    let plan = plan.ok_or_else(|| invalid("this drill has no test failover".to_owned()))?;
    let Some(Site::Nc2 { prism_central: central, .. }) = map.sites.get(&scope.to) else {
        return Err(invalid(format!("site `{}` is no NC2 site: there is no recovery plan to test", scope.to)));
    };
    let appliance = map.prism_centrals.get(central).ok_or_else(|| {
        Fault::new(FaultName::InvalidMap, format!("Prism Central `{central}` is not in the network map"))
    })?;
    let credentials = context.secrets.credentials(&appliance.secret).await?;
    let timeouts = Timeouts { request: REPLY, ..Timeouts::default() };
    let prism = Prism::connect(&appliance.endpoint, credentials, &appliance.trust, timeouts);
    let prism = prism.map_err(|error| Fault::new(FaultName::InvalidMap, error.to_string()))?;
    let desk = TestDesk {
        map,
        central,
        prism: &prism,
        tests: &context.tests,
        now: context.clock.now(),
        invocation: &invocation.id,
    };
    let output = |result, test: &str, summary| TestedOutput {
        schema_version: SCHEMA_VERSION,
        map: reference,
        result,
        test: test.to_owned(),
        summary,
    };
    match wanted {
        Wanted::Up => {
            let wanted = WantedTest { execution, networks: &scope.networks, to: &scope.to, plan };
            Ok(match advance(&desk, &wanted).await? {
                Advance::Continue(why) => output(Progress::Continue, "", why),
                Advance::Up(test) => {
                    let words =
                        format!("test failover `{}` of recovery plan `{plan}` is up at {}", test.name, scope.to);
                    output(Progress::Done, &test.name, words)
                }
            })
        }
        Wanted::Gone => {
            let all = context.tests.all(central).await?;
            let mine = all.into_iter().find(|kept| kept.test.execution == execution && kept.test.plan_name == plan);
            let mine =
                mine.ok_or_else(|| invalid(format!("drill `{execution}` has no test of recovery plan `{plan}`")))?;
            Ok(match clean(&desk, mine).await? {
                Cleaned::Over(kept) => {
                    let words =
                        format!("test failover `{}` is cleaned up: none of its VMs is there any more", kept.test.name);
                    output(Progress::Done, &kept.test.name, words)
                }
                // Who waits too long would end without a word: people are told, and the sweep goes on.
                Cleaned::Open { kept, why } if kept.test.until < desk.now => {
                    let name = &kept.test.name;
                    let message =
                        format!("test failover `{name}` is not cleaned up: {why}; `watch` tries again every minute");
                    return Err(Fault::new(FaultName::Refused, message));
                }
                Cleaned::Open { kept, why } => {
                    let words = format!("test failover `{}` is not cleaned up yet: {why}", kept.test.name);
                    output(Progress::Continue, &kept.test.name, words)
                }
            })
        }
    }
}
