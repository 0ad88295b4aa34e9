//! The network map while a Region is declared lost.

use crate::{Advertisement, EntryPoint, NetworkMap, Region, Vantage, VantageName};
use std::collections::BTreeSet;

/// A Region that a person declared lost: it is not called, and everything in it counts as dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The Region.
    pub region: Region,
    /// Vantages that can only enter there: nothing can be done for them before it answers again.
    pub cut_off: BTreeSet<VantageName>,
}

impl NetworkMap {
    /// The map as it counts while a Region is lost: without its route tables, and without the vantages that can only enter there.
    ///
    /// An entry by BGP is withdrawn with its Region. One by static routes or by the allowed prefixes of a Direct Connect gateway stays: it goes
    /// on attracting traffic into the lost Region (AWS: allowed prefixes are advertised whether or not a route exists), and whoever traces it
    /// finds it dead. Sites stay declared, so that a route towards the lost Region is known as ours.
    ///
    /// # Errors
    /// One line, where the Region is not in the map, or nothing would be left to change or to enter by.
    pub fn losing(mut self, region: &Region) -> Result<Self, String> {
        let regions: BTreeSet<Region> = self.regions().cloned().collect();
        if !regions.contains(region) {
            let names: Vec<String> = regions.iter().map(|name| format!("`{name}`")).collect();
            return Err(format!("Region `{region}` is not in the network map (declared: {})", names.join(", ")));
        }
        self.route_tables.retain(|_, table| table.region != *region);
        if self.route_tables.is_empty() {
            return Err(format!("without {region} the network map has no route table left to change"));
        }
        let all: BTreeSet<VantageName> = self.vantages.keys().cloned().collect();
        self.vantages = std::mem::take(&mut self.vantages)
            .into_iter()
            .filter_map(|(name, vantage)| Some((name, without(vantage, region)?)))
            .collect();
        if self.vantages.is_empty() {
            return Err(format!(
                "no vantage can enter while {region} is lost: every one enters there only; declare a further entry (`or_enters`) in another Region"
            ));
        }
        let cut_off = all.into_iter().filter(|name| !self.vantages.contains_key(name)).collect();
        self.lost = Some(Lost { region: region.clone(), cut_off });
        Ok(self)
    }

    /// The Region that is declared lost.
    #[must_use]
    pub fn lost(&self) -> Option<&Lost> {
        self.lost.as_ref()
    }

    /// Whether a Region may be called: every one that is not declared lost.
    #[must_use]
    pub fn reachable(&self, region: &Region) -> bool {
        self.lost.as_ref().is_none_or(|lost| lost.region != *region)
    }

    fn regions(&self) -> impl Iterator<Item = &Region> {
        let sites = self.sites.values().map(crate::Site::region);
        sites.chain(self.route_tables.values().map(|table| &table.region))
    }
}

/// A vantage without the entries that are withdrawn with a Region, and without an attachment for replies there: they leave by the entry that is
/// taken. None when it has no entry elsewhere.
fn without(vantage: Vantage, lost: &Region) -> Option<Vantage> {
    match vantage {
        Vantage::Vpc { ref region, .. } => (region != lost).then_some(vantage),
        Vantage::OnPremises {
            prefixes,
            account,
            region,
            enters,
            advertised,
            or_enters,
            reply_leaves,
            reply_region,
            replies,
            probe,
        } => {
            let home = region.clone();
            let first = EntryPoint { account, region, attachment: enters, advertised };
            let mut entries: Vec<EntryPoint> = std::iter::once(first).chain(or_enters).collect();
            if entries.iter().all(|entry| entry.region == *lost) {
                return None;
            }
            entries.retain(|entry| entry.region != *lost || entry.advertised != Advertisement::Bgp);
            let reply_region = reply_region.unwrap_or(home);
            let kept = reply_leaves.filter(|_| reply_region != *lost).map(|leaves| (leaves, reply_region));
            let (reply_leaves, reply_region) = kept.unzip();
            let mut entries = entries.into_iter();
            let EntryPoint { account, region, attachment: enters, advertised } = entries.next()?;
            Some(Vantage::OnPremises {
                prefixes,
                account,
                region,
                enters,
                advertised,
                or_enters: entries.collect(),
                reply_leaves,
                reply_region,
                replies,
                probe: probe.filter(|machine| machine.region != *lost),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AttachmentId;

    fn example() -> NetworkMap {
        NetworkMap::parse(include_str!("../../../../../infra/network-map.example.yaml")).unwrap()
    }

    fn region(name: &str) -> Region {
        Region::parse(name).unwrap()
    }

    #[test]
    fn tables_and_vantages_of_the_lost_region_are_out_of_scope() {
        let map = example().losing(&region("ap-northeast-1")).unwrap();
        let tables: Vec<&str> = map.route_tables.keys().map(crate::TableName::as_str).collect();
        let vantages: Vec<&str> = map.vantages.keys().map(VantageName::as_str).collect();
        assert_eq!((tables, vantages), (vec!["tgw-osaka"], vec!["onprem-osaka"]));
        let lost = map.lost().unwrap();
        assert_eq!(lost.cut_off.iter().map(VantageName::as_str).collect::<Vec<_>>(), ["onprem-tokyo"]);
        assert!(!map.reachable(&lost.region) && map.reachable(&region("ap-northeast-3")));
        assert_eq!(map.sites.len(), 3);
    }

    #[test]
    fn a_region_that_is_not_declared_cannot_be_lost() {
        let error = example().losing(&region("eu-west-1")).unwrap_err();
        assert_eq!(
            error,
            "Region `eu-west-1` is not in the network map (declared: `ap-northeast-1`, `ap-northeast-3`)"
        );
    }

    fn enters(map: &NetworkMap, name: &str) -> (Region, AttachmentId) {
        let (region, enters) = map.vantages.get(&VantageName::parse(name).unwrap()).unwrap().enters();
        (region.clone(), enters.clone())
    }

    /// The site in Tokyo with a further entry by BGP in Osaka.
    fn both(advertised: Advertisement, leaves: Option<AttachmentId>, leaves_in: Option<Region>) -> Vantage {
        let mut map = example();
        let (osaka, at_osaka) = enters(&map, "onprem-osaka");
        let tokyo = map.vantages.remove(&VantageName::parse("onprem-tokyo").unwrap()).unwrap();
        let Vantage::OnPremises { account, prefixes, region, enters, replies, .. } = tokyo else { panic!("a VPC") };
        let further = EntryPoint {
            account: account.clone(),
            region: osaka,
            attachment: at_osaka,
            advertised: Advertisement::Bgp,
        };
        Vantage::OnPremises {
            prefixes,
            account,
            region,
            enters,
            advertised,
            or_enters: vec![further],
            reply_leaves: leaves,
            reply_region: leaves_in,
            replies,
            probe: None,
        }
    }

    #[test]
    fn an_entry_by_bgp_is_withdrawn_and_others_go_on_attracting() {
        let (osaka, _) = enters(&example(), "onprem-osaka");
        let (home, _) = enters(&example(), "onprem-tokyo");
        for (advertised, left) in [(Advertisement::Bgp, &osaka), (Advertisement::Always, &home)] {
            assert_eq!(without(both(advertised, None, None), &home).unwrap().enters().0, left);
        }
    }

    #[test]
    fn replies_do_not_leave_by_the_lost_region() {
        let (osaka, at_osaka) = enters(&example(), "onprem-osaka");
        let (home, at_home) = enters(&example(), "onprem-tokyo");
        for leaves_in in [None, Some(home.clone())] {
            let left = without(both(Advertisement::Bgp, Some(at_home.clone()), leaves_in), &home).unwrap();
            let Vantage::OnPremises { ref reply_leaves, ref reply_region, .. } = left else { panic!("a VPC") };
            assert_eq!((reply_leaves, reply_region), (&None, &None));
            assert_eq!(left.reply_leaves(), (&osaka, &at_osaka));
        }
        // What leaves by a Region that is there goes on leaving by it, whichever Region is lost.
        let left = without(both(Advertisement::Bgp, Some(at_osaka.clone()), Some(osaka.clone())), &home).unwrap();
        assert_eq!(left.reply_leaves(), (&osaka, &at_osaka));
        let left = without(both(Advertisement::Bgp, Some(at_home.clone()), None), &osaka).unwrap();
        assert_eq!(left.reply_leaves(), (&home, &at_home));
        assert_eq!(left.entries().len(), 1);
    }

    #[test]
    fn without_an_entry_elsewhere_it_is_said_beforehand() {
        let mut map = example();
        map.vantages.retain(|name, _| name.as_str() == "onprem-tokyo");
        let error = map.losing(&region("ap-northeast-1")).unwrap_err();
        assert!(error.starts_with("no vantage can enter while ap-northeast-1 is lost"), "{error}");
    }
}
