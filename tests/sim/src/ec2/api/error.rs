//! EC2's errors. Sources: Amazon EC2 API reference, "Error codes for the Amazon EC2 API".

use super::super::state::Kind;

/// An error as EC2 reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ec2Error {
    /// HTTP status.
    pub status: u16,
    /// Error code.
    pub code: String,
    /// Text.
    pub message: String,
}

pub(crate) type Result<T> = std::result::Result<T, Ec2Error>;

impl Ec2Error {
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.into(), message: message.into() }
    }

    pub fn value(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    pub fn missing(parameter: &str) -> Self {
        Self::new("MissingParameter", format!("The request must contain the parameter {parameter}"))
    }

    pub fn state(message: impl Into<String>) -> Self {
        Self::new("IncorrectState", message)
    }

    pub fn dry_run() -> Self {
        let message = "Request would have succeeded, but DryRun flag is set.".into();
        Self { status: 412, code: "DryRunOperation".into(), message }
    }

    pub fn throttled() -> Self {
        Self { status: 503, code: "RequestLimitExceeded".into(), message: "Request limit exceeded.".into() }
    }

    /// An id that is shaped right and stands for nothing that the caller may see.
    pub fn not_found(kind: Kind, id: &str) -> Self {
        let gone = |noun: &str| format!("{noun} {id} was deleted or does not exist.");
        let (code, message) = match kind {
            Kind::Vpc => ("InvalidVpcID", format!("The vpc ID '{id}' does not exist")),
            Kind::Subnet => ("InvalidSubnetID", format!("The subnet ID '{id}' does not exist")),
            Kind::RouteTable => ("InvalidRouteTableID", format!("The routeTable ID '{id}' does not exist")),
            Kind::Instance => ("InvalidInstanceID", format!("The instance ID '{id}' does not exist")),
            Kind::Eni => ("InvalidNetworkInterfaceID", format!("The networkInterface ID '{id}' does not exist")),
            Kind::Tgw => ("InvalidTransitGatewayID", gone("Transit Gateway")),
            Kind::Attachment => ("InvalidTransitGatewayAttachmentID", gone("Transit Gateway Attachment")),
            Kind::TgwRouteTable => ("InvalidRouteTableID", gone("Transit Gateway Route Table")),
            Kind::PrefixList => ("InvalidPrefixListID", format!("The prefix list ID '{id}' does not exist")),
            Kind::VpcPeering => {
                ("InvalidVpcPeeringConnectionID", format!("The vpcPeeringConnection ID '{id}' does not exist"))
            }
        };
        Self::new(&format!("{code}.NotFound"), message)
    }

    /// An id that is not shaped like one of its kind.
    pub fn malformed(kind: Kind, id: &str) -> Self {
        let code = match kind {
            Kind::Vpc => "InvalidVpcID.Malformed",
            Kind::Subnet => "InvalidSubnetID.Malformed",
            Kind::RouteTable | Kind::TgwRouteTable => "InvalidRouteTableID.Malformed",
            Kind::Instance => "InvalidInstanceID.Malformed",
            Kind::Eni => "InvalidNetworkInterfaceID.Malformed",
            Kind::Tgw => "InvalidTransitGatewayID.Malformed",
            Kind::Attachment => "InvalidTransitGatewayAttachmentID.Malformed",
            Kind::PrefixList => "InvalidPrefixListID.Malformed",
            Kind::VpcPeering => "InvalidVpcPeeringConnectionID.Malformed",
        };
        Self::new(code, format!("Invalid id: \"{id}\" (expecting \"{}-...\")", kind.id_prefix()))
    }
}
