//! Traces every site's column of the matrix by itself: tables that send a network to each other over peerings.

use super::{Checker, MapError};
use crate::{AttachmentId, NextHop, RouteTable, SiteName, TableName};

type Named<'a> = (&'a TableName, &'a RouteTable);

impl<'a> Checker<'a> {
    /// A peering attachment has one id on both sides, so the tables of another Region that name it are those that may decide there. Where every
    /// one of them leads on in a circle, so does the first.
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
        let Some(NextHop::Peering { id }) = table.1.next_hops.get(site) else { return None };
        let far = self.map.route_tables.iter().filter(|far| decides_for(far.1, table.1, id));
        way.push(table.0);
        let circles: Vec<Option<Vec<&TableName>>> = far.map(|far| self.circle(site, far, way)).collect();
        way.pop();
        if circles.iter().all(Option::is_some) { circles.into_iter().next().flatten() } else { None }
    }
}

/// Whether `far` may decide for what `near` sends into a peering: of another Region, naming the peering, with a network in common.
fn decides_for(far: &RouteTable, near: &RouteTable, peering: &AttachmentId) -> bool {
    let names = |hop: &NextHop| matches!(hop, NextHop::Peering { id } if id == peering);
    let common = match (&far.networks, &near.networks) {
        (Some(a), Some(b)) => !a.is_disjoint(b),
        (None, _) | (_, None) => true,
    };
    far.region != near.region && common && far.next_hops.values().any(names)
}
