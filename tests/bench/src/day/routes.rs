//! The routes that Holdfast may change, and where packets go by them: a data plane that knows nothing of `holdfast_plan`'s.

use super::ground::{EC2, HOSTS, NC2_OSAKA, NC2_TOKYO, NEIGHBOUR, PEERING, TABLES, address, prefix, table};
use holdfast_model::{Picture, Prefix, RouteOrigin, RouteState, RouteTableId, TgwRoute};
use holdfast_plan::RouteValue;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What a place of a table holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) value: RouteValue,
    /// Seen as changing until then.
    pub(crate) settles: Timestamp,
}

/// Static routes by table and prefix.
#[derive(Debug)]
pub(crate) struct Routes(BTreeMap<(RouteTableId, Prefix), Slot>);

/// Where packets end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    At(&'static str),
    Blackhole,
    Loop,
}

impl End {
    pub(crate) fn is_bad(self) -> bool {
        matches!(self, End::Blackhole | End::Loop)
    }
}

/// What leads a network to a site, as the story tells it.
pub(crate) fn hop(at: &RouteTableId, site: &str) -> RouteValue {
    let tokyo = at.as_str() == TABLES[0];
    let to = match (tokyo, site) {
        (_, EC2) => return RouteValue::Absent,
        (true, NC2_TOKYO) => "tgw-attach-0nctokyo",
        (false, NC2_OSAKA) => "tgw-attach-0ncosaka",
        _ => PEERING,
    };
    RouteValue::Static { attachment: super::ground::attachment(to) }
}

/// The prefix of each host's network.
pub(crate) fn prefix_of(host: usize) -> Prefix {
    prefix(&format!("172.30.{}.0/24", address(host).octets()[2]))
}

/// Places that the map declares.
pub(crate) fn declared() -> Vec<(RouteTableId, Prefix)> {
    let mut all: Vec<_> =
        TABLES.iter().flat_map(|id| (0..HOSTS.len()).map(|host| (table(id), prefix_of(host)))).collect();
    all.sort();
    all.dedup();
    all
}

impl Routes {
    /// Every network led to one site.
    pub(crate) fn at(site: &str, now: Timestamp) -> Self {
        let mut routes = Self(BTreeMap::new());
        for (id, of) in declared() {
            routes.set(&id, of, hop(&id, site), now);
        }
        routes.set(&table(TABLES[0]), prefix(NEIGHBOUR), neighbour(), now);
        routes
    }

    pub(crate) fn set(&mut self, id: &RouteTableId, of: Prefix, value: RouteValue, settles: Timestamp) {
        self.0.insert((id.clone(), of), Slot { value, settles });
    }

    pub(crate) fn get(&self, id: &RouteTableId, of: Prefix) -> Slot {
        let absent = || Slot { value: RouteValue::Absent, settles: Timestamp::MIN };
        self.0.get(&(id.clone(), of)).cloned().unwrap_or_else(absent)
    }

    /// Whether what nobody declared is as it was.
    pub(crate) fn neighbour_stands(&self) -> bool {
        self.get(&table(TABLES[0]), prefix(NEIGHBOUR)).value == neighbour()
    }

    /// Puts the routes of a table into a picture as EC2 tells of them.
    pub(crate) fn tell(&self, picture: &mut Picture, id: &RouteTableId, now: Timestamp) {
        let told = picture.tgw_tables.get_mut(id).unwrap();
        for ((_, of), slot) in self.0.iter().filter(|((of, _), _)| of == id) {
            let (state, targets) = match &slot.value {
                RouteValue::Static { attachment } if now < slot.settles => {
                    (RouteState::Pending, vec![attachment.clone()])
                }
                RouteValue::Static { attachment } => (RouteState::Active, vec![attachment.clone()]),
                RouteValue::Absent if now < slot.settles => (RouteState::Deleting, Vec::new()),
                RouteValue::Absent => continue,
                _ => (RouteState::Blackhole, Vec::new()),
            };
            told.routes.insert(*of, TgwRoute { origin: RouteOrigin::Static, state, targets });
        }
    }

    /// Where a packet to a host's address ends that enters by a table.
    pub(crate) fn walk(&self, enters: &str, host: usize) -> End {
        let mut at = enters;
        for _ in 0..4 {
            let slot = self.get(&table(at), prefix_of(host));
            let to = match &slot.value {
                RouteValue::Static { attachment } => attachment.as_str().to_owned(),
                // The VPC's prefix, propagated in Tokyo and led to the peering in Osaka.
                RouteValue::Absent if at == TABLES[0] => "tgw-attach-00000ec2".to_owned(),
                RouteValue::Absent => PEERING.to_owned(),
                _ => return End::Blackhole,
            };
            match to.as_str() {
                "tgw-attach-00000ec2" => return End::At(EC2),
                "tgw-attach-0nctokyo" if at == TABLES[0] => return End::At(NC2_TOKYO),
                "tgw-attach-0ncosaka" if at == TABLES[1] => return End::At(NC2_OSAKA),
                PEERING => at = if at == TABLES[0] { TABLES[1] } else { TABLES[0] },
                _ => return End::Blackhole,
            }
        }
        End::Loop
    }
}

fn neighbour() -> RouteValue {
    RouteValue::Static { attachment: super::ground::attachment(PEERING) }
}
