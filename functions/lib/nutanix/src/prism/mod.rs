//! Prism Central: one client for VMs, NICs, subnets, tasks and recovery jobs, over the v4 API at its level or, where that is missing, over v3.

mod api;
mod calls;
mod recovery;
mod v3;
mod v4;

use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};

use holdfast_model::{Credentials, ExtId, Trust};
use jiff::Timestamp;

use crate::http::Http;
use crate::{Backoff, NutanixError, TimeLimit, Timeouts};
use api::{NetworkApi, NicApi, RecoveryApi, VmApi};
use calls::Calls;
use v3::V3;
use v4::{Level, Namespace, V4};

pub use recovery::{Fate, RecoveredEntity, RecoveryAction, RecoveryJob, RecoveryPlan, RecoveryState, Toward};
pub use v4::{CreateNic, ExternalSubnet, Nic, ReservedIp, Subnet, Vm, VmRead, Vnic, Vpc};

/// Which family of the API a Prism Central is asked by.
#[derive(Debug, Clone, Copy)]
enum Family {
    V4,
    V3,
}

/// A Prism Central.
#[derive(Debug)]
pub struct Prism {
    calls: Arc<Calls>,
    family: OnceLock<Family>,
    recovery: OnceLock<Family>,
    v4: V4,
    v3: V3,
}

/// A call to the family that the Prism Central speaks.
macro_rules! either {
    ($self:ident, $call:ident($($argument:expr),*)) => {
        either!($self by family, $call($($argument),*))
    };
    ($self:ident by $family:ident, $call:ident($($argument:expr),*)) => {
        match $self.$family().await? {
            Family::V4 => $self.v4.$call($($argument),*).await,
            Family::V3 => $self.v3.$call($($argument),*).await,
        }
    };
}

impl Prism {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// [`NutanixError::Config`] when endpoint or trust cannot be used.
    pub fn connect(
        endpoint: &str,
        credentials: Credentials,
        trust: &Trust,
        timeouts: Timeouts,
    ) -> Result<Self, NutanixError> {
        let http = Http::new(endpoint, trust, &timeouts)?;
        let calls = Arc::new(Calls { http, credentials, timeouts });
        let (v4, v3) = (V4::new(Arc::clone(&calls)), V3::new(Arc::clone(&calls)));
        Ok(Self { calls, family: OnceLock::new(), recovery: OnceLock::new(), v4, v3 })
    }

    /// Where this Prism Central is.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.calls.endpoint()
    }

    /// Pauses between two looks at something here that takes its time.
    #[must_use]
    pub fn backoff(&self) -> Backoff {
        self.calls.timeouts.pauses.backoff()
    }

    /// v4 wherever it has VMs at a level that is known here; v3 where it has not.
    async fn family(&self) -> Result<Family, NutanixError> {
        if let Some(family) = self.family.get() {
            return Ok(*family);
        }
        let family = match self.v4.level(Namespace::Vmm).await {
            Ok(_) => Family::V4,
            Err(NutanixError::Unsupported { endpoint, namespace, found }) => {
                if !self.v3.answers().await? {
                    let found = format!("{found} and no v3");
                    return Err(NutanixError::Unsupported { endpoint, namespace, found });
                }
                tracing::warn!("`{endpoint}` speaks {found} of `{namespace}`; it is asked by the API v3");
                Family::V3
            }
            Err(error) => return Err(error),
        };
        Ok(*self.family.get_or_init(|| family))
    }

    /// v4 wherever it has recovery plans; v3 where it has not, which has them at every version.
    async fn recovery(&self) -> Result<Family, NutanixError> {
        if let Some(family) = self.recovery.get() {
            return Ok(*family);
        }
        let found = match self.v4.level(Namespace::DataProtection).await {
            Ok(level) if level >= Level::RECOVERY_PLANS => return Ok(*self.recovery.get_or_init(|| Family::V4)),
            Ok(level) => level.to_string(),
            Err(NutanixError::Unsupported { found, .. }) => found,
            Err(error) => return Err(error),
        };
        if !self.v3.answers().await? {
            let endpoint = self.endpoint().to_owned();
            let (namespace, found) = (Namespace::DataProtection.name(), format!("{found} and no v3"));
            return Err(NutanixError::Unsupported { endpoint, namespace, found });
        }
        Ok(*self.recovery.get_or_init(|| Family::V3))
    }

    /// All recovery plans.
    ///
    /// # Errors
    /// [`NutanixError::Unsupported`] where neither family has them, and what any call can return.
    pub async fn recovery_plans(&self) -> Result<Vec<RecoveryPlan>, NutanixError> {
        either!(self by recovery, recovery_plans())
    }

    /// The side that this Prism Central is, as jobs name the sides that VMs come from and go to; none where it cannot be told.
    ///
    /// # Errors
    /// As [`Prism::recovery_plans`].
    pub async fn side(&self) -> Result<Option<String>, NutanixError> {
        either!(self by recovery, side())
    }

    /// The recovery jobs of this Prism Central, newest first: those that began at `since` or later, and those that have not
    /// begun, of which it may leave some out.
    ///
    /// A job shows where it was started, which is the side that recovers; whether it shows at the other side too is not
    /// published. One that began long ago may end now: `since` has to lie as far back as the longest job takes.
    ///
    /// # Errors
    /// As [`Prism::recovery_plans`].
    pub async fn recovery_jobs(&self, since: Timestamp) -> Result<Vec<RecoveryJob>, NutanixError> {
        either!(self by recovery, recovery_jobs(since))
    }

    /// What became of each VM of a recovery job: the VM that it is now, why it is none, or nothing yet.
    ///
    /// # Errors
    /// [`NutanixError::NotFound`] for a job that this Prism Central does not show, and as [`Prism::recovery_plans`].
    pub async fn recovered_entities(&self, job: &ExtId) -> Result<Vec<RecoveredEntity>, NutanixError> {
        either!(self by recovery, recovered_entities(job))
    }

    /// Starts a test of a recovery plan, which recovers copies of its VMs into the test network of this side, and returns its
    /// job as soon as there is one. Nothing else of a recovery plan is ever started.
    ///
    /// # Guarantees
    /// A lost reply starts no second test. `name` is the name of the job and must be used once: by it one's own is found again,
    /// here after a lost reply, and by whoever comes later.
    ///
    /// # Errors
    /// As [`Prism::assign_ip`]; [`NutanixError::Unreadable`] for a plan of which this Prism Central is not one of two sides.
    pub async fn start_test(&self, plan: &RecoveryPlan, name: &str, limit: &TimeLimit) -> Result<ExtId, NutanixError> {
        either!(self by recovery, start_test(plan, name, limit))
    }

    /// Removes the copies that a test made. v4 takes no job: it removes those of the plan's *last* test, so look first that
    /// `job` is that.
    ///
    /// # Errors
    /// As [`Prism::assign_ip`].
    pub async fn clean_up_test(&self, plan: &ExtId, job: &ExtId, limit: &TimeLimit) -> Result<(), NutanixError> {
        either!(self by recovery, clean_up_test(plan, job, limit))
    }

    /// Whether the clean-up of a test takes that test, as by v3, and not the last one of its plan, as by v4.
    ///
    /// # Errors
    /// As [`Prism::recovery_plans`].
    pub async fn cleans_one_test(&self) -> Result<bool, NutanixError> {
        Ok(match self.recovery().await? {
            Family::V4 => false,
            Family::V3 => true,
        })
    }

    /// Whether a NIC can be given another address while it stays: by v4, not by v3.
    ///
    /// # Errors
    /// What any call can return.
    pub async fn changes_addresses(&self) -> Result<bool, NutanixError> {
        Ok(match self.family().await? {
            Family::V4 => true,
            Family::V3 => false,
        })
    }

    /// Moves a NIC to another subnet with an address; the NIC keeps its id.
    ///
    /// # Errors
    /// As [`Prism::assign_ip`]. Whether it works for a VM that is on is not documented.
    pub async fn migrate_nic(
        &self,
        vm: &ExtId,
        nic: &ExtId,
        subnet: &ExtId,
        address: Ipv4Addr,
        limit: &TimeLimit,
    ) -> Result<(), NutanixError> {
        either!(self, migrate_nic(vm, nic, subnet, address, limit))
    }

    /// Gives a NIC an address of its subnet.
    ///
    /// # Errors
    /// [`NutanixError::TaskFailed`] or [`NutanixError::Api`] when Prism Central says no; [`NutanixError::Unreachable`] when the outcome is not
    /// known; [`NutanixError::NoAction`] where NICs have no such action.
    pub async fn assign_ip(
        &self,
        vm: &ExtId,
        nic: &ExtId,
        address: Ipv4Addr,
        limit: &TimeLimit,
    ) -> Result<(), NutanixError> {
        either!(self, assign_ip(vm, nic, address, limit))
    }

    /// Takes a NIC's address away.
    ///
    /// # Errors
    /// As [`Prism::assign_ip`].
    pub async fn release_ip(&self, vm: &ExtId, nic: &ExtId, limit: &TimeLimit) -> Result<(), NutanixError> {
        either!(self, release_ip(vm, nic, limit))
    }

    /// Connects or disconnects a NIC, and tells whether that was to be done; nothing is sent when it is so already, since a PUT without a change is
    /// refused.
    ///
    /// # Errors
    /// As [`Prism::assign_ip`]; [`NutanixError::NotFound`] when the VM has no such NIC.
    pub async fn set_link(
        &self,
        vm: &ExtId,
        nic: &ExtId,
        connected: bool,
        limit: &TimeLimit,
    ) -> Result<bool, NutanixError> {
        either!(self, set_link(vm, nic, connected, limit))
    }

    /// Gives a NIC these secondary addresses of its subnet, in place of those that it has.
    ///
    /// # Errors
    /// As [`Prism::assign_ip`]. Whether a NIC that is there takes other ones is not documented; they may also be accepted and not show.
    pub async fn set_secondary(
        &self,
        vm: &ExtId,
        nic: &ExtId,
        addresses: &[Ipv4Addr],
        limit: &TimeLimit,
    ) -> Result<(), NutanixError> {
        either!(self, set_secondary(vm, nic, addresses, limit))
    }

    /// Deletes a NIC.
    ///
    /// # Errors
    /// As [`Prism::assign_ip`].
    pub async fn delete_nic(&self, vm: &ExtId, nic: &ExtId, limit: &TimeLimit) -> Result<(), NutanixError> {
        either!(self, delete_nic(vm, nic, limit))
    }

    /// Creates a NIC and returns it as the VM shows it.
    ///
    /// By v3, which takes the list of all NICs, it is put in front of those that it is to be `ahead_of`; whether Prism Central keeps that order is not
    /// documented. By v4 it comes where Prism Central puts it.
    ///
    /// # Guarantees
    /// The NIC is found even when the task never names it: by its MAC address.
    ///
    /// # Errors
    /// As [`Prism::assign_ip`].
    pub async fn create_nic(
        &self,
        vm: &ExtId,
        nic: &CreateNic,
        ahead_of: &[ExtId],
        limit: &TimeLimit,
    ) -> Result<Nic, NutanixError> {
        either!(self, create_nic(vm, nic, ahead_of, limit))
    }

    /// All Flow VPCs with exactly this name.
    ///
    /// # Errors
    /// What any call can return.
    pub async fn vpcs_named(&self, name: &str) -> Result<Vec<Vpc>, NutanixError> {
        either!(self, vpcs_named(name))
    }

    /// A Flow VPC.
    ///
    /// # Errors
    /// [`NutanixError::NotFound`] for one that does not exist, and what any call can return.
    pub async fn vpc(&self, id: &ExtId) -> Result<Vpc, NutanixError> {
        either!(self, vpc(id))
    }

    /// A subnet.
    ///
    /// # Errors
    /// [`NutanixError::NotFound`] for one that does not exist, and what any call can return.
    pub async fn subnet(&self, id: &ExtId) -> Result<Subnet, NutanixError> {
        either!(self, subnet(id))
    }

    /// All subnets with exactly this name, of whatever VPC.
    ///
    /// # Errors
    /// What any call can return.
    pub async fn subnets_named(&self, name: &str) -> Result<Vec<Subnet>, NutanixError> {
        either!(self, subnets_named(name))
    }

    /// Ids of all clusters with exactly this name.
    ///
    /// # Errors
    /// What any call can return.
    pub async fn clusters_named(&self, name: &str) -> Result<Vec<ExtId>, NutanixError> {
        either!(self, clusters_named(name))
    }

    /// The external subnets of a VPC.
    ///
    /// # Errors
    /// What any call can return.
    pub async fn external_subnets(&self, vpc: &Vpc) -> Result<Vec<ExternalSubnet>, NutanixError> {
        either!(self, external_subnets(vpc))
    }

    /// Who is on a subnet, with which addresses.
    ///
    /// The betas and v3 have no such list: there it is the NICs of all VMs, which takes a call for every hundred or five hundred VMs, and what is
    /// on the subnet without being a NIC of a VM is not seen.
    ///
    /// # Errors
    /// What any call can return.
    pub async fn vnics(&self, subnet: &ExtId) -> Result<Vec<Vnic>, NutanixError> {
        either!(self, vnics(subnet))
    }

    /// Which addresses of a subnet are reserved. The betas and v3 tell them with the subnet, without their purpose.
    ///
    /// # Errors
    /// What any call can return.
    pub async fn reserved_ips(&self, subnet: &ExtId) -> Result<Vec<ReservedIp>, NutanixError> {
        either!(self, reserved_ips(subnet))
    }

    /// All VMs with exactly this name, on whatever cluster.
    ///
    /// # Errors
    /// What any call can return.
    pub async fn vms_named(&self, name: &str) -> Result<Vec<Vm>, NutanixError> {
        either!(self, vms_named(name))
    }

    /// A VM and its ETag.
    ///
    /// # Errors
    /// [`NutanixError::NotFound`] for one that does not exist, and what any call can return.
    pub async fn vm(&self, id: &ExtId) -> Result<VmRead, NutanixError> {
        either!(self, vm(id))
    }

    /// Reboots a VM through ACPI.
    ///
    /// # Errors
    /// As a change of a NIC.
    pub async fn reboot(&self, vm: &ExtId, limit: &TimeLimit) -> Result<(), NutanixError> {
        either!(self, reboot(vm, limit))
    }
}
