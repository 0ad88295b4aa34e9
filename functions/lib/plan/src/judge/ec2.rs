//! EC2 sites: instances of captured hosts, and whoever else holds an address of the networks.

use super::{Judge, Objection, addresses_of};
use crate::refusal::list;
use holdfast_model::{Eni, EniStatus, HostRecord, Instance, InstanceState, Machines, Prefix, Site, SiteName};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

impl<'a> Judge<'_, 'a> {
    pub(super) fn ec2_sites(&mut self, hosts: &[&'a HostRecord], prefixes: &[Prefix]) {
        let facts = self.facts;
        for (name, site) in &facts.map.sites {
            let Site::Ec2 { region, .. } = site else { continue };
            if !facts.map.reachable(region) {
                continue;
            }
            let Some(machines) = facts.machines.get(name) else {
                let why = "its instances and network interfaces were not read".to_owned();
                self.objections.push(Objection::Unread { site: name.clone(), why });
                continue;
            };
            for host in hosts {
                if name == facts.to {
                    self.instance_runs(host, machines, prefixes);
                } else {
                    self.instance_stopped(host, machines.instances.get(&host.instance));
                }
            }
            self.strangers(name, machines, hosts, prefixes);
        }
    }

    fn instance_stopped(&mut self, host: &HostRecord, instance: Option<&Instance>) {
        let state = match instance.map(|instance| instance.state) {
            None => return,
            Some(InstanceState::Stopped) => {
                if let Some(group) = instance.and_then(Instance::auto_scaling_group) {
                    let saw =
                        format!("has instance {} in Auto Scaling group `{group}`, which may replace it", host.instance);
                    self.host(host, saw, "detach the instance from the group first");
                    return;
                }
                self.lines.push(format!("{}: instance {} is stopped", host.name, host.instance));
                return;
            }
            Some(InstanceState::Terminated) => return,
            Some(InstanceState::Pending) => "is starting",
            Some(InstanceState::Running) => "is running",
            Some(InstanceState::Stopping) => "is still stopping",
            Some(InstanceState::Unknown) => "is in a state that is not known",
        };
        self.host(host, format!("has instance {} that {state}", host.instance), "stop the instance first");
    }

    fn instance_runs(&mut self, host: &HostRecord, machines: &Machines, prefixes: &[Prefix]) {
        let Some(instance) = machines.instances.get(&host.instance) else {
            let saw = format!("has no instance {} at `{}`", host.instance, self.facts.to);
            self.host(host, saw, "the way back needs the captured instance");
            return;
        };
        if instance.state != InstanceState::Running {
            let saw = format!("has instance {} that is not running at `{}`", host.instance, self.facts.to);
            self.host(host, saw, "start the instance, then try again");
            return;
        }
        let held: BTreeSet<Ipv4Addr> =
            instance.enis.iter().filter_map(|eni| machines.enis.get(eni)).flat_map(addresses_of).collect();
        let wanted: Vec<Ipv4Addr> = host.addresses().filter(|a| self.moves(prefixes, *a)).collect();
        let lost: Vec<&Ipv4Addr> = wanted.iter().filter(|a| !held.contains(a)).collect();
        if lost.is_empty() {
            let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            let line = format!("{}: instance {} runs with {}", host.name, host.instance, wanted.join(", "));
            self.lines.push(line);
        } else {
            let saw = format!("has instance {} without {}", host.instance, list(lost));
            self.host(host, saw, "give its network interface the recorded address");
        }
    }

    /// Whoever else holds an address of what moves at any EC2 site that was read.
    pub(super) fn left_in_subnets(&mut self, hosts: &[&HostRecord], prefixes: &[Prefix]) {
        let facts = self.facts;
        let ec2 = facts.map.sites.iter().filter(|(_, site)| matches!(site, Site::Ec2 { .. }));
        for (name, machines) in ec2.filter_map(|(name, _)| facts.machines.get(name).map(|machines| (name, machines))) {
            self.strangers(name, machines, hosts, prefixes);
        }
    }

    /// Whoever else holds an address of a network in a VPC: once routes lead elsewhere it is cut off, and until then it may answer for a moved
    /// machine.
    fn strangers(&mut self, site: &SiteName, machines: &Machines, hosts: &[&HostRecord], prefixes: &[Prefix]) {
        if site == self.facts.to {
            return;
        }
        let own: BTreeSet<_> = hosts.iter().map(|host| &host.instance).collect();
        for eni in machines.enis.values() {
            let inside: Vec<Ipv4Addr> = addresses_of(eni).filter(|a| self.moves(prefixes, *a)).collect();
            if inside.is_empty() || eni.instance.as_ref().is_some_and(|instance| own.contains(instance)) {
                continue;
            }
            match eni.status {
                EniStatus::Available => continue,
                EniStatus::InUse | EniStatus::Unknown => {}
            }
            if super::stranded::of_aws(eni) {
                continue;
            }
            let who = who_is(eni, machines);
            let ids = ids_of(eni);
            if self.accepted(&who, &ids) {
                continue;
            }
            self.objections.push(Objection::Stranger {
                who,
                saw: format!("holds {} at `{site}` and is no captured host", list(inside)),
                mend: "move it with a wave, remove it, accept it by its id under `policy.accept_stranded`, or leave the network where it is",
            });
        }
    }
}

/// An interface as an operator looks for it: its instance, or itself with its description.
pub(super) fn who_is(eni: &Eni, machines: &Machines) -> String {
    match eni.instance.as_ref().and_then(|id| machines.instances.get(id)) {
        Some(instance) => {
            let name = instance.name.as_deref().unwrap_or("no name");
            format!("instance {} ({name}, {}) by {}", instance.id, state_words(instance.state), eni.id)
        }
        None if eni.description.is_empty() => format!("network interface {}", eni.id),
        None => format!("network interface {} ({})", eni.id, eni.description),
    }
}

/// Ids by which the policy may accept an interface: its own, and its instance's.
pub(super) fn ids_of(eni: &Eni) -> Vec<String> {
    eni.instance.iter().map(ToString::to_string).chain([eni.id.to_string()]).collect()
}

fn state_words(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Pending => "starting",
        InstanceState::Running => "running",
        InstanceState::Stopping => "stopping",
        InstanceState::Stopped => "stopped",
        InstanceState::Terminated => "terminated",
        InstanceState::Unknown => "in an unknown state",
    }
}
