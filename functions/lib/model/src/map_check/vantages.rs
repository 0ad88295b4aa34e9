//! Checks of the vantages and pass-through nodes of a network map.

use super::{Checker, MapError};
use crate::Vantage;

impl Checker<'_> {
    pub(super) fn vantages(&self) -> Result<(), MapError> {
        for (name, vantage) in &self.map.vantages {
            let at = ["vantages", name.as_str()];
            self.account(&[at[0], at[1], "account"], &vantage.scope().account)?;
            if vantage.prefixes().is_empty() {
                return self.error(
                    &[at[0], at[1], "prefixes"],
                    format!("vantage `{name}` has no prefixes; name at least one, so that replies can be traced"),
                );
            }
            for prefix in vantage.prefixes() {
                if let Some((network, n)) = self.map.networks.iter().find(|(_, n)| n.prefix.overlaps(prefix)) {
                    return self.error(&[at[0], at[1], "prefixes"], format!("{prefix} overlaps network `{network}` {}; clients and moved machines need different prefixes", n.prefix));
                }
            }
            for entry in vantage.entries() {
                self.account(&[at[0], at[1], "or_enters"], &entry.account)?;
            }
            if let Some(probe) = vantage.probe() {
                self.account(&[at[0], at[1], "probe", "account"], &probe.account)?;
            }
            if let Vantage::OnPremises { reply_region: Some(_), reply_leaves: None, .. } = vantage {
                return self.error(&[at[0], at[1], "reply_region"], "`reply_region` needs `reply_leaves`");
            }
        }
        Ok(())
    }

    pub(super) fn pass_through(&self) -> Result<(), MapError> {
        for (name, node) in &self.map.pass_through {
            self.account(&["pass_through", name.as_str(), "account"], &node.account)?;
        }
        Ok(())
    }
}
