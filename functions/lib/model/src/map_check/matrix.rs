//! Traces every site's column of the matrix by itself: tables that send a network to each other over peerings, pass-through nodes and VPCs.
//!
//! A VPC table is only seen here where the map says behind which attachment it is. The trace of every plan sees it anyway.

use super::{Checker, MapError};
use crate::{AttachmentId, NextHop, RouteTable, Site, SiteName, TableName};

type Named<'a> = (&'a TableName, &'a RouteTable);

impl<'a> Checker<'a> {
    /// A peering attachment has one id on both sides, so the tables of another Region that name it are those that may decide there. Behind a
    /// pass-through node it is a table of its Region that does not lead into the node again; behind a VPC, any of its Region. Where every one of them
    /// leads on in a circle, so does the first. Of the VPC tables behind an attachment each decides for some of its subnets, so one is enough.
    pub(super) fn matrix(&self) -> Result<(), MapError> {
        for site in self.map.sites.keys() {
            for table in &self.map.route_tables {
                if let Some(circle) = self.circle(site, table, &mut Vec::new()) {
                    let names: Vec<String> = circle.iter().map(|name| format!("`{name}`")).collect();
                    return self.error(
                        &["route_tables", table.0.as_str(), "next_hops", site.as_str()],
                        format!(
                            "for site `{site}` the tables lead in a circle: {}; one of them must lead to the site's own attachment",
                            names.join(" -> ")
                        ),
                    );
                }
            }
        }
        Ok(())
    }

    fn circle(&self, site: &SiteName, table: Named<'a>, way: &mut Vec<&'a TableName>) -> Option<Vec<&'a TableName>> {
        if let Some(start) = way.iter().position(|name| *name == table.0) {
            return Some(way.iter().skip(start).copied().chain([table.0]).collect());
        }
        let far: Vec<Named<'_>> = match table.1.next_hops.get(site)? {
            NextHop::Peering { id } => self.behind(site, table, id),
            NextHop::Attachment { id } if self.passes_through(table.1, id) => {
                let tables = self.map.route_tables.iter();
                tables
                    .filter(|far| far.1.region == table.1.region && common(far.1, table.1))
                    .filter(|far| far.1.next_hops.get(site) != table.1.next_hops.get(site))
                    .collect()
            }
            NextHop::Attachment { id } => {
                let behind = |far: &Named<'_>| far.1.attachment.as_ref() == Some(id) && common(far.1, table.1);
                way.push(table.0);
                let circle = self.map.route_tables.iter().filter(behind).find_map(|far| self.circle(site, far, way));
                way.pop();
                return circle;
            }
            NextHop::Tgw { .. } => {
                let near = |far: &Named<'_>| far.1.id.is_tgw() && far.1.region == table.1.region;
                self.map.route_tables.iter().filter(|far| near(far) && common(far.1, table.1)).collect()
            }
            NextHop::VpcPeering { .. } | NextHop::Eni { .. } | NextHop::Absent { .. } | NextHop::Blackhole => {
                return None;
            }
        };
        way.push(table.0);
        let circles: Vec<Option<Vec<&TableName>>> = far.into_iter().map(|far| self.circle(site, far, way)).collect();
        way.pop();
        if circles.iter().all(Option::is_some) { circles.into_iter().next().flatten() } else { None }
    }

    /// Tables that may decide behind a peering: those of other Regions that name it; where none does, any other one, as long as the site's own
    /// Region, where it may end, has a table among those that are declared.
    fn behind(&self, site: &SiteName, near: Named<'_>, peering: &AttachmentId) -> Vec<Named<'a>> {
        let others = || self.map.route_tables.iter().filter(|far| far.0 != near.0 && common(far.1, near.1));
        let away: Vec<Named<'a>> =
            others().filter(|far| far.1.region != near.1.region && names(far.1, peering)).collect();
        let home = self.map.sites.get(site).map(Site::region);
        let declared = |table: &RouteTable| Some(&table.region) == home && common(table, near.1);
        if away.is_empty() && self.map.route_tables.values().any(declared) { others().collect() } else { away }
    }

    /// Whether what a table leads to this attachment comes out of it again.
    fn passes_through(&self, table: &RouteTable, id: &AttachmentId) -> bool {
        self.map.pass_through.values().any(|node| node.region == table.region && node.enters == *id)
    }
}

/// Whether a table leads anything to a peering.
fn names(table: &RouteTable, peering: &AttachmentId) -> bool {
    table.next_hops.values().any(|hop| matches!(hop, NextHop::Peering { id } if id == peering))
}

/// Whether two tables route a network in common.
fn common(a: &RouteTable, b: &RouteTable) -> bool {
    match (&a.networks, &b.networks) {
        (Some(a), Some(b)) => !a.is_disjoint(b),
        (None, _) | (_, None) => true,
    }
}
