//! What public text leaves open about Nutanix, and how patient a client must be: one switch each.
//!
//! Holdfast must succeed with every setting; a default is the likelier answer, not a known one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a Prism Central answers to a change without `If-Match` where one is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingIfMatch {
    /// HTTP 428, as the HTTP standard has it.
    Status428,
    /// HTTP 412.
    Status412,
    /// HTTP 400.
    Status400,
    /// Accepted for NIC create and delete, VM delete and actions, as announced for AHV; a PUT still needs it.
    Accepted,
}

/// What happens to a change whose ETag is old already when it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StaleIfMatch {
    /// HTTP 412 with `PLAT-10005`.
    Refused,
    /// Accepted with 202; the task fails with `VMM-30303`.
    FailedTask,
}

/// Whether the task of a NIC creation names the new NIC among its affected entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NicEntity {
    /// As soon as the task has succeeded.
    Present,
    /// Two polls after the task has succeeded.
    Late,
    /// Never.
    Missing,
}

/// What happens to an update of a NIC whose two forms (`backingInfo`, `nicBackingInfo`) contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TornNicUpdate {
    /// The form that differs from the NIC as it is counts.
    ChangedWins,
    /// HTTP 400.
    Refused,
}

/// What becomes of a NIC that is created with a MAC address outside the range that AHV gives by itself. The SDKs take any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForeignMacs {
    /// It has that address.
    Taken,
    /// It has another one.
    Replaced,
    /// The task fails.
    Refused,
}

/// What becomes of other secondary addresses in an update of a NIC. None of the public clients sends any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecondaryUpdate {
    /// The NIC gets them.
    Done,
    /// The update succeeds without them.
    Ignored,
    /// The task fails.
    Refused,
}

/// What a planned failover leaves of a VM at the side that it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlannedSource {
    /// Nothing: the VM is unregistered.
    Removed,
    /// The VM, powered off.
    PoweredOff,
}

/// What the list of recovery jobs of v4 makes of a wish to have them in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobOrder {
    /// It is met.
    Kept,
    /// It is passed over.
    Ignored,
    /// HTTP 400.
    Refused,
}

/// What a job ends with that recovered some VMs and others not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartlyFailed {
    /// FAILED.
    Failed,
    /// With a warning, as one whose validation had something to say.
    Warning,
}

/// The switches of all Prism Centrals and recovery plans of a world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {
    /// The answer to a missing `If-Match`.
    pub missing_if_match: MissingIfMatch,
    /// The answer to an `If-Match` that is stale on arrival.
    pub stale_if_match: StaleIfMatch,
    /// That many of the next accepted changes of a VM find at execution that the VM has changed meanwhile.
    pub etag_races: u32,
    /// Every so many reads of a VM its ETag changes on its own; 0 is never.
    pub etag_drift_every: u32,
    /// NICs have actions at all: `migrate`, `assign-ip` and `release-ip`. Every SDK from 4.0.1b1 on has them; whether
    /// every Prism Central of its time does is unverified.
    pub nic_actions: bool,
    /// `$actions/migrate` keeps the MAC address of the NIC.
    pub migrate_keeps_mac: bool,
    /// `$actions/migrate` works while the VM is powered on.
    pub migrate_powered_on: bool,
    /// `$actions/migrate` works between two overlay subnets of one VPC.
    pub migrate_within_vpc: bool,
    /// `$actions/assign-ip` replaces an address that is not released yet.
    pub assign_replaces: bool,
    /// A reserved address may be given to a NIC explicitly.
    pub assign_reserved: bool,
    /// An explicit address may lie outside the pools of the subnet.
    pub assign_outside_pool: bool,
    /// What becomes of other secondary addresses in an update of a NIC.
    pub secondary_update: SecondaryUpdate,
    /// What becomes of a NIC that is created with a MAC address outside the range that AHV gives by itself.
    pub foreign_macs: ForeignMacs,
    /// v3 keeps the NICs of a VM in the order of the list that it is sent; otherwise one that is created comes last, as by v4.
    pub v3_keeps_nic_order: bool,
    /// The answer to an update of a NIC whose two forms contradict each other.
    pub torn_nic_update: TornNicUpdate,
    /// Whether a task names the NIC that it created.
    pub nic_entity: NicEntity,
    /// Reads for which a task stays QUEUED.
    pub task_queued_reads: u32,
    /// Reads for which a task stays RUNNING.
    pub task_running_reads: u32,
    /// Milliseconds that a task runs, besides those reads; 0 is by the reads alone.
    pub task_ms: u64,
    /// Tasks that run at once where they take time; the others wait in the order in which they were accepted. 0 is all of them.
    pub tasks_at_once: usize,
    /// Calls that are answered at once; one more gets a 429 without `Retry-After`. 0 is any number: Nutanix publishes no rate limit.
    pub calls_at_once: usize,
    /// Reads for which a configured address of a NIC does not show yet.
    pub address_lag_reads: u32,
    /// Reads for which Prism Central has not learned yet which address a guest uses.
    pub learned_lag_reads: u32,
    /// The ETag of a VM changes when an address is learned, even between the acceptance of a change and its execution.
    pub learning_changes_etag: bool,
    /// How many more entities lists tell of than there are, fewer where it is negative: totals are only eventually right
    /// (prism-go-client). The links of v4 follow what is told.
    pub total_error: i64,
    /// What a planned failover leaves behind.
    pub planned_source: PlannedSource,
    /// A failover keeps the MAC addresses of the NICs.
    pub failover_keeps_mac: bool,
    /// A failover keeps the ids of the VMs; the copies of a test have others at any rate.
    pub failover_keeps_id: bool,
    /// A recovery job shows at both Prism Centrals, not only where it was started.
    pub jobs_on_both_sides: bool,
    /// What the list of recovery jobs of v4 makes of `$orderby`.
    pub job_order: JobOrder,
    /// Reads of jobs for which one that a client started goes on; one that a person starts goes as far as it is told.
    pub job_reads: u32,
    /// What a job ends with that recovered some VMs and others not.
    pub partly_failed_job: PartlyFailed,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            missing_if_match: MissingIfMatch::Status428,
            stale_if_match: StaleIfMatch::Refused,
            etag_races: 0,
            etag_drift_every: 0,
            nic_actions: true,
            migrate_keeps_mac: true,
            migrate_powered_on: true,
            migrate_within_vpc: true,
            assign_replaces: false,
            assign_reserved: true,
            assign_outside_pool: true,
            secondary_update: SecondaryUpdate::Done,
            foreign_macs: ForeignMacs::Taken,
            v3_keeps_nic_order: false,
            torn_nic_update: TornNicUpdate::ChangedWins,
            nic_entity: NicEntity::Present,
            task_queued_reads: 1,
            task_running_reads: 1,
            task_ms: 0,
            tasks_at_once: 0,
            calls_at_once: 0,
            address_lag_reads: 1,
            learned_lag_reads: 2,
            learning_changes_etag: false,
            total_error: 0,
            planned_source: PlannedSource::Removed,
            failover_keeps_mac: true,
            failover_keeps_id: false,
            jobs_on_both_sides: false,
            job_order: JobOrder::Kept,
            job_reads: 2,
            partly_failed_job: PartlyFailed::Failed,
        }
    }
}
