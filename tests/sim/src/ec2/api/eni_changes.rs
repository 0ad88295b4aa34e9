//! Changes of network interfaces that exist.

use std::net::Ipv4Addr;

use super::{
    super::{InstanceState, Kind},
    Cx, Ec2Error, Result,
    enis::{attachment_id, own},
    tags,
    xml::Xml,
};
use crate::guests;

pub(super) fn detach(cx: &mut Cx<'_>) -> Result<Xml> {
    let attachment = cx.params.need("AttachmentId")?.to_owned();
    let home = cx.home();
    let found = cx
        .ec2()
        .enis
        .iter_mut()
        .find(|(id, eni)| eni.home == home && eni.attached.is_some() && attachment_id(id) == attachment);
    let Some((instance, index)) = found.and_then(|(_, eni)| eni.attached.clone()) else {
        let message = format!("The attachment ID '{attachment}' does not exist");
        return Err(Ec2Error::new("InvalidAttachmentID.NotFound", message));
    };
    if index == 0 {
        let message = format!("The network interface at device index 0 of instance '{instance}' cannot be detached.");
        return Err(Ec2Error::new("OperationNotPermitted", message));
    }
    let ec2 = cx.ec2();
    let eni = ec2.instances.get_mut(&instance).and_then(|it| it.enis.remove(&index));
    if let Some(eni) = eni.and_then(|eni| ec2.enis.get_mut(&eni)) {
        eni.attached = None;
    }
    guests::instance_changed(cx.world, &instance);
    Ok(tags::done())
}

pub(super) fn unassign(cx: &mut Cx<'_>) -> Result<Xml> {
    let id = cx.params.id("NetworkInterfaceId", Kind::Eni)?.to_owned();
    let unwanted: Vec<Ipv4Addr> = cx.params.list("PrivateIpAddress").iter().filter_map(|it| it.parse().ok()).collect();
    let eni = own(cx, &id)?;
    if let Some(missing) = unwanted.iter().find(|address| !eni.secondary.contains(address)) {
        return Err(Ec2Error::value(format!("{missing} is not a secondary address of {id}")));
    }
    eni.secondary.retain(|address| !unwanted.contains(address));
    Ok(tags::done())
}

/// `ModifyNetworkInterfaceAttribute`: the source/destination check and the description.
pub(super) fn modify(cx: &mut Cx<'_>) -> Result<Xml> {
    let id = cx.params.id("NetworkInterfaceId", Kind::Eni)?.to_owned();
    let check: Option<bool> = cx.params.parse("SourceDestCheck.Value")?;
    let description = cx.params.get("Description.Value").map(str::to_owned);
    if check.is_none() && description.is_none() {
        return Err(Ec2Error::missing("SourceDestCheck or Description"));
    }
    let eni = own(cx, &id)?;
    eni.source_dest_check = check.unwrap_or(eni.source_dest_check);
    if let Some(description) = description {
        eni.description = description;
    }
    Ok(tags::done())
}

/// Whether interfaces can be attached to an instance in this state.
pub(super) fn can_attach(state: InstanceState) -> bool {
    matches!(state, InstanceState::Running | InstanceState::Stopped)
}
