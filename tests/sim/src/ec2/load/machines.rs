//! Instances and network interfaces of the world file.

use std::collections::BTreeMap;

use super::{BEGINNING, Loader, tags};
use crate::{
    ec2::{
        file::{InterfaceFile, RegionFile},
        id,
        state::{Eni, Instance, InstanceState, Kind},
    },
    world_file::WorldError,
};

impl Loader<'_> {
    pub(super) fn machines(&mut self, region: &str, place: &str, section: &RegionFile) -> Result<(), WorldError> {
        for file in &section.instances {
            let place = format!("{place}.instances[{}]", file.name);
            if file.interfaces.is_empty() {
                return Err(WorldError::at(format!("{place}.interfaces"), "an instance needs a network interface"));
            }
            let id = self.name(Kind::Instance, region, &place, &file.name, file.id.as_ref())?;
            let mut enis = BTreeMap::new();
            for (index, interface) in (0u32..).zip(&file.interfaces) {
                let place = format!("{place}.interfaces[{index}]");
                let name = interface.name.clone().unwrap_or_else(|| format!("{}-{index}", file.name));
                let eni = self.interface(region, &place, &name, interface, Some((id.clone(), index)))?;
                enis.insert(index, eni);
            }
            let home = self.home_of_interface(&enis).unwrap_or_else(|| self.home(region, None));
            let mut tags = tags(&file.name, &file.tags);
            if let Some(group) = &file.auto_scaling_group {
                tags.insert("aws:autoscaling:groupName".into(), group.clone());
            }
            let instance = Instance {
                home,
                platform: file.platform,
                instance_type: file.instance_type.clone().unwrap_or_else(|| "m5.large".into()),
                state: if file.stopped { InstanceState::Stopped } else { InstanceState::Running },
                launched: BEGINNING,
                enis,
                forwards: file.forwards,
                reservation: id::id("r", &id),
                tags,
            };
            self.ec2.instances.insert(id, instance);
        }
        for (index, file) in section.network_interfaces.iter().enumerate() {
            let place = format!("{place}.network_interfaces[{index}]");
            let name = file.name.clone().unwrap_or_else(|| format!("interface-{index}"));
            self.interface(region, &place, &name, file, None)?;
        }
        Ok(())
    }

    fn home_of_interface(&self, enis: &BTreeMap<u32, String>) -> Option<crate::ec2::Home> {
        self.ec2.enis.get(enis.get(&0)?).map(|eni| eni.home.clone())
    }

    fn interface(
        &mut self,
        region: &str,
        place: &str,
        name: &str,
        file: &InterfaceFile,
        attached: Option<(String, u32)>,
    ) -> Result<String, WorldError> {
        let id = self.name(Kind::Eni, region, place, name, file.id.as_ref())?;
        let subnet_id = self.resolve(Kind::Subnet, region, &format!("{place}.subnet"), &file.subnet)?;
        let free = self.ec2.free_address(&subnet_id);
        let Some(subnet) = self.ec2.subnets.get(&subnet_id) else {
            return Err(WorldError::at(place, format!("there is no subnet `{}`", file.subnet)));
        };
        let address = file
            .address
            .or(free)
            .ok_or_else(|| WorldError::at(place, format!("subnet `{}` has no free address", file.subnet)))?;
        for wanted in std::iter::once(&address).chain(&file.secondary) {
            if !subnet.cidr.contains(wanted) {
                return Err(WorldError::at(place, format!("address {wanted} is not within subnet {}", subnet.cidr)));
            }
            if self.ec2.eni_by_ip(&subnet.vpc, *wanted).is_some() {
                return Err(WorldError::at(place, format!("address {wanted} is used twice")));
            }
        }
        if file.service.is_some() && attached.is_some() {
            return Err(WorldError::at(place, "an interface of a service belongs to no instance"));
        }
        let mut groups = Vec::new();
        for name in file.security_groups.iter().filter(|name| *name != "default") {
            let group = self.ec2.security_groups.iter().find(|(_, it)| it.vpc == subnet.vpc && it.name == *name);
            let Some((id, _)) = group else {
                let problem = format!("the VPC has no security group `{name}`");
                return Err(WorldError::at(format!("{place}.security_groups"), problem));
            };
            groups.push(id.clone());
        }
        if file.security_groups.iter().any(|name| name == "default") {
            groups.push(id::security_group(&subnet.vpc, "default"));
        }
        let described = || file.service.map(|it| it.description(name, &id::digits(&id, 16))).unwrap_or_default();
        let description = Some(file.description.clone()).filter(|text| !text.is_empty()).unwrap_or_else(described);
        // Services name their interfaces by the description, not by a tag.
        let tags = if file.service.is_some() { file.tags.clone() } else { tags(name, &file.tags) };
        let eni = Eni {
            home: subnet.home.clone(),
            vpc: subnet.vpc.clone(),
            subnet: subnet_id,
            mac: file.mac.clone().map_or_else(|| id::mac(&id), |mac| mac.to_lowercase()),
            address,
            secondary: file.secondary.clone(),
            delete_on_termination: attached.is_some(),
            attached,
            service: file.service,
            groups,
            elastic_ip: file.elastic_ip,
            source_dest_check: file.source_dest_check,
            description,
            tags,
        };
        self.ec2.enis.insert(id.clone(), eni);
        Ok(id)
    }
}
