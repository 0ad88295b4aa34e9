//! Host routes: for machines that move ahead of their network, and away when the network follows.

use super::{Table, To, effective, one};
use crate::present::{NoValue, value_at};
use crate::refusal::Refusal;
use crate::step::{Place, RouteValue, Step};
use holdfast_model::{NetworkName, NextHop, Prefix};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

impl Table<'_> {
    /// Host routes for some machines, where their network leads another way.
    pub(super) fn hosts(
        &self,
        moving: &[(&NetworkName, Prefix)],
        hosts: &BTreeSet<Ipv4Addr>,
        (to, hop): To<'_>,
    ) -> Result<Vec<Step>, Refusal> {
        let arrives = RouteValue::of(hop);
        let mut steps = Vec::new();
        for (network, prefix) in moving {
            let whole = effective(self.declared, *prefix, self.picture)
                .map_err(|no| self.refuse(&Place::Route { prefix: *prefix }, no))?;
            for address in hosts.iter().filter(|address| prefix.holds(**address)) {
                let place = Place::Route { prefix: Prefix::host(*address) };
                let after = if whole == arrives { RouteValue::Absent } else { arrives.clone() };
                let before = self.ours(&place, &after)?;
                if let (RouteValue::Absent, NextHop::Absent { served_by }, true) = (&arrives, hop, whole != arrives) {
                    return Err(Refusal::HostServed {
                        table: self.whole_label(),
                        address: *address,
                        network: (*network).clone(),
                        site: to.clone(),
                        served_by: *served_by,
                    });
                }
                let why = if after == RouteValue::Absent {
                    format!("{address} is at {to}, as {network} is")
                } else {
                    format!("{address} is at {to} apart from {network}")
                };
                steps.extend(self.step(one(network), place, (before, after), why));
            }
        }
        Ok(steps)
    }

    /// Host routes that the matrix explains go: the whole network moves.
    pub(super) fn collapsed(&self, moving: &[(&NetworkName, Prefix)]) -> Result<Vec<Step>, Refusal> {
        let mut steps = Vec::new();
        for (network, prefix) in moving.iter().filter(|(_, prefix)| prefix.length() < 32) {
            let all = *prefix..=Prefix::host(prefix.broadcast());
            let inside = |p: &&Prefix| p.length() == 32 && prefix.covers(p);
            let found: Vec<Prefix> = match self.picture.tgw_tables.get(&self.declared.id) {
                Some(table) => table.routes.range(all).map(|(p, _)| p).filter(inside).copied().collect(),
                None => self
                    .picture
                    .vpc_table(&self.declared.id)
                    .into_iter()
                    .flat_map(|(_, table)| table.routes.range(all.clone()).map(|(p, _)| p).filter(inside).copied())
                    .collect(),
            };
            for host in found {
                let place = Place::Route { prefix: host };
                let before = match value_at(self.picture, &self.declared.id, &place) {
                    Ok(value) if value != RouteValue::Absent && self.explained(&value) => value,
                    // A leftover of somebody else: whether it does harm is found by tracing.
                    Ok(_) | Err(NoValue::NotOurs(_)) => continue,
                    Err(no) => return Err(self.refuse(&place, no)),
                };
                let why = format!("the route of {network} leads it too: its host route goes");
                steps.extend(self.step(one(network), place, (before, RouteValue::Absent), why));
            }
        }
        Ok(steps)
    }
}
