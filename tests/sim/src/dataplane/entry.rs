//! Where traffic of an on-premises site enters AWS, and where it comes back.
//!
//! A site with several entries takes the one whose advertised prefix is the longest; among equal ones, the first that
//! the world file names. A Direct Connect gateway advertises the allowed prefixes of the association, whatever the
//! tables hold and whether or not the Region is there, until the association is gone; a VPN with BGP advertises what the route table that its
//! attachment is associated with holds, as long as its Region is there. Sources: Direct Connect user guide, "Allowed
//! prefixes interactions"; Site-to-Site VPN user guide, "Tunnel options", "Route priority".

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{outcome::Lost, walk::Walk};
use crate::{
    ec2::{AttachmentKind, RouteState},
    guests::{Entry, GuestId, Place, Site},
    world::World,
};

/// The entry of a site that a packet to `to` takes; nothing where no entry advertises it.
pub fn entry_of<'s>(world: &World, site: &'s Site, to: Ipv4Addr) -> Option<&'s Entry> {
    let mut best: Option<(u8, &Entry)> = None;
    for entry in &site.entries {
        let Some(length) = advertised(world, entry, to) else { continue };
        if best.is_none_or(|(longest, _)| length > longest) {
            best = Some((length, entry));
        }
    }
    best.map(|(_, entry)| entry)
}

/// Length of the longest prefix with `to` that comes to the site by an entry.
fn advertised(world: &World, entry: &Entry, to: Ipv4Addr) -> Option<u8> {
    let longest = |prefixes: &mut dyn Iterator<Item = Ipv4Net>| {
        prefixes.filter(|prefix| prefix.contains(&to)).map(|prefix| prefix.prefix_len()).max()
    };
    if let Some(fixed) = &entry.prefixes {
        return longest(&mut fixed.iter().copied());
    }
    let ec2 = &world.ec2;
    let attachment = ec2.attachments.get(&entry.attachment)?;
    match &attachment.kind {
        AttachmentKind::DirectConnectGateway { allowed, .. } if attachment.carries() => {
            longest(&mut allowed.iter().copied())
        }
        AttachmentKind::Vpn { bgp, .. } => {
            if !bgp || world.lost_regions.contains(&entry.region) || !attachment.carries() {
                return None;
            }
            let table = ec2.association(&attachment.tgw, &entry.attachment)?;
            let routes = ec2.tgw_routes(table).into_iter().filter(|route| {
                route.state != RouteState::Blackhole && route.attachment.as_ref() != Some(&entry.attachment)
            });
            longest(&mut routes.map(|route| route.prefix))
        }
        AttachmentKind::DirectConnectGateway { .. } | AttachmentKind::Vpc { .. } | AttachmentKind::Peering { .. } => {
            None
        }
    }
}

/// Refuses a packet that takes another way than the one in the other direction did, at a site with a stateful firewall.
pub(super) fn check_symmetry(
    world: &World,
    guest: &GuestId,
    out: Option<&str>,
    back: Option<&str>,
) -> Result<(), Lost> {
    let Some(Place::OnPremises { site }) = world.guests.all.get(guest).map(|guest| &guest.place) else { return Ok(()) };
    let stateful = world.guests.sites.get(site).is_some_and(|site| site.stateful);
    match (out, back) {
        (Some(out), Some(back)) if stateful && out != back => Err(Lost::Filtered {
            at: format!("site {site}"),
            why: format!("its firewall saw the connection at {out}, and the other direction comes by {back}"),
        }),
        _ => Ok(()),
    }
}

impl Walk<'_> {
    /// Delivery at the on-premises sites that are behind an attachment.
    pub(super) fn outside(&mut self, attachment: &str) -> Result<Vec<GuestId>, Lost> {
        self.left_by = Some(attachment.to_owned());
        let guests = &self.world.guests;
        let mut sites =
            guests.sites.iter().filter(|(_, site)| site.entries.iter().any(|it| it.attachment == attachment));
        let Some((name, _)) = sites.find(|(_, site)| site.prefix.contains(&self.to)) else {
            return Err(Lost::NoRoute { at: format!("the network behind {attachment}") });
        };
        self.note(format!("site {name}"));
        let here = guests.all.iter().filter(|(_, guest)| guest.place == Place::OnPremises { site: name.clone() });
        let holders: Vec<GuestId> =
            here.filter(|(_, guest)| guest.holder(self.to).is_some()).map(|(id, _)| id.clone()).collect();
        if holders.is_empty() { Err(Lost::NoHost { at: format!("site {name}") }) } else { Ok(holders) }
    }
}
