//! EC2's Query API.
//!
//! Each action is a function from [`Cx`] to the inside of its answer. What all actions share is here: tokens, dry run,
//! unknown actions, and the envelopes of answers and errors.

mod attachments;
mod eni_changes;
mod enis;
mod error;
mod filters;
mod instances;
mod launch;
mod params;
mod peerings;
mod places;
mod prefix_lists;
mod route_tables;
mod routes;
mod search;
mod tags;
mod tgw_prefix_lists;
mod tgw_routes;
mod tgw_tables;
mod tgws;
mod vpc_attachments;
mod vpc_peerings;
mod vpcs;
mod vpns;
mod xml;

use std::collections::BTreeMap;

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use jiff::Timestamp;

use super::{
    Ec2, Home, Kind, Switches,
    id::{id, request_id},
    throttle,
};
use crate::{faults::Answer, front::Caller, shared::Shared, world::World};
pub(crate) use error::{Ec2Error, Result};
use params::Params;
pub(crate) use xml::Xml;

/// What an action works on.
struct Cx<'a> {
    world: &'a mut World,
    caller: &'a Caller,
    params: Params<'a>,
    now: Timestamp,
    switches: Switches,
}

impl Cx<'_> {
    fn ec2(&mut self) -> &mut Ec2 {
        &mut self.world.ec2
    }

    /// Where the caller's own resources are.
    fn home(&self) -> Home {
        Home { region: self.caller.region.clone(), account: self.caller.account.clone() }
    }

    /// Whether a resource is the caller's, in the called Region.
    fn owns(&self, home: &Home) -> bool {
        home.region == self.caller.region && home.account == self.caller.account
    }

    /// An id that was never given before.
    fn new_id(&mut self, prefix: &str) -> String {
        self.world.ec2.created += 1;
        id(prefix, &format!("created/{}", self.world.ec2.created))
    }

    /// Refuses ids of a request that are not among the caller's resources.
    fn all_known(&self, kind: Kind, ids: &[&str], known: impl Fn(&str) -> bool) -> Result<()> {
        match ids.iter().find(|id| !known(id)) {
            Some(unknown) => Err(Ec2Error::not_found(kind, unknown)),
            None => Ok(()),
        }
    }
}

type Action = fn(&mut Cx<'_>) -> Result<Xml>;

/// The actions, and whether each changes something.
fn action(name: &str) -> Option<(Action, bool)> {
    let reading: Option<Action> = match name {
        "DescribeAvailabilityZones" => Some(places::describe_availability_zones),
        "DescribeInstances" => Some(instances::describe),
        "DescribeInstanceStatus" => Some(instances::describe_status),
        "DescribeManagedPrefixLists" => Some(prefix_lists::describe),
        "DescribeNetworkAcls" => Some(filters::describe_network_acls),
        "DescribeNetworkInterfaces" => Some(enis::describe),
        "DescribeRegions" => Some(places::describe_regions),
        "DescribeRouteTables" => Some(route_tables::describe),
        "DescribeSecurityGroups" => Some(filters::describe_security_groups),
        "DescribeSubnets" => Some(vpcs::describe_subnets),
        "DescribeTags" => Some(tags::describe),
        "DescribeTransitGatewayAttachments" => Some(attachments::describe_all),
        "DescribeTransitGatewayPeeringAttachments" => Some(peerings::describe),
        "DescribeTransitGatewayRouteTables" => Some(tgw_tables::describe),
        "DescribeTransitGatewayVpcAttachments" => Some(vpc_attachments::describe),
        "DescribeTransitGateways" => Some(tgws::describe),
        "DescribeVpcPeeringConnections" => Some(vpc_peerings::describe),
        "DescribeVpcs" => Some(vpcs::describe),
        "DescribeVpnConnections" => Some(vpns::describe),
        "GetManagedPrefixListEntries" => Some(prefix_lists::get_entries),
        "GetTransitGatewayAttachmentPropagations" => Some(tgw_tables::attachment_propagations),
        "GetTransitGatewayPrefixListReferences" => Some(tgw_prefix_lists::get),
        "GetTransitGatewayRouteTableAssociations" => Some(tgw_tables::associations),
        "GetTransitGatewayRouteTablePropagations" => Some(tgw_tables::propagations),
        "SearchTransitGatewayRoutes" => Some(search::search),
        _ => None,
    };
    let mutating: Option<Action> = match name {
        "AcceptTransitGatewayPeeringAttachment" => Some(peerings::accept),
        "AcceptTransitGatewayVpcAttachment" => Some(vpc_attachments::accept),
        "AcceptVpcPeeringConnection" => Some(vpc_peerings::accept),
        "AssignPrivateIpAddresses" => Some(enis::assign),
        "AssociateRouteTable" => Some(route_tables::associate),
        "AssociateTransitGatewayRouteTable" => Some(tgw_tables::associate),
        "AttachNetworkInterface" => Some(enis::attach),
        "CreateManagedPrefixList" => Some(prefix_lists::create),
        "CreateNetworkInterface" => Some(enis::create),
        "CreateRoute" => Some(routes::create),
        "CreateRouteTable" => Some(route_tables::create),
        "CreateSubnet" => Some(vpcs::create_subnet),
        "CreateTags" => Some(tags::create),
        "CreateTransitGateway" => Some(tgws::create),
        "CreateTransitGatewayPeeringAttachment" => Some(peerings::create),
        "CreateTransitGatewayPrefixListReference" => Some(tgw_prefix_lists::create),
        "CreateTransitGatewayRoute" => Some(tgw_routes::create),
        "CreateTransitGatewayRouteTable" => Some(tgw_tables::create),
        "CreateTransitGatewayVpcAttachment" => Some(vpc_attachments::create),
        "CreateVpc" => Some(vpcs::create),
        "CreateVpcPeeringConnection" => Some(vpc_peerings::create),
        "DeleteManagedPrefixList" => Some(prefix_lists::delete),
        "DeleteNetworkInterface" => Some(enis::delete),
        "DeleteRoute" => Some(routes::delete),
        "DeleteRouteTable" => Some(route_tables::delete),
        "DeleteSubnet" => Some(vpcs::delete_subnet),
        "DeleteTags" => Some(tags::delete),
        "DeleteTransitGateway" => Some(tgws::delete),
        "DeleteTransitGatewayPeeringAttachment" => Some(peerings::delete),
        "DeleteTransitGatewayPrefixListReference" => Some(tgw_prefix_lists::delete),
        "DeleteTransitGatewayRoute" => Some(tgw_routes::delete),
        "DeleteTransitGatewayRouteTable" => Some(tgw_tables::delete),
        "DeleteTransitGatewayVpcAttachment" => Some(vpc_attachments::delete),
        "DeleteVpc" => Some(vpcs::delete),
        "DeleteVpcPeeringConnection" => Some(vpc_peerings::delete),
        "DetachNetworkInterface" => Some(eni_changes::detach),
        "DisableTransitGatewayRouteTablePropagation" => Some(tgw_tables::disable_propagation),
        "DisassociateRouteTable" => Some(route_tables::disassociate),
        "DisassociateTransitGatewayRouteTable" => Some(tgw_tables::disassociate),
        "EnableTransitGatewayRouteTablePropagation" => Some(tgw_tables::enable_propagation),
        "ModifyManagedPrefixList" => Some(prefix_lists::modify),
        "ModifyNetworkInterfaceAttribute" => Some(eni_changes::modify),
        "ModifyTransitGatewayPrefixListReference" => Some(tgw_prefix_lists::modify),
        "ModifyTransitGatewayVpcAttachment" => Some(vpc_attachments::modify),
        "RejectTransitGatewayVpcAttachment" => Some(vpc_attachments::reject),
        "RejectVpcPeeringConnection" => Some(vpc_peerings::reject),
        "ReplaceRoute" => Some(routes::replace),
        "ReplaceTransitGatewayRoute" => Some(tgw_routes::replace),
        "RestoreManagedPrefixListVersion" => Some(prefix_lists::restore),
        "RunInstances" => Some(launch::run),
        "StartInstances" => Some(instances::start),
        "StopInstances" => Some(instances::stop),
        "TerminateInstances" => Some(instances::terminate),
        "UnassignPrivateIpAddresses" => Some(eni_changes::unassign),
        _ => None,
    };
    reading.map(|action| (action, false)).or(mutating.map(|action| (action, true)))
}

/// Answers one request.
pub(crate) fn handle(shared: &Shared, caller: &Caller, name: &str, form: &BTreeMap<String, String>) -> Answer {
    let now = shared.now();
    let mut world = shared.world();
    world.ec2.requests += 1;
    let request_id = request_id(&format!("request/{}", world.ec2.requests));
    let done = run(&mut world, caller, name, form, now);
    drop(world);
    match done {
        Ok(xml) => {
            let inside = xml.as_str();
            Answer::ok(document(
                200,
                format!(
                    "<{name}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
                     <requestId>{request_id}</requestId>{inside}</{name}Response>"
                ),
            ))
        }
        Err(error) => refuse(&error, &request_id),
    }
}

/// One action on a world that is locked.
pub(super) fn run(
    world: &mut World,
    caller: &Caller,
    name: &str,
    form: &BTreeMap<String, String>,
    now: Timestamp,
) -> Result<Xml> {
    let switches = world.switches.ec2.clone();
    let Some((action, mutating)) = action(name) else {
        let message = format!("The action {name} is not valid for this web service.");
        return Err(Ec2Error::new("InvalidAction", message));
    };
    let rate = throttle::rate(name, mutating, form);
    let (account, region) = (&caller.account, &caller.region);
    if switches.throttling && !world.ec2.buckets.take(account, region, name, rate, now) {
        return Err(Ec2Error::throttled());
    }
    let mut cx = Cx { world, caller, params: Params(form), now, switches };
    if cx.params.flag("DryRun")? {
        return Err(Ec2Error::dry_run());
    }
    action(&mut cx)
}

/// EC2's error document, for errors of its own and injected ones.
pub(crate) fn refuse(error: &Ec2Error, request_id: &str) -> Answer {
    let mut inside = Xml::default();
    inside.node("Errors", |xml| {
        xml.node("Error", |xml| {
            xml.text("Code", &error.code).text("Message", &error.message);
        });
    });
    inside.text("RequestID", request_id);
    Answer::error(error.code.clone(), document(error.status, format!("<Response>{}</Response>", inside.as_str())))
}

fn document(status: u16, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}")));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml;charset=UTF-8"));
    response
}
