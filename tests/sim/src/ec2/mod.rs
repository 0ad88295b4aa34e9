//! EC2 networking and instances, in any number of accounts and Regions.
//!
//! [`state`] holds what exists; [`lookup`] answers the data plane's questions about it.

mod addresses;
pub(crate) mod api;
mod call;
pub mod file;
pub mod id;
mod load;
pub mod lookup;
pub mod machines;
pub mod state;
mod tgw_lookup;
pub mod throttle;

pub(crate) use api::Xml;
pub use call::call;
pub(crate) use load::DEFAULT_ASN;
pub use load::load;
pub use lookup::{VpcHop, WithinVpc};
pub use state::{
    Attachment, AttachmentKind, Ec2, Eni, Home, Instance, InstanceState, Kind, Platform, PrefixList, PrefixListChange,
    PrefixListReference, PrefixListState, Progress, RouteTable, SecurityGroup, Service, StaticRoute, Subnet, Switches,
    TargetGroup, TgwRouteTable, TransitGateway, Vpc, VpcPeer, VpcPeering, VpcPeeringState, VpcRoute, VpcTarget,
};
pub use tgw_lookup::{RouteOrigin, RouteState, TgwRoute};
