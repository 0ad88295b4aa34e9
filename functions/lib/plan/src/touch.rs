//! Which destinations a step decides for, and which destinations look alike to every table.

use crate::step::{Place, Step};
use holdfast_model::{
    AttachmentId, AttachmentKind, NetworkMap, Picture, Prefix, Region, RouteTableId, Site, SubnetId, TgwRoute,
    VpcRoute, ZoneName,
};
use std::collections::{BTreeMap, BTreeSet};

/// Prefixes that an attachment propagates; none when they are not known.
pub(crate) fn propagated_prefixes<'a>(
    picture: &'a Picture,
    region: &Region,
    attachment: &AttachmentId,
) -> Option<&'a [Prefix]> {
    match &picture.attachment(region, attachment)?.kind {
        AttachmentKind::Vpc { vpc, .. } => picture.vpcs.get(vpc).map(|vpc| vpc.prefixes.as_slice()),
        AttachmentKind::Peering { .. }
        | AttachmentKind::Vpn
        | AttachmentKind::DirectConnectGateway
        | AttachmentKind::Other { .. } => None,
    }
}

/// Steps by the prefixes whose routes they change.
pub(crate) struct Touch {
    by_prefix: BTreeMap<Prefix, Vec<usize>>,
    /// Steps of which that is not known.
    any: Vec<usize>,
}

impl Touch {
    pub(crate) fn new<'s>(picture: &Picture, steps: impl IntoIterator<Item = &'s Step>) -> Self {
        let mut by_prefix: BTreeMap<Prefix, Vec<usize>> = BTreeMap::new();
        let mut any = Vec::new();
        for (at, step) in steps.into_iter().enumerate() {
            let prefixes: Vec<Prefix> = match &step.place {
                Place::Route { prefix } => vec![*prefix],
                Place::Reference { prefixes, .. } => prefixes.iter().copied().collect(),
                Place::Propagation { attachment } => {
                    match propagated_prefixes(picture, &step.scope.region, attachment) {
                        Some(prefixes) => prefixes.to_vec(),
                        None => {
                            any.push(at);
                            Vec::new()
                        }
                    }
                }
            };
            for prefix in prefixes {
                by_prefix.entry(prefix).or_default().push(at);
            }
        }
        Self { by_prefix, any }
    }

    /// Steps that change a route which covers the part, by their position.
    pub(crate) fn touching(&self, part: Prefix) -> BTreeSet<usize> {
        let covering =
            (0..=part.length()).filter_map(|length| self.by_prefix.get(&Prefix::around(part.network(), length)));
        covering.flatten().chain(&self.any).copied().collect()
    }
}

/// All that tables, prefix lists, VPCs and gateways say of a part of a prefix, without the prefix itself: parts of equal profiles that equal steps
/// touch are traced alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Profile<'a> {
    length: u8,
    network: Option<u8>,
    tgw: Vec<(usize, u8, &'a TgwRoute)>,
    vpc: Vec<(usize, u8, &'a VpcRoute)>,
    beneath: Vec<(usize, u8, &'a VpcRoute)>,
    listed: Vec<(usize, u8)>,
    own: Vec<(usize, u8)>,
    allowed: Vec<(usize, u8)>,
    starts: Vec<BTreeSet<Start<'a>>>,
}

/// Where machines send from: the table of a subnet and its Availability Zone, or the subnet where that was not read.
type Start<'a> = (&'a RouteTableId, Result<&'a ZoneName, &'a SubnetId>);

/// The profile of a part.
pub(crate) fn profile<'a>(picture: &'a Picture, map: &NetworkMap, part: Prefix) -> Profile<'a> {
    let wider: Vec<Prefix> = (0..=part.length()).map(|length| Prefix::around(part.network(), length)).collect();
    let mut tgw = Vec::new();
    for (at, table) in picture.tgw_tables.values().enumerate() {
        tgw.extend(wider.iter().filter_map(|p| table.routes.get(p).map(|route| (at, p.length(), route))));
    }
    let (mut vpc, mut beneath) = (Vec::new(), Vec::new());
    for (at, table) in picture.vpcs.values().flat_map(|vpc| vpc.tables.values()).enumerate() {
        vpc.extend(wider.iter().filter_map(|p| table.routes.get(p).map(|route| (at, p.length(), route))));
        beneath.extend(wider.iter().filter_map(|p| table.hidden.get(p).map(|route| (at, p.length(), route))));
    }
    let mut listed = Vec::new();
    for (at, list) in picture.prefix_lists.values().enumerate() {
        listed.extend(wider.iter().filter(|p| list.entries.contains(*p)).map(|p| (at, p.length())));
    }
    let mut own = Vec::new();
    for (at, vpc) in picture.vpcs.values().enumerate() {
        own.extend(vpc.prefixes.iter().filter(|p| p.covers(&part)).map(|p| (at, p.length())));
    }
    let mut allowed = Vec::new();
    for (at, prefixes) in picture.dx_gateways.values().flat_map(|gateway| gateway.allowed.values()).enumerate() {
        allowed.extend(wider.iter().filter(|p| prefixes.contains(*p)).map(|p| (at, p.length())));
    }
    let starts = map.sites.values().filter(|site| matches!(site, Site::Ec2 { .. })).map(|site| {
        let subnets = picture.vpcs.get(site.vpc()).into_iter().flat_map(|vpc| &vpc.subnets);
        let own = subnets.filter(|(_, subnet)| subnet.prefix.overlaps(&part));
        own.map(|(id, subnet)| (&subnet.table, subnet.zone.as_ref().ok_or(id))).collect()
    });
    Profile {
        length: part.length(),
        network: map.network_of(part.network()).map(|(_, network)| network.prefix.length()),
        tgw,
        vpc,
        beneath,
        listed,
        own,
        allowed,
        starts: starts.collect(),
    }
}
