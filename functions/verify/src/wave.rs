//! The wave report: what a person should know of each captured host, and of the networks that it lands on, before anything moves.

use crate::checks::{fail, list, pass, warn};
use crate::facts::Live;
use crate::landing::Destination;
use holdfast_aws_network::{AwsNetwork, Ties};
use holdfast_guest::{AdapterSettings, settings_script};
use holdfast_model::wire::{Check, CheckStatus};
use holdfast_model::{
    Addressing, EniId, Evidence, GuestNic, GuestSettings, HostRecord, InstanceId, InstanceState, Machines, Macs,
    NetworkMap, NicRecord, Prefix, Scope, Sighting, Wave as Declared, first_lines_of,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Longest name of a VM that is taken for safe: no document of Nutanix was found that promises more.
const NAME_LENGTH: usize = 80;

/// A wave that has not moved yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wave<'a> {
    pub wave: &'a Declared,
    pub hosts: &'a [HostRecord],
    /// What the destination has ready; none where nobody asked.
    pub evidence: Option<&'a Evidence>,
}

/// All findings: of the networks first, then host by host.
pub(crate) async fn findings(
    networks: &BTreeMap<Scope, AwsNetwork>,
    map: &NetworkMap,
    live: &Live,
    wave: &Wave<'_>,
) -> Vec<Check> {
    let mut found = wave.destination().subnets(map);
    found.push(wave.mac_addresses());
    let machines = live.machines.get(&wave.wave.from);
    let ties = wave.ties(networks, map).await;
    let resolvers = resolvers(map, live);
    for host in wave.hosts {
        let mut of_host = Vec::new();
        name(host, &mut of_host);
        if let Some(machines) = machines {
            wave.namesakes(host, machines, &mut of_host);
        }
        wave.landing_of(host, &mut of_host);
        guest(host, &resolvers, &mut of_host);
        of_host.extend(wave.settings_of(host));
        if let Ok(ties) = &ties {
            wave.tied(host, ties, &mut of_host);
        }
        found
            .extend(of_host.into_iter().map(|check| Check { name: format!("{}: {}", host.name, check.name), ..check }));
    }
    if let Err(why) = ties {
        found.push(warn("Elastic IP addresses and security groups", format!("they were not read: {why}")));
    }
    found
}

impl Wave<'_> {
    /// Instances that the wave selects and that no version of its inventory has; nothing where all are there.
    pub(crate) fn left_out(&self, map: &NetworkMap, live: &Live) -> Option<Check> {
        let machines = live.machines.get(&self.wave.from)?;
        let captured: BTreeSet<&InstanceId> = self.hosts.iter().map(|host| &host.instance).collect();
        let left = machines.instances.values().filter(|instance| {
            let enis = instance.enis.iter().filter_map(|id| machines.enis.get(id));
            instance.state != InstanceState::Terminated
                && !captured.contains(&instance.id)
                && self.wave.selects(instance, enis, &map.networks)
        });
        let left: Vec<String> = left
            .map(|instance| format!("`{}` ({})", instance.name.as_deref().unwrap_or("no Name tag"), instance.id))
            .collect();
        let mend = "capture the wave again, or take them out of its `select`";
        (!left.is_empty()).then(|| {
            let left = first_lines_of(left, "the instances that its `select` matches");
            fail("every machine of the wave is captured", format!("not {}: {mend}", list(left)))
        })
    }

    /// What it needs where it goes.
    fn destination(&self) -> Destination<'_> {
        let networks = self.hosts.iter().flat_map(|host| &host.nics).map(|nic| nic.network.clone()).collect();
        Destination {
            to: &self.wave.to,
            networks,
            hosts: self.hosts,
            evidence: self.evidence,
            reserved: CheckStatus::Fail,
        }
    }

    /// Move makes new NICs: whoever knows a machine by its MAC address will not know it.
    fn mac_addresses(&self) -> Check {
        if self.wave.mac_addresses == Macs::AsCaptured {
            let text = "every NIC is to have its MAC address of EC2 again (`mac_addresses: as_captured`); a host whose Prism Central does not take it is named by `cutover`";
            return pass("MAC addresses", text);
        }
        let mac = |nic: &NicRecord| nic.mac.as_ref().map_or_else(|| "not known".to_owned(), ToString::to_string);
        let of = |host: &HostRecord| format!("{} {}", host.name, list(host.nics.iter().map(mac)));
        let text = "Move gives every NIC another MAC address; licences, DHCP reservations and rules by MAC address must follow";
        let today = first_lines_of(self.hosts.iter().map(of), "the inventory");
        warn("MAC addresses", format!("{text}. Today: {}", list(today)))
    }

    /// Elastic IP addresses and security groups of the VPC that the wave leaves.
    async fn ties(&self, networks: &BTreeMap<Scope, AwsNetwork>, map: &NetworkMap) -> Result<Ties, String> {
        let site = map.sites.get(&self.wave.from).ok_or("its site is not in the network map")?;
        let scope = Scope { account: site.account().clone(), region: site.region().clone() };
        let network = networks.get(&scope).ok_or("its account and Region were not read")?;
        network.read_ties(site.vpc(), &self.enis()).await.map_err(|error| error.to_string())
    }

    /// What is set in a guest once it has moved, by which script: a person may read it before.
    pub(crate) fn settings_of(&self, host: &HostRecord) -> Option<Check> {
        if self.wave.guest_settings == GuestSettings::Left {
            return None;
        }
        let guest = host.guest.as_ref()?;
        let settings = host.nics.iter().filter_map(|nic| {
            let then = guest.nics.iter().find(|adapter| Some(&adapter.mac) == nic.mac.as_ref())?;
            // What it will have by then is not known.
            let now = GuestNic { gateway: None, dns: Vec::new(), ..then.clone() };
            let again = AdapterSettings::captured(nic, then, &now);
            (then.addressing != Addressing::Unknown).then(|| format!("{}: {again}", then.name))
        });
        let settings: Vec<String> = settings.collect();
        if settings.is_empty() {
            return None;
        }
        let (file, hash) = settings_script(host.platform?);
        let text = format!(
            "where it answers Systems Manager after the move and differs, `cutover` sets {}, by `{file}` (SHA-256 {hash})",
            settings.join("; ")
        );
        Some(pass("settings of the guest", text))
    }

    fn enis(&self) -> BTreeSet<EniId> {
        self.hosts.iter().flat_map(|host| &host.nics).filter_map(|nic| nic.eni.clone()).collect()
    }

    /// Others with the name of a host, on EC2 or at the destination.
    fn namesakes(&self, host: &HostRecord, machines: &Machines, found: &mut Vec<Check>) {
        let same = |name: &Option<String>| name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case(host.name.as_str()));
        let others = machines
            .instances
            .values()
            .filter(|other| other.state != InstanceState::Terminated && other.id != host.instance && same(&other.name));
        let others: Vec<_> = others.map(|other| other.id.clone()).collect();
        if !others.is_empty() {
            let mend = "once both are VMs, only Move's own record tells them apart; give one of them another Name tag";
            found.push(warn("duplicate Name tag", format!("{} has it too; {mend}", list(others))));
        }
    }

    /// What the destination has for the addresses and the name of a host.
    fn landing_of(&self, host: &HostRecord, found: &mut Vec<Check>) {
        let Some(evidence) = self.evidence else { return };
        let here = |sighting: &&Sighting| sighting.site == self.wave.to;
        let twins = evidence.hosts.get(&host.name).into_iter().flatten().filter(here);
        let twins: Vec<_> = twins.map(|sighting| sighting.vm.clone()).collect();
        if !twins.is_empty() {
            let mend = "unless it is the migrated machine itself, rename it: `cutover` would refuse to choose";
            found.push(warn("a VM of this name", format!("VM {} is at {} already; {mend}", list(twins), self.wave.to)));
        }
        self.destination().addresses(host, found);
    }

    /// What AWS does for a host by its interface and not by its address.
    fn tied(&self, host: &HostRecord, ties: &Ties, found: &mut Vec<Check>) {
        let ours = self.enis();
        for nic in &host.nics {
            let Some(own) = &nic.eni else { continue };
            if let Some(elastic) = ties.elastic.get(own) {
                let mend = "it leads nowhere once the machine has moved; publish the machine another way";
                found.push(warn("Elastic IP address", format!("{} of `{own}`: {mend}", list(elastic))));
            }
            for group in ties.groups.get(own).into_iter().flatten() {
                let named_by = ties.named_by.get(group).into_iter().flatten();
                // A group that only machines of the wave carry guards nobody who stays.
                let stays = |id: &String| ties.groups.iter().any(|(eni, of)| !ours.contains(eni) && of.contains(id));
                let named_by: Vec<String> =
                    named_by.filter(|(id, _)| stays(id)).map(|(id, name)| format!("`{id}` ({name})")).collect();
                if !named_by.is_empty() {
                    let text = format!(
                        "rules of {} name `{group}` of `{own}`, and match nothing that comes from NC2; add rules for {}",
                        list(named_by),
                        list(
                            std::iter::once(nic.primary)
                                .chain(nic.secondary.iter().copied())
                                .map(|a| format!("{a}/32"))
                        )
                    );
                    found.push(warn("security groups", text));
                }
            }
        }
    }
}

/// Names that Move or AHV may write otherwise, so that the VM would not be found by name.
fn name(host: &HostRecord, found: &mut Vec<Check>) {
    let name = host.name.as_str();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let odd: BTreeSet<char> = name.chars().filter(|c| !plain(*c)).collect();
    let mut why = Vec::new();
    if !odd.is_empty() {
        why.push(format!("it has {}", list(odd.iter().map(|c| format!("`{c}`")))));
    }
    if name.chars().count() > NAME_LENGTH {
        why.push(format!("it has {} characters, more than {NAME_LENGTH}", name.chars().count()));
    }
    if !why.is_empty() {
        let mend =
            "name a Move appliance for the wave, whose record finds the VM whatever its name, or change the Name tag";
        found.push(warn("name", format!("Move or AHV may alter it: {}; {mend}", why.join(", "))));
    }
}

/// Addresses of the resolvers of all VPCs that were read: the base of each prefix and two. Source: VPC user guide, "Amazon DNS server".
pub(crate) fn resolvers(map: &NetworkMap, live: &Live) -> BTreeSet<Ipv4Addr> {
    let vpcs = map.sites.values().filter_map(|site| live.picture.vpcs.get(site.vpc()));
    let second = |prefix: &Prefix| Ipv4Addr::from_bits(prefix.network().to_bits().saturating_add(2));
    vpcs.flat_map(|vpc| &vpc.prefixes).map(second).collect()
}

/// A guest that nobody could ask, and what it has set that works on EC2 only.
fn guest(host: &HostRecord, resolvers: &BTreeSet<Ipv4Addr>, found: &mut Vec<Check>) {
    if let Some(guest) = &host.guest {
        let dns = guest.nics.iter().flat_map(|nic| &nic.dns).filter(|server| resolvers.contains(server));
        let dns: BTreeSet<String> = dns.map(|server| format!("DNS server {server} of the VPC")).collect();
        let settings: Vec<&String> = guest.ec2_only.iter().chain(&dns).collect();
        if !settings.is_empty() {
            let mend = "these do not answer on NC2 and are not restored; give it others before it moves";
            found.push(warn("settings of EC2", format!("{}: {mend}", list(settings))));
        }
    }
    if let Some(table) = &host.imported_from {
        let mend = "capture the wave again if its instances are still there";
        let saw =
            format!("it was imported from table `{table}`, which knows one address of it and nothing else: {mend}");
        found.push(warn("imported", saw));
    } else if host.guest.is_none() {
        let mend = "its gateway, DNS servers, routes and further addresses are not known, and it cannot be asked after the move; start it with Systems Manager's agent and capture again";
        found.push(warn("guest not read", format!("it was captured from the EC2 API alone: {mend}")));
    }
}
