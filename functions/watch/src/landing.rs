//! What a site has ready for networks that are not there yet.

use std::collections::BTreeMap;

use holdfast_model::{Landing, NetworkName};
use holdfast_nutanix::Prism;

use crate::site::{SiteError, SiteQuery, flow_vpc, subnet_of};

/// The subnet of every network that has one at the site, with its pools, its reserved addresses and the ways out of its Flow VPC.
///
/// # Errors
/// [`SiteError`]; nothing is then known of any of them.
pub async fn read_landings(prism: &Prism, query: &SiteQuery<'_>) -> Result<BTreeMap<NetworkName, Landing>, SiteError> {
    let carried: Vec<(&NetworkName, &String)> =
        query.networks.iter().filter_map(|(name, network)| Some((name, network.subnets.get(query.site)?))).collect();
    let mut landings = BTreeMap::new();
    if carried.is_empty() {
        return Ok(landings);
    }
    let vpc = flow_vpc(prism, query).await?;
    let external = prism.external_subnets(&vpc).await?;
    for (name, subnet) in carried {
        let subnet = subnet_of(prism, query, &vpc, subnet).await?;
        let mut landing = subnet.landing(&vpc, &external);
        for vnic in prism.vnics(&subnet.id).await?.into_iter().filter(|vnic| vnic.vm.is_none()) {
            let who =
                vnic.mac.map_or_else(|| "a NIC of no VM".to_owned(), |mac| format!("a NIC with MAC address {mac}"));
            landing.kept.extend(vnic.assigned.into_iter().chain(vnic.learned).map(|address| (address, who.clone())));
        }
        for reserved in prism.reserved_ips(&subnet.id).await? {
            let what =
                reserved.context.map_or_else(|| "a reservation".to_owned(), |c| format!("the reservation `{c}`"));
            landing.kept.insert(reserved.address, what);
        }
        landings.insert(name.clone(), landing);
    }
    Ok(landings)
}
