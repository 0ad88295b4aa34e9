//! Whom a command is sent to: machines by their ids, or by tags that exactly these machines carry.
//!
//! Systems Manager resolves tags by itself, after it was asked who carries them. A machine that is given them between the two gets the command too, so
//! only the capture script, which changes nothing, is ever sent by tags; who got it beside those that were meant is looked up and told.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ssm::operation::send_command::builders::SendCommandFluentBuilder;
use aws_sdk_ssm::types::Target;
use holdfast_model::InstanceId;

use crate::command::{Guest, IDS_PER_COMMAND};
use crate::error::GuestError;

/// Targets per `SendCommand`: the API takes no more.
const TARGETS_PER_COMMAND: usize = 5;

/// Of those that tags fit, how many run a command at once, and how many may fail before it is sent to no more. Each machine is on its own, and all have
/// to end within one deadline: the API's own values, 50 and 0, would leave out whoever comes after the first failure.
const EVERYBODY: &str = "100%";

/// Tags, all of which a machine has to carry.
pub type Tags = BTreeMap<String, String>;

/// Whom a command is sent to.
#[derive(Debug, Clone)]
pub(crate) enum Reach {
    Ids(Vec<InstanceId>),
    /// By tags that exactly these carry.
    Tags(Tags, Vec<InstanceId>),
}

impl Reach {
    pub(crate) fn machines(&self) -> &[InstanceId] {
        match self {
            Reach::Ids(machines) | Reach::Tags(_, machines) => machines,
        }
    }

    pub(crate) fn aim(&self, call: SendCommandFluentBuilder) -> SendCommandFluentBuilder {
        match self {
            Reach::Ids(machines) => call.set_instance_ids(Some(machines.iter().map(InstanceId::to_string).collect())),
            Reach::Tags(tags, _) => {
                let target = |(key, value): (&String, &String)| {
                    Target::builder().key(format!("tag:{key}")).values(value.clone()).build()
                };
                call.set_targets(Some(tags.iter().map(target).collect()))
                    .max_concurrency(EVERYBODY)
                    .max_errors(EVERYBODY)
            }
        }
    }
}

impl Guest {
    /// How these machines, all of one platform, are reached: by one command where it takes fewer than their ids would and nobody else that Systems
    /// Manager knows carries the tags, online or not; else by their ids.
    pub(crate) async fn reach(&self, machines: &[InstanceId], tags: Option<&Tags>) -> Vec<Reach> {
        let by_ids = || machines.chunks(IDS_PER_COMMAND).map(|batch| Reach::Ids(batch.to_vec())).collect();
        let enough = |tags: &&Tags| (1..=TARGETS_PER_COMMAND).contains(&tags.len());
        let Some(tags) = tags.filter(enough).filter(|_| machines.len() > IDS_PER_COMMAND) else { return by_ids() };
        match self.read_tagged(tags).await {
            Ok(tagged) if tagged.iter().eq(machines.iter().collect::<BTreeSet<_>>()) => {
                vec![Reach::Tags(tags.clone(), machines.to_vec())]
            }
            Ok(_) | Err(_) => by_ids(),
        }
    }

    /// Who got a command that was sent by tags without being meant: it is cancelled there, and each is named with why.
    pub(crate) async fn strangers(&self, command: &str, reach: &Reach) -> BTreeMap<InstanceId, GuestError> {
        let Reach::Tags(_, meant) = reach else { return BTreeMap::new() };
        let reached = match self.read_reached(command, |_| true).await {
            Ok(reached) => reached,
            Err(failure) => {
                tracing::warn!(command.id = %command, code = %failure.code, "who got command `{command}` could not be read");
                return BTreeMap::new();
            }
        };
        let strangers: BTreeSet<InstanceId> = reached.into_iter().filter(|machine| !meant.contains(machine)).collect();
        if !strangers.is_empty() {
            self.cancel(command, strangers.iter()).await;
        }
        let outside = |machine: InstanceId| {
            let error = GuestError::Outside { machine: machine.clone(), command: command.to_owned() };
            (machine, error)
        };
        strangers.into_iter().map(outside).collect()
    }
}
