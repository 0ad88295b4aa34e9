//! What a task does when its time has come.

use std::net::Ipv4Addr;

use super::address::Wanted;
use super::ids::ExtId;
use super::recovery::actions::Wish;
use super::state::{Nic, NicShape, Power, Prism, Subnet, Vm, Vpc};
use super::switches::{ForeignMacs, SecondaryUpdate};
use super::task::{Affected, Failure, REL_JOB, REL_NIC, REL_SUBNET, REL_VM, REL_VPC};
use super::{Context, Signal};

/// A NIC as a client describes it.
#[derive(Debug, Clone)]
pub struct NicWish {
    /// MAC address, if the client chose one: lower case with colons.
    pub mac: Option<String>,
    /// Its subnet.
    pub subnet: ExtId,
    /// Its address.
    pub wanted: Wanted,
    /// Its secondary addresses, if they are spoken of.
    pub secondary: Option<Vec<Ipv4Addr>>,
    /// The rest.
    pub shape: NicShape,
}

/// A power action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerAction {
    /// `power-on`.
    On,
    /// `power-off` and the shutdowns.
    Off,
    /// `reboot`, `reset`, `power-cycle`, `guest-reboot`.
    Again,
}

/// A change that a task makes.
#[derive(Debug, Clone)]
pub enum Change {
    /// All of these or none: what one intent of v3 changes.
    All(Vec<Change>),
    /// VM create.
    CreateVm(Box<Vm>, Vec<NicWish>),
    /// VM delete.
    DeleteVm(ExtId),
    /// A power action.
    Power(ExtId, PowerAction),
    /// NIC create.
    CreateNic(ExtId, NicWish),
    /// NIC update: the whole NIC as the client wants it.
    UpdateNic(ExtId, ExtId, NicWish),
    /// NIC delete.
    DeleteNic(ExtId, ExtId),
    /// The NICs of a VM in this order, those that have come in the places without name.
    ArrangeNics(ExtId, Vec<Option<ExtId>>),
    /// NIC to another subnet.
    MigrateNic(ExtId, ExtId, ExtId, Wanted),
    /// NIC gets an address.
    AssignIp(ExtId, ExtId, Wanted),
    /// NIC loses its address.
    ReleaseIp(ExtId, ExtId),
    /// Subnet create.
    CreateSubnet(Box<Subnet>),
    /// Subnet update.
    UpdateSubnet(Box<Subnet>),
    /// Subnet delete.
    DeleteSubnet(ExtId),
    /// VPC create.
    CreateVpc(Box<Vpc>),
    /// VPC update.
    UpdateVpc(Box<Vpc>),
    /// VPC delete.
    DeleteVpc(ExtId),
    /// Addresses kept for later.
    Reserve(ExtId, Vec<Ipv4Addr>, String),
    /// Addresses not kept any more.
    Unreserve(ExtId, Vec<Ipv4Addr>),
    /// A recovery plan is run, or its test cleaned up.
    Recover(Box<Wish>),
}

/// Prefix of the MAC addresses that AHV gives by itself.
const OWN_MACS: &str = "50:6b:8d:";

fn gone(kind: &str, id: ExtId) -> Failure {
    Failure {
        code: "VMM-20005",
        group: "RESOURCE_NOT_FOUND",
        message: format!("The {kind} with UUID {id} does not exist"),
    }
}

/// The platform's text for an update that it does not want (terraform-provider-nutanix issues 994 and 1036).
fn invalid_input() -> Failure {
    Failure { code: "VMM-30101", group: "VM_INVALID_ARGUMENT", message: "invalid input arguments".into() }
}

impl Prism {
    pub(super) fn apply(&mut self, change: Change, cx: &mut Context<'_>) -> Result<Vec<Affected>, Failure> {
        match change {
            Change::All(changes) => {
                let (before, signals) = (self.vms.clone(), cx.signals.len());
                let mut affected = Vec::new();
                for change in changes {
                    match self.apply(change, cx) {
                        Ok(more) => affected.extend(more),
                        Err(failure) => {
                            self.vms = before;
                            cx.signals.truncate(signals);
                            return Err(failure);
                        }
                    }
                }
                Ok(affected)
            }
            Change::CreateVm(vm, nics) => self.create_vm(*vm, nics, cx),
            Change::DeleteVm(vm) => self.delete_vm(vm, cx),
            Change::Power(vm, action) => self.power(vm, action, cx),
            Change::CreateNic(vm, wish) => self.create_nic(vm, wish, cx),
            Change::UpdateNic(vm, nic, wish) => self.update_nic(vm, nic, wish, cx),
            Change::DeleteNic(vm, nic) => self.delete_nic(vm, nic, cx),
            Change::ArrangeNics(vm, order) => self.arrange_nics(vm, &order),
            Change::MigrateNic(vm, nic, subnet, wanted) => self.migrate_nic(vm, nic, subnet, wanted, cx),
            Change::AssignIp(vm, nic, wanted) => self.assign_ip(vm, nic, wanted, cx),
            Change::ReleaseIp(vm, nic) => self.release_ip(vm, nic, cx),
            Change::CreateSubnet(subnet) => {
                let ext_id = subnet.ext_id;
                self.subnets.insert(ext_id, *subnet);
                Ok(vec![Affected { ext_id, rel: REL_SUBNET }])
            }
            Change::CreateVpc(vpc) => {
                let ext_id = vpc.ext_id;
                self.vpcs.insert(ext_id, *vpc);
                Ok(vec![Affected { ext_id, rel: REL_VPC }])
            }
            Change::UpdateSubnet(subnet) => self.update_subnet(*subnet),
            Change::DeleteSubnet(subnet) => self.delete_subnet(subnet),
            Change::UpdateVpc(vpc) => {
                if !self.vpcs.contains_key(&vpc.ext_id) {
                    return Err(gone("VPC", vpc.ext_id));
                }
                self.vpcs.insert(vpc.ext_id, *vpc);
                Ok(Vec::new())
            }
            Change::DeleteVpc(vpc) => {
                if self.subnets.values().any(|s| s.vpc == Some(vpc)) {
                    return Err(Failure::refused(format!("The VPC with UUID {vpc} has subnets")));
                }
                self.vpcs.remove(&vpc).map(|_| Vec::new()).ok_or_else(|| gone("VPC", vpc))
            }
            Change::Reserve(subnet, addresses, context) => {
                self.reserve(subnet, &addresses, &context).map(|()| Vec::new())
            }
            Change::Unreserve(subnet, addresses) => {
                let entry = self.subnets.get_mut(&subnet).ok_or_else(|| gone("subnet", subnet))?;
                entry.reserved.retain(|a, _| !addresses.contains(a));
                Ok(Vec::new())
            }
            Change::Recover(wish) => match wish.outcome {
                Some(Ok(ext_id)) => Ok(vec![Affected { ext_id, rel: REL_JOB }]),
                Some(Err(why)) => Err(Failure::refused(why)),
                None => Err(Failure::refused("nobody did it")),
            },
        }
    }

    fn update_subnet(&mut self, subnet: Subnet) -> Result<Vec<Affected>, Failure> {
        self.subnet(subnet.ext_id)?;
        let held = self.nics_on(subnet.ext_id).find_map(|(_, nic)| {
            nic.addresses().find(|a| !subnet.ip.as_ref().is_some_and(|ip| ip.prefix.contains(a) && !ip.keeps(*a)))
        });
        if let Some(address) = held {
            return Err(Failure::address(format!("IP address {address} of a NIC does not fit the subnet any more")));
        }
        self.subnets.insert(subnet.ext_id, subnet);
        Ok(Vec::new())
    }

    fn delete_subnet(&mut self, id: ExtId) -> Result<Vec<Affected>, Failure> {
        if self.nics_on(id).next().is_some() || self.vpcs.values().any(|v| v.external_subnets.contains(&id)) {
            return Err(Failure::refused(format!("The subnet with UUID {id} is in use")));
        }
        self.subnets.remove(&id).map(|_| Vec::new()).ok_or_else(|| gone("subnet", id))
    }

    fn vm(&self, id: ExtId) -> Result<&Vm, Failure> {
        self.vms.get(&id).ok_or_else(|| gone("VM", id))
    }

    fn vm_mut(&mut self, id: ExtId) -> Result<&mut Vm, Failure> {
        self.vms.get_mut(&id).ok_or_else(|| gone("VM", id))
    }

    fn subnet(&self, id: ExtId) -> Result<&Subnet, Failure> {
        self.subnets.get(&id).ok_or_else(|| gone("subnet", id))
    }

    fn create_vm(&mut self, vm: Vm, wishes: Vec<NicWish>, cx: &mut Context<'_>) -> Result<Vec<Affected>, Failure> {
        let ext_id = vm.ext_id;
        self.vms.insert(ext_id, vm);
        for wish in wishes {
            if let Err(failure) = self.create_nic(ext_id, wish, cx) {
                self.vms.remove(&ext_id);
                return Err(failure);
            }
        }
        cx.signals.push(Signal::Created { vm: ext_id });
        Ok(vec![Affected { ext_id, rel: REL_VM }])
    }

    fn delete_vm(&mut self, vm: ExtId, cx: &mut Context<'_>) -> Result<Vec<Affected>, Failure> {
        self.vms.remove(&vm).ok_or_else(|| gone("VM", vm))?;
        cx.signals.push(Signal::Deleted { vm });
        Ok(Vec::new())
    }

    pub(super) fn power(
        &mut self,
        vm: ExtId,
        action: PowerAction,
        cx: &mut Context<'_>,
    ) -> Result<Vec<Affected>, Failure> {
        let entry = self.vm_mut(vm)?;
        match (action, entry.power) {
            (PowerAction::On, Power::On) => return Err(Failure::refused("The VM is already powered on")),
            (PowerAction::Off | PowerAction::Again, Power::Off) => {
                return Err(Failure::refused("The VM is not powered on"));
            }
            (PowerAction::Off, Power::On) => entry.power = Power::Off,
            (PowerAction::On, Power::Off) | (PowerAction::Again, Power::On) => entry.power = Power::On,
        }
        entry.touch(cx.now);
        cx.signals.push(match action {
            PowerAction::Off => Signal::PoweredOff { vm },
            PowerAction::On | PowerAction::Again => Signal::Booted { vm },
        });
        Ok(Vec::new())
    }

    /// Adds a NIC and returns what was affected.
    pub(crate) fn create_nic(
        &mut self,
        vm: ExtId,
        wish: NicWish,
        cx: &mut Context<'_>,
    ) -> Result<Vec<Affected>, Failure> {
        self.vm(vm)?;
        let subnet = self.subnet(wish.subnet)?;
        let address = self.choose_address(subnet, wish.wanted, None, cx.switches)?;
        let secondary = wish.secondary.unwrap_or_default();
        let secondary = self.choose_secondary(subnet, &secondary, address, None, cx.switches)?;
        let foreign = wish.mac.as_ref().filter(|mac| !mac.starts_with(OWN_MACS));
        let mac = match (foreign, cx.switches.foreign_macs) {
            (Some(mac), ForeignMacs::Refused) => {
                return Err(Failure::refused(format!("MAC address {mac} is not of the range of this cluster")));
            }
            (Some(_), ForeignMacs::Replaced) => None,
            (Some(_), ForeignMacs::Taken) | (None, _) => wish.mac,
        };
        if let Some(mac) = &mac
            && self.nics_on(wish.subnet).any(|(_, n)| n.mac == *mac)
        {
            return Err(Failure::refused(format!("MAC address {mac} is already in use on the subnet")));
        }
        let mac = mac.unwrap_or_else(|| self.next_mac());
        let nic = Nic {
            ext_id: self.next_id("nic"),
            mac: mac.clone(),
            subnet: wish.subnet,
            address,
            secondary,
            shape: wish.shape,
            hidden_reads: cx.switches.address_lag_reads.saturating_add(1),
            learned: Vec::new(),
            learned_reads: 0,
        };
        let ext_id = nic.ext_id;
        let now = cx.now;
        let entry = self.vm_mut(vm)?;
        let running = entry.power == Power::On;
        entry.nics.push(nic);
        entry.touch(now);
        if running {
            cx.signals.push(Signal::NicPlugged { vm, mac });
        }
        Ok(vec![Affected { ext_id, rel: REL_NIC }])
    }

    fn update_nic(
        &mut self,
        vm: ExtId,
        nic: ExtId,
        wish: NicWish,
        cx: &mut Context<'_>,
    ) -> Result<Vec<Affected>, Failure> {
        let now = cx.now;
        let old = self.vm(vm)?.nic(nic).ok_or_else(|| gone("NIC", nic))?;
        let secondary = wish.secondary.filter(|wanted| *wanted != old.secondary);
        let secondary = match cx.switches.secondary_update {
            SecondaryUpdate::Refused if secondary.is_some() => return Err(invalid_input()),
            SecondaryUpdate::Ignored if wish.shape == old.shape && secondary.is_some() => return Ok(Vec::new()),
            SecondaryUpdate::Refused | SecondaryUpdate::Ignored => None,
            SecondaryUpdate::Done => secondary,
        };
        let subnet = self.subnet(old.subnet)?;
        let choose = |wanted: Vec<_>| self.choose_secondary(subnet, &wanted, old.address, Some(nic), cx.switches);
        let secondary = secondary.map(choose).transpose()?;
        let entry = self.vm_mut(vm)?;
        let old = entry.nic_mut(nic).ok_or_else(|| gone("NIC", nic))?;
        // Neither subnet nor address nor MAC address change by PUT (terraform-provider-nutanix issue 993).
        let moved = wish.subnet != old.subnet
            || wish.mac.as_ref().is_some_and(|m| *m != old.mac)
            || matches!(wish.wanted, Wanted::Exactly(a) if old.address != Some(a));
        // A PUT that changes nothing is refused too.
        if moved || wish.shape == old.shape && secondary.is_none() {
            return Err(invalid_input());
        }
        old.secondary = secondary.unwrap_or_else(|| std::mem::take(&mut old.secondary));
        let was = old.shape.connected;
        old.shape = wish.shape;
        let is = old.shape.connected;
        let mac = old.mac.clone();
        entry.touch(now);
        if entry.power == Power::On {
            match (was, is) {
                (false, true) => cx.signals.push(Signal::LinkUp { vm, mac }),
                (true, false) => cx.signals.push(Signal::LinkDown { vm, mac }),
                (true, true) | (false, false) => {}
            }
        }
        Ok(Vec::new())
    }

    /// Puts the NICs of a VM into an order; those that it does not name take the places without name, as they came.
    fn arrange_nics(&mut self, vm: ExtId, order: &[Option<ExtId>]) -> Result<Vec<Affected>, Failure> {
        let entry = self.vm_mut(vm)?;
        let (named, came): (Vec<_>, Vec<_>) = entry.nics.drain(..).partition(|nic| order.contains(&Some(nic.ext_id)));
        let (mut named, mut came) = (named, came.into_iter());
        for place in order {
            let at = place.and_then(|id| named.iter().position(|nic| nic.ext_id == id));
            entry.nics.extend(at.map_or_else(|| came.next(), |at| Some(named.remove(at))));
        }
        entry.nics.extend(named.into_iter().chain(came));
        Ok(Vec::new())
    }

    fn delete_nic(&mut self, vm: ExtId, nic: ExtId, cx: &mut Context<'_>) -> Result<Vec<Affected>, Failure> {
        let now = cx.now;
        let entry = self.vm_mut(vm)?;
        let mac = entry.nic(nic).ok_or_else(|| gone("NIC", nic))?.mac.clone();
        entry.nics.retain(|n| n.ext_id != nic);
        entry.touch(now);
        if entry.power == Power::On {
            cx.signals.push(Signal::NicUnplugged { vm, mac });
        }
        Ok(Vec::new())
    }

    fn migrate_nic(
        &mut self,
        vm: ExtId,
        nic: ExtId,
        to: ExtId,
        wanted: Wanted,
        cx: &mut Context<'_>,
    ) -> Result<Vec<Affected>, Failure> {
        let entry = self.vm(vm)?;
        let running = entry.power == Power::On;
        let old = entry.nic(nic).ok_or_else(|| gone("NIC", nic))?;
        let (from, target) = (self.subnet(old.subnet)?, self.subnet(to)?);
        if from.ext_id == to {
            return Err(Failure::refused("The NIC is already connected to the subnet"));
        }
        if running && !cx.switches.migrate_powered_on {
            return Err(Failure::refused("A NIC of a VM that is powered on cannot be migrated"));
        }
        if from.vpc.is_some() && from.vpc == target.vpc && !cx.switches.migrate_within_vpc {
            return Err(Failure::refused("A NIC cannot be migrated between two subnets of one VPC"));
        }
        let address = self.choose_address(target, wanted, Some(nic), cx.switches)?;
        let other_mac = (!cx.switches.migrate_keeps_mac).then(|| self.next_mac());
        let now = cx.now;
        let lag = cx.switches.address_lag_reads.saturating_add(1);
        let entry = self.vm_mut(vm)?;
        let nic = entry.nic_mut(nic).ok_or_else(|| gone("NIC", nic))?;
        nic.subnet = to;
        nic.address = address;
        // What becomes of them is unverified; addresses of another subnet cannot stay.
        nic.secondary.clear();
        nic.hidden_reads = lag;
        if let Some(mac) = other_mac {
            // Another MAC address is another device to the guest.
            let old = std::mem::replace(&mut nic.mac, mac.clone());
            if running {
                cx.signals.push(Signal::NicUnplugged { vm, mac: old });
                cx.signals.push(Signal::NicPlugged { vm, mac });
            }
        }
        entry.touch(now);
        Ok(vec![Affected { ext_id: to, rel: REL_SUBNET }])
    }

    fn assign_ip(
        &mut self,
        vm: ExtId,
        nic: ExtId,
        wanted: Wanted,
        cx: &mut Context<'_>,
    ) -> Result<Vec<Affected>, Failure> {
        let old = self.vm(vm)?.nic(nic).ok_or_else(|| gone("NIC", nic))?;
        let subnet = self.subnet(old.subnet)?;
        if subnet.ip.is_none() {
            return Err(Failure::address("Cannot assign IP address on an unmanaged network"));
        }
        if let Some(address) = old.address.filter(|_| !cx.switches.assign_replaces) {
            return Err(Failure::address(format!("The NIC already has the IP address {address}")));
        }
        let address = self.choose_address(subnet, wanted, Some(nic), cx.switches)?;
        self.set_address(vm, nic, address, cx)
    }

    /// That secondary addresses go too is unverified.
    fn release_ip(&mut self, vm: ExtId, nic: ExtId, cx: &mut Context<'_>) -> Result<Vec<Affected>, Failure> {
        self.vm_mut(vm)?.nic_mut(nic).ok_or_else(|| gone("NIC", nic))?.secondary.clear();
        self.set_address(vm, nic, None, cx)
    }

    fn set_address(
        &mut self,
        vm: ExtId,
        nic: ExtId,
        address: Option<Ipv4Addr>,
        cx: &mut Context<'_>,
    ) -> Result<Vec<Affected>, Failure> {
        let (now, lag) = (cx.now, cx.switches.address_lag_reads.saturating_add(1));
        let entry = self.vm_mut(vm)?;
        let nic = entry.nic_mut(nic).ok_or_else(|| gone("NIC", nic))?;
        nic.address = address;
        nic.hidden_reads = lag;
        entry.touch(now);
        Ok(Vec::new())
    }
}
