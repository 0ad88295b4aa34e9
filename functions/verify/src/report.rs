//! Puts the checks together: the worst one, a summary in plain words, and the stored report.

use crate::checks::worst;
use crate::context::Context;
use crate::drill::Drilled;
use crate::proof::Proof;
use holdfast_model::wire::{Check, CheckStatus, Report, SCHEMA_VERSION, VerifyInput, VerifyKind, VerifyOutput};
use holdfast_model::{Evidence, Fault, MOST_LINES, MapRef, first_lines_of};
use holdfast_store::Drill;
use jiff::Timestamp;

/// What a verification found.
pub(crate) struct Found {
    /// What was verified, as `app at nc2-osaka`.
    pub title: String,
    pub checks: Vec<Check>,
    pub evidence: Option<Evidence>,
    pub drill: Option<Drilled>,
}

/// Stores the report and returns the answer.
pub(crate) async fn store(
    context: &Context,
    input: VerifyInput,
    map: MapRef,
    (found, proof): (Found, Proof),
    now: Timestamp,
) -> Result<VerifyOutput, Fault> {
    let id = id(&input, now);
    let result = worst(&found.checks);
    let report = Report {
        schema_version: SCHEMA_VERSION,
        made_at: now,
        execution: input.execution,
        check: input.check,
        result,
        checks: found.checks,
        evidence: found.evidence,
    };
    context.reports.put(&id, &report).await?;
    if let Some(drilled) = found.drill {
        for (network, basis) in drilled.bases {
            let drill = Drill { v: 1, made_at: now, report: id.clone(), basis };
            context.drills.note(&network, &drilled.to, drilled.good, &drill).await?;
        }
    }
    let mut summary = summary(&found.title, &report.checks, &id);
    if let Some(waited) = proof.waited(result) {
        summary.push('\n');
        summary.push_str(&waited);
    }
    Ok(VerifyOutput {
        schema_version: SCHEMA_VERSION,
        result: proof.verdict(result),
        map,
        summary,
        checks: worst_first(report.checks),
        report: id,
    })
}

/// Kind, time and execution: unique, and findable by eye.
fn id(input: &VerifyInput, now: Timestamp) -> String {
    let kind = match &input.check {
        VerifyKind::Captured { .. } => "captured",
        VerifyKind::Preflight { .. } => "preflight",
        VerifyKind::Postflight { .. } => "postflight",
        VerifyKind::Drill { .. } => "drill",
        VerifyKind::Ready {} => "ready",
    };
    let execution = input.execution.rsplit(':').next().unwrap_or_default();
    format!("{kind}-{}-{execution}", now.strftime("%Y%m%dt%H%M%S%3f"))
}

/// The checks; of very many the worst ones: the stored report has them all, and a state of Step Functions only holds so much.
fn worst_first(mut checks: Vec<Check>) -> Vec<Check> {
    if checks.len() > MOST_LINES {
        checks.sort_by_key(|check| std::cmp::Reverse(check.status));
        checks.truncate(MOST_LINES);
    }
    checks
}

/// The result in plain words: what a person has to look at, or how much was right.
fn summary(title: &str, checks: &[Check], id: &str) -> String {
    let of = |status: CheckStatus| checks.iter().filter(move |check| check.status == status);
    let lines = |word: &'static str, status: CheckStatus| {
        of(status).map(move |check| format!("{word} {}: {}", check.name, check.saw))
    };
    let verdict = match worst(checks) {
        CheckStatus::Pass => format!("{title}: all {} checks passed", checks.len()),
        CheckStatus::Warn => format!("{title}: nothing is wrong in {} checks, but look at this", checks.len()),
        CheckStatus::Unknown => {
            format!(
                "{title}: not proven, {} of {} checks could not be made",
                of(CheckStatus::Unknown).count(),
                checks.len()
            )
        }
        CheckStatus::Fail => {
            format!("{title}: {} of {} checks failed", of(CheckStatus::Fail).count(), checks.len())
        }
    };
    let mut text = vec![verdict];
    let told = lines("FAILED", CheckStatus::Fail).chain(lines("unknown:", CheckStatus::Unknown));
    let told = told.chain(lines("warning:", CheckStatus::Warn));
    text.extend(first_lines_of(told, &format!("report `{id}` in the operations table")));
    text.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::{fail, pass, unknown, warn};

    /// A thousand hosts with a warning each fit into a state and a page; what is wrong comes first.
    #[test]
    fn of_very_many_checks_the_worst_are_told_and_the_report_is_named() {
        let mut checks: Vec<Check> = (0..1000).map(|n| warn(format!("host-{n}: name"), "odd")).collect();
        checks.push(fail("subnet for app at nc2", "no"));
        let text = summary("wave-1", &checks, "captured-1");
        assert_eq!(text.lines().nth(1), Some("FAILED subnet for app at nc2: no"));
        assert!(text.ends_with("and 951 more, see report `captured-1` in the operations table"), "{text}");
        let told = worst_first(checks);
        assert_eq!((told.len(), told[0].status), (MOST_LINES, CheckStatus::Fail));
    }

    #[test]
    fn a_summary_names_what_a_person_has_to_look_at_worst_first() {
        let checks = [
            pass("route from onprem to app", "delivered"),
            warn("last good drill", "there was none before this one"),
            unknown("probe from branch to app", "machine `mi-0a1b2c3d` is not managed by Systems Manager"),
            fail("probe from onprem to app", "172.30.1.34: no reply to 3 pings"),
        ];
        assert_eq!(
            summary("app at nc2-osaka", &checks, "r"),
            "app at nc2-osaka: 1 of 4 checks failed\n\
             FAILED probe from onprem to app: 172.30.1.34: no reply to 3 pings\n\
             unknown: probe from branch to app: machine `mi-0a1b2c3d` is not managed by Systems Manager\n\
             warning: last good drill: there was none before this one"
        );
        assert_eq!(summary("app at nc2-osaka", &checks[..1], "r"), "app at nc2-osaka: all 1 checks passed");
    }
}
