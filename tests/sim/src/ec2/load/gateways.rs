//! Transit gateways, their attachments, peerings and route tables of the world file.

use std::collections::BTreeMap;

use super::{BEGINNING, Loader, prefix_lists::To, tags};
use crate::{
    direct_connect,
    ec2::{
        file::{AttachmentFile, AttachmentKindFile, TgwRouteFile, TransitGatewayFile},
        id,
        state::{
            Attachment, AttachmentKind, Home, Kind, PrefixListReference, Progress, StaticRoute, TgwRouteTable,
            TransitGateway,
        },
    },
    world_file::WorldError,
};

/// Amazon-side ASN unless another is asked for.
pub(crate) const DEFAULT_ASN: u64 = 64_512;

impl Loader<'_> {
    pub(super) fn gateways(
        &mut self,
        region: &str,
        place: &str,
        gateways: &[TransitGatewayFile],
    ) -> Result<(), WorldError> {
        for file in gateways {
            let place = format!("{place}.transit_gateways[{}]", file.name);
            let tgw = self.name(Kind::Tgw, region, &place, &file.name, file.id.as_ref())?;
            let home = self.home(region, file.account.as_ref());
            for attachment in &file.attachments {
                self.attachment(&home, &place, &tgw, attachment)?;
            }
            for table in &file.route_tables {
                let place = format!("{place}.route_tables[{}]", table.name);
                let id = self.name(Kind::TgwRouteTable, region, &place, &table.name, table.id.as_ref())?;
                let tags = tags(&table.name, &table.tags);
                let table = TgwRouteTable { tags, ..TgwRouteTable::empty(home.clone(), tgw.clone(), BEGINNING) };
                self.ec2.tgw_route_tables.insert(id, table);
            }
            let gateway = TransitGateway {
                home,
                state: Progress::Available,
                description: String::new(),
                asn: DEFAULT_ASN,
                shared_with: file.shared_with.iter().cloned().collect(),
                auto_accept: file.auto_accept,
                default_association_table: None,
                default_propagation_table: None,
                created: BEGINNING,
                tags: tags(&file.name, &file.tags),
            };
            self.ec2.tgws.insert(tgw, gateway);
        }
        Ok(())
    }

    fn attachment(&mut self, home: &Home, place: &str, tgw: &str, file: &AttachmentFile) -> Result<(), WorldError> {
        let place = format!("{place}.attachments[{}]", file.name);
        let id = self.name(Kind::Attachment, &home.region, &place, &file.name, file.id.as_ref())?;
        let is_vpc = file.kind == AttachmentKindFile::Vpc;
        if is_vpc != file.vpc.is_some() || is_vpc == file.subnets.is_empty() || (is_vpc && !file.prefixes.is_empty()) {
            let problem = "kind `vpc` takes `vpc` and `subnets`, the other kinds take `prefixes`";
            return Err(WorldError::at(place, problem));
        }
        if file.static_routes && (file.kind != AttachmentKindFile::Vpn || !file.prefixes.is_empty()) {
            return Err(WorldError::at(
                place,
                "`static_routes` is for kind `vpn`, and such a VPN advertises no `prefixes`",
            ));
        }
        let is_direct = file.kind == AttachmentKindFile::DirectConnectGateway;
        if !is_direct && (file.gateway.is_some() || !file.allowed_prefixes.is_empty()) {
            let problem = "`gateway` and `allowed_prefixes` are for kind `direct-connect-gateway`";
            return Err(WorldError::at(place, problem));
        }
        let prefixes = file.prefixes.iter().map(ipnet::Ipv4Net::trunc).collect();
        let kind = match (file.kind, &file.vpc) {
            (AttachmentKindFile::Vpc, Some(vpc)) => {
                let vpc = self.resolve(Kind::Vpc, &home.region, &format!("{place}.vpc"), vpc)?;
                let place = format!("{place}.subnets");
                let mut subnets = std::collections::BTreeSet::new();
                for name in &file.subnets {
                    let subnet = self.resolve(Kind::Subnet, &home.region, &place, name)?;
                    if self.ec2.subnets.get(&subnet).is_none_or(|subnet| subnet.vpc != vpc) {
                        return Err(WorldError::at(place, format!("subnet `{name}` is in another VPC")));
                    }
                    subnets.insert(subnet);
                }
                AttachmentKind::Vpc { vpc, subnets, appliance_mode: false }
            }
            (AttachmentKindFile::DirectConnectGateway, _) => {
                let resource = self.direct_connect_gateway(home, &place, &id, file)?;
                let allowed = file.allowed_prefixes.iter().map(ipnet::Ipv4Net::trunc).collect();
                AttachmentKind::DirectConnectGateway { resource, prefixes, allowed }
            }
            (AttachmentKindFile::Vpn | AttachmentKindFile::Vpc, _) => {
                AttachmentKind::Vpn { resource: id::id("vpn", &id), prefixes, bgp: !file.static_routes }
            }
        };
        let home = match &kind {
            AttachmentKind::Vpc { vpc, .. } => {
                self.ec2.vpcs.get(vpc).map_or_else(|| home.clone(), |vpc| vpc.home.clone())
            }
            _ => home.clone(),
        };
        let attachment = Attachment {
            home,
            tgw: tgw.to_owned(),
            kind,
            state: Progress::Available,
            created: BEGINNING,
            tags: tags(&file.name, &file.tags),
        };
        self.ec2.attachments.insert(id, attachment);
        Ok(())
    }

    /// The Direct Connect gateway of an attachment: the named one, or one of its own.
    fn direct_connect_gateway(
        &mut self,
        home: &Home,
        place: &str,
        id: &str,
        file: &AttachmentFile,
    ) -> Result<String, WorldError> {
        if let Some(name) = &file.gateway {
            let found = self.direct_connect.find(name).map(str::to_owned);
            let problem =
                || format!("there is no Direct Connect gateway `{name}`: declare it in `direct_connect_gateways`");
            return found.ok_or_else(|| WorldError::at(place, problem()));
        }
        let made = direct_connect::uuid(id);
        self.direct_connect.add(&made, &file.name, &home.account);
        Ok(made)
    }

    pub(super) fn tgw_tables(
        &mut self,
        region: &str,
        place: &str,
        gateways: &[TransitGatewayFile],
    ) -> Result<(), WorldError> {
        for gateway in gateways {
            let tgw = self.resolve(Kind::Tgw, region, place, &gateway.name)?;
            for file in &gateway.route_tables {
                let place = format!("{place}.transit_gateways[{}].route_tables[{}]", gateway.name, file.name);
                let id = self.resolve(Kind::TgwRouteTable, region, &place, &file.name)?;
                let (mut associations, mut propagations, mut routes, mut lists) =
                    (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
                for name in &file.associations {
                    let place = format!("{place}.associations");
                    let attachment = self.own_attachment(region, &place, &tgw, name)?;
                    if self.ec2.association(&tgw, &attachment).is_some() {
                        return Err(WorldError::at(place, format!("attachment `{name}` is associated twice")));
                    }
                    associations.insert(attachment, Progress::Available);
                }
                for name in &file.propagations {
                    let place = format!("{place}.propagations");
                    let attachment = self.own_attachment(region, &place, &tgw, name)?;
                    if let Some(Attachment { kind: AttachmentKind::Peering { .. }, .. }) =
                        self.ec2.attachments.get(&attachment)
                    {
                        let problem = format!("nothing propagates over peering `{name}`: write static routes");
                        return Err(WorldError::at(place, problem));
                    }
                    propagations.insert(attachment, Progress::Available);
                }
                for route in &file.routes {
                    let (to, place) = self.destination(region, &place, route.prefix, route.prefix_list.as_ref())?;
                    let attachment = self.static_target(region, &place, &tgw, route)?;
                    let state = Progress::Available;
                    let twice = match to {
                        To::Prefix(to) => routes.insert(to, StaticRoute { attachment, pending_reads: 0 }).is_some(),
                        To::List(list) => lists.insert(list, PrefixListReference { attachment, state }).is_some(),
                    };
                    if twice {
                        return Err(WorldError::at(place, "the table has two routes of this prefix"));
                    }
                }
                if let Some(table) = self.ec2.tgw_route_tables.get_mut(&id) {
                    table.associations = associations;
                    table.propagations = propagations;
                    table.routes = routes;
                    table.prefix_lists = lists;
                }
            }
        }
        Ok(())
    }

    fn static_target(
        &self,
        region: &str,
        place: &str,
        tgw: &str,
        route: &TgwRouteFile,
    ) -> Result<Option<String>, WorldError> {
        match (&route.attachment, route.blackhole) {
            (Some(name), false) => self.own_attachment(region, place, tgw, name).map(Some),
            (None, true) => Ok(None),
            _ => Err(WorldError::at(place, "write either `attachment` or `blackhole: true`")),
        }
    }

    fn own_attachment(&self, region: &str, place: &str, tgw: &str, name: &str) -> Result<String, WorldError> {
        let id = self.resolve(Kind::Attachment, region, place, name)?;
        let own = self.ec2.attachments.get(&id).is_some_and(|it| it.sides().iter().any(|(side, _)| *side == tgw));
        if own {
            Ok(id)
        } else {
            Err(WorldError::at(place, format!("attachment `{name}` belongs to another transit gateway")))
        }
    }
}
