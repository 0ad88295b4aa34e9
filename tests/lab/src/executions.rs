//! Executions of the state machines: started, awaited, and read with their history.

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_sfn::types::{ExecutionStatus, HistoryEvent};
use serde_json::Value;

use crate::{LabError, aws::Aws, wait};

/// The longest that an execution of the lab may take.
const LIMIT: Duration = Duration::from_secs(600);

/// A finished execution.
#[derive(Debug, Clone)]
pub struct Execution {
    /// Its ARN.
    pub arn: String,
    /// How it ended: `SUCCEEDED`, `FAILED`, ...
    pub status: String,
    /// Its output, or null.
    pub output: Value,
    /// The error that it failed with, e.g. `Held`.
    pub error: String,
    /// Why, in plain words.
    pub cause: String,
    /// Every event, oldest first.
    pub history: Vec<HistoryEvent>,
}

impl Execution {
    /// Whether it reached its end.
    pub fn succeeded(&self) -> bool {
        self.status == ExecutionStatus::Succeeded.as_str()
    }

    /// Whether it holds.
    pub fn held(&self) -> bool {
        self.error == "Held"
    }

    /// What it says of itself in plain words.
    pub fn words(&self) -> String {
        match self.output.get("summary").and_then(Value::as_str) {
            Some(summary) => summary.to_owned(),
            None if self.cause.is_empty() => self.status.clone(),
            None => self.cause.clone(),
        }
    }

    /// The states that were entered, in order.
    pub fn states(&self) -> Vec<String> {
        let entered = |event: &HistoryEvent| Some(event.state_entered_event_details()?.name().to_owned());
        self.history.iter().filter_map(entered).collect()
    }

    /// The last output of a state, or null when it was never left.
    pub fn output_of(&self, state: &str) -> Value {
        let left = self.history.iter().rev().filter_map(|event| event.state_exited_event_details());
        let text = left.into_iter().find(|details| details.name() == state).and_then(|details| details.output());
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
    }
}

/// Starts an execution and returns its ARN.
///
/// # Errors
/// A refused start.
pub async fn start(aws: &Aws, machine: &str, input: &Value) -> Result<String, LabError> {
    let started = aws.sfn.start_execution().state_machine_arn(machine).input(input.to_string()).send().await;
    let started =
        started.map_err(|error| LabError::aws("starting an execution", &aws.region, error.into_service_error()))?;
    Ok(started.execution_arn)
}

/// Waits until an execution has ended.
///
/// # Errors
/// [`LabError::Late`], or a failed read.
pub async fn finish(aws: &Aws, arn: &str) -> Result<Execution, LabError> {
    let ended = wait::until("the end of an execution", LIMIT, || async {
        let answer = aws.sfn.describe_execution().execution_arn(arn).send().await;
        let answer =
            answer.map_err(|error| LabError::aws("reading an execution", &aws.region, error.into_service_error()))?;
        Ok((answer.status() != &ExecutionStatus::Running).then_some(answer))
    });
    let ended = ended.await?;
    Ok(Execution {
        arn: arn.to_owned(),
        status: ended.status().as_str().to_owned(),
        output: ended.output().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null),
        error: ended.error().unwrap_or_default().to_owned(),
        cause: ended.cause().unwrap_or_default().to_owned(),
        history: history(aws, arn).await?,
    })
}

async fn history(aws: &Aws, arn: &str) -> Result<Vec<HistoryEvent>, LabError> {
    let mut pages = aws.sfn.get_execution_history().execution_arn(arn).max_results(1000).into_paginator().send();
    let mut events = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| {
            LabError::aws("reading an execution's history", &aws.region, error.into_service_error())
        })?;
        events.extend(page.events);
    }
    Ok(events)
}

/// The ARNs of all executions of a machine.
///
/// # Errors
/// A failed read.
pub async fn list(aws: &Aws, machine: &str) -> Result<BTreeSet<String>, LabError> {
    let mut pages = aws.sfn.list_executions().state_machine_arn(machine).into_paginator().send();
    let mut arns = BTreeSet::new();
    while let Some(page) = pages.next().await {
        let page =
            page.map_err(|error| LabError::aws("listing executions", &aws.region, error.into_service_error()))?;
        arns.extend(page.executions.into_iter().map(|execution| execution.execution_arn));
    }
    Ok(arns)
}

/// Waits for an execution of a machine that is not among the known ones.
///
/// # Errors
/// [`LabError::Late`], or a failed read.
pub async fn started_since(
    aws: &Aws,
    machine: &str,
    known: &BTreeSet<String>,
    within: Duration,
) -> Result<String, LabError> {
    wait::until("the start of an execution", within, || async {
        Ok(list(aws, machine).await?.difference(known).next().cloned())
    })
    .await
}
