//! Builds EC2 from the world file: first all resources with their names, then what refers to them.

mod gateways;
mod machines;
mod peerings;
mod prefix_lists;
mod target_groups;
mod vpcs;

pub(crate) use gateways::DEFAULT_ASN;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    id,
    state::{Ec2, Home, Kind, Tags},
};
use crate::{
    direct_connect::DirectConnect,
    world::World,
    world_file::{WorldError, WorldFile},
};

/// Builds EC2 of a world file.
///
/// # Errors
/// The first thing in the file that does not fit, with its place.
pub fn load(file: &WorldFile, world: &mut World) -> Result<(), WorldError> {
    let mut loader = Loader {
        ec2: &mut world.ec2,
        direct_connect: &mut world.direct_connect,
        account: world.accounts.default.clone(),
    };
    for (region, section) in &file.regions {
        loader.ec2.regions.insert(region.clone());
        let place = format!("regions.{region}");
        loader.vpcs(region, &place, &section.vpcs)?;
        loader.prefix_lists(region, &place, &section.prefix_lists)?;
        loader.machines(region, &place, section)?;
        loader.target_groups(region, &place, &section.target_groups)?;
        loader.gateways(region, &place, &section.transit_gateways)?;
    }
    loader.peerings(&file.transit_gateway_peerings)?;
    loader.vpc_peerings(&file.vpc_peerings)?;
    // After all addresses that the file gives.
    let attachments: Vec<String> = loader.ec2.attachments.keys().cloned().collect();
    for id in attachments {
        loader.ec2.keep_tgw_interfaces(&id);
    }
    for (region, section) in &file.regions {
        let place = format!("regions.{region}");
        loader.vpc_routes(region, &place, &section.vpcs)?;
        loader.tgw_tables(region, &place, &section.transit_gateways)?;
    }
    Ok(())
}

/// The moment at which the world file's resources were made: long before any test's now.
pub(super) const BEGINNING: Timestamp = Timestamp::constant(1_767_225_600, 0);

struct Loader<'a> {
    ec2: &'a mut Ec2,
    direct_connect: &'a mut DirectConnect,
    account: String,
}

impl Loader<'_> {
    fn home(&self, region: &str, account: Option<&String>) -> Home {
        Home { region: region.to_owned(), account: account.unwrap_or(&self.account).clone() }
    }

    /// Registers a name, and returns the id: the given one, or one made from the name.
    fn name(
        &mut self,
        kind: Kind,
        region: &str,
        place: &str,
        name: &str,
        given: Option<&String>,
    ) -> Result<String, WorldError> {
        let id = match given {
            Some(given) => {
                let shaped = given.strip_prefix(kind.id_prefix()).and_then(|rest| rest.strip_prefix('-'));
                if !shaped.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_hexdigit())) {
                    let prefix = kind.id_prefix();
                    let problem =
                        format!("`{given}` is not an id of this kind: write `{prefix}-` and hexadecimal digits");
                    return Err(WorldError::at(place, problem));
                }
                given.clone()
            }
            None => id::id(kind.id_prefix(), &format!("{region}/{name}")),
        };
        if self.ec2.exists(kind, &id) {
            return Err(WorldError::at(place, format!("id `{id}` is used twice")));
        }
        if self.ec2.names.insert((kind, region.to_owned(), name.to_owned()), id.clone()).is_some() {
            let noun = kind.noun();
            return Err(WorldError::at(place, format!("a second {noun} is called `{name}`: give it another name")));
        }
        Ok(id)
    }

    /// The id that a reference of the file stands for.
    fn resolve(&self, kind: Kind, region: &str, place: &str, reference: &str) -> Result<String, WorldError> {
        self.ec2.find(kind, region, reference).map(str::to_owned).ok_or_else(|| {
            let known: Vec<&str> = self
                .ec2
                .names
                .keys()
                .filter(|(known, place, _)| *known == kind && place == region)
                .map(|(_, _, name)| name.as_str())
                .collect();
            let noun = kind.noun();
            let known =
                if known.is_empty() { "it declares none".into() } else { format!("it declares {}", known.join(", ")) };
            WorldError::at(place, format!("there is no {noun} `{reference}` in {region}; {known}"))
        })
    }
}

/// The tags of a resource: those given, and its name.
fn tags(name: &str, given: &BTreeMap<String, String>) -> Tags {
    let mut tags = given.clone();
    tags.entry("Name".into()).or_insert_with(|| name.to_owned());
    tags
}
