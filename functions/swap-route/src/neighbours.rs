//! Whoever else is in the VPCs that networks leave: read for the judgement, and to tell whom a plan cuts off.

use crate::goal::Goal;
use holdfast_aws_network::{AwsNetwork, read_sites, read_targets};
use holdfast_model::{Fault, Machines, NetworkMap, Picture, Scope, SiteName};
use holdfast_plan::{ec2_sites_left, sites_judged};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Addresses that host routes lead to other sites than their networks.
pub(crate) type Apart = BTreeMap<SiteName, BTreeSet<Ipv4Addr>>;

/// Machines of the VPCs that are judged, as far as they answered.
#[derive(Debug)]
pub(crate) struct Neighbours {
    /// Instances and network interfaces; load-balancer targets of the EC2 sites that are left.
    pub(crate) machines: BTreeMap<SiteName, Machines>,
    /// Why something is missing.
    pub(crate) unread: Vec<Fault>,
}

impl Neighbours {
    /// All of them.
    ///
    /// # Errors
    /// What was not read, when anything was not.
    pub(crate) fn all(self) -> Result<BTreeMap<SiteName, Machines>, Fault> {
        match self.unread.into_iter().next() {
            None => Ok(self.machines),
            Some(fault) => Err(fault),
        }
    }
}

/// Reads instances and network interfaces of the VPCs that are judged, and the load-balancer targets of the EC2 sites that are left.
pub(crate) async fn read_neighbours(
    networks: &BTreeMap<Scope, AwsNetwork>,
    map: &NetworkMap,
    goal: &Goal,
    picture: &Picture,
    apart: &Apart,
) -> Neighbours {
    let left = ec2_sites_left(&goal.networks, &goal.to, map, picture);
    let judged = sites_judged(&goal.to, apart, map);
    let targets = read_targets(networks, map, &left);
    let (read, targets) = futures::future::join(read_sites(networks, map, &judged), targets).await;
    let mut neighbours = Neighbours { machines: BTreeMap::new(), unread: Vec::new() };
    let mut targets = targets.unwrap_or_else(|error| {
        neighbours.unread.push(error.into());
        BTreeMap::new()
    });
    for (site, machines) in read {
        match machines {
            Ok(machines) => {
                let targets = targets.remove(&site);
                neighbours.machines.insert(site, Machines { targets, ..machines });
            }
            Err(error) => neighbours.unread.push(error.into()),
        }
    }
    neighbours
}
