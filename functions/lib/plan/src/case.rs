//! Parts of prefixes that the same steps touch: what a state between those steps means for every vantage.

use crate::entry::{Taken, entry_taken};
use crate::step::Step;
use crate::trace::{Outcome, Reply, Source, trace, trace_reply};
use crate::view::View;
use holdfast_model::{NetworkMap, NetworkName, Prefix, SiteName, Vantage, VantageName};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What all cases of a plan share.
pub(crate) struct Frame<'a> {
    pub(crate) map: &'a NetworkMap,
    pub(crate) now: View<'a>,
    pub(crate) to: &'a SiteName,
    pub(crate) vantages: Vec<Client<'a>>,
}

/// A vantage with the parts of its prefixes.
pub(crate) struct Client<'a> {
    pub(crate) name: &'a VantageName,
    pub(crate) vantage: &'a Vantage,
    pub(crate) parts: Vec<Prefix>,
}

/// A part of a network's prefix.
#[derive(Debug, Clone)]
pub(crate) struct Item<'a> {
    pub(crate) network: &'a NetworkName,
    pub(crate) part: Prefix,
    /// Whether it is to end at the destination; otherwise it stays as it is.
    pub(crate) moves: bool,
}

/// One vantage and one item, and where that ended before anything is done.
struct Way {
    item: usize,
    client: usize,
    before: (Outcome, Reply),
}

/// Items with the steps that touch them.
pub(crate) struct Case<'a> {
    frame: &'a Frame<'a>,
    pub(crate) items: Vec<Item<'a>>,
    pub(crate) steps: Vec<&'a Step>,
    /// Steps that change where replies come out or their way, one bit each.
    answering: u128,
    ways: Vec<Way>,
    replies: RefCell<BTreeMap<Replying, Reply>>,
}

/// What a reply depends on.
type Replying = (usize, usize, SiteName, Option<Taken>, u128);

impl<'a> Case<'a> {
    pub(crate) fn new(frame: &'a Frame<'a>, items: Vec<Item<'a>>, steps: Vec<&'a Step>, answering: u128) -> Self {
        // Replies from NC2 come out of the interfaces of the VPC tables that lead to Flow: a step of such a table changes who replies.
        let of_vpcs = steps.iter().enumerate().filter(|(_, step)| !step.table.is_tgw());
        let answering = of_vpcs
            .filter_map(|(at, _)| 1_u128.checked_shl(u32::try_from(at).ok()?))
            .fold(answering, |mask, bit| mask | bit);
        let mut case =
            Self { frame, items, steps, answering, ways: Vec::new(), replies: RefCell::new(BTreeMap::new()) };
        let clients = frame.vantages.len();
        let all = (0..case.items.len()).flat_map(|item| (0..clients).map(move |client| (item, client)));
        let ways = all.filter_map(|(item, client)| {
            Some(Way { item, client, before: case.observe(&frame.now, item, client, 0)? })
        });
        case.ways = ways.collect();
        case
    }

    /// Steps whose bit is set.
    pub(crate) fn chosen(&self, mask: u128) -> impl Iterator<Item = &'a Step> {
        self.steps.iter().enumerate().filter(move |(at, _)| mask & (1 << at) != 0).map(|(_, step)| *step)
    }

    pub(crate) fn view(&self, mask: u128) -> View<'a> {
        self.frame.now.with(self.chosen(mask))
    }

    fn observe(&self, view: &View<'a>, item: usize, client: usize, mask: u128) -> Option<(Outcome, Reply)> {
        let (Item { part, .. }, Client { vantage, .. }) = (self.items.get(item)?, self.frame.vantages.get(client)?);
        let outcome = trace(view, self.frame.map, vantage, *part);
        let reply = match &outcome {
            Outcome::Delivered(site) => self.reply(view, (item, client), site, mask)?,
            Outcome::Leaves(_) | Outcome::Blackhole(_) | Outcome::Loop(_) | Outcome::Unknown(_) => Reply::Returns,
        };
        Some((outcome, reply))
    }

    /// The worst reply to any part of the vantage's prefixes.
    fn reply(&self, view: &View<'a>, at: (usize, usize), site: &SiteName, mask: u128) -> Option<Reply> {
        let (item, client) = (self.items.get(at.0)?, self.frame.vantages.get(at.1)?);
        let entry = match client.vantage {
            Vantage::OnPremises { .. } => Some(entry_taken(view, self.frame.map, client.vantage, item.part)),
            Vantage::Vpc { .. } => None,
        };
        let key = (at.0, at.1, site.clone(), entry, mask & self.answering);
        if let Some(known) = self.replies.borrow().get(&key) {
            return Some(known.clone());
        }
        let source = Source { network: item.network, site, part: item.part };
        let parts = client.parts.iter();
        let worst = parts.map(|part| trace_reply(view, self.frame.map, client.vantage, source, *part)).max();
        let worst = worst.unwrap_or_else(|| Reply::Unknown("the vantage has no prefix".to_owned()));
        self.replies.borrow_mut().insert(key, worst.clone());
        Some(worst)
    }

    /// What a state makes of every way: which have arrived at the destination, or the first that is worse than it was, in words.
    pub(crate) fn state(&self, mask: u128) -> Result<Vec<bool>, String> {
        let view = self.view(mask);
        let ways = self.ways.iter().filter_map(|way| {
            let (outcome, reply) = self.observe(&view, way.item, way.client, mask)?;
            let (item, client) = (self.items.get(way.item)?, self.frame.vantages.get(way.client)?);
            let (outcome_before, reply_before) = &way.before;
            let there = item.moves && outcome == Outcome::Delivered(self.frame.to.clone());
            let from = || format!("from {} to {}", client.name, item.part);
            if !there && !outcome.alike(outcome_before) {
                return Some(Err(format!("{}: {outcome}", from())));
            }
            let as_before = outcome == *outcome_before && reply.alike(reply_before);
            let worse = reply != Reply::Returns && !as_before;
            Some(if worse { Err(format!("{}: {reply}", from())) } else { Ok(there) })
        });
        ways.collect()
    }

    /// Every way as it is now, and as it is with every step done.
    pub(crate) fn ends(&self) -> Vec<Ends<'_, 'a>> {
        let all = u128::MAX;
        let view = self.view(all);
        let ends = self.ways.iter().filter_map(|way| {
            let after = self.observe(&view, way.item, way.client, all)?;
            let (item, client) = (self.items.get(way.item)?, self.frame.vantages.get(way.client)?);
            Some(Ends { item, vantage: client.name, before: &way.before, after })
        });
        ends.collect()
    }
}

/// One way at both ends of a plan.
pub(crate) struct Ends<'c, 'a> {
    pub(crate) item: &'c Item<'a>,
    pub(crate) vantage: &'a VantageName,
    pub(crate) before: &'c (Outcome, Reply),
    pub(crate) after: (Outcome, Reply),
}
