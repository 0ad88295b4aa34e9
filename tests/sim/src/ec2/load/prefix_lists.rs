//! Managed prefix lists of the world file.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;

use super::{BEGINNING, Loader, tags};
use crate::{
    ec2::{
        file::PrefixListFile,
        state::{Entries, Kind, PrefixList, PrefixListChange, PrefixListState},
    },
    world_file::WorldError,
};

/// Room that a list has unless the file says otherwise.
const USUAL_ROOM: usize = 10;

/// What a route of the file is for.
pub(super) enum To {
    /// A prefix.
    Prefix(Ipv4Net),
    /// A prefix list, by its id.
    List(String),
}

impl Loader<'_> {
    pub(super) fn prefix_lists(
        &mut self,
        region: &str,
        place: &str,
        lists: &[PrefixListFile],
    ) -> Result<(), WorldError> {
        for file in lists {
            let place = format!("{place}.prefix_lists[{}]", file.name);
            let id = self.name(Kind::PrefixList, region, &place, &file.name, file.id.as_ref())?;
            let entries: Entries = file.entries.iter().map(|prefix| (prefix.trunc(), None)).collect();
            let max_entries = file.max_entries.unwrap_or_else(|| entries.len().max(USUAL_ROOM));
            if entries.len() > max_entries {
                let problem = format!("{} entries are more than `max_entries: {max_entries}`", entries.len());
                return Err(WorldError::at(place, problem));
            }
            let list = PrefixList {
                home: self.home(region, file.account.as_ref()),
                name: file.name.clone(),
                max_entries,
                version: 1,
                applied: 1,
                versions: BTreeMap::from([(1, entries)]),
                state: PrefixListState::Complete(PrefixListChange::Create),
                shared_with: file.shared_with.iter().cloned().collect(),
                created: BEGINNING,
                tags: tags(&file.name, &file.tags),
            };
            self.ec2.prefix_lists.insert(id, list);
        }
        Ok(())
    }

    /// The destination of a route, and its place in the file.
    pub(super) fn destination(
        &self,
        region: &str,
        place: &str,
        prefix: Option<Ipv4Net>,
        list: Option<&String>,
    ) -> Result<(To, String), WorldError> {
        match (prefix, list) {
            (Some(prefix), None) => Ok((To::Prefix(prefix.trunc()), format!("{place}.routes[{prefix}]"))),
            (None, Some(list)) => {
                let place = format!("{place}.routes[{list}]");
                Ok((To::List(self.resolve(Kind::PrefixList, region, &place, list)?), place))
            }
            _ => Err(WorldError::at(format!("{place}.routes"), "write exactly one of `prefix` and `prefix_list`")),
        }
    }
}
