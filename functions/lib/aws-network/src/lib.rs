//! The network of AWS as Holdfast uses it: transit gateway and VPC routes, prefix lists, propagations, instances and
//! network interfaces.
//!
//! The only crate that names `aws_sdk_ec2`, `aws_sdk_directconnect`, `aws_sdk_elasticloadbalancingv2` and `aws_sdk_servicequotas`; no type of an SDK is in its interface. It reads and writes and decides nothing: what a picture
//! means is in `holdfast-plan`, when a route is written is in `holdfast-journal`.
//!
//! One [`AwsNetwork`] is one account in one Region. All its calls go through one token bucket per action of the EC2 API.

mod beside;
mod codes;
mod convert;
mod direct_connect;
mod lists;
mod machines;
mod network;
mod pace;
mod pages;
mod picture;
mod places;
mod quotas;
mod scope;
mod targets;
mod tgw;
mod ties;
mod vpcs;

pub use codes::{Ec2Error, ErrorKind};
pub use machines::read_sites;
pub use network::AwsNetwork;
pub use pace::{Class, Pace};
pub use picture::{read_picture, read_picture_towards};
pub use quotas::read_quotas;
pub use scope::scopes_of;
pub use targets::read_targets;
pub use ties::Ties;

/// Actions that only read.
pub const ACTIONS: &[&str] = &[
    "directconnect:DescribeDirectConnectGatewayAssociations",
    "directconnect:DescribeDirectConnectGateways",
    "ec2:DescribeInstances",
    "ec2:DescribeManagedPrefixLists",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSubnets",
    "ec2:DescribeTransitGatewayAttachments",
    "ec2:DescribeTransitGatewayPeeringAttachments",
    "ec2:DescribeTransitGatewayRouteTables",
    "ec2:DescribeTransitGatewayVpcAttachments",
    "ec2:DescribeVpcPeeringConnections",
    "ec2:GetManagedPrefixListEntries",
    "ec2:GetTransitGatewayPrefixListReferences",
    "ec2:GetTransitGatewayRouteTablePropagations",
    "ec2:SearchTransitGatewayRoutes",
];

/// Actions that read the targets of load balancers.
pub const TARGET_ACTIONS: &[&str] =
    &["elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth"];

/// Actions that read security groups.
pub const GROUP_ACTIONS: &[&str] = &["ec2:DescribeSecurityGroups"];

/// Actions that read quotas.
pub const QUOTA_ACTIONS: &[&str] = &["servicequotas:GetAWSDefaultServiceQuota", "servicequotas:GetServiceQuota"];

/// EC2 actions that change routes: of `swap-route` only.
pub const WRITE_ACTIONS: &[&str] = &[
    "ec2:CreateRoute",
    "ec2:CreateTransitGatewayPrefixListReference",
    "ec2:CreateTransitGatewayRoute",
    "ec2:DeleteRoute",
    "ec2:DeleteTransitGatewayPrefixListReference",
    "ec2:DeleteTransitGatewayRoute",
    "ec2:DisableTransitGatewayRouteTablePropagation",
    "ec2:EnableTransitGatewayRouteTablePropagation",
    "ec2:ModifyTransitGatewayPrefixListReference",
    "ec2:ReplaceRoute",
    "ec2:ReplaceTransitGatewayRoute",
];
