//! What a family of the API does, twice real: v4 and v3. What each promises is written at [`crate::Prism`].

use std::net::Ipv4Addr;

use holdfast_model::ExtId;
use jiff::Timestamp;

use crate::{CreateNic, ExternalSubnet, Nic, NutanixError, ReservedIp, Subnet, TimeLimit, Vm, VmRead, Vnic, Vpc};
use crate::{RecoveredEntity, RecoveryJob, RecoveryPlan};

/// VMs, found, read and rebooted.
pub(crate) trait VmApi {
    /// All VMs with exactly this name, on whatever cluster.
    async fn vms_named(&self, name: &str) -> Result<Vec<Vm>, NutanixError>;

    /// A VM and its ETag.
    async fn vm(&self, id: &ExtId) -> Result<VmRead, NutanixError>;

    /// Reboots a VM through ACPI.
    async fn reboot(&self, vm: &ExtId, limit: &TimeLimit) -> Result<(), NutanixError>;
}

/// Changes of the NICs of a VM, each waited for.
pub(crate) trait NicApi {
    /// Moves a NIC to another subnet with an address; the NIC keeps its id.
    async fn migrate_nic(
        &self,
        vm: &ExtId,
        nic: &ExtId,
        subnet: &ExtId,
        address: Ipv4Addr,
        limit: &TimeLimit,
    ) -> Result<(), NutanixError>;

    /// Gives a NIC an address of its subnet.
    async fn assign_ip(
        &self,
        vm: &ExtId,
        nic: &ExtId,
        address: Ipv4Addr,
        limit: &TimeLimit,
    ) -> Result<(), NutanixError>;

    /// Takes a NIC's address away.
    async fn release_ip(&self, vm: &ExtId, nic: &ExtId, limit: &TimeLimit) -> Result<(), NutanixError>;

    /// Connects or disconnects a NIC, and tells whether that was to be done; nothing is sent when it is so already, since a PUT without a change is
    /// refused.
    async fn set_link(&self, vm: &ExtId, nic: &ExtId, connected: bool, limit: &TimeLimit)
    -> Result<bool, NutanixError>;

    /// Gives a NIC these secondary addresses of its subnet, in place of those that it has.
    async fn set_secondary(
        &self,
        vm: &ExtId,
        nic: &ExtId,
        addresses: &[Ipv4Addr],
        limit: &TimeLimit,
    ) -> Result<(), NutanixError>;

    /// Deletes a NIC.
    async fn delete_nic(&self, vm: &ExtId, nic: &ExtId, limit: &TimeLimit) -> Result<(), NutanixError>;

    /// Creates a NIC, ahead of others where the API takes a list, and returns it as the VM shows it.
    async fn create_nic(
        &self,
        vm: &ExtId,
        nic: &CreateNic,
        ahead_of: &[ExtId],
        limit: &TimeLimit,
    ) -> Result<Nic, NutanixError>;
}

/// Networks and who holds which address.
pub(crate) trait NetworkApi {
    /// All Flow VPCs with exactly this name.
    async fn vpcs_named(&self, name: &str) -> Result<Vec<Vpc>, NutanixError>;

    /// All subnets with exactly this name, of whatever VPC.
    async fn subnets_named(&self, name: &str) -> Result<Vec<Subnet>, NutanixError>;

    /// A Flow VPC.
    async fn vpc(&self, id: &ExtId) -> Result<Vpc, NutanixError>;

    /// A subnet.
    async fn subnet(&self, id: &ExtId) -> Result<Subnet, NutanixError>;

    /// Ids of all clusters with exactly this name.
    async fn clusters_named(&self, name: &str) -> Result<Vec<ExtId>, NutanixError>;

    /// The external subnets of a VPC.
    async fn external_subnets(&self, vpc: &Vpc) -> Result<Vec<ExternalSubnet>, NutanixError>;

    /// Who is on a subnet, with which addresses.
    async fn vnics(&self, subnet: &ExtId) -> Result<Vec<Vnic>, NutanixError>;

    /// Which addresses of a subnet are reserved. The betas tell them with the subnet, without their purpose.
    async fn reserved_ips(&self, subnet: &ExtId) -> Result<Vec<ReservedIp>, NutanixError>;
}

/// Recovery plans, and the jobs that run them.
pub(crate) trait RecoveryApi {
    /// All recovery plans.
    async fn recovery_plans(&self) -> Result<Vec<RecoveryPlan>, NutanixError>;

    /// The side that this Prism Central is, in the words of its jobs.
    async fn side(&self) -> Result<Option<String>, NutanixError>;

    /// Recovery jobs newest first, those that began at `since` or later and those that have not begun.
    async fn recovery_jobs(&self, since: Timestamp) -> Result<Vec<RecoveryJob>, NutanixError>;

    /// What became of each VM of a recovery job.
    async fn recovered_entities(&self, job: &ExtId) -> Result<Vec<RecoveredEntity>, NutanixError>;

    /// Starts a test of a recovery plan at this side, and returns its job.
    async fn start_test(&self, plan: &RecoveryPlan, name: &str, limit: &TimeLimit) -> Result<ExtId, NutanixError>;

    /// Removes what a test made.
    async fn clean_up_test(&self, plan: &ExtId, job: &ExtId, limit: &TimeLimit) -> Result<(), NutanixError>;
}
