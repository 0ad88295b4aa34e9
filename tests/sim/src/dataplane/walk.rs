//! Forwards one packet hop by hop, by nothing but the tables that stand where it is.

use std::net::Ipv4Addr;

use super::outcome::Lost;
use crate::{
    ec2::{AttachmentKind, Eni, RouteState, VpcTarget},
    guests::GuestId,
    prism::ExtId,
    world::World,
};

/// Hops after which a packet is dropped: more than any sensible way has.
const TTL: usize = 32;

/// Where a packet is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum At {
    /// At the router of a VPC, to be routed by the table of this subnet.
    Subnet(String),
    /// Next to its destination within a VPC.
    Vpc(String),
    /// At a transit gateway, come in by an attachment.
    Tgw { tgw: String, via: String },
    /// At a network interface that a route names as next hop.
    Interface(String),
    /// At the router of an FVN VPC, come from AWS or from a subnet within.
    Fvn { prism: String, vpc: ExtId, from_aws: bool },
    /// On a subnet of Prism Central.
    Segment { prism: String, subnet: ExtId },
    /// Out of AWS by an attachment.
    Outside(String),
}

/// One packet on its way.
pub(super) struct Walk<'w> {
    pub(super) world: &'w World,
    from: Ipv4Addr,
    pub(super) to: Ipv4Addr,
    /// Number of the packet: where several ways are equal, packets take turns.
    flow: usize,
    pub path: Vec<String>,
    /// The attachment by which it left AWS.
    pub left_by: Option<String>,
}

/// The end of a hop.
enum Hop {
    Next(At),
    Arrived(Vec<GuestId>),
}

impl<'w> Walk<'w> {
    pub fn new(world: &'w World, from: Ipv4Addr, to: Ipv4Addr, flow: usize) -> Self {
        Self { world, from, to, flow, path: Vec::new(), left_by: None }
    }

    /// Forwards the packet until it arrives at the guests that hold its destination, or is lost.
    pub fn run(&mut self, start: At) -> Result<Vec<GuestId>, Lost> {
        let mut at = start;
        for _ in 0..TTL {
            match self.hop(&at)? {
                Hop::Next(next) => at = next,
                Hop::Arrived(guests) => return Ok(guests),
            }
        }
        Err(Lost::Loop { at: self.path.last().cloned().unwrap_or_default() })
    }

    pub(super) fn note(&mut self, line: String) {
        self.path.push(line);
    }

    fn hop(&mut self, at: &At) -> Result<Hop, Lost> {
        match at {
            At::Subnet(subnet) => self.by_subnet_table(subnet).map(Hop::Next),
            At::Vpc(vpc) => self.in_vpc(vpc).map(Hop::Arrived),
            At::Tgw { tgw, via } => self.by_tgw_table(tgw, via).map(Hop::Next),
            At::Interface(eni) => self.by_interface(eni).map(Hop::Next),
            At::Fvn { prism, vpc, from_aws } => self.by_fvn(prism, *vpc, *from_aws).map(Hop::Next),
            At::Segment { prism, subnet } => self.on_segment(prism, *subnet).map(Hop::Arrived),
            At::Outside(attachment) => self.outside(attachment).map(Hop::Arrived),
        }
    }

    fn alive(&self, region: &str) -> Result<(), Lost> {
        if self.world.lost_regions.contains(region) {
            return Err(Lost::RegionLost { region: region.to_owned() });
        }
        Ok(())
    }

    fn by_subnet_table(&mut self, id: &str) -> Result<At, Lost> {
        let ec2 = &self.world.ec2;
        let no_route = |at: &str| Lost::NoRoute { at: at.to_owned() };
        let subnet = ec2.subnets.get(id).ok_or_else(|| no_route(id))?;
        self.alive(&subnet.home.region)?;
        let table = ec2.subnet_table(id).ok_or_else(|| no_route(id))?;
        let route = ec2.vpc_lookup(table, self.to).ok_or_else(|| no_route(table))?;
        let at = format!("{table} {}", route.prefix);
        if route.blackhole {
            return Err(Lost::Blackhole { at });
        }
        match route.target {
            VpcTarget::Local => {
                self.note(format!("{at} -> local"));
                Ok(At::Vpc(subnet.vpc.clone()))
            }
            VpcTarget::NetworkInterface(eni) => {
                self.note(format!("{at} -> {eni}"));
                Ok(At::Interface(eni))
            }
            VpcTarget::Gateway(id) | VpcTarget::NatGateway(id) => {
                self.note(format!("{at} -> {id}"));
                Err(no_route(&format!("{id}, beyond which nothing is simulated")))
            }
            VpcTarget::PeeringConnection(peering) => {
                self.note(format!("{at} -> {peering}"));
                self.over_peering(&subnet.vpc, &peering)
            }
            VpcTarget::TransitGateway(tgw) => {
                let via = ec2.vpc_attachment(&subnet.vpc, &tgw).map(str::to_owned);
                let via = via.ok_or_else(|| Lost::Blackhole { at: at.clone() })?;
                // A VPC reaches a transit gateway only from Availability Zones in which the attachment has a subnet.
                // Source: Amazon VPC Transit Gateways guide, "VPC attachments".
                if let Some(AttachmentKind::Vpc { subnets, .. }) = ec2.attachments.get(&via).map(|found| &found.kind) {
                    let mut zones = subnets.iter().filter_map(|own| ec2.subnets.get(own)).map(|own| &own.zone);
                    if !zones.any(|zone| *zone == subnet.zone) {
                        let at = format!("{via}, which has no subnet in {}", subnet.zone);
                        return Err(Lost::NoRoute { at });
                    }
                }
                self.note(format!("{at} -> {tgw}"));
                Ok(At::Tgw { tgw, via })
            }
        }
    }

    /// Over a VPC peering connection: from an address of the one VPC to an address of the other, no further. Source:
    /// Amazon VPC Peering guide, "VPC peering limitations". With the switch `peering_carries_overlays`, the main route
    /// table of the VPC there leads on to an interface of it, and nowhere else.
    fn over_peering(&mut self, vpc: &str, peering: &str) -> Result<At, Lost> {
        let ec2 = &self.world.ec2;
        let gone = || Lost::Blackhole { at: peering.to_owned() };
        let far = ec2.vpc_peerings.get(peering).and_then(|found| found.across(vpc)).ok_or_else(gone)?;
        self.alive(&far.home.region)?;
        let within =
            |vpc: &str, ip| ec2.vpcs.get(vpc).is_some_and(|found| found.cidrs.iter().any(|cidr| cidr.contains(&ip)));
        let overlays = self.world.switches.ec2.peering_carries_overlays;
        if within(&far.vpc, self.to) && (overlays || within(vpc, self.from)) {
            return Ok(At::Vpc(far.vpc.clone()));
        }
        let why = "a VPC peering connection carries only what goes from the one VPC's CIDRs to the other's";
        let filtered = || Lost::Filtered { at: peering.to_owned(), why: why.to_owned() };
        let main = ec2.vpcs.get(&far.vpc).filter(|_| overlays).map(|found| &found.main_route_table);
        let main = main.ok_or_else(filtered)?;
        let route = ec2.vpc_lookup(main, self.to).ok_or_else(|| Lost::NoRoute { at: main.clone() })?;
        let at = format!("{main} {}", route.prefix);
        match route.target {
            _ if route.blackhole => Err(Lost::Blackhole { at }),
            VpcTarget::NetworkInterface(eni) => {
                self.note(format!("{at} -> {eni}"));
                Ok(At::Interface(eni))
            }
            VpcTarget::Local
            | VpcTarget::TransitGateway(_)
            | VpcTarget::PeeringConnection(_)
            | VpcTarget::Gateway(_)
            | VpcTarget::NatGateway(_) => Err(filtered()),
        }
    }

    fn by_tgw_table(&mut self, tgw: &str, via: &str) -> Result<At, Lost> {
        let ec2 = &self.world.ec2;
        if let Some(found) = ec2.tgws.get(tgw) {
            self.alive(&found.home.region)?;
        }
        let no_table = || Lost::Blackhole { at: format!("{tgw}, where {via} is associated with no route table") };
        let table = ec2.association(tgw, via).ok_or_else(no_table)?;
        let route = ec2.tgw_lookup(table, self.to).ok_or_else(|| Lost::NoRoute { at: table.to_owned() })?;
        let at = format!("{table} {}", route.prefix);
        let attachment = match (route.state, route.attachment) {
            (RouteState::Active | RouteState::Pending, Some(attachment)) => attachment,
            (RouteState::Blackhole, _) | (_, None) => return Err(Lost::Blackhole { at }),
        };
        let Some(found) = ec2.attachments.get(&attachment) else { return Err(Lost::Blackhole { at }) };
        self.note(format!("{at} -> {attachment}"));
        match &found.kind {
            AttachmentKind::Vpc { subnets, .. } => {
                let count = subnets.len().max(1);
                let subnet = subnets.iter().nth(self.flow.checked_rem(count).unwrap_or(0));
                subnet.map(|subnet| At::Subnet(subnet.clone())).ok_or(Lost::Blackhole { at })
            }
            AttachmentKind::Peering { .. } => match found.across(tgw) {
                Some(peer) => Ok(At::Tgw { tgw: peer.to_owned(), via: attachment }),
                None => Err(Lost::Blackhole { at }),
            },
            AttachmentKind::Vpn { .. } | AttachmentKind::DirectConnectGateway { .. } => Ok(At::Outside(attachment)),
        }
    }

    /// Delivery to the interface of the VPC that has the address.
    fn in_vpc(&mut self, vpc: &str) -> Result<Vec<GuestId>, Lost> {
        let ec2 = &self.world.ec2;
        let Some((id, eni)) = ec2.eni_by_ip(vpc, self.to) else {
            let subnet = ec2.subnet_by_ip(vpc, self.to).map_or(vpc, |(id, _)| id);
            return Err(Lost::NoHost { at: subnet.to_owned() });
        };
        self.note(id.to_owned());
        let silent = |at: &str, why: &str| Err(Lost::GuestSilent { at: at.to_owned(), why: why.to_owned() });
        let Some((instance, _)) = &eni.attached else {
            let why = eni.service.map_or("no instance", |_| "a service, which answers to no ping");
            return silent(id, &format!("the interface is attached to {why}"));
        };
        if !ec2.instances.get(instance).is_some_and(|found| found.state.is_on()) {
            return silent(instance, "the instance is stopped");
        }
        let Some((guest, found)) = self.world.guests.of_instance(instance).filter(|(_, found)| found.running) else {
            return silent(instance, "its operating system does not run");
        };
        match found.adapter(&eni.mac) {
            Some(adapter) if !adapter.holds(self.to) => silent(guest.as_str(), "it does not use the address"),
            None => silent(guest.as_str(), "it does not know the network interface"),
            Some(_) if found.silent => silent(guest.as_str(), "its firewall drops pings"),
            Some(_) => Ok(vec![guest.clone()]),
        }
    }

    /// A network interface as next hop: of an NC2 host, behind which is an FVN VPC.
    fn by_interface(&mut self, id: &str) -> Result<At, Lost> {
        let Some(eni) = self.world.ec2.enis.get(id) else { return Err(Lost::Blackhole { at: id.to_owned() }) };
        let own = eni.address == self.to || eni.secondary.contains(&self.to);
        if own {
            return Ok(At::Vpc(eni.vpc.clone()));
        }
        if eni.source_dest_check {
            return Err(Lost::Filtered { at: id.to_owned(), why: "the source/destination check is on".to_owned() });
        }
        if !self.host_runs(eni) {
            return Err(Lost::GuestSilent { at: id.to_owned(), why: "its instance does not run".to_owned() });
        }
        let instance = eni.attached.as_ref().and_then(|(id, _)| self.world.ec2.instances.get_key_value(id));
        if let Some((instance, _)) = instance.filter(|(_, found)| found.forwards) {
            self.note(format!("{instance} forwards"));
            return Ok(At::Subnet(eni.subnet.clone()));
        }
        let mut behind = self.world.prisms.iter().flat_map(|(name, prism)| {
            let vpcs = prism.vpcs.values().filter(|vpc| vpc.host_interfaces.iter().any(|own| own == id));
            vpcs.map(move |vpc| (name, vpc))
        });
        let first = behind.next();
        let covers = |(_, vpc): &(&String, &crate::prism::state::Vpc)| {
            vpc.routable.iter().any(|prefix| prefix.contains(&self.to))
        };
        let chosen = first.filter(covers).or_else(|| behind.find(covers)).or(first);
        let Some((prism, vpc)) = chosen else {
            return Err(Lost::NoRoute { at: format!("{id}, behind which is no FVN VPC") });
        };
        let at = At::Fvn { prism: prism.clone(), vpc: vpc.ext_id, from_aws: true };
        self.note(format!("{prism} VPC {}", vpc.name));
        Ok(at)
    }

    fn host_runs(&self, eni: &Eni) -> bool {
        let instance = eni.attached.as_ref().and_then(|(instance, _)| self.world.ec2.instances.get(instance));
        instance.is_none_or(|found| found.state.is_on())
    }

    fn by_fvn(&mut self, name: &str, vpc: ExtId, from_aws: bool) -> Result<At, Lost> {
        let no_route = |at: String| Lost::NoRoute { at };
        let Some((prism, own)) =
            self.world.prisms.get(name).and_then(|prism| prism.vpcs.get(&vpc).map(|own| (prism, own)))
        else {
            return Err(no_route(name.to_owned()));
        };
        let label = format!("{name} VPC {}", own.name);
        let within = prism.subnets.values().find(|subnet| {
            subnet.vpc == Some(vpc)
                && !subnet.external
                && subnet.ip.as_ref().is_some_and(|ip| ip.prefix.contains(&self.to))
        });
        match within {
            Some(subnet) if from_aws && !prism.routable(subnet, self.to) => {
                Err(no_route(format!("{label}, where {} is not routable from outside without NAT", self.to)))
            }
            Some(subnet) => {
                self.note(format!("{name} subnet {}", subnet.name));
                Ok(At::Segment { prism: name.to_owned(), subnet: subnet.ext_id })
            }
            // What came from AWS for a prefix that is not here does not go back: the transit VPC has no route for it.
            None if from_aws => Err(no_route(label)),
            None => self.out_of_fvn(prism, own, &label),
        }
    }

    /// From an FVN VPC to AWS, without NAT: by the interface of one of its hosts.
    fn out_of_fvn(
        &mut self,
        prism: &crate::prism::Prism,
        vpc: &crate::prism::state::Vpc,
        label: &str,
    ) -> Result<At, Lost> {
        let source = prism.subnets.values().find(|subnet| {
            subnet.vpc == Some(vpc.ext_id) && subnet.ip.as_ref().is_some_and(|ip| ip.prefix.contains(&self.from))
        });
        if !source.is_some_and(|subnet| prism.routable(subnet, self.from)) {
            return Err(Lost::NoRoute { at: format!("{label}, from where {} does not leave without NAT", self.from) });
        }
        let hosts = vpc.host_interfaces.iter().filter_map(|id| self.world.ec2.enis.get_key_value(id));
        let Some((id, eni)) = hosts.into_iter().find(|(_, eni)| self.host_runs(eni)) else {
            return Err(Lost::NoRoute { at: format!("{label}, which has no running host") });
        };
        if eni.source_dest_check {
            return Err(Lost::Filtered { at: id.clone(), why: "the source/destination check is on".to_owned() });
        }
        self.note(format!("{label} -> {id}"));
        Ok(At::Subnet(eni.subnet.clone()))
    }

    /// Delivery on a subnet of Prism Central: to every guest there that uses the address, whatever Prism Central says.
    fn on_segment(&mut self, name: &str, subnet: ExtId) -> Result<Vec<GuestId>, Lost> {
        let Some(prism) = self.world.prisms.get(name) else { return Err(Lost::NoRoute { at: name.to_owned() }) };
        let mut holders = Vec::new();
        let mut silent = None;
        for (vm, nic) in prism.nics_on(subnet) {
            let why = |why: &str| Some(Lost::GuestSilent { at: format!("{name} VM {}", vm.name), why: why.to_owned() });
            let configured = nic.address == Some(self.to);
            if vm.power != crate::prism::state::Power::On {
                silent = silent.or_else(|| configured.then(|| why("the VM is off")).flatten());
                continue;
            }
            if !nic.shape.connected {
                silent = silent.or_else(|| configured.then(|| why("the NIC is disconnected")).flatten());
                continue;
            }
            let guest = self.world.guests.of_vm(name, vm.ext_id).filter(|(_, guest)| guest.running);
            match guest {
                Some((id, guest)) if guest.adapter(&nic.mac).is_some_and(|adapter| adapter.holds(self.to)) => {
                    if guest.silent {
                        silent = silent.or_else(|| why("its firewall drops pings"));
                    } else {
                        holders.push(id.clone());
                    }
                }
                Some(_) if configured => silent = silent.or_else(|| why("the guest does not use the address")),
                None if configured => silent = silent.or_else(|| why("its operating system does not run")),
                Some(_) | None => {}
            }
        }
        if holders.is_empty() {
            let place =
                prism.subnets.get(&subnet).map_or(name.to_owned(), |found| format!("{name} subnet {}", found.name));
            return Err(silent.unwrap_or(Lost::NoHost { at: place }));
        }
        Ok(holders)
    }
}
