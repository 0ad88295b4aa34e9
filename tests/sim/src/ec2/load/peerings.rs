//! Peerings of the world file: between transit gateways, and between VPCs. Each has one id at both sides.

use std::collections::BTreeMap;

use super::{BEGINNING, Loader, tags};
use crate::{
    ec2::{
        file::{PeeringFile, VpcPeerFile, VpcPeeringFile},
        state::{Attachment, AttachmentKind, Kind, Progress, VpcPeer, VpcPeering, VpcPeeringState, overlap},
    },
    world_file::WorldError,
};

impl Loader<'_> {
    pub(super) fn peerings(&mut self, peerings: &[PeeringFile]) -> Result<(), WorldError> {
        for file in peerings {
            let place = format!("transit_gateway_peerings[{}]", file.name);
            let (from, to) = (&file.requester, &file.accepter);
            let tgw = self.resolve(Kind::Tgw, &from.region, &format!("{place}.requester"), &from.transit_gateway)?;
            let peer_tgw = self.resolve(Kind::Tgw, &to.region, &format!("{place}.accepter"), &to.transit_gateway)?;
            let (Some(near), Some(far)) = (self.ec2.tgws.get(&tgw), self.ec2.tgws.get(&peer_tgw)) else { continue };
            let (home, peer) = (near.home.clone(), far.home.clone());
            let regions = (from.region.as_str(), to.region.as_str());
            let id = self.shared_name(Kind::Attachment, regions, &place, &file.name, file.id.as_ref())?;
            let attachment = Attachment {
                home,
                tgw,
                kind: AttachmentKind::Peering { peer_tgw, peer },
                state: Progress::Available,
                created: BEGINNING,
                tags: tags(&file.name, &BTreeMap::new()),
            };
            self.ec2.attachments.insert(id, attachment);
        }
        Ok(())
    }

    pub(super) fn vpc_peerings(&mut self, peerings: &[VpcPeeringFile]) -> Result<(), WorldError> {
        for file in peerings {
            let place = format!("vpc_peerings[{}]", file.name);
            let requester = self.vpc_peer(&format!("{place}.requester"), &file.requester)?;
            let accepter = self.vpc_peer(&format!("{place}.accepter"), &file.accepter)?;
            let cidrs = |side: &VpcPeer| self.ec2.vpcs.get(&side.vpc).map(|vpc| vpc.cidrs.clone()).unwrap_or_default();
            if overlap(&cidrs(&requester), &cidrs(&accepter)) {
                return Err(WorldError::at(place, "the CIDRs of the two VPCs overlap: AWS peers no such VPCs"));
            }
            let regions = (file.requester.region.as_str(), file.accepter.region.as_str());
            let id = self.shared_name(Kind::VpcPeering, regions, &place, &file.name, file.id.as_ref())?;
            let state = if file.pending { VpcPeeringState::PendingAcceptance } else { VpcPeeringState::Active };
            let tags = tags(&file.name, &BTreeMap::new());
            let peering = VpcPeering { requester, accepter, state, created: BEGINNING, tags };
            self.ec2.vpc_peerings.insert(id, peering);
        }
        Ok(())
    }

    fn vpc_peer(&self, place: &str, file: &VpcPeerFile) -> Result<VpcPeer, WorldError> {
        let vpc = self.resolve(Kind::Vpc, &file.region, place, &file.vpc)?;
        let home = self.ec2.vpcs.get(&vpc).map(|found| found.home.clone());
        let home = home.ok_or_else(|| WorldError::at(place, format!("there is no VPC `{}`", file.vpc)))?;
        Ok(VpcPeer { vpc, home })
    }

    /// Registers a name in the Regions of both sides, and returns the id.
    fn shared_name(
        &mut self,
        kind: Kind,
        (near, far): (&str, &str),
        place: &str,
        name: &str,
        given: Option<&String>,
    ) -> Result<String, WorldError> {
        let id = self.name(kind, near, place, name, given)?;
        let there = (kind, far.to_owned(), name.to_owned());
        if near != far && self.ec2.names.insert(there, id.clone()).is_some() {
            let problem = format!("a second {} of {far} is called `{name}`: give it another name", kind.noun());
            return Err(WorldError::at(place, problem));
        }
        Ok(id)
    }
}
