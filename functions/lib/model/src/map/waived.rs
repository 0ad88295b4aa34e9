//! The network map while sites may be silent.

use crate::wire::Waiver;
use crate::{NetworkMap, Site, SiteName};

impl NetworkMap {
    /// The map as it counts for somebody who goes without the word of some sites, where they are silent.
    ///
    /// # Errors
    /// One line, where a site is not in the map, is EC2, or is the one to go to; or where nobody says so, or not why.
    pub fn waiving(mut self, waiver: &Waiver, to: &SiteName) -> Result<Self, String> {
        if waiver.by.trim().is_empty() || waiver.reason.trim().is_empty() || waiver.sites.is_empty() {
            return Err("`waived` needs `sites`, `by` (who) and `reason`, none empty".to_owned());
        }
        for site in &waiver.sites {
            match self.sites.get(site) {
                Some(Site::Nc2 { .. }) if site == to => {
                    return Err(format!("`waived` names `{site}`, where the machines have to be seen; leave it out"));
                }
                Some(Site::Nc2 { .. }) => {}
                Some(Site::Ec2 { .. }) => {
                    return Err(format!("`waived` names `{site}`, which is EC2: AWS tells of it; leave it out"));
                }
                None => {
                    let declared: Vec<String> = self.sites.keys().map(|name| format!("`{name}`")).collect();
                    return Err(format!(
                        "`waived` names `{site}`, which is not in the network map (declared: {})",
                        declared.join(", ")
                    ));
                }
            }
        }
        self.waived = Some(waiver.clone());
        Ok(self)
    }

    /// On whose word nobody is looked for at a site that is silent; none where somebody is.
    #[must_use]
    pub fn waived(&self, site: &SiteName) -> Option<&Waiver> {
        self.waived.as_ref().filter(|waiver| waiver.sites.contains(site))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_nc2_site_is_gone_without_and_somebody_says_why() {
        let map = || NetworkMap::parse(include_str!("../../../../../infra/network-map.example.yaml")).unwrap();
        let site = |name: &str| SiteName::parse(name).unwrap();
        let waive = |sites: &[&str], by: &str, reason: &str| {
            let sites = sites.iter().map(|name| site(name)).collect();
            let waiver = Waiver { sites, by: by.to_owned(), reason: reason.to_owned() };
            map().waiving(&waiver, &site("nc2-osaka"))
        };
        let waiving = waive(&["nc2-tokyo"], "ana", "its host is off").unwrap();
        assert_eq!(waiving.waived(&site("nc2-tokyo")).map(|waiver| waiver.by.as_str()), Some("ana"));
        assert_eq!((waiving.waived(&site("nc2-osaka")), map().waived(&site("nc2-tokyo"))), (None, None));
        for (sites, by, reason, why) in [
            (&["nc2-tokyo"][..], " ", "off", "needs `sites`, `by` (who) and `reason`"),
            (&["nc2-tokyo"], "ana", "", "needs `sites`, `by` (who) and `reason`"),
            (&[], "ana", "off", "needs `sites`, `by` (who) and `reason`"),
            (&["nc2-osaka"], "ana", "off", "where the machines have to be seen"),
            (&["ec2-tokyo"], "ana", "off", "is EC2"),
            (
                &["nc2-tokyo", "nc2-mars"],
                "ana",
                "off",
                "`nc2-mars`, which is not in the network map (declared: `ec2-tokyo`",
            ),
        ] {
            let error = waive(sites, by, reason).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
