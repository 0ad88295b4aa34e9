//! Whether a subnet of Prism Central can carry a network, and whether an address on it is free.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use holdfast_model::{ExtId, Fault, FaultName, Network, NetworkName, Prefix, SiteName};
use holdfast_nutanix::{ExternalSubnet, Prism, ReservedIp, Subnet, Vnic, Vpc};

use crate::fault_of;

/// A subnet that carries a network, with who is on it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) subnet: Subnet,
    pub(crate) vnics: Vec<Vnic>,
    pub(crate) reserved: Vec<ReservedIp>,
}

/// Who holds an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A NIC of a VM.
    Vm(ExtId),
    /// Something else, in words.
    Other(String),
}

impl Target {
    /// Reads the subnet that carries a network at a site.
    ///
    /// # Errors
    /// `SubnetUnfit` with the reason, or what Prism Central's error is.
    pub(crate) async fn read(
        prism: &Prism,
        site: &SiteName,
        fvn_vpc: &str,
        name: &NetworkName,
        network: &Network,
    ) -> Result<Self, Fault> {
        let unfit =
            |why: String| Fault::new(FaultName::SubnetUnfit, format!("network `{name}` at site `{site}`: {why}"));
        let wanted = network
            .subnets
            .get(site)
            .ok_or_else(|| unfit("the network map names no subnet for it; write it under `subnets`".to_owned()))?;
        let vpcs = prism.vpcs_named(fvn_vpc).await.map_err(|e| fault_of(&e))?;
        let [vpc] = vpcs.as_slice() else {
            return Err(unfit(format!("{} Flow VPCs are named `{fvn_vpc}`, there must be one", vpcs.len())));
        };
        let named = prism.subnets_named(wanted).await.map_err(|e| fault_of(&e))?;
        let inside: Vec<Subnet> = named.into_iter().filter(|subnet| subnet.vpc.as_ref() == Some(&vpc.id)).collect();
        let [subnet] = inside.as_slice() else {
            let count = inside.len();
            return Err(unfit(format!("{count} subnets of VPC `{fvn_vpc}` are named `{wanted}`, there must be one")));
        };
        let external = prism.external_subnets(vpc).await.map_err(|e| fault_of(&e))?;
        if let Some(why) = misfit(network.prefix, subnet, vpc, &external) {
            return Err(unfit(why));
        }
        let mut target = Self { subnet: subnet.clone(), vnics: Vec::new(), reserved: Vec::new() };
        target.refresh(prism).await?;
        Ok(target)
    }

    /// Reads anew who is on the subnet.
    pub(crate) async fn refresh(&mut self, prism: &Prism) -> Result<(), Fault> {
        self.vnics = prism.vnics(&self.subnet.id).await.map_err(|e| fault_of(&e))?;
        self.reserved = prism.reserved_ips(&self.subnet.id).await.map_err(|e| fault_of(&e))?;
        Ok(())
    }

    /// Who else than the VM holds an address, given or in use. What was seen in use by a VM that is parked is not in use any more.
    pub(crate) fn holder(&self, address: Ipv4Addr, vm: &ExtId, parked: &BTreeMap<ExtId, Ipv4Addr>) -> Option<Holder> {
        let subnet = &self.subnet;
        if subnet.gateway == Some(address) {
            return Some(Holder::Other(format!("subnet `{}` has it as its gateway", subnet.name)));
        }
        if subnet.dhcp_server == Some(address) {
            return Some(Holder::Other(format!("subnet `{}` has it as its DHCP server", subnet.name)));
        }
        if subnet.prefix.is_some_and(|p| p.network() == address || p.broadcast() == address) {
            return Some(Holder::Other(format!("it is the first or last address of subnet `{}`", subnet.name)));
        }
        let parked = |vnic: &Vnic| vnic.vm.as_ref().is_some_and(|vm| parked.get(vm) == Some(&address));
        let uses = |vnic: &Vnic| vnic.learned.contains(&address) && !parked(vnic);
        let holds = |vnic: &&Vnic| vnic.vm.as_ref() != Some(vm) && (vnic.assigned.contains(&address) || uses(vnic));
        if let Some(vnic) = self.vnics.iter().find(holds) {
            return Some(match (&vnic.vm, &vnic.mac) {
                (Some(vm), _) => Holder::Vm(vm.clone()),
                (None, Some(mac)) => Holder::Other(format!("a NIC with MAC address {mac} holds it")),
                (None, None) => Holder::Other("a NIC that names no VM holds it".to_owned()),
            });
        }
        let kept = self.reserved.iter().find(|reserved| reserved.address == address)?;
        let context = kept.context.as_ref().map(|c| format!(" for `{c}`")).unwrap_or_default();
        Some(Holder::Other(format!(
            "it is reserved{context} on subnet `{}`; unreserve it in Prism Central",
            subnet.name
        )))
    }
}

/// Why a subnet cannot carry a prefix without translation, if it cannot.
fn misfit(prefix: Prefix, subnet: &Subnet, vpc: &Vpc, external: &[ExternalSubnet]) -> Option<String> {
    let misfits = subnet.landing(vpc, external).misfits(prefix);
    (!misfits.is_empty()).then(|| misfits.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> ExtId {
        ExtId::parse("11111111-1111-4111-8111-111111111111".replace('1', &digit.to_string())).unwrap()
    }

    fn subnet() -> Subnet {
        Subnet {
            id: id('2'),
            name: "app".into(),
            vpc: Some(id('3')),
            prefix: Some(Prefix::parse("172.30.1.0/24").unwrap()),
            gateway: Some("172.30.1.1".parse().unwrap()),
            dhcp_server: None,
            pools: Vec::new(),
        }
    }

    #[test]
    fn a_subnet_fits_only_with_its_prefix_a_routable_prefix_and_a_way_out_without_nat() {
        let prefix = Prefix::parse("172.30.1.0/24").unwrap();
        let routable = vec![Prefix::parse("172.30.0.0/16").unwrap()];
        let vpc = Vpc { id: id('3'), name: "prod".into(), routable, external: vec![id('4')] };
        let outside = ExternalSubnet { id: id('4'), name: "outside".into(), external: true, nat: false };
        let fits = |subnet: &Subnet, vpc: &Vpc, outside: &ExternalSubnet| {
            misfit(prefix, subnet, vpc, std::slice::from_ref(outside))
        };
        assert_eq!(fits(&subnet(), &vpc, &outside), None);
        let other = Subnet { prefix: Some(Prefix::parse("172.30.0.0/16").unwrap()), ..subnet() };
        assert_eq!(fits(&other, &vpc, &outside).unwrap(), "subnet `app` is 172.30.0.0/16, not 172.30.1.0/24");
        let unmanaged = Subnet { prefix: None, ..subnet() };
        assert!(fits(&unmanaged, &vpc, &outside).is_some());
        let bare = Vpc { routable: Vec::new(), ..vpc.clone() };
        assert!(fits(&subnet(), &bare, &outside).unwrap().contains("(none) do not cover 172.30.1.0/24"));
        let nat = ExternalSubnet { nat: true, ..outside };
        assert!(fits(&subnet(), &vpc, &nat).unwrap().contains("without NAT (it has `outside`)"));
    }

    #[test]
    fn an_address_is_held_by_other_vms_reservations_and_the_subnet_itself() {
        let vnic = |vm: char, assigned: &str, learned: &str| Vnic {
            nic: None,
            vm: Some(id(vm)),
            mac: None,
            assigned: vec![assigned.parse().unwrap()],
            learned: vec![learned.parse().unwrap()],
        };
        let reserved = vec![ReservedIp { address: "172.30.1.50".parse().unwrap(), context: Some("printer".into()) }];
        let vnics = vec![vnic('5', "172.30.1.34", "172.30.1.35"), vnic('6', "172.30.1.36", "172.30.1.36")];
        let target = Target { subnet: subnet(), vnics, reserved };
        let holder = |address: &str| target.holder(address.parse().unwrap(), &id('6'), &BTreeMap::new());
        assert_eq!(holder("172.30.1.34"), Some(Holder::Vm(id('5'))));
        assert_eq!(holder("172.30.1.35"), Some(Holder::Vm(id('5'))));
        assert_eq!(holder("172.30.1.36"), None);
        assert_eq!(holder("172.30.1.37"), None);
        // A link that was taken down: what its guest was seen to use is free, what it was given is not.
        let parked = |address: &str| {
            let address = address.parse().unwrap();
            target.holder(address, &id('6'), &[(id('5'), address)].into())
        };
        assert_eq!((parked("172.30.1.34"), parked("172.30.1.35")), (Some(Holder::Vm(id('5'))), None));
        for taken in ["172.30.1.1", "172.30.1.0", "172.30.1.255", "172.30.1.50"] {
            assert!(matches!(holder(taken), Some(Holder::Other(_))), "{taken}");
        }
    }
}
