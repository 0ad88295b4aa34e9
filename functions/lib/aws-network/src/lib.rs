//! The network of AWS as Holdfast uses it: transit gateway and VPC routes, instances and network interfaces.
//!
//! The only crate that names `aws_sdk_ec2`; no type of that SDK is in its interface. It reads and writes and decides nothing: what a picture
//! means is in `holdfast-plan`, when a route is written is in `holdfast-journal`.
//!
//! One [`AwsNetwork`] is one account in one Region. All its calls go through one token bucket per class of the EC2 API.

mod codes;
mod convert;
mod machines;
mod network;
mod pace;
mod pages;
mod picture;
mod routes;
mod tgw;
mod vpcs;

pub use codes::{Ec2Error, ErrorKind};
pub use network::AwsNetwork;
pub use picture::{read_picture, scopes_of};
pub use routes::{RouteTarget, SeenRoute};

/// EC2 actions that only read.
pub const ACTIONS: &[&str] = &[
    "ec2:DescribeInstances",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSubnets",
    "ec2:DescribeTransitGatewayAttachments",
    "ec2:DescribeTransitGatewayPeeringAttachments",
    "ec2:DescribeTransitGatewayRouteTables",
    "ec2:DescribeTransitGatewayVpcAttachments",
    "ec2:SearchTransitGatewayRoutes",
];

/// EC2 actions that change routes: of `swap-route` only.
pub const WRITE_ACTIONS: &[&str] =
    &["ec2:CreateTransitGatewayRoute", "ec2:DeleteTransitGatewayRoute", "ec2:ReplaceTransitGatewayRoute"];
