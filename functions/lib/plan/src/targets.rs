//! Whether what a step leads to carries traffic.

use crate::refusal::Refusal;
use crate::step::{Place, RouteValue, Step};
use crate::view::table_label;
use holdfast_model::{
    Attachment, AttachmentId, AttachmentKind, AttachmentState, EniId, EniStatus, Picture, Prefix, VpcId,
};
use std::fmt::Display;

/// A route is only made to what carries traffic, and only where AWS takes it.
pub(crate) fn usable(step: &Step, value: &RouteValue, picture: &Picture) -> Result<(), Refusal> {
    match (value, &step.place) {
        (RouteValue::Absent | RouteValue::Blackhole, _) => Ok(()),
        (RouteValue::Static { attachment }, _) => to_attachment(step, attachment, picture),
        (RouteValue::Propagates, Place::Propagation { attachment }) => to_attachment(step, attachment, picture),
        (RouteValue::Propagates, Place::Route { .. } | Place::Reference { .. }) => Ok(()),
        (RouteValue::Tgw { .. } | RouteValue::VpcPeering { .. } | RouteValue::Eni { .. }, place) => {
            let Some((vpc, _)) = picture.vpc_table(&step.table) else {
                return Err(Refusal::Unread { what: vec![format!("table {} ({})", step.table, step.scope)] });
            };
            if let Place::Route { prefix } = place {
                not_local(step, value, *prefix, vpc)?;
            }
            match value {
                RouteValue::Tgw { id } => {
                    let region = &vpc.scope.region;
                    let attached = |at: &&Attachment| at.tgw == *id && is_of(at, &vpc.id);
                    let all = picture.attachments.get(region).into_iter().flat_map(|all| all.values());
                    match all
                        .filter(attached)
                        .map(|at| at.state)
                        .min_by_key(|state| *state != AttachmentState::Available)
                    {
                        None => refuse(step, picture, id, &format!("not attached to {}", vpc.id)),
                        Some(state) => in_state(step, picture, &format!("the attachment of {} to {id}", vpc.id), state),
                    }
                }
                RouteValue::VpcPeering { id } => match picture.vpc_peerings.get(id) {
                    None => Err(Refusal::Unread { what: vec![format!("VPC peering connection {id}")] }),
                    Some(peering) if peering.across(&vpc.id).is_none() => {
                        refuse(step, picture, id, &format!("no connection of {}", vpc.id))
                    }
                    Some(peering) => in_state(step, picture, id, peering.state),
                },
                RouteValue::Eni { id } => to_interface(step, id, &vpc.id, picture),
                RouteValue::Absent | RouteValue::Static { .. } | RouteValue::Blackhole | RouteValue::Propagates => {
                    Ok(())
                }
            }
        }
    }
}

/// AWS: a route more specific than `local` must match one whole subnet and lead to a network interface (or a gateway of other kinds).
fn not_local(step: &Step, value: &RouteValue, prefix: Prefix, vpc: &holdfast_model::Vpc) -> Result<(), Refusal> {
    let inside = vpc.prefixes.iter().any(|own| own.covers(&prefix));
    let subnet = matches!(value, RouteValue::Eni { .. }) && vpc.subnets.values().any(|subnet| subnet.prefix == prefix);
    if !inside || subnet {
        return Ok(());
    }
    Err(Refusal::LocalWins {
        table: format!("{} ({})", step.label(), step.scope),
        prefix,
        value: value.to_string(),
        vpc: vpc.id.clone(),
    })
}

fn is_of(attachment: &Attachment, of: &VpcId) -> bool {
    matches!(&attachment.kind, AttachmentKind::Vpc { vpc, .. } if vpc == of)
}

fn to_attachment(step: &Step, id: &AttachmentId, picture: &Picture) -> Result<(), Refusal> {
    let Some(table) = picture.tgw_tables.get(&step.table) else {
        return Err(Refusal::Unread { what: vec![format!("table {} ({})", step.table, step.scope)] });
    };
    let region = &table.scope.region;
    match (picture.side(region, &table.tgw, id), picture.attachment(region, id)) {
        (Some(seen), _) => in_state(step, picture, id, seen.state),
        (None, Some(seen)) => refuse(step, picture, id, &format!("of {}, not of this table's {}", seen.tgw, table.tgw)),
        (None, None) => Err(Refusal::Unread {
            what: vec![format!(
                "attachment {id} in {region}, which {} ({}) would lead to: no account of the network map sees it there, so it is gone, or another account's",
                table_label(picture, &step.table),
                step.scope
            )],
        }),
    }
}

/// AWS: a route leads to an interface of its own VPC, and is a blackhole while that one is attached to nothing (API reference, `CreateRoute`; VPC user
/// guide, "Route table concepts").
fn to_interface(step: &Step, id: &EniId, vpc: &VpcId, picture: &Picture) -> Result<(), Refusal> {
    match picture.enis.get(id) {
        None => Err(Refusal::Unread { what: vec![format!("network interface {id} ({})", step.scope)] }),
        Some(None) => refuse(step, picture, id, "not there"),
        Some(Some(seat)) if seat.vpc != *vpc => {
            refuse(step, picture, id, &format!("of {}, not of this table's {vpc}", seat.vpc))
        }
        Some(Some(seat)) => match seat.status {
            EniStatus::InUse => Ok(()),
            EniStatus::Available => refuse(step, picture, id, "attached to nothing"),
            EniStatus::Unknown => refuse(step, picture, id, "in a state that is not known"),
        },
    }
}

fn in_state(step: &Step, picture: &Picture, target: &dyn Display, state: AttachmentState) -> Result<(), Refusal> {
    match state {
        AttachmentState::Available => Ok(()),
        AttachmentState::Changing => refuse(step, picture, target, "being changed"),
        AttachmentState::Gone => refuse(step, picture, target, "gone"),
        AttachmentState::Unknown => refuse(step, picture, target, "in a state that is not known"),
    }
}

fn refuse(step: &Step, picture: &Picture, target: &dyn Display, state: &str) -> Result<(), Refusal> {
    Err(Refusal::Attachment {
        table: format!("{} ({})", table_label(picture, &step.table), step.scope),
        target: target.to_string(),
        state: state.to_owned(),
    })
}
