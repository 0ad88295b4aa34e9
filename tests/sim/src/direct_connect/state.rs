//! Direct Connect gateways, and what they allow to be advertised.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ec2::{Attachment, AttachmentKind, DEFAULT_ASN, id},
    world::World,
    world_file::{WorldError, WorldFile},
};

/// Settings of the emulated Direct Connect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {
    /// Whether two associations of one gateway may allow prefixes that overlap. Third parties say that they may not.
    pub overlapping_prefixes: bool,
}

/// A Direct Connect gateway; it is in no Region.
#[derive(Debug, Clone, Serialize)]
pub struct Gateway {
    /// Name.
    pub name: String,
    /// Owner.
    pub account: String,
    /// Amazon-side ASN.
    pub asn: u64,
    /// Transit virtual interfaces: id and Region.
    pub virtual_interfaces: BTreeMap<String, String>,
}

/// Direct Connect in all accounts.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DirectConnect {
    /// Gateways by id. Their associations are the attachments of transit gateways.
    pub gateways: BTreeMap<String, Gateway>,
}

impl DirectConnect {
    /// The id of a gateway, given its name or its id.
    pub fn find(&self, name_or_id: &str) -> Option<&str> {
        let found = self.gateways.iter().find(|(id, gateway)| *id == name_or_id || gateway.name == name_or_id);
        found.map(|(id, _)| id.as_str())
    }

    /// A gateway that nothing in the file tells more of.
    pub fn add(&mut self, id: &str, name: &str, account: &str) {
        self.gateways.entry(id.to_owned()).or_insert_with(|| Gateway {
            name: name.to_owned(),
            account: account.to_owned(),
            asn: DEFAULT_ASN,
            virtual_interfaces: BTreeMap::new(),
        });
    }
}

/// An id as Direct Connect writes them, always the same for the same seed.
pub fn uuid(seed: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, seed.as_bytes()).to_string()
}

/// The Direct Connect gateway of an attachment.
pub fn gateway_of(attachment: &Attachment) -> Option<&str> {
    match &attachment.kind {
        AttachmentKind::DirectConnectGateway { resource, .. } => Some(resource),
        AttachmentKind::Vpc { .. } | AttachmentKind::Vpn { .. } | AttachmentKind::Peering { .. } => None,
    }
}

/// Builds the gateways of a world file; transit gateways refer to them.
///
/// # Errors
/// The first thing in the file that does not fit, with its place.
pub fn load(file: &WorldFile, world: &mut World) -> Result<(), WorldError> {
    for gateway in &file.direct_connect_gateways {
        let place = format!("direct_connect_gateways[{}]", gateway.name);
        let id = gateway.id.clone().unwrap_or_else(|| uuid(&format!("dx/{}", gateway.name)));
        if Uuid::parse_str(&id).is_err() {
            return Err(WorldError::at(place, format!("`{id}` is not a UUID")));
        }
        if world.direct_connect.find(&id).is_some() || world.direct_connect.find(&gateway.name).is_some() {
            return Err(WorldError::at(place, "a second Direct Connect gateway has this name or id"));
        }
        let interfaces = gateway.virtual_interfaces.iter().map(|it| {
            let made = || id::id("dxvif", &it.name).replacen("-0", "-f", 1);
            (it.id.clone().unwrap_or_else(made), it.region.clone())
        });
        let found = Gateway {
            name: gateway.name.clone(),
            account: gateway.account.clone().unwrap_or_else(|| world.accounts.default.clone()),
            asn: gateway.asn.unwrap_or(DEFAULT_ASN),
            virtual_interfaces: interfaces.collect(),
        };
        world.direct_connect.gateways.insert(id, found);
    }
    Ok(())
}
