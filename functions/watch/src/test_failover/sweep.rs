//! What drills have left: looked for every minute, cleaned, and told where that does not succeed.

use holdfast_model::{Fault, TestLeft};
use holdfast_runtime::{Bus, Message};
use holdfast_store::{KeptTest, TestFailover};
use jiff::SignedDuration;

use super::{Cleaned, TestDesk, clean, put};

/// How long a test may be left before people are told.
pub const BORNE: SignedDuration = SignedDuration::from_mins(15);

/// Cleans the tests of a Prism Central that nobody looks after any more: what became of each, in words; nothing where none is left.
///
/// # Guarantees
/// Only tests that Holdfast wrote down are touched. People are told once of each that is still there after [`BORNE`].
///
/// # Errors
/// What the tables can return, and the bus; the next sweep does the rest. A Prism Central that does not answer is no error.
pub async fn sweep(desk: &TestDesk<'_>, bus: &impl Bus) -> Result<Vec<String>, Fault> {
    let mut words = Vec::new();
    for kept in desk.tests.all(desk.central).await? {
        if kept.test.over.is_some() || kept.test.until > desk.now {
            continue;
        }
        let name = kept.test.name.clone();
        let (kept, why) = match clean(desk, kept.clone()).await {
            Ok(Cleaned::Over(_)) => {
                words.push(format!("test failover `{name}`, which a drill has left, is cleaned"));
                continue;
            }
            Ok(Cleaned::Open { kept, why }) => (kept, why),
            Err(fault) => (kept, fault.message),
        };
        words.push(format!("test failover `{name}`, which a drill has left, is not cleaned: {why}"));
        tell(desk, bus, kept, &why).await?;
    }
    Ok(words)
}

async fn tell(desk: &TestDesk<'_>, bus: &impl Bus, kept: KeptTest, why: &str) -> Result<(), Fault> {
    let lasted = desk.now.duration_since(kept.test.until);
    if kept.test.told.is_some() || lasted < BORNE {
        return Ok(());
    }
    let TestFailover { name, plan_name, .. } = &kept.test;
    let summary = format!(
        "test failover `{name}` of recovery plan `{plan_name}` at Prism Central {}, which a drill has left, is not cleaned: {why}. Its VMs are in the \
         test network with the addresses of production. It is tried again every minute; or clean the test up at the Prism Central",
        desk.central
    );
    let left = TestLeft {
        schema_version: 1,
        prism_central: desk.central.clone(),
        recovery_plan: plan_name.clone(),
        name: name.clone(),
        begun: kept.test.begun,
        why: why.to_owned(),
        summary,
    };
    bus.put(&Message::of_test_left(&left)?).await?;
    // What was told may have been changed by another sweep meanwhile: then that one tells too.
    let read = desk.tests.get(desk.central, &kept.test.plan).await?;
    if let Some(kept) = read.filter(|read| read.test.name == left.name) {
        put(desk, Some(&kept), TestFailover { told: Some(desk.now), ..kept.test.clone() }).await?;
    }
    Ok(())
}
