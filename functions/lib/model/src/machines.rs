//! EC2 instances and network interfaces as the EC2 API tells of them.

use crate::{EniId, InstanceId, MacAddress, Platform, SubnetId, VpcId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// All instances and network interfaces of a VPC (or of a selection), completely read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machines {
    /// Instances by id.
    pub instances: BTreeMap<InstanceId, Instance>,
    /// Network interfaces by id.
    pub enis: BTreeMap<EniId, Eni>,
    /// Load-balancer targets of the VPC; none when they were not read.
    pub targets: Option<Vec<LoadBalancerTarget>>,
}

/// A target of a load balancer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LoadBalancerTarget {
    /// Name of the target group.
    pub group: String,
    /// VPC of the target group.
    pub vpc: VpcId,
    /// What is balanced to.
    pub target: TargetKind,
}

/// What a load balancer balances to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TargetKind {
    /// An instance.
    Instance {
        /// The instance.
        id: InstanceId,
    },
    /// An address.
    Address {
        /// The address.
        address: Ipv4Addr,
    },
}

/// An EC2 instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The instance.
    pub id: InstanceId,
    /// Its Name tag.
    pub name: Option<String>,
    /// State as EC2 names it.
    pub state: InstanceState,
    /// Its VPC.
    pub vpc: VpcId,
    /// Windows, or else Linux.
    pub platform: Platform,
    /// All tags.
    pub tags: BTreeMap<String, String>,
    /// Its network interfaces in device order.
    pub enis: Vec<EniId>,
}

impl Instance {
    /// Auto Scaling group that keeps the instance, and would replace it when it stops: the tag that Auto Scaling sets.
    #[must_use]
    pub fn auto_scaling_group(&self) -> Option<&str> {
        self.tags.get("aws:autoscaling:groupName").map(String::as_str)
    }
}

/// State of an instance as EC2 names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Starting.
    Pending,
    /// Running.
    Running,
    /// Stopping.
    Stopping,
    /// Stopped.
    Stopped,
    /// Shutting down or terminated.
    Terminated,
    /// A state that this version does not know.
    Unknown,
}

/// A network interface of EC2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eni {
    /// The interface.
    pub id: EniId,
    /// Its description, which for managed interfaces names their owner.
    pub description: String,
    /// Interface type as EC2 names it, as `interface`, `transit_gateway`, `vpc_endpoint`, `lambda`, `nat_gateway`.
    pub kind: String,
    /// Service that made it and manages it (EC2's requester), as `amazon-elb` or `amazon-rds`; none for the account's own.
    pub managed_by: Option<String>,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// MAC address.
    pub mac: MacAddress,
    /// Primary private address.
    pub primary: Ipv4Addr,
    /// Secondary private addresses.
    pub secondary: Vec<Ipv4Addr>,
    /// Whether it is attached to something.
    pub status: EniStatus,
    /// Instance that it is attached to.
    pub instance: Option<InstanceId>,
    /// Position on the instance.
    pub device_index: Option<u32>,
}

/// Whether a network interface is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EniStatus {
    /// Not attached.
    Available,
    /// Attached, attaching or detaching.
    InUse,
    /// A status that this version does not know.
    Unknown,
}
