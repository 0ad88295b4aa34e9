//! What one Prism Central holds.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::Serialize;

use super::ids::{ExtId, TaskId};
use super::level::Levels;
use super::recovery::{Job, PlanShown};
use super::reply::{Reply, Request};
use super::task::Task;

/// One Prism Central.
#[derive(Debug, Clone, Serialize)]
pub struct Prism {
    /// Its name in the world.
    pub name: String,
    /// Its id as a domain manager.
    pub ext_id: ExtId,
    /// The one user.
    pub username: String,
    /// The user's password.
    #[serde(skip)]
    pub password: String,
    /// The key of a service account.
    #[serde(skip)]
    pub api_key: Option<String>,
    /// The API levels that it speaks.
    #[serde(skip)]
    pub levels: Levels,
    /// Whether the v3 API is served.
    pub serves_v3: bool,
    /// Whether `OPTIONS /api/{namespace}/unversioned/info` is answered.
    pub advertises_level: bool,
    /// The product version, such as `pc.7.3`.
    pub product: String,
    /// Clusters by id.
    pub clusters: BTreeMap<ExtId, Cluster>,
    /// FVN VPCs by id.
    pub vpcs: BTreeMap<ExtId, Vpc>,
    /// Subnets by id.
    pub subnets: BTreeMap<ExtId, Subnet>,
    /// VMs by id.
    pub vms: BTreeMap<ExtId, Vm>,
    /// Recovery plans that it takes part in, by id.
    pub recovery_plans: BTreeMap<ExtId, PlanShown>,
    /// Recovery jobs that it took part in, by id.
    pub jobs: BTreeMap<ExtId, Job>,
    /// Tasks by id.
    #[serde(skip)]
    pub(super) tasks: BTreeMap<TaskId, Task>,
    /// When the last tasks have run, as many as run at once.
    #[serde(skip)]
    pub(super) ends: VecDeque<Timestamp>,
    /// Replies by `NTNX-Request-Id`: a repeated request gets the reply of the first one.
    #[serde(skip)]
    pub(super) accepted: BTreeMap<String, Reply>,
    /// The requests so far, as they came, where a test wants to see them.
    #[serde(skip)]
    pub recorded: Option<Vec<Request>>,
    /// Feeds derived ids.
    #[serde(skip)]
    pub(super) serial: u64,
    /// The cluster of what names none.
    pub first_cluster: ExtId,
}

/// A cluster (Prism Element).
#[derive(Debug, Clone, Serialize)]
pub struct Cluster {
    /// Its id.
    pub ext_id: ExtId,
    /// Its name.
    pub name: String,
    /// Its one host.
    pub host: ExtId,
}

/// The kind of an FVN VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VpcKind {
    /// A VPC of users.
    Regular,
    /// The VPC that carries the external subnets towards AWS.
    Transit,
}

/// An FVN VPC.
#[derive(Debug, Clone, Serialize)]
pub struct Vpc {
    /// Its id.
    pub ext_id: ExtId,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: VpcKind,
    /// The external subnets that it is attached to.
    pub external_subnets: Vec<ExtId>,
    /// The prefixes that are reachable from outside without NAT (ERPs).
    pub routable: Vec<Ipv4Net>,
    /// DNS servers for all its subnets.
    pub dns: Vec<Ipv4Addr>,
    /// Network interfaces of NC2 hosts in AWS behind which this VPC is: names or ids of the world's `ec2` section.
    pub host_interfaces: Vec<String>,
}

/// The kind of a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubnetKind {
    /// FVN overlay, in a VPC.
    Overlay,
    /// A VLAN of a cluster.
    Vlan,
}

/// The managed addresses of a subnet.
#[derive(Debug, Clone, Serialize)]
pub struct IpConfig {
    /// The whole subnet.
    pub prefix: Ipv4Net,
    /// The default gateway.
    pub gateway: Ipv4Addr,
    /// The DHCP server, where it has an address of its own.
    pub dhcp_server: Option<Ipv4Addr>,
    /// First and last address of each pool.
    pub pools: Vec<(Ipv4Addr, Ipv4Addr)>,
}

/// A subnet.
#[derive(Debug, Clone, Serialize)]
pub struct Subnet {
    /// Its id.
    pub ext_id: ExtId,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: SubnetKind,
    /// Its VPC, if it is an overlay.
    pub vpc: Option<ExtId>,
    /// Its cluster, if it is a VLAN.
    pub cluster: Option<ExtId>,
    /// Whether VPCs reach the outside through it.
    pub external: bool,
    /// Whether an external subnet translates addresses.
    pub nat: bool,
    /// VLAN or virtual network number.
    pub network_id: u32,
    /// Managed addresses; a subnet without is unmanaged.
    pub ip: Option<IpConfig>,
    /// DNS servers that its DHCP hands out.
    pub dns: Vec<Ipv4Addr>,
    /// Reserved addresses and the context that each was reserved with.
    pub reserved: BTreeMap<Ipv4Addr, String>,
}

/// Power state of a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// Powered on.
    On,
    /// Powered off.
    Off,
}

impl Power {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::On => "ON",
            Self::Off => "OFF",
        }
    }
}

/// A VM.
#[derive(Debug, Clone, Serialize)]
pub struct Vm {
    /// Its id.
    pub ext_id: ExtId,
    /// Its name; not unique.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// Its cluster.
    pub cluster: ExtId,
    /// Power state.
    pub power: Power,
    /// NICs in device order.
    pub nics: Vec<Nic>,
    /// Bumped by every change; the ETag is made of it.
    pub(super) version: u64,
    /// Reads of this VM so far, for the ETag that changes on its own.
    #[serde(skip)]
    pub(super) reads: u32,
    /// Virtual CPU sockets.
    pub sockets: u32,
    /// Memory.
    pub memory_bytes: u64,
    /// Whether Nutanix guest tools run in it.
    pub guest_tools: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub updated: Timestamp,
}

impl Vm {
    /// A VM without NICs.
    pub fn new(ext_id: ExtId, name: String, cluster: ExtId, power: Power, now: Timestamp) -> Self {
        Self {
            ext_id,
            name,
            description: None,
            cluster,
            power,
            nics: Vec::new(),
            version: 1,
            reads: 0,
            sockets: 2,
            memory_bytes: 4 << 30,
            guest_tools: false,
            created: now,
            updated: now,
        }
    }

    /// Notes a change: the ETag that clients hold is stale from now on.
    pub(super) fn touch(&mut self, now: Timestamp) {
        self.version += 1;
        self.updated = now;
    }

    /// The NIC with this id.
    pub fn nic(&self, id: ExtId) -> Option<&Nic> {
        self.nics.iter().find(|n| n.ext_id == id)
    }

    /// The NIC with this id, to change it.
    pub(super) fn nic_mut(&mut self, id: ExtId) -> Option<&mut Nic> {
        self.nics.iter_mut().find(|n| n.ext_id == id)
    }
}

/// The properties of a NIC that PUT may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NicShape {
    /// Link state.
    pub connected: bool,
    /// `NORMAL_NIC` and so on.
    pub kind: String,
    /// `ACCESS` or `TRUNK`.
    pub vlan_mode: String,
    /// VLANs of a trunk.
    pub trunked: Vec<i64>,
    /// Whether frames of unknown MAC addresses pass.
    pub unknown_macs: bool,
    /// Chain of network functions.
    pub function_chain: Option<ExtId>,
    /// `INGRESS`, `EGRESS` or `TAP`, of a NIC of a chain.
    pub function_kind: Option<String>,
    /// Emulated model; reads back as null when it was not given.
    pub model: Option<String>,
    /// Number of queues.
    pub queues: i64,
}

impl Default for NicShape {
    fn default() -> Self {
        Self {
            connected: true,
            kind: "NORMAL_NIC".into(),
            vlan_mode: "ACCESS".into(),
            trunked: Vec::new(),
            unknown_macs: false,
            function_chain: None,
            function_kind: None,
            model: None,
            queues: 1,
        }
    }
}

/// A NIC.
#[derive(Debug, Clone, Serialize)]
pub struct Nic {
    /// Its id.
    pub ext_id: ExtId,
    /// Its MAC address, lower case with colons.
    pub mac: String,
    /// Its subnet.
    pub subnet: ExtId,
    /// The configured address: what DHCP hands out.
    pub address: Option<Ipv4Addr>,
    /// Further configured addresses, which DHCP does not hand out.
    pub secondary: Vec<Ipv4Addr>,
    /// What PUT may change.
    pub shape: NicShape,
    /// The configured address shows at this read from now on; 0 when it shows.
    #[serde(skip)]
    pub(super) hidden_reads: u32,
    /// The addresses that Prism Central saw the guest use.
    pub learned: Vec<Ipv4Addr>,
    /// Reads since the guest began to use other addresses.
    #[serde(skip)]
    pub(super) learned_reads: u32,
}

impl Nic {
    /// All configured addresses, the primary one first.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.address.into_iter().chain(self.secondary.iter().copied())
    }
}

/// What DHCP offers to a NIC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// The configured address of the NIC.
    pub address: Ipv4Addr,
    /// Length of the subnet's prefix.
    pub prefix_length: u8,
    /// The default gateway.
    pub gateway: Ipv4Addr,
    /// DNS servers.
    pub dns: Vec<Ipv4Addr>,
}

impl Prism {
    /// An id that was never given before.
    pub(crate) fn next_id(&mut self, kind: &str) -> ExtId {
        self.serial += 1;
        ExtId::derived(&[&self.name, kind, &self.serial.to_string()])
    }

    /// What DHCP offers to the NIC with this MAC address, if its link is up, its VM on and it has an address.
    pub fn lease(&self, vm: ExtId, mac: &str) -> Option<Lease> {
        let vm = self.vms.get(&vm).filter(|vm| vm.power == Power::On)?;
        let nic = vm.nics.iter().find(|n| n.mac.eq_ignore_ascii_case(mac) && n.shape.connected)?;
        let subnet = self.subnets.get(&nic.subnet)?;
        let ip = subnet.ip.as_ref()?;
        let of_vpc = || subnet.vpc.and_then(|v| self.vpcs.get(&v)).map(|v| v.dns.clone()).unwrap_or_default();
        Some(Lease {
            address: nic.address?,
            prefix_length: ip.prefix.prefix_len(),
            gateway: ip.gateway,
            dns: if subnet.dns.is_empty() { of_vpc() } else { subnet.dns.clone() },
        })
    }

    /// The subnet with this name or id.
    pub fn subnet_named(&self, name: &str) -> Option<&Subnet> {
        let by_id = || self.subnets.get(&ExtId::parse(name)?);
        self.subnets.values().find(|s| s.name == name).or_else(by_id)
    }

    /// The VPC with this name or id.
    pub fn vpc_named(&self, name: &str) -> Option<&Vpc> {
        let by_id = || self.vpcs.get(&ExtId::parse(name)?);
        self.vpcs.values().find(|v| v.name == name).or_else(by_id)
    }

    /// The cluster with this name or id.
    pub fn cluster_named(&self, name: &str) -> Option<ExtId> {
        let by_id = || ExtId::parse(name).filter(|id| self.clusters.contains_key(id));
        self.clusters.values().find(|c| c.name == name).map(|c| c.ext_id).or_else(by_id)
    }

    /// VMs of this name.
    pub fn vms_named(&self, name: &str) -> impl Iterator<Item = &Vm> {
        self.vms.values().filter(move |vm| vm.name == name)
    }

    /// Whether packets from outside reach `subnet` with their original destination: the no-NAT chain of an FVN VPC,
    /// an external subnet without NAT and an externally routable prefix that covers `address`.
    pub fn routable(&self, subnet: &Subnet, address: Ipv4Addr) -> bool {
        let Some(vpc) = subnet.vpc.and_then(|id| self.vpcs.get(&id)) else { return false };
        let external = vpc.external_subnets.iter().filter_map(|id| self.subnets.get(id));
        vpc.routable.iter().any(|p| p.contains(&address)) && external.into_iter().any(|s| s.external && !s.nat)
    }

    /// Another MAC address in the same range, not in use by any NIC here.
    pub(super) fn next_mac(&mut self) -> String {
        loop {
            let mac = self.next_id("mac").mac();
            if !self.vms.values().flat_map(|vm| &vm.nics).any(|n| n.mac == mac) {
                return mac;
            }
        }
    }
}
