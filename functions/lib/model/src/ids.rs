//! Newtypes of every id and name. Parsed once, at the edge; a value of these types is well formed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An id or name that is not well formed: what it should look like, and what was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {expected}")]
pub struct IdError {
    /// What was given.
    pub given: String,
    /// What a well-formed value looks like, with its article.
    pub expected: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses one value.
            ///
            /// # Errors
            /// [`IdError`] when the text does not have this id's form.
            pub fn parse(text: impl Into<String>) -> Result<Self, IdError> {
                let text: String = text.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) { Ok(Self(text)) } else { Err(IdError { given: text, expected: $expected }) }
            }

            /// The text of the id.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

/// An AWS resource id: the prefix, then 8 to 32 lower-case letters or digits.
fn aws_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        (8..=32).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    })
}

/// A name that a person chose in the network map.
fn name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}

fn uuid(text: &str) -> bool {
    text.len() == 36
        && text
            .bytes()
            .enumerate()
            .all(|(at, b)| if matches!(at, 8 | 13 | 18 | 23) { b == b'-' } else { b.is_ascii_hexdigit() })
}

fn operation(text: &str) -> bool {
    text.strip_prefix("op-").is_some_and(|rest| {
        (8..=64).contains(&rest.len())
            && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    })
}

id!(/// An AWS account number.
    AccountId, "an AWS account id of 12 digits", |t| t.len() == 12 && t.bytes().all(|b| b.is_ascii_digit()));
id!(/// An AWS Region code, as `ap-northeast-1`.
Region, "an AWS Region like `ap-northeast-1`", |t| {
    let parts: Vec<&str> = t.split('-').collect();
    parts.len() >= 3
        && parts.iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
        && parts.last().is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()))
});
id!(/// An Availability Zone by its name, as `ap-northeast-1a`; which place that is differs by account.
    ZoneName, "an Availability Zone like `ap-northeast-1a`",
    |t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
id!(/// A VPC.
    VpcId, "a VPC id like `vpc-0a1b2c3d`", |t| aws_id(t, "vpc-"));
id!(/// A subnet of a VPC in AWS. A subnet of Prism Central is an [`ExtId`].
    SubnetId, "a subnet id like `subnet-0a1b2c3d`", |t| aws_id(t, "subnet-"));
id!(/// A transit gateway.
    TgwId, "a transit gateway id like `tgw-0a1b2c3d`", |t| aws_id(t, "tgw-"));
id!(/// A route table: of a transit gateway (`tgw-rtb-`) or of a VPC (`rtb-`).
    RouteTableId, "a route table id like `tgw-rtb-0a1b2c3d` or `rtb-0a1b2c3d`", |t| aws_id(t, "tgw-rtb-") || aws_id(t, "rtb-"));
id!(/// An attachment of a transit gateway: VPC, peering, VPN or Direct Connect gateway.
    /// A peering attachment has the same id in both Regions.
    AttachmentId, "a transit gateway attachment id like `tgw-attach-0a1b2c3d`", |t| aws_id(t, "tgw-attach-"));
id!(/// A managed prefix list.
    PrefixListId, "a prefix list id like `pl-0a1b2c3d`", |t| aws_id(t, "pl-"));
id!(/// A VPC peering connection.
    VpcPeeringId, "a VPC peering connection id like `pcx-0a1b2c3d`", |t| aws_id(t, "pcx-"));
id!(/// A Direct Connect gateway.
    DxGatewayId, "a Direct Connect gateway id like `5f294f92-bafb-4011-916d-9b0b00000000`", |t| {
    (8..=64).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
});
id!(/// An EC2 instance (`i-`) or a machine that Systems Manager manages elsewhere (`mi-`).
    InstanceId, "an instance id like `i-0a1b2c3d` or `mi-0a1b2c3d`", |t| aws_id(t, "i-") || aws_id(t, "mi-"));
id!(/// A network interface of EC2.
    EniId, "a network interface id like `eni-0a1b2c3d`", |t| aws_id(t, "eni-"));
id!(/// The id of an entity in Prism Central.
    ExtId, "a UUID", uuid);
id!(/// An operation: one intent for one or more networks, from first plan to done or held.
    OperationId, "an operation id like `op-20260102t030405-1a2b3c4d`", operation);
id!(/// A finished job of Nutanix Move or of a recovery plan, as `failover-<UUID of the job>`: the same for the same job.
    EventId, "an event id like `failover-1a2b3c4d-1111-4111-8111-111111111111`", |t| {
    (8..=80).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
});
id!(/// Name of a site in the network map: where machines can live.
    SiteName, "a name of letters, digits, `-`, `_` and `.`", name);
id!(/// Name of a network in the network map.
    NetworkName, "a name of letters, digits, `-`, `_` and `.`", name);
id!(/// Name of a group of networks that can only move together.
    GroupName, "a name of letters, digits, `-`, `_` and `.`", name);
id!(/// Name of a wave: machines that move together.
    WaveName, "a name of letters, digits, `-`, `_` and `.`", name);
id!(/// Name of a route table in the network map.
    TableName, "a name of letters, digits, `-`, `_` and `.`", name);
id!(/// Name of a vantage: where clients are.
    VantageName, "a name of letters, digits, `-`, `_` and `.`", name);
id!(/// Name of a pass-through node in the network map.
    PassThroughName, "a name of letters, digits, `-`, `_` and `.`", name);
id!(/// Name of an account in the network map.
    AccountName, "a name of letters, digits, `-`, `_` and `.`", name);
id!(/// Name of a Prism Central in the network map.
    PrismName, "a name of letters, digits, `-`, `_` and `.`", name);
id!(/// Name of a Move appliance in the network map.
    MoveName, "a name of letters, digits, `-`, `_` and `.`", name);
id!(/// Name of a host: the Name tag of the EC2 instance before, the name of the VM after.
    HostName, "a machine name of 1 to 255 characters without control characters",
    |t| (1..=255).contains(&t.len()) && !t.chars().any(char::is_control));

/// Whose table it is: what routes it can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableKind {
    /// Of a transit gateway.
    Tgw,
    /// Of a VPC.
    Vpc,
}

impl RouteTableId {
    /// Whose table it is.
    #[must_use]
    pub fn kind(&self) -> TableKind {
        if self.is_tgw() { TableKind::Tgw } else { TableKind::Vpc }
    }

    /// Whether the table belongs to a transit gateway.
    #[must_use]
    pub fn is_tgw(&self) -> bool {
        self.0.starts_with("tgw-rtb-")
    }
}

/// A MAC address, kept in lower case with colons.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct MacAddress(String);

impl MacAddress {
    /// Parses `0a:1b:..` or `0A-1B-..`.
    ///
    /// # Errors
    /// [`IdError`] when it is not six octets.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let lower = text.trim().to_ascii_lowercase().replace('-', ":");
        let octets: Vec<&str> = lower.split(':').collect();
        if octets.len() == 6 && octets.iter().all(|o| o.len() == 2 && o.bytes().all(|b| b.is_ascii_hexdigit())) {
            Ok(Self(lower))
        } else {
            Err(IdError { given: text.to_owned(), expected: "a MAC address like `0a:1b:2c:3d:4e:5f`" })
        }
    }

    /// The text, lower case with colons.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for MacAddress {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<MacAddress> for String {
    fn from(mac: MacAddress) -> String {
        mac.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_another_kind_are_refused() {
        assert!(RouteTableId::parse("tgw-rtb-0a1b2c3d").is_ok_and(|t| t.is_tgw()));
        assert!(RouteTableId::parse("rtb-0a1b2c3d4e5f60718").is_ok_and(|t| !t.is_tgw()));
        assert!(TgwId::parse("tgw-rtb-0a1b2c3d").is_err());
        let error = AttachmentId::parse("tgw-0a1b2c3d").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`tgw-0a1b2c3d` is not a transit gateway attachment id like `tgw-attach-0a1b2c3d`"
        );
        assert!(AccountId::parse("12345").is_err());
        assert!(Region::parse("tokyo").is_err());
    }

    #[test]
    fn mac_addresses_compare_in_one_form() {
        assert_eq!(MacAddress::parse("0A-1B-2C-3D-4E-5F").unwrap(), MacAddress::parse("0a:1b:2c:3d:4e:5f").unwrap());
        assert!(MacAddress::parse("0a1b2c3d4e5f").is_err());
    }
}
