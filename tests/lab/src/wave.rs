//! A wave of any size: the story's machines, as many as asked for, Windows and Linux in turn.

use std::net::Ipv4Addr;

use holdfast_sim::{
    WorldFile,
    ec2::{Platform, file::InstanceFile},
    move_::file::WorkloadFile,
};

/// Gives the wave of the first migration plan `hosts` machines, modelled on those that it has.
///
/// # Errors
/// A sentence, when the world has no wave, or the subnet no room outside the pools.
pub fn resize(file: &mut WorldFile, hosts: usize) -> Result<(), String> {
    let plan = file.moves.values_mut().find_map(|appliance| appliance.plans.first_mut());
    let plan = plan.ok_or("has no migration plan, so `--hosts` has nothing to multiply")?;
    let region = file.regions.get_mut(&plan.region).ok_or("has a migration plan of a Region that it does not have")?;
    let is_planned = |instance: &InstanceFile| plan.workloads.iter().any(|workload| workload.instance == instance.name);
    let models: Vec<InstanceFile> = region.instances.iter().filter(|it| is_planned(it)).cloned().collect();
    let workloads: Vec<WorkloadFile> = models
        .iter()
        .filter_map(|model| plan.workloads.iter().find(|workload| workload.instance == model.name).cloned())
        .collect();
    let first = models.first().and_then(|model| model.interfaces.first()).and_then(|interface| interface.address);
    let first = first.ok_or("has no machine with an address in its migration plan")?;
    let [a, b, c, last] = first.octets();
    // The pools of the story's subnets are .100 to .199.
    let room: Vec<u8> = (last..100).chain(200..=254).collect();
    if hosts == 0 || hosts > room.len() {
        return Err(format!("has room for 1 to {} machines beside its pools, not {hosts}", room.len()));
    }
    region.instances.retain(|instance| !is_planned(instance));
    let mut names = Vec::new();
    plan.workloads.clear();
    for (index, (octet, (model, workload))) in
        room.iter().zip(models.iter().zip(&workloads).cycle()).take(hosts).enumerate()
    {
        let mut machine = model.clone();
        if index >= models.len() {
            let stem = model.name.trim_end_matches(|c: char| c.is_ascii_digit());
            machine.name = format!("{stem}{}", index / models.len() + 1);
            machine.id = None;
        }
        machine.platform = if index % 2 == 0 { Platform::Windows } else { Platform::Linux };
        for interface in &mut machine.interfaces {
            interface.address = Some(Ipv4Addr::new(a, b, c, *octet));
        }
        plan.workloads.push(WorkloadFile { instance: machine.name.clone(), ..workload.clone() });
        names.push(machine.name.clone());
        region.instances.push(machine);
    }
    for recovery in file.recovery_plans.values_mut() {
        recovery.vms.clone_from(&names);
    }
    Ok(())
}
