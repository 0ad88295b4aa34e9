//! Reads and writes one place of a route table. When it is right to write is decided in `holdfast-journal`.

use crate::codes::{Ec2Error, ErrorKind};
use crate::convert::{Precedence, parse, reference, route_state, vpc_route};
use crate::lists::{PROPAGATIONS, REFERENCES};
use crate::network::AwsNetwork;
use crate::pages::{filter, read_pages, write_once};
use aws_sdk_ec2::types::{
    RouteOrigin, TransitGatewayPrefixListReference, TransitGatewayPropagationState, TransitGatewayRoute,
};
use holdfast_journal::Seen;
use holdfast_model::{AttachmentId, Prefix, PrefixListId, ReferenceState, RouteState, RouteTableId, VpcTarget};
use holdfast_plan::{Place, RouteValue, Step};

const VPC_TABLES: &str = "DescribeRouteTables";

/// How a place is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Create,
    Replace,
    Delete,
}

impl AwsNetwork {
    /// What stands at the place of a step.
    ///
    /// # Guarantees
    /// Of a prefix list, its entries are read too while the reference is not as wanted.
    ///
    /// # Errors
    /// [`ErrorKind::NotOurs`] where somebody else's route stands, where the wanted route is there and leads nowhere, and where a prefix list holds
    /// other entries than planned for; [`Ec2Error`] when it could not be read.
    pub async fn read_place(&self, step: &Step) -> Result<Seen, Ec2Error> {
        match &step.place {
            Place::Route { prefix } if step.table.is_tgw() => self.read_tgw_route(step, *prefix).await,
            Place::Route { prefix } => self.read_vpc_route(step, *prefix).await,
            Place::Reference { list, prefixes } => {
                let seen = self.read_reference(&step.table, list).await?;
                if seen != Seen::Settled(step.after.clone()) {
                    let entries = self.read_entries(list).await?;
                    if entries != *prefixes {
                        let odd: Vec<String> =
                            entries.symmetric_difference(prefixes).take(5).map(ToString::to_string).collect();
                        let text = format!(
                            "the list holds {} prefixes now and held {} when it was planned; they differ in {}",
                            entries.len(),
                            prefixes.len(),
                            odd.join(", ")
                        );
                        return Err(self.not_ours("GetManagedPrefixListEntries", format!("`{list}`"), text));
                    }
                }
                Ok(seen)
            }
            Place::Propagation { attachment } => self.read_propagation(&step.table, attachment).await,
        }
    }

    /// Writes `after` at the place of a step, with the call that fits `before`, and returns what the answer says: settled where the
    /// change is in use already.
    ///
    /// # Guarantees
    /// Sent once. [`ErrorKind::changed_nothing`] of an error tells whether the place must be read before anything else.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] or [`ErrorKind::RouteNotFound`] where the place is not as `before` says.
    pub async fn write_place(&self, step: &Step) -> Result<Seen, Ec2Error> {
        let verb = match (&step.before, &step.after) {
            (RouteValue::Absent, RouteValue::Absent) => return Ok(Seen::Settled(RouteValue::Absent)),
            (RouteValue::Absent, _) => Verb::Create,
            (_, RouteValue::Absent) => Verb::Delete,
            (_, _) => Verb::Replace,
        };
        match &step.place {
            Place::Route { prefix } if step.table.is_tgw() => self.write_tgw_route(step, *prefix, verb).await,
            Place::Route { prefix } => self.write_vpc_route(step, *prefix, verb).await,
            Place::Reference { list, .. } => self.write_reference(step, list, verb).await,
            Place::Propagation { attachment } => self.write_propagation(step, attachment, verb).await,
        }
    }

    async fn read_tgw_route(&self, step: &Step, prefix: Prefix) -> Result<Seen, Ec2Error> {
        Ok(match self.read_exactly(&step.table, prefix).await? {
            Some((Precedence::Static, route)) => {
                let value = match route.targets.into_iter().next() {
                    Some(attachment) => RouteValue::Static { attachment },
                    None => RouteValue::Blackhole,
                };
                match (route.state, &value) {
                    (RouteState::Blackhole, RouteValue::Static { attachment }) if value == step.after => {
                        let text = format!("the route to {attachment} is a blackhole: the attachment is gone");
                        return Err(self.not_ours("SearchTransitGatewayRoutes", what(step), text));
                    }
                    (RouteState::Active | RouteState::Blackhole, _) => Seen::Settled(value),
                    (RouteState::Pending, _) => Seen::Changing(value),
                    (RouteState::Deleting, _) => Seen::Changing(RouteValue::Absent),
                    (RouteState::Unknown, _) => {
                        let text = "the route is in a state that is not known";
                        return Err(self.not_ours("SearchTransitGatewayRoutes", what(step), text));
                    }
                }
            }
            // A prefix list's and a propagated route do not count: a static route hides them, and they come back when it is deleted.
            Some(_) | None => Seen::Settled(RouteValue::Absent),
        })
    }

    async fn write_tgw_route(&self, step: &Step, prefix: Prefix, verb: Verb) -> Result<Seen, Ec2Error> {
        let (attachment, blackhole) = self.tgw_target(step)?;
        let what = what(step);
        macro_rules! to_target {
            ($action:literal, $request:expr) => {{
                let request = $request
                    .transit_gateway_route_table_id(step.table.as_str())
                    .destination_cidr_block(prefix.to_string())
                    .set_transit_gateway_attachment_id(attachment)
                    .set_blackhole(blackhole);
                write_once!(self, $action, &what, request).route
            }};
        }
        let route: Option<TransitGatewayRoute> = match verb {
            Verb::Create => to_target!("CreateTransitGatewayRoute", self.writes.create_transit_gateway_route()),
            Verb::Replace => to_target!("ReplaceTransitGatewayRoute", self.writes.replace_transit_gateway_route()),
            Verb::Delete => {
                let request = self
                    .writes
                    .delete_transit_gateway_route()
                    .transit_gateway_route_table_id(step.table.as_str())
                    .destination_cidr_block(prefix.to_string());
                write_once!(self, "DeleteTransitGatewayRoute", &what, request).route
            }
        };
        use aws_sdk_ec2::types::TransitGatewayRouteState as S;
        let state = route.as_ref().and_then(TransitGatewayRoute::state);
        let settled = match &step.after {
            RouteValue::Absent => state == Some(&S::Deleted),
            RouteValue::Blackhole => matches!(route_state(state), RouteState::Active | RouteState::Blackhole),
            _ => route_state(state) == RouteState::Active,
        };
        Ok(answered(step, settled))
    }

    fn tgw_target(&self, step: &Step) -> Result<(Option<String>, Option<bool>), Ec2Error> {
        match &step.after {
            RouteValue::Static { attachment } => Ok((Some(attachment.to_string()), None)),
            RouteValue::Blackhole => Ok((None, Some(true))),
            RouteValue::Absent => Ok((None, None)),
            RouteValue::Tgw { .. }
            | RouteValue::VpcPeering { .. }
            | RouteValue::Eni { .. }
            | RouteValue::Propagates => Err(self.unsuited(step)),
        }
    }

    async fn read_vpc_route(&self, step: &Step, prefix: Prefix) -> Result<Seen, Ec2Error> {
        let what = what(step);
        // By filter: a call that names ids takes no page size.
        let request =
            self.reads.describe_route_tables().filters(filter("route-table-id", [&step.table])).max_results(100);
        let found = read_pages!(self, "DescribeRouteTables", &what, request, route_tables);
        let table = found.first().ok_or_else(|| Ec2Error {
            scope: self.scope().clone(),
            action: VPC_TABLES,
            what: format!("`{}`", step.table),
            kind: ErrorKind::IdNotFound,
            detail: "there is no such route table here".to_owned(),
        })?;
        let text = prefix.to_string();
        // A propagated route does not count: a created one hides it.
        let exact = table.routes().iter().find(|route| {
            route.destination_cidr_block() == Some(text.as_str())
                && route.origin() != Some(&RouteOrigin::EnableVgwRoutePropagation)
        });
        let Some(route) = exact else { return Ok(Seen::Settled(RouteValue::Absent)) };
        let Some((_, route)) = vpc_route(route).map_err(|error| self.malformed(VPC_TABLES, &what, error))? else {
            return Ok(Seen::Settled(RouteValue::Absent));
        };
        let value = match &route.target {
            VpcTarget::Tgw { id } => RouteValue::Tgw { id: id.clone() },
            VpcTarget::Eni { id } => RouteValue::Eni { id: id.clone() },
            VpcTarget::Peering { id } => RouteValue::VpcPeering { id: id.clone() },
            VpcTarget::Local => return Err(self.not_ours(VPC_TABLES, what, "it is the VPC's own `local` route")),
            VpcTarget::Other { id } => return Err(self.not_ours(VPC_TABLES, what, format!("it leads to {id}"))),
        };
        match route.state {
            RouteState::Active => Ok(Seen::Settled(value)),
            RouteState::Blackhole if value == step.after => Err(self.not_ours(
                VPC_TABLES,
                what,
                format!("the route to {value} is a blackhole: nothing takes it there"),
            )),
            RouteState::Blackhole => Ok(Seen::Settled(value)),
            RouteState::Pending | RouteState::Deleting | RouteState::Unknown => {
                Err(self.not_ours(VPC_TABLES, what, "the route is in a state that is not known"))
            }
        }
    }

    async fn write_vpc_route(&self, step: &Step, prefix: Prefix, verb: Verb) -> Result<Seen, Ec2Error> {
        let what = what(step);
        let (mut tgw, mut peering, mut eni) = (None, None, None);
        match &step.after {
            RouteValue::Tgw { id } => tgw = Some(id.to_string()),
            RouteValue::VpcPeering { id } => peering = Some(id.to_string()),
            RouteValue::Eni { id } => eni = Some(id.to_string()),
            RouteValue::Absent => {}
            RouteValue::Static { .. } | RouteValue::Blackhole | RouteValue::Propagates => {
                return Err(self.unsuited(step));
            }
        }
        macro_rules! to_target {
            ($action:literal, $request:expr) => {{
                let request = $request
                    .route_table_id(step.table.as_str())
                    .destination_cidr_block(prefix.to_string())
                    .set_transit_gateway_id(tgw)
                    .set_vpc_peering_connection_id(peering)
                    .set_network_interface_id(eni);
                write_once!(self, $action, &what, request);
            }};
        }
        match verb {
            Verb::Create => to_target!("CreateRoute", self.writes.create_route()),
            Verb::Replace => to_target!("ReplaceRoute", self.writes.replace_route()),
            Verb::Delete => {
                let request = self
                    .writes
                    .delete_route()
                    .route_table_id(step.table.as_str())
                    .destination_cidr_block(prefix.to_string());
                write_once!(self, "DeleteRoute", &what, request);
            }
        }
        // The answer says nothing of the route's state: a route to what does not take it is a blackhole.
        Ok(answered(step, false))
    }

    async fn read_reference(&self, table: &RouteTableId, list: &PrefixListId) -> Result<Seen, Ec2Error> {
        let what = format!("reference of `{table}` to `{list}`");
        let found = self.list_references(table, &what, Some(filter("prefix-list-id", [list]))).await?;
        let found = found.iter().find(|it| it.prefix_list_id() == Some(list.as_str()));
        found.map_or(Ok(Seen::Settled(RouteValue::Absent)), |found| self.of_reference(&what, found))
    }

    fn of_reference(&self, what: &str, found: &TransitGatewayPrefixListReference) -> Result<Seen, Ec2Error> {
        let (_, reference) = reference(found).map_err(|error| self.malformed(REFERENCES, what, error))?;
        let value = reference.attachment.map_or(RouteValue::Blackhole, |attachment| RouteValue::Static { attachment });
        match reference.state {
            ReferenceState::Available => Ok(Seen::Settled(value)),
            ReferenceState::Changing => Ok(Seen::Changing(value)),
            ReferenceState::Deleting => Ok(Seen::Changing(RouteValue::Absent)),
            ReferenceState::Unknown => {
                Err(self.not_ours(REFERENCES, what.to_owned(), "the reference is in a state that is not known"))
            }
        }
    }

    async fn write_reference(&self, step: &Step, list: &PrefixListId, verb: Verb) -> Result<Seen, Ec2Error> {
        let (attachment, blackhole) = self.tgw_target(step)?;
        let what = what(step);
        macro_rules! to_target {
            ($action:literal, $request:expr) => {{
                let request = $request
                    .transit_gateway_route_table_id(step.table.as_str())
                    .prefix_list_id(list.as_str())
                    .set_transit_gateway_attachment_id(attachment)
                    .set_blackhole(blackhole);
                write_once!(self, $action, &what, request).transit_gateway_prefix_list_reference
            }};
        }
        let answer = match verb {
            Verb::Create => to_target!(
                "CreateTransitGatewayPrefixListReference",
                self.writes.create_transit_gateway_prefix_list_reference()
            ),
            Verb::Replace => to_target!(
                "ModifyTransitGatewayPrefixListReference",
                self.writes.modify_transit_gateway_prefix_list_reference()
            ),
            Verb::Delete => {
                let request = self
                    .writes
                    .delete_transit_gateway_prefix_list_reference()
                    .transit_gateway_route_table_id(step.table.as_str())
                    .prefix_list_id(list.as_str());
                write_once!(self, "DeleteTransitGatewayPrefixListReference", &what, request)
                    .transit_gateway_prefix_list_reference
            }
        };
        let seen = answer.as_ref().and_then(|answer| self.of_reference(&what, answer).ok());
        Ok(answered(step, seen == Some(Seen::Settled(step.after.clone()))))
    }

    async fn read_propagation(&self, table: &RouteTableId, attachment: &AttachmentId) -> Result<Seen, Ec2Error> {
        let what = format!("propagation of `{attachment}` into `{table}`");
        let only = filter("transit-gateway-attachment-id", [attachment]);
        let found = self.list_propagations(table, &what, Some(only)).await?;
        let found = found.iter().find(|it| it.transit_gateway_attachment_id() == Some(attachment.as_str()));
        let state = found.map(|found| found.state());
        use TransitGatewayPropagationState as S;
        match state {
            None | Some(Some(S::Disabled)) => Ok(Seen::Settled(RouteValue::Absent)),
            Some(Some(S::Enabled)) => Ok(Seen::Settled(RouteValue::Propagates)),
            Some(Some(S::Enabling)) => Ok(Seen::Changing(RouteValue::Propagates)),
            Some(Some(S::Disabling)) => Ok(Seen::Changing(RouteValue::Absent)),
            Some(_) => Err(self.not_ours(PROPAGATIONS, what, "the propagation is in a state that is not known")),
        }
    }

    async fn write_propagation(&self, step: &Step, attachment: &AttachmentId, verb: Verb) -> Result<Seen, Ec2Error> {
        let what = what(step);
        use TransitGatewayPropagationState as S;
        let settled = match (verb, &step.after) {
            (Verb::Create, RouteValue::Propagates) => {
                let request = self
                    .writes
                    .enable_transit_gateway_route_table_propagation()
                    .transit_gateway_route_table_id(step.table.as_str())
                    .transit_gateway_attachment_id(attachment.as_str());
                let answer = write_once!(self, "EnableTransitGatewayRouteTablePropagation", &what, request).propagation;
                answer.and_then(|answer| answer.state) == Some(S::Enabled)
            }
            (Verb::Delete, _) => {
                let request = self
                    .writes
                    .disable_transit_gateway_route_table_propagation()
                    .transit_gateway_route_table_id(step.table.as_str())
                    .transit_gateway_attachment_id(attachment.as_str());
                let answer =
                    write_once!(self, "DisableTransitGatewayRouteTablePropagation", &what, request).propagation;
                answer.and_then(|answer| answer.state) == Some(S::Disabled)
            }
            (Verb::Create | Verb::Replace, _) => return Err(self.unsuited(step)),
        };
        Ok(answered(step, settled))
    }

    fn not_ours(&self, action: &'static str, what: String, detail: impl Into<String>) -> Ec2Error {
        Ec2Error { scope: self.scope().clone(), action, what, kind: ErrorKind::NotOurs, detail: detail.into() }
    }

    /// A value that the place of a step cannot hold: a bug of whoever planned it.
    fn unsuited(&self, step: &Step) -> Ec2Error {
        self.not_ours("no call", what(step), format!("it cannot be `{}`", step.after))
    }
}

fn answered(step: &Step, settled: bool) -> Seen {
    if settled { Seen::Settled(step.after.clone()) } else { Seen::Changing(step.after.clone()) }
}

fn what(step: &Step) -> String {
    format!("{} of `{}`", step.place, step.table)
}

/// The attachment of a propagation that is on, or about to be.
pub(crate) fn propagates(
    found: &aws_sdk_ec2::types::TransitGatewayRouteTablePropagation,
) -> Result<Option<AttachmentId>, String> {
    use TransitGatewayPropagationState as S;
    match found.state() {
        Some(S::Enabled | S::Enabling) => {
            parse::<AttachmentId>("attachment of a propagation", found.transit_gateway_attachment_id()).map(Some)
        }
        Some(S::Disabled | S::Disabling) => Ok(None),
        other => Err(format!("a propagation is in state {other:?}")),
    }
}
