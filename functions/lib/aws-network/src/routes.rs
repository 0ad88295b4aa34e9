//! Reads and writes one static route of a transit gateway route table. When it is right to write is decided in `holdfast-journal`.

use crate::codes::Ec2Error;
use crate::convert::Precedence;
use crate::network::AwsNetwork;
use holdfast_model::{AttachmentId, Prefix, RouteState, RouteTableId, TgwRoute};

/// Where a static route leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteTarget {
    /// To an attachment.
    Attachment(AttachmentId),
    /// Nowhere: it drops what matches it.
    Blackhole,
}

/// What stands in a table for exactly one prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeenRoute {
    /// No static route. A propagated one or a shorter prefix may serve.
    Absent {
        /// The propagated route for exactly this prefix.
        propagated: Option<TgwRoute>,
    },
    /// A static route to an attachment. In state [`RouteState::Blackhole`] its attachment is gone.
    Static {
        /// The attachment.
        attachment: AttachmentId,
        /// State as EC2 names it.
        state: RouteState,
    },
    /// A static route that drops the traffic.
    Blackhole {
        /// State as EC2 names it.
        state: RouteState,
    },
    /// A route that a managed prefix list made: the calls for static routes cannot change it.
    PrefixList,
}

impl AwsNetwork {
    /// What stands in `table` for exactly `prefix`.
    ///
    /// # Errors
    /// [`Ec2Error`] when it could not be read.
    pub async fn read_route(&self, table: &RouteTableId, prefix: Prefix) -> Result<SeenRoute, Ec2Error> {
        Ok(match self.read_exactly(table, prefix).await? {
            None => SeenRoute::Absent { propagated: None },
            Some((Precedence::Static, route)) => match route.targets.into_iter().next() {
                Some(attachment) => SeenRoute::Static { attachment, state: route.state },
                None => SeenRoute::Blackhole { state: route.state },
            },
            Some((Precedence::PrefixList, _)) => SeenRoute::PrefixList,
            Some((_, route)) => SeenRoute::Absent { propagated: Some(route) },
        })
    }

    /// Creates a static route.
    ///
    /// # Guarantees
    /// Sent once. [`crate::ErrorKind::changed_nothing`] of an error tells whether the route must be read before anything else.
    ///
    /// # Errors
    /// [`crate::ErrorKind::AlreadyExists`] where there is a static route for the prefix.
    pub async fn create_route(
        &self,
        table: &RouteTableId,
        prefix: Prefix,
        target: &RouteTarget,
    ) -> Result<(), Ec2Error> {
        let (attachment, blackhole) = target.parameters();
        self.pace.write().await;
        self.writes
            .create_transit_gateway_route()
            .transit_gateway_route_table_id(table.as_str())
            .destination_cidr_block(prefix.to_string())
            .set_transit_gateway_attachment_id(attachment)
            .set_blackhole(blackhole)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.error("CreateTransitGatewayRoute", &place(table, prefix), &error))
    }

    /// Replaces the target of a static route.
    ///
    /// # Guarantees
    /// Sent once. [`crate::ErrorKind::changed_nothing`] of an error tells whether the route must be read before anything else.
    ///
    /// # Errors
    /// [`crate::ErrorKind::RouteNotFound`] where there is no static route for the prefix.
    pub async fn replace_route(
        &self,
        table: &RouteTableId,
        prefix: Prefix,
        target: &RouteTarget,
    ) -> Result<(), Ec2Error> {
        let (attachment, blackhole) = target.parameters();
        self.pace.write().await;
        self.writes
            .replace_transit_gateway_route()
            .transit_gateway_route_table_id(table.as_str())
            .destination_cidr_block(prefix.to_string())
            .set_transit_gateway_attachment_id(attachment)
            .set_blackhole(blackhole)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.error("ReplaceTransitGatewayRoute", &place(table, prefix), &error))
    }

    /// Deletes a static route.
    ///
    /// # Guarantees
    /// Sent once. [`crate::ErrorKind::changed_nothing`] of an error tells whether the route must be read before anything else.
    ///
    /// # Errors
    /// [`crate::ErrorKind::RouteNotFound`] where there is no static route for the prefix.
    pub async fn delete_route(&self, table: &RouteTableId, prefix: Prefix) -> Result<(), Ec2Error> {
        self.pace.write().await;
        self.writes
            .delete_transit_gateway_route()
            .transit_gateway_route_table_id(table.as_str())
            .destination_cidr_block(prefix.to_string())
            .send()
            .await
            .map(drop)
            .map_err(|error| self.error("DeleteTransitGatewayRoute", &place(table, prefix), &error))
    }
}

impl RouteTarget {
    fn parameters(&self) -> (Option<String>, Option<bool>) {
        match self {
            RouteTarget::Attachment(id) => (Some(id.to_string()), None),
            RouteTarget::Blackhole => (None, Some(true)),
        }
    }
}

fn place(table: &RouteTableId, prefix: Prefix) -> String {
    format!("route {prefix} of `{table}`")
}
