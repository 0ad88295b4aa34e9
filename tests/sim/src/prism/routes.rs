//! Which operation a request asks for.

use super::change::PowerAction;
use super::level::Level;
use super::recovery::{actions::Action, lookup::Lookup};
use super::reply::Request;

/// An operation on the API; the texts are ids as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// `OPTIONS .../unversioned/info`.
    Info,
    /// List VMs.
    ListVms,
    /// Get a VM.
    GetVm(String),
    /// Create a VM.
    CreateVm,
    /// Delete a VM.
    DeleteVm(String),
    /// A power action, with its word.
    Power(String, PowerAction, &'static str),
    /// List NICs.
    ListNics(String),
    /// Get a NIC.
    GetNic(String, String),
    /// Create a NIC.
    CreateNic(String),
    /// Update a NIC.
    UpdateNic(String, String),
    /// Delete a NIC.
    DeleteNic(String, String),
    /// NIC to another subnet.
    MigrateNic(String, String),
    /// NIC gets an address.
    AssignIp(String, String),
    /// NIC loses its address.
    ReleaseIp(String, String),
    /// List subnets.
    ListSubnets,
    /// Get a subnet.
    GetSubnet(String),
    /// Create a subnet.
    CreateSubnet,
    /// Update a subnet.
    UpdateSubnet(String),
    /// Delete a subnet.
    DeleteSubnet(String),
    /// NICs on a subnet.
    ListVnics(String),
    /// Reserved addresses of a subnet.
    ListReservedIps(String),
    /// Reserve addresses.
    Reserve(String),
    /// Unreserve addresses.
    Unreserve(String),
    /// List VPCs.
    ListVpcs,
    /// Get a VPC.
    GetVpc(String),
    /// Create a VPC.
    CreateVpc,
    /// Update a VPC.
    UpdateVpc(String),
    /// Delete a VPC.
    DeleteVpc(String),
    /// List tasks.
    ListTasks,
    /// Get a task.
    GetTask(String),
    /// List domain managers.
    ListDomainManagers,
    /// Get a domain manager.
    GetDomainManager(String),
    /// List clusters.
    ListClusters,
    /// Get a cluster.
    GetCluster(String),
    /// Read recovery plans or jobs.
    Recovery(Lookup),
    /// Run a recovery plan, or clean its test up.
    ActOnPlan(String, Action),
}

impl Operation {
    /// Whether a level has this operation: the betas have neither the lists of what is on a subnet nor domain managers
    /// (SDKs 4.0.1b1; nutanix-api A.3), and recovery plans came late.
    pub fn exists_at(&self, level: Level) -> bool {
        let later = matches!(
            self,
            Self::ListVnics(_) | Self::ListReservedIps(_) | Self::ListDomainManagers | Self::GetDomainManager(_)
        );
        let recovery = matches!(self, Self::Recovery(_) | Self::ActOnPlan(..));
        !(later && level.is_beta() || recovery && level < Lookup::SINCE)
    }

    /// Whether it is an action of a NIC: what a switch takes away.
    pub fn is_nic_action(&self) -> bool {
        matches!(self, Self::MigrateNic(..) | Self::AssignIp(..) | Self::ReleaseIp(..))
    }

    /// The name that the request log and fault rules use.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::ListVms => "vms.list",
            Self::GetVm(_) => "vms.get",
            Self::CreateVm => "vms.create",
            Self::DeleteVm(_) => "vms.delete",
            Self::Power(_, _, word) => word,
            Self::ListNics(_) => "vms.nics.list",
            Self::GetNic(..) => "vms.nics.get",
            Self::CreateNic(_) => "vms.nics.create",
            Self::UpdateNic(..) => "vms.nics.update",
            Self::DeleteNic(..) => "vms.nics.delete",
            Self::MigrateNic(..) => "vms.nics.migrate",
            Self::AssignIp(..) => "vms.nics.assign-ip",
            Self::ReleaseIp(..) => "vms.nics.release-ip",
            Self::ListSubnets => "subnets.list",
            Self::GetSubnet(_) => "subnets.get",
            Self::CreateSubnet => "subnets.create",
            Self::UpdateSubnet(_) => "subnets.update",
            Self::DeleteSubnet(_) => "subnets.delete",
            Self::ListVnics(_) => "subnets.vnics.list",
            Self::ListReservedIps(_) => "subnets.reserved-ips.list",
            Self::Reserve(_) => "subnets.addresses.reserve",
            Self::Unreserve(_) => "subnets.addresses.unreserve",
            Self::ListVpcs => "vpcs.list",
            Self::GetVpc(_) => "vpcs.get",
            Self::CreateVpc => "vpcs.create",
            Self::UpdateVpc(_) => "vpcs.update",
            Self::DeleteVpc(_) => "vpcs.delete",
            Self::ListTasks => "tasks.list",
            Self::GetTask(_) => "tasks.get",
            Self::ListDomainManagers => "domain-managers.list",
            Self::GetDomainManager(_) => "domain-managers.get",
            Self::ListClusters => "clusters.list",
            Self::GetCluster(_) => "clusters.get",
            Self::Recovery(lookup) => lookup.action(),
            Self::ActOnPlan(_, action) => action.action(),
        }
    }

    /// The ids that the request names, for the log.
    pub fn params(&self) -> String {
        match self {
            Self::GetVm(a)
            | Self::DeleteVm(a)
            | Self::Power(a, ..)
            | Self::ListNics(a)
            | Self::CreateNic(a)
            | Self::GetSubnet(a)
            | Self::UpdateSubnet(a)
            | Self::DeleteSubnet(a)
            | Self::UpdateVpc(a)
            | Self::DeleteVpc(a)
            | Self::ListVnics(a)
            | Self::ListReservedIps(a)
            | Self::Reserve(a)
            | Self::Unreserve(a)
            | Self::GetVpc(a)
            | Self::GetTask(a)
            | Self::GetDomainManager(a)
            | Self::GetCluster(a) => a.clone(),
            Self::Recovery(lookup) => lookup.id().to_owned(),
            Self::ActOnPlan(plan, _) => plan.clone(),
            Self::GetNic(a, b)
            | Self::UpdateNic(a, b)
            | Self::DeleteNic(a, b)
            | Self::MigrateNic(a, b)
            | Self::AssignIp(a, b)
            | Self::ReleaseIp(a, b) => format!("{a} {b}"),
            Self::Info
            | Self::ListVms
            | Self::CreateVm
            | Self::ListSubnets
            | Self::CreateSubnet
            | Self::ListVpcs
            | Self::CreateVpc
            | Self::ListTasks
            | Self::ListDomainManagers
            | Self::ListClusters => String::new(),
        }
    }
}

fn power(word: &str) -> Option<(PowerAction, &'static str)> {
    Some(match word {
        "power-on" => (PowerAction::On, "vms.power-on"),
        "power-off" => (PowerAction::Off, "vms.power-off"),
        "shutdown" => (PowerAction::Off, "vms.shutdown"),
        "guest-shutdown" => (PowerAction::Off, "vms.guest-shutdown"),
        "reboot" => (PowerAction::Again, "vms.reboot"),
        "guest-reboot" => (PowerAction::Again, "vms.guest-reboot"),
        "reset" => (PowerAction::Again, "vms.reset"),
        "power-cycle" => (PowerAction::Again, "vms.power-cycle"),
        _ => return None,
    })
}

/// The namespace, the version segment and the operation of a request; nothing if the gateway knows no such path.
pub fn route(request: &Request) -> Option<(&str, &str, Operation)> {
    use Operation as O;
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    let ["api", namespace, version, rest @ ..] = path.as_slice() else { return None };
    let id = |text: &&str| (*text).to_owned();
    let operation = match (*namespace, request.method.as_str(), rest) {
        (_, "OPTIONS", ["info"]) if *version == "unversioned" => O::Info,
        ("vmm", method, ["ahv", "config", "vms", rest @ ..]) => match (method, rest) {
            ("GET", []) => O::ListVms,
            ("POST", []) => O::CreateVm,
            ("GET", [vm]) => O::GetVm(id(vm)),
            ("DELETE", [vm]) => O::DeleteVm(id(vm)),
            ("POST", [vm, "$actions", word]) => {
                let (action, name) = power(word)?;
                O::Power(id(vm), action, name)
            }
            ("GET", [vm, "nics"]) => O::ListNics(id(vm)),
            ("POST", [vm, "nics"]) => O::CreateNic(id(vm)),
            ("GET", [vm, "nics", nic]) => O::GetNic(id(vm), id(nic)),
            ("PUT", [vm, "nics", nic]) => O::UpdateNic(id(vm), id(nic)),
            ("DELETE", [vm, "nics", nic]) => O::DeleteNic(id(vm), id(nic)),
            ("POST", [vm, "nics", nic, "$actions", "migrate"]) => O::MigrateNic(id(vm), id(nic)),
            ("POST", [vm, "nics", nic, "$actions", "assign-ip"]) => O::AssignIp(id(vm), id(nic)),
            ("POST", [vm, "nics", nic, "$actions", "release-ip"]) => O::ReleaseIp(id(vm), id(nic)),
            _ => return None,
        },
        ("networking", method, ["config", rest @ ..]) => match (method, rest) {
            ("GET", ["subnets"]) => O::ListSubnets,
            ("POST", ["subnets"]) => O::CreateSubnet,
            ("GET", ["subnets", subnet]) => O::GetSubnet(id(subnet)),
            ("PUT", ["subnets", subnet]) => O::UpdateSubnet(id(subnet)),
            ("DELETE", ["subnets", subnet]) => O::DeleteSubnet(id(subnet)),
            ("GET", ["subnets", subnet, "vnics"]) => O::ListVnics(id(subnet)),
            ("GET", ["subnets", subnet, "reserved-ips"]) => O::ListReservedIps(id(subnet)),
            ("POST", ["subnets", subnet, "addresses", "$actions", "reserve"]) => O::Reserve(id(subnet)),
            ("POST", ["subnets", subnet, "addresses", "$actions", "unreserve"]) => O::Unreserve(id(subnet)),
            ("GET", ["vpcs"]) => O::ListVpcs,
            ("POST", ["vpcs"]) => O::CreateVpc,
            ("GET", ["vpcs", vpc]) => O::GetVpc(id(vpc)),
            ("PUT", ["vpcs", vpc]) => O::UpdateVpc(id(vpc)),
            ("DELETE", ["vpcs", vpc]) => O::DeleteVpc(id(vpc)),
            _ => return None,
        },
        ("prism", "GET", ["config", "tasks"]) => O::ListTasks,
        ("prism", "GET", ["config", "tasks", task]) => O::GetTask(id(task)),
        ("prism", "GET", ["config", "domain-managers"]) => O::ListDomainManagers,
        ("prism", "GET", ["config", "domain-managers", it]) => O::GetDomainManager(id(it)),
        ("clustermgmt", "GET", ["config", "clusters"]) => O::ListClusters,
        ("clustermgmt", "GET", ["config", "clusters", cluster]) => O::GetCluster(id(cluster)),
        ("dataprotection", "POST", ["operations", "recovery-plans", plan, "$actions", word]) => {
            O::ActOnPlan(id(plan), Action::of(word)?)
        }
        ("datapolicies" | "dataprotection", "GET", rest) => O::Recovery(Lookup::route(namespace, rest)?),
        _ => return None,
    };
    Some((namespace, version, operation))
}
