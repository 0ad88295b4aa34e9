//! VPC peering connections: asked for at one side, accepted in the Region and account of the other.
//!
//! Sources: Amazon VPC Peering guide, "VPC peering connection lifecycle"; EC2 API reference, "Error codes"
//! (`InvalidStateTransition`, `VpcPeeringConnectionAlreadyExists`, `OperationNotPermitted`).

use jiff::SignedDuration;

use super::{
    super::{Kind, VpcPeer, VpcPeering, VpcPeeringState, state::overlap},
    Cx, Ec2Error, Result,
    params::{PAGES, one},
    tags,
    xml::Xml,
};

/// How long a request waits for the accepter before it expires.
const REQUEST_DAYS: i64 = 7;

/// Whether the caller sees a connection: as owner of a side, in the called Region.
fn visible(cx: &Cx<'_>, peering: &VpcPeering) -> bool {
    peering.sides().into_iter().any(|side| cx.owns(&side.home))
}

fn write(xml: &mut Xml, cx: &Cx<'_>, id: &str, peering: &VpcPeering) {
    let (code, message) = peering.state.code_and_message();
    let asked = peering.state == VpcPeeringState::PendingAcceptance;
    xml.text("vpcPeeringConnectionId", id);
    // The CIDRs of the far side are told once it has accepted.
    for (name, side, told) in
        [("requesterVpcInfo", &peering.requester, true), ("accepterVpcInfo", &peering.accepter, !asked)]
    {
        let cidrs = cx.world.ec2.vpcs.get(&side.vpc).filter(|_| told).map(|vpc| vpc.cidrs.as_slice());
        let cidrs = cidrs.unwrap_or_default();
        xml.node(name, |xml| {
            xml.text("ownerId", &side.home.account)
                .text("vpcId", &side.vpc)
                .text("region", &side.home.region)
                .maybe("cidrBlock", cidrs.first())
                .set("cidrBlockSet", cidrs, |xml, cidr| {
                    xml.text("cidrBlock", cidr);
                })
                .node("peeringOptions", |xml| {
                    xml.text("allowDnsResolutionFromRemoteVpc", false);
                });
        });
    }
    if asked {
        let expires = peering.created.saturating_add(SignedDuration::from_hours(24 * REQUEST_DAYS));
        xml.maybe("expirationTime", expires.ok());
    }
    xml.node("status", |xml| {
        xml.text("code", code).text("message", message);
    });
    tags::write(xml, &peering.tags);
}

pub(super) fn create(cx: &mut Cx<'_>) -> Result<Xml> {
    let vpc = cx.params.id("VpcId", Kind::Vpc)?.to_owned();
    let peer_vpc = cx.params.id("PeerVpcId", Kind::Vpc)?.to_owned();
    let home = cx.home();
    let mut peer_home = home.clone();
    if let Some(region) = cx.params.get("PeerRegion") {
        region.clone_into(&mut peer_home.region);
    }
    if let Some(account) = cx.params.get("PeerOwnerId") {
        account.clone_into(&mut peer_home.account);
    }
    let ec2 = &cx.world.ec2;
    let Some(own) = ec2.vpcs.get(&vpc).filter(|found| found.home == home) else {
        return Err(Ec2Error::not_found(Kind::Vpc, &vpc));
    };
    let standing = ec2.vpc_peerings.iter().find(|(_, it)| {
        it.stands() && it.across(&vpc).is_some_and(|far| far.vpc == peer_vpc) && it.requester.vpc != it.accepter.vpc
    });
    if let Some((id, _)) = standing {
        let message = format!("A VPC peering connection {id} between {vpc} and {peer_vpc} already exists.");
        return Err(Ec2Error::new("VpcPeeringConnectionAlreadyExists", message));
    }
    let fits = ec2
        .vpcs
        .get(&peer_vpc)
        .is_some_and(|far| far.home == peer_home && peer_vpc != vpc && !overlap(&own.cidrs, &far.cidrs));
    let peering = VpcPeering {
        requester: VpcPeer { vpc, home },
        accepter: VpcPeer { vpc: peer_vpc, home: peer_home },
        // Refusals for what is at the far side come as a state, not as an error.
        state: if fits { VpcPeeringState::PendingAcceptance } else { VpcPeeringState::Failed },
        created: cx.now,
        tags: cx.params.tag_specification("vpc-peering-connection"),
    };
    let id = cx.new_id("pcx");
    cx.ec2().vpc_peerings.insert(id.clone(), peering.clone());
    let mut xml = Xml::default();
    xml.node("vpcPeeringConnection", |xml| write(xml, cx, &id, &peering));
    Ok(xml)
}

/// The connection that the request names, if the caller sees it.
fn named(cx: &Cx<'_>) -> Result<(String, VpcPeering)> {
    let id = cx.params.id("VpcPeeringConnectionId", Kind::VpcPeering)?;
    let found = cx.world.ec2.vpc_peerings.get(id).filter(|it| visible(cx, it));
    found.map(|it| (id.to_owned(), it.clone())).ok_or_else(|| Ec2Error::not_found(Kind::VpcPeering, id))
}

fn wrong_state(id: &str, peering: &VpcPeering) -> Ec2Error {
    let (state, _) = peering.state.code_and_message();
    let message = format!("Invalid state transition for {id}, attempted to transition from {state}");
    Ec2Error::new("InvalidStateTransition", message)
}

/// Accepting and rejecting is for the accepter, in its own Region.
fn as_accepter(cx: &Cx<'_>) -> Result<(String, VpcPeering)> {
    let (id, peering) = named(cx)?;
    let home = &peering.accepter.home;
    if home.account != cx.caller.account {
        let message = format!("User {} cannot accept peering {id}", cx.caller.account);
        return Err(Ec2Error::new("OperationNotPermitted", message));
    }
    if home.region != cx.caller.region {
        let message = format!(
            "Incorrect region ({}) specified for this request. The VPC peering connection {id} must be accepted in \
             region {}",
            cx.caller.region, home.region
        );
        return Err(Ec2Error::new("OperationNotPermitted", message));
    }
    if peering.state == VpcPeeringState::PendingAcceptance {
        Ok((id, peering))
    } else {
        Err(wrong_state(&id, &peering))
    }
}

fn put(cx: &mut Cx<'_>, id: &str, peering: VpcPeering) {
    cx.ec2().vpc_peerings.insert(id.to_owned(), peering);
}

pub(super) fn accept(cx: &mut Cx<'_>) -> Result<Xml> {
    let (id, mut peering) = as_accepter(cx)?;
    peering.state = match cx.switches.peering_pending_reads {
        0 => VpcPeeringState::Active,
        reads => VpcPeeringState::Provisioning(reads),
    };
    put(cx, &id, peering.clone());
    let mut xml = Xml::default();
    xml.node("vpcPeeringConnection", |xml| write(xml, cx, &id, &peering));
    Ok(xml)
}

pub(super) fn reject(cx: &mut Cx<'_>) -> Result<Xml> {
    let (id, mut peering) = as_accepter(cx)?;
    peering.state = VpcPeeringState::Rejected;
    put(cx, &id, peering);
    Ok(tags::done())
}

/// Either side may delete; routes to the connection stay, as blackholes.
pub(super) fn delete(cx: &mut Cx<'_>) -> Result<Xml> {
    let (id, mut peering) = named(cx)?;
    if !peering.stands() {
        return Err(wrong_state(&id, &peering));
    }
    peering.state = VpcPeeringState::Deleted;
    put(cx, &id, peering);
    Ok(tags::done())
}

pub(super) fn describe(cx: &mut Cx<'_>) -> Result<Xml> {
    const FILTERS: [&str; 9] = [
        "vpc-peering-connection-id",
        "status-code",
        "requester-vpc-info.vpc-id",
        "requester-vpc-info.owner-id",
        "requester-vpc-info.cidr-block",
        "accepter-vpc-info.vpc-id",
        "accepter-vpc-info.owner-id",
        "accepter-vpc-info.cidr-block",
        "tag-key",
    ];
    let filters = cx.params.filters(&FILTERS)?;
    let ids = cx.params.ids("VpcPeeringConnectionId", Kind::VpcPeering)?;
    let ec2 = &cx.world.ec2;
    cx.all_known(Kind::VpcPeering, &ids, |id| ec2.vpc_peerings.get(id).is_some_and(|it| visible(cx, it)))?;
    let found: Vec<(String, VpcPeering)> = ec2
        .vpc_peerings
        .iter()
        .filter(|(id, it)| {
            let side = |name: &str| if name.starts_with("requester") { &it.requester } else { &it.accepter };
            visible(cx, it)
                && (ids.is_empty() || ids.contains(&id.as_str()))
                && filters.pass(&it.tags, |filter| match filter {
                    "vpc-peering-connection-id" => one(id),
                    "status-code" => one(it.state.code_and_message().0),
                    name if name.ends_with(".vpc-id") => one(&side(name).vpc),
                    name if name.ends_with(".owner-id") => one(&side(name).home.account),
                    name => ec2
                        .vpcs
                        .get(&side(name).vpc)
                        .map_or_else(Vec::new, |vpc| vpc.cidrs.iter().map(ToString::to_string).collect()),
                })
        })
        .map(|(id, it)| (id.clone(), it.clone()))
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    let mut xml = Xml::default();
    xml.set("vpcPeeringConnectionSet", &page, |xml, (id, it)| write(xml, cx, id, it)).maybe("nextToken", next);
    for (id, _) in page {
        if let Some(it) = cx.ec2().vpc_peerings.get_mut(&id) {
            it.state = it.state.seen();
        }
    }
    Ok(xml)
}
