//! VPCs, subnets and VPC route tables of the world file.

use std::collections::BTreeMap;

use super::{Loader, prefix_lists::To, tags};
use crate::{
    ec2::{
        file::{RouteFile, RouteTableFile, SubnetFile, VpcFile},
        id,
        state::{Home, Kind, RouteTable, Subnet, Vpc, VpcRoute, VpcTarget},
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
            let tags = tags(&file.name, &file.tags);
            self.ec2.vpcs.insert(vpc, Vpc { home, cidrs: file.cidrs.clone(), main_route_table: main, tags });
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
                for route in &table.routes {
                    let (to, place) = self.destination(region, &place, route.prefix, route.prefix_list.as_ref())?;
                    let route = VpcRoute { target: self.vpc_target(region, &place, route)? };
                    let Some(table) = self.ec2.route_tables.get_mut(&id) else { continue };
                    let before = match to {
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

    fn vpc_target(&self, region: &str, place: &str, route: &RouteFile) -> Result<VpcTarget, WorldError> {
        match (&route.transit_gateway, &route.network_interface, &route.vpc_peering) {
            (Some(name), None, None) => Ok(VpcTarget::TransitGateway(self.resolve(Kind::Tgw, region, place, name)?)),
            (None, Some(name), None) => {
                Ok(VpcTarget::NetworkInterface(self.resolve(Kind::Eni, region, place, name)?))
            }
            (None, None, Some(name)) => {
                Ok(VpcTarget::PeeringConnection(self.resolve(Kind::VpcPeering, region, place, name)?))
            }
            _ => {
                let problem = "write exactly one of `transit_gateway`, `network_interface` and `vpc_peering`";
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
            stale: None,
            tags: BTreeMap::new(),
        }
    }
}
