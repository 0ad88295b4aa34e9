//! What NC2 itself writes into AWS: the routes of an FVN VPC's prefixes to the host that is its gateway.

use serde_json::{Value, json};

use crate::{
    ec2::{Kind, VpcTarget},
    world::World,
};

/// NC2 makes another host the gateway of an FVN VPC: in every route table of the AWS VPC, the VPC's routable prefixes
/// lead to that host's network interface. Nothing fails over by it.
///
/// # Errors
/// A sentence that says what there is none of.
pub fn move_gateway(world: &mut World, prism: &str, vpc: &str, interface: &str) -> Result<Value, String> {
    let missing = |what: &str, name: &str| format!("there is no {what} `{name}`");
    let ec2 = &world.ec2;
    let eni = ec2.regions.iter().find_map(|region| ec2.find(Kind::Eni, region, interface));
    let eni = eni.ok_or_else(|| missing("network interface", interface))?.to_owned();
    let central = world.prisms.get_mut(prism).ok_or_else(|| missing("Prism Central", prism))?;
    let found = central.vpcs.values_mut().find(|it| it.name == vpc || it.ext_id.to_string() == vpc);
    let found = found.ok_or_else(|| missing("FVN VPC", vpc))?;
    let before = found.host_interfaces.clone();
    found.host_interfaces.retain(|own| *own != eni);
    found.host_interfaces.insert(0, eni.clone());
    let mut rewritten = Vec::new();
    for (table, it) in &mut world.ec2.route_tables {
        for prefix in &found.routable {
            let Some(route) = it.routes.get_mut(prefix) else { continue };
            match &route.target {
                VpcTarget::NetworkInterface(own) if *own != eni && before.contains(own) => {
                    route.target = VpcTarget::NetworkInterface(eni.clone());
                    rewritten.push(json!({"table": table, "prefix": prefix}));
                }
                _ => {}
            }
        }
    }
    Ok(json!({"interface": eni, "rewritten": rewritten}))
}
