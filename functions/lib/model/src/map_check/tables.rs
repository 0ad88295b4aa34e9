//! Checks of the route tables of a network map, one by one.

use super::{Checker, MapError};
use crate::{NextHop, Prefix, RouteTable, TableKind, TableName};
use std::collections::BTreeMap;

impl Checker<'_> {
    pub(super) fn tables(&self) -> Result<(), MapError> {
        let mut seen = BTreeMap::new();
        for (name, table) in &self.map.route_tables {
            let at = ["route_tables", name.as_str()];
            self.account(&[at[0], at[1], "account"], &table.account)?;
            if let Some(first) = seen.insert(&table.id, name) {
                return self.error(
                    &[at[0], at[1], "id"],
                    format!("`{}` is already declared as `{first}`; declare each table once", table.id),
                );
            }
            for network in table.networks.iter().flatten() {
                self.known(&[at[0], at[1], "networks"], "network", "networks", network, &self.map.networks)?;
            }
            self.wide(name, table)?;
            for (site, hop) in &table.next_hops {
                let path = [at[0], at[1], "next_hops", site.as_str()];
                self.site(&path, site)?;
                if !hop.suits(table.id.kind()) {
                    let (whose, use_) = match table.id.kind() {
                        TableKind::Tgw => ("transit gateway", "`attachment`, `peering`, `absent` or `blackhole`"),
                        TableKind::Vpc => ("VPC", "`tgw`, `vpc_peering`, `eni` or `absent`"),
                    };
                    return self
                        .error(&path, format!("a {whose} route table cannot hold `{}`; use {use_}", hop.kind()));
                }
                if let NextHop::Absent { served_by } = hop {
                    self.served(&path, table, served_by)?;
                }
            }
            if let Some(site) = self.map.sites.keys().find(|site| !table.next_hops.contains_key(*site)) {
                let example = match table.id.kind() {
                    TableKind::Tgw => "{kind: attachment, id: tgw-attach-..}`, or `peering`, `absent` or `blackhole`",
                    TableKind::Vpc => "{kind: tgw, id: tgw-..}`, or `vpc_peering`, `eni` or `absent`",
                };
                return self.error(
                    &[at[0], at[1], "next_hops"],
                    format!("route table `{name}` has no next hop for site `{site}`; add `{site}: {example}"),
                );
            }
        }
        Ok(())
    }

    /// Aggregate, prefix list and propagations of a table.
    fn wide(&self, name: &TableName, table: &RouteTable) -> Result<(), MapError> {
        let at = ["route_tables", name.as_str()];
        if let Some(aggregate) = table.aggregate {
            for (network, declared) in self.map.networks.iter().filter(|(network, _)| table.routes(network)) {
                if !aggregate.covers(&declared.prefix) {
                    return self.error(
                        &[at[0], at[1], "aggregate"],
                        format!(
                            "`aggregate: {aggregate}` does not cover network `{network}` {}; widen it, or name the networks of this table under `networks`",
                            declared.prefix
                        ),
                    );
                }
            }
            if table.prefix_list.is_some() {
                return self.error(
                    &[at[0], at[1], "prefix_list"],
                    format!("route table `{name}` can use either `aggregate` or `prefix_list`; leave one out"),
                );
            }
        }
        if table.id.kind() == TableKind::Vpc {
            for (key, given) in
                [("prefix_list", table.prefix_list.is_some()), ("propagations", !table.propagations.is_empty())]
            {
                if given {
                    return self.error(
                        &[at[0], at[1], key],
                        format!("`{key}` is for transit gateway route tables; `{}` is one of a VPC", table.id),
                    );
                }
            }
        }
        if let (TableKind::Tgw, Some(attachment)) = (table.id.kind(), &table.attachment) {
            let message = format!(
                "`attachment: {attachment}` is for VPC route tables; `{}` is one of a transit gateway",
                table.id
            );
            return self.error(&[at[0], at[1], "attachment"], message);
        }
        for site in table.propagations.keys() {
            self.site(&[at[0], at[1], "propagations", site.as_str()], site)?;
        }
        Ok(())
    }

    fn served(&self, path: &[&str], table: &RouteTable, served_by: &Prefix) -> Result<(), MapError> {
        if let Some(aggregate) = table.aggregate.filter(|aggregate| !served_by.covers(aggregate)) {
            return self.error(
                path,
                format!(
                    "`served_by: {served_by}` does not cover the aggregate {aggregate}; name the route that serves it"
                ),
            );
        }
        for (name, network) in self.map.networks.iter().filter(|(name, _)| table.routes(name)) {
            if !served_by.covers(&network.prefix) {
                return self.error(
                    path,
                    format!(
                        "`served_by: {served_by}` does not cover network `{name}` {}; name the route that serves it",
                        network.prefix
                    ),
                );
            }
        }
        Ok(())
    }
}
