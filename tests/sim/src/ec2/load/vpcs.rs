//! VPCs, subnets and VPC route tables of the world file.

use std::collections::BTreeMap;

use super::{Loader, prefix_lists::To, tags};
use crate::{
    ec2::{
        file::{RouteFile, RouteTableFile, SubnetFile, VpcFile},
        id,
        state::{Home, Kind, RouteTable, SecurityGroup, Subnet, Vpc, VpcRoute, VpcTarget},
    },
    world_file::WorldError,
};

impl Loader<'_> {
    pub(super) fn vpcs(&mut self, region: &str, place: &str, vpcs: &[VpcFile]) -> Result<(), WorldError> {
        for file in vpcs {
            let place = format!("{place}.vpcs[{}]", file.name);
            let vpc = self.name(Kind::Vpc, region, &place, &file.name, file.id.as_ref())?;
            let home = self.home(region, file.account.as_ref());
            if file.cidrs.is_empty() {
                return Err(WorldError::at(format!("{place}.cidrs"), "a VPC needs a CIDR: write at least one"));
            }
            for cidr in &file.cidrs {
                if *cidr != cidr.trunc() {
                    let problem = format!("`{cidr}` has host bits: write `{}`", cidr.trunc());
                    return Err(WorldError::at(format!("{place}.cidrs"), problem));
                }
            }
            for subnet in &file.subnets {
                self.subnet(&home, &place, &vpc, file, subnet)?;
            }
            let mut main = None;
            for table in &file.route_tables {
                let place = format!("{place}.route_tables[{}]", table.name);
                let id = self.route_table(&home, &place, &vpc, file, table)?;
                if table.main && main.replace(id).is_some() {
                    return Err(WorldError::at(place, "a second table of the VPC is marked `main`: mark one"));
                }
            }
            let main = match main {
                Some(main) => main,
                None => {
                    let id = id::id("rtb", &format!("{vpc}/main"));
                    let table = self.ec2.local_table(home.clone(), &vpc, &file.cidrs);
                    self.ec2.route_tables.insert(id.clone(), table);
                    id
                }
            };
            self.security_groups(&home, &place, &vpc, file)?;
            let tags = tags(&file.name, &file.tags);
            self.ec2.vpcs.insert(vpc, Vpc { home, cidrs: file.cidrs.clone(), main_route_table: main, tags });
        }
        Ok(())
    }

    fn security_groups(&mut self, home: &Home, place: &str, vpc: &str, file: &VpcFile) -> Result<(), WorldError> {
        for group in &file.security_groups {
            let id = group.id.clone().unwrap_or_else(|| id::security_group(vpc, &group.name));
            let known = |name: &&String| *name == "default" || file.security_groups.iter().any(|it| it.name == **name);
            if let Some(unknown) = group.admits.iter().find(|name| !known(name)) {
                let place = format!("{place}.security_groups[{}].admits", group.name);
                return Err(WorldError::at(place, format!("the VPC has no security group `{unknown}`")));
            }
            let given = |name: &String| file.security_groups.iter().find(|it| it.name == *name)?.id.clone();
            let admits = group.admits.iter().map(|name| given(name).unwrap_or_else(|| id::security_group(vpc, name)));
            let group = SecurityGroup {
                home: home.clone(),
                vpc: vpc.to_owned(),
                name: group.name.clone(),
                admits: admits.collect(),
            };
            self.ec2.security_groups.insert(id, group);
        }
        Ok(())
    }

    fn subnet(
        &mut self,
        home: &Home,
        place: &str,
        vpc: &str,
        parent: &VpcFile,
        file: &SubnetFile,
    ) -> Result<(), WorldError> {
        let place = format!("{place}.subnets[{}]", file.name);
        let id = self.name(Kind::Subnet, &home.region, &place, &file.name, file.id.as_ref())?;
        if file.cidr != file.cidr.trunc() {
            let problem = format!("`{}` has host bits: write `{}`", file.cidr, file.cidr.trunc());
            return Err(WorldError::at(format!("{place}.cidr"), problem));
        }
        if !parent.cidrs.iter().any(|cidr| cidr.contains(&file.cidr)) {
            let problem = format!("`{}` is not within a CIDR of VPC `{}`", file.cidr, parent.name);
            return Err(WorldError::at(format!("{place}.cidr"), problem));
        }
        let overlap = self
            .ec2
            .subnets
            .values()
            .find(|other| other.vpc == vpc && (other.cidr.contains(&file.cidr) || file.cidr.contains(&other.cidr)));
        if let Some(other) = overlap {
            return Err(WorldError::at(
                format!("{place}.cidr"),
                format!("`{}` overlaps subnet {}", file.cidr, other.cidr),
            ));
        }
        let zone = file.zone.clone().unwrap_or_else(|| format!("{}a", home.region));
        let tags = tags(&file.name, &file.tags);
        let subnet = Subnet { home: home.clone(), vpc: vpc.to_owned(), cidr: file.cidr, zone, route_table: None, tags };
        self.ec2.subnets.insert(id, subnet);
        Ok(())
    }

    fn route_table(
        &mut self,
        home: &Home,
        place: &str,
        vpc: &str,
        parent: &VpcFile,
        file: &RouteTableFile,
    ) -> Result<String, WorldError> {
        let id = self.name(Kind::RouteTable, &home.region, place, &file.name, file.id.as_ref())?;
        let mut table = self.ec2.local_table(home.clone(), vpc, &parent.cidrs);
        table.tags = tags(&file.name, &file.tags);
        self.ec2.route_tables.insert(id.clone(), table);
        for name in &file.subnets {
            let place = format!("{place}.subnets");
            let subnet = self.resolve(Kind::Subnet, &home.region, &place, name)?;
            let Some(subnet) = self.ec2.subnets.get_mut(&subnet).filter(|subnet| subnet.vpc == vpc) else {
                return Err(WorldError::at(place, format!("subnet `{name}` is in another VPC")));
            };
            if subnet.route_table.replace(id.clone()).is_some() {
                return Err(WorldError::at(place, format!("subnet `{name}` has two route tables")));
            }
        }
        Ok(id)
    }

    pub(super) fn vpc_routes(&mut self, region: &str, place: &str, vpcs: &[VpcFile]) -> Result<(), WorldError> {
        for vpc in vpcs {
            for table in &vpc.route_tables {
                let place = format!("{place}.vpcs[{}].route_tables[{}]", vpc.name, table.name);
                let id = self.resolve(Kind::RouteTable, region, &place, &table.name)?;
                let own = self.resolve(Kind::Vpc, region, &place, &vpc.name)?;
                for route in &table.routes {
                    let (to, place) = self.destination(region, &place, route.prefix, route.prefix_list.as_ref())?;
                    let propagated = route.propagated;
                    let route = VpcRoute { target: self.vpc_target(region, &place, &own, route)? };
                    let by_gateway = matches!(&route.target, VpcTarget::Gateway(id) if id.starts_with("vgw-"));
                    if propagated && !(by_gateway && matches!(to, To::Prefix(_))) {
                        let problem = "`propagated` is for a `prefix` of a virtual private gateway (`vgw-..`)";
                        return Err(WorldError::at(place, problem));
                    }
                    let Some(table) = self.ec2.route_tables.get_mut(&id) else { continue };
                    let before = match to {
                        To::Prefix(prefix) if propagated => {
                            table.propagated.insert(prefix, route.target).map(|target| VpcRoute { target })
                        }
                        To::Prefix(prefix) => table.routes.insert(prefix, route),
                        To::List(list) => table.prefix_lists.insert(list, route),
                    };
                    if before.is_some() {
                        return Err(WorldError::at(place, "the table has two routes of this prefix"));
                    }
                }
            }
        }
        Ok(())
    }

    fn vpc_target(&mut self, region: &str, place: &str, vpc: &str, route: &RouteFile) -> Result<VpcTarget, WorldError> {
        let resolve = |kind, name: &String| self.resolve(kind, region, place, name);
        let mut targets = Vec::new();
        if let Some(name) = &route.transit_gateway {
            targets.push(VpcTarget::TransitGateway(resolve(Kind::Tgw, name)?));
        }
        if let Some(name) = &route.network_interface {
            targets.push(VpcTarget::NetworkInterface(resolve(Kind::Eni, name)?));
        }
        if let Some(name) = &route.vpc_peering {
            targets.push(VpcTarget::PeeringConnection(resolve(Kind::VpcPeering, name)?));
        }
        for (id, is_nat) in [(&route.gateway, false), (&route.nat_gateway, true)] {
            let Some(id) = id else { continue };
            let kinds: &[&str] = if is_nat { &["nat-"] } else { &["igw-", "vgw-", "vpce-"] };
            if !kinds.iter().any(|kind| id.starts_with(kind)) {
                return Err(WorldError::at(
                    place,
                    format!("`{id}` is not an id of this kind: write {}", kinds.join(", ")),
                ));
            }
            self.ec2.gateways.insert(id.clone(), vpc.to_owned());
            targets.push(if is_nat { VpcTarget::NatGateway(id.clone()) } else { VpcTarget::Gateway(id.clone()) });
        }
        match <[VpcTarget; 1]>::try_from(targets) {
            Ok([target]) => Ok(target),
            Err(_) => {
                let problem = "write exactly one of `transit_gateway`, `network_interface`, `vpc_peering`, `gateway` and `nat_gateway`";
                Err(WorldError::at(place, problem))
            }
        }
    }
}

impl crate::ec2::Ec2 {
    /// A route table with the local routes of a VPC.
    pub(crate) fn local_table(&self, home: Home, vpc: &str, cidrs: &[ipnet::Ipv4Net]) -> RouteTable {
        let routes = cidrs.iter().map(|cidr| (*cidr, VpcRoute { target: VpcTarget::Local })).collect();
        RouteTable {
            home,
            vpc: vpc.to_owned(),
            routes,
            prefix_lists: BTreeMap::new(),
            propagated: BTreeMap::new(),
            stale: None,
            tags: BTreeMap::new(),
        }
    }
}
