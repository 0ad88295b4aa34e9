//! The data plane: forwards probes over the simulated tables, from guest to guest and back.
//!
//! Goes hop by hop, by the tables that stand where the packet is: TGW route tables, peerings, attachments, the route
//! table of each attachment's subnets, the interfaces of NC2 hosts, FVN VPCs and their subnets. It ends at the guests
//! that *use* the address, whatever EC2 or Prism Central say of it, and the reply goes the same kind of way back. Security
//! groups and network ACLs are not simulated.

mod entry;
mod leave;
mod outcome;
mod walk;

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

pub use entry::entry_of;
pub use outcome::{Answerer, Lost, ProbeOutcome, ProbeReport};

use crate::{guests::GuestId, world::World};
use entry::check_symmetry;
use leave::leave;
use walk::{At, Walk};

/// Probes to send.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeRequest {
    /// Name of the guest that asks, or of an on-premises site.
    pub from: String,
    /// Address asked.
    pub to: Ipv4Addr,
    /// How many.
    #[serde(default = "one")]
    pub count: u32,
}

fn one() -> u32 {
    1
}

/// The most probes of one request.
const MOST: u32 = 1000;

/// Sends probes.
///
/// # Errors
/// A sentence that says why none was sent.
pub fn probes(world: &mut World, request: &ProbeRequest) -> Result<serde_json::Value, String> {
    let Some((from, _)) = world.guests.named(&request.from) else {
        return Err(format!("there is no guest and no on-premises site `{}`", request.from));
    };
    if request.count > MOST {
        return Err(format!("{} probes are too many; write {MOST} at most", request.count));
    }
    let report = report(world, from, request.to, request.count);
    serde_json::to_value(report).map_err(|error| error.to_string())
}

/// Sends `count` probes from a guest to an address.
pub fn report(world: &World, from: &GuestId, to: Ipv4Addr, count: u32) -> ProbeReport {
    let mut report = ProbeReport {
        from: from.clone(),
        to,
        sent: count,
        received: 0,
        duplicates: 0,
        answered_by: Vec::new(),
        outcomes: Vec::new(),
    };
    for flow in 0..count {
        let outcome = probe(world, from, to, flow);
        if let ProbeOutcome::Answered { by, .. } = &outcome {
            report.received += 1;
            for (index, answerer) in by.iter().enumerate() {
                report.duplicates += u32::from(index > 0);
                if !report.answered_by.contains(answerer) {
                    report.answered_by.push(answerer.clone());
                }
            }
        }
        report.outcomes.push(outcome);
    }
    report
}

/// The attachment by which a packet that starts here enters AWS.
fn via(start: &At) -> Option<String> {
    match start {
        At::Tgw { via, .. } => Some(via.clone()),
        _ => None,
    }
}

/// Sends one probe. `flow` is its number: where several ways are equal, probes take turns.
pub fn probe(world: &World, from: &GuestId, to: Ipv4Addr, flow: u32) -> ProbeOutcome {
    let flow = usize::try_from(flow).unwrap_or(0);
    let answerer = |id: &GuestId| {
        let guest = world.guests.all.get(id)?;
        Some(Answerer { guest: id.clone(), place: guest.place.clone() })
    };
    if world.guests.all.get(from).is_some_and(|guest| guest.holder(to).is_some()) {
        let by = answerer(from).into_iter().collect();
        return ProbeOutcome::Answered { by, path: Vec::new(), back: Vec::new() };
    }
    let (source, start) = match leave(world, from, None, to) {
        Ok(left) => left,
        Err(lost) => return ProbeOutcome::NotSent { why: lost.to_string() },
    };
    let mut there = Walk::new(world, source, to, flow);
    let entered = via(&start);
    let holders = match there.run(start) {
        Ok(holders) => holders,
        Err(lost) => return ProbeOutcome::Lost { lost, path: there.path },
    };
    let mut by = Vec::new();
    let mut back = Vec::new();
    let mut failed = None;
    for holder in &holders {
        let Some(who) = answerer(holder) else { continue };
        let mut home = Walk::new(world, to, source, flow);
        let reply = leave(world, holder, Some(to), source).and_then(|(_, start)| {
            check_symmetry(world, holder, there.left_by.as_deref(), via(&start).as_deref())?;
            let arrived = home.run(start)?;
            check_symmetry(world, from, entered.as_deref(), home.left_by.as_deref())?;
            Ok(arrived)
        });
        match reply {
            Ok(arrived) if arrived.contains(from) => {
                if by.is_empty() {
                    back = home.path;
                }
                by.push(who);
            }
            Ok(_) => {
                let lost = Lost::NoHost { at: format!("{source}, which another guest holds") };
                failed = failed.or(Some((who, lost, home.path)));
            }
            Err(lost) => failed = failed.or(Some((who, lost, home.path))),
        }
    }
    match (by.is_empty(), failed) {
        (false, _) => ProbeOutcome::Answered { by, path: there.path, back },
        (true, Some((by, lost, back))) => ProbeOutcome::ReplyLost { by, lost, path: there.path, back },
        (true, None) => ProbeOutcome::Lost { lost: Lost::NoHost { at: to.to_string() }, path: there.path },
    }
}
