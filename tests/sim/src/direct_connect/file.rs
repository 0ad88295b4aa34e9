//! The world file's section on Direct Connect.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Direct Connect gateway. The attachments of transit gateways that name it are its associations.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectConnectGatewayFile {
    /// Name.
    pub name: String,
    /// Id, a UUID; made from the name unless given.
    #[serde(default)]
    pub id: Option<String>,
    /// Owner; the default account unless given.
    #[serde(default)]
    pub account: Option<String>,
    /// Amazon-side ASN; 64,512 unless given.
    #[serde(default)]
    pub asn: Option<u64>,
    /// Transit virtual interfaces that lead to on-premises.
    #[serde(default)]
    pub virtual_interfaces: Vec<VirtualInterfaceFile>,
}

/// A transit virtual interface.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VirtualInterfaceFile {
    /// Name.
    pub name: String,
    /// Id (`dxvif-..`); made from the name unless given.
    #[serde(default)]
    pub id: Option<String>,
    /// Region of its connection.
    pub region: String,
}
