//! Services that have network interfaces of their own in a VPC.

use serde::{Deserialize, Serialize};

use super::Home;

/// A target group of a load balancer.
#[derive(Debug, Clone, Serialize)]
pub struct TargetGroup {
    /// Where and whose.
    pub home: Home,
    /// Name.
    pub name: String,
    /// VPC.
    pub vpc: String,
    /// Port of the targets.
    pub port: u16,
    /// Whether the targets are addresses; else they are instances.
    pub by_ip: bool,
    /// Targets.
    pub targets: Vec<String>,
}

/// A service that makes network interfaces for itself. The interfaces show it by their type, description and requester.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// An Application Load Balancer.
    LoadBalancer,
    /// A Network Load Balancer.
    NetworkLoadBalancer,
    /// An interface VPC endpoint.
    VpcEndpoint,
    /// A Gateway Load Balancer endpoint.
    GatewayLoadBalancerEndpoint,
    /// A NAT gateway.
    NatGateway,
    /// An RDS database.
    Rds,
    /// Lambda functions in the VPC.
    Lambda,
    /// A transit gateway attachment.
    TransitGateway,
}

impl Service {
    /// EC2's `interfaceType`. Source: EC2 API reference, "NetworkInterface".
    pub fn interface_type(self) -> &'static str {
        match self {
            Self::LoadBalancer | Self::Rds => "interface",
            Self::NetworkLoadBalancer => "network_load_balancer",
            Self::VpcEndpoint => "vpc_endpoint",
            Self::GatewayLoadBalancerEndpoint => "gateway_load_balancer_endpoint",
            Self::NatGateway => "nat_gateway",
            Self::Lambda => "lambda",
            Self::TransitGateway => "transit_gateway",
        }
    }

    /// EC2's `requesterId`, also the owner of what the interface is attached to.
    pub fn requester(self) -> &'static str {
        match self {
            Self::LoadBalancer | Self::NetworkLoadBalancer => "amazon-elb",
            Self::Rds => "amazon-rds",
            Self::VpcEndpoint
            | Self::GatewayLoadBalancerEndpoint
            | Self::NatGateway
            | Self::Lambda
            | Self::TransitGateway => "amazon-aws",
        }
    }

    /// How the service describes the interface of its resource `name` with the id `id`.
    pub fn description(self, name: &str, id: &str) -> String {
        match self {
            Self::LoadBalancer => format!("ELB app/{name}/{id}"),
            Self::NetworkLoadBalancer => format!("ELB net/{name}/{id}"),
            Self::VpcEndpoint | Self::GatewayLoadBalancerEndpoint => format!("VPC Endpoint Interface vpce-0{id}"),
            Self::NatGateway => format!("Interface for NAT Gateway nat-0{id}"),
            Self::Rds => "RDSNetworkInterface".into(),
            Self::Lambda => format!("AWS Lambda VPC ENI-{name}-{id}"),
            Self::TransitGateway => format!("Network Interface for Transit Gateway Attachment {name}"),
        }
    }
}
