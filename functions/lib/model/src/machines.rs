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
