//! Sorts the parts of prefixes that a plan touches into independent problems, and parts that look alike into one case.

use crate::case::{Case, Client, Frame, Item};
use crate::step::{Place, RouteValue, Step};
use crate::touch::{Profile, Touch, profile};
use holdfast_model::{Picture, RouteTableId};
use std::collections::{BTreeMap, BTreeSet};

/// A case that stands for every cluster of parts that looks like it.
pub(crate) struct Class<'a> {
    pub(crate) case: Case<'a>,
    /// For each step of the case, the move that it belongs to.
    pub(crate) moves: Vec<usize>,
}

/// Problems that do not influence each other, and what each of their moves is made of.
pub(crate) struct Sorted<'a> {
    pub(crate) classes: Vec<Class<'a>>,
    /// Each problem: its classes.
    pub(crate) problems: Vec<Vec<usize>>,
    /// Each move: positions of the steps that it stands for.
    pub(crate) moves: Vec<Vec<usize>>,
}

/// Parts that steps of their own tie together.
struct Cluster {
    items: Vec<usize>,
    /// Steps that touch parts of this network only.
    own: Vec<usize>,
    /// Steps that touch parts of several networks, or the way of replies.
    shared: Vec<usize>,
}

/// What makes clusters look alike: own steps with the length of their prefix, then per part its profile and the steps that touch it.
type Looks<'a> =
    (Vec<(&'a RouteTableId, u8, &'a RouteValue, &'a RouteValue)>, Vec<(Profile<'a>, bool, Vec<usize>)>, Vec<usize>);

pub(crate) fn sort<'a>(
    frame: &'a Frame<'a>,
    picture: &'a Picture,
    items: &[Item<'a>],
    steps: &'a [Step],
) -> Sorted<'a> {
    let touch = Touch::new(picture, steps);
    let clients = frame.vantages.iter().flat_map(|client: &Client<'_>| client.parts.iter());
    let answering: BTreeSet<usize> = clients.flat_map(|part| touch.touching(*part)).collect();
    let touching: Vec<BTreeSet<usize>> =
        items.iter().map(|item| touch.touching(item.part).union(&answering).copied().collect()).collect();
    let shared = shared_steps(items, &touching, &answering);
    let mut sorted = Sorted { classes: Vec::new(), problems: Vec::new(), moves: Vec::new() };
    let mut known: BTreeMap<Looks<'a>, usize> = BTreeMap::new();
    // INVARIANT: the move of a shared step is its position in `shared`, so that every class names it alike.
    let shared_moves: BTreeMap<usize, usize> = shared.iter().enumerate().map(|(at, step)| (*step, at)).collect();
    sorted.moves = shared.iter().map(|step| vec![*step]).collect();
    for cluster in clusters(items, &touching, &shared) {
        let (cluster, folded) = fold(frame, picture, items, steps, &touching, cluster);
        let with_folded = |own: usize| std::iter::once(own).chain(folded.get(&own).into_iter().flatten().copied());
        let looks = looks(frame, picture, items, steps, &touching, &cluster);
        if let Some(class) = known.get(&looks).and_then(|at| sorted.classes.get(*at)) {
            for (own, to) in cluster.own.iter().zip(&class.moves) {
                if let Some(members) = sorted.moves.get_mut(*to) {
                    members.extend(with_folded(*own));
                }
            }
            continue;
        }
        let mut moves = Vec::new();
        for own in &cluster.own {
            moves.push(sorted.moves.len());
            sorted.moves.push(with_folded(*own).collect());
        }
        moves.extend(cluster.shared.iter().filter_map(|step| shared_moves.get(step)));
        let all: Vec<usize> = cluster.own.iter().chain(&cluster.shared).copied().collect();
        let bits = all.iter().enumerate().filter(|(_, step)| answering.contains(step));
        let answers =
            bits.fold(0_u128, |mask, (at, _)| mask | 1_u128.checked_shl(u32::try_from(at).unwrap_or(128)).unwrap_or(0));
        let own_items = cluster.items.iter().filter_map(|at| items.get(*at).cloned()).collect();
        let own_steps = all.iter().filter_map(|at| steps.get(*at)).collect();
        known.insert(looks, sorted.classes.len());
        sorted.classes.push(Class { case: Case::new(frame, own_items, own_steps, answers), moves });
    }
    sorted.problems = problems(&sorted.classes);
    sorted
}

fn shared_steps(items: &[Item<'_>], touching: &[BTreeSet<usize>], answering: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut first: BTreeMap<usize, &holdfast_model::NetworkName> = BTreeMap::new();
    let mut shared = answering.clone();
    for (item, steps) in items.iter().zip(touching) {
        for step in steps {
            if *first.entry(*step).or_insert(item.network) != item.network {
                shared.insert(*step);
            }
        }
    }
    shared
}

/// Items that are tied together by own steps, in order of their first item.
fn clusters(items: &[Item<'_>], touching: &[BTreeSet<usize>], shared: &BTreeSet<usize>) -> Vec<Cluster> {
    let mut of_step: BTreeMap<usize, usize> = BTreeMap::new();
    let mut sets = Sets::new(items.len());
    for (at, steps) in touching.iter().enumerate() {
        for step in steps.difference(shared) {
            match of_step.get(step) {
                Some(other) => sets.join(at, *other),
                None => drop(of_step.insert(*step, at)),
            }
        }
    }
    let mut clusters: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in 0..items.len() {
        clusters.entry(sets.find(at)).or_default().push(at);
    }
    let make = |items: Vec<usize>| {
        let all: BTreeSet<usize> = items.iter().filter_map(|at| touching.get(*at)).flatten().copied().collect();
        Cluster {
            items,
            own: all.difference(shared).copied().collect(),
            shared: all.intersection(shared).copied().collect(),
        }
    };
    clusters.into_values().map(make).collect()
}

/// The length of a route's prefix; of what is no route, longer than any.
fn length(step: &Step) -> u8 {
    match step.place {
        Place::Route { prefix } => prefix.length(),
        Place::Reference { .. } | Place::Propagation { .. } => u8::MAX,
    }
}

/// Of parts that look alike and are touched by the same steps but for alike ones of their own, as machines of one network with host routes, the first
/// stands for all; and for each step of it, those that it stands for.
fn fold(
    frame: &Frame<'_>,
    picture: &Picture,
    items: &[Item<'_>],
    steps: &[Step],
    touching: &[BTreeSet<usize>],
    cluster: Cluster,
) -> (Cluster, BTreeMap<usize, Vec<usize>>) {
    if cluster.items.len() < 2 {
        return (cluster, BTreeMap::new());
    }
    let Cluster { items: all, own, shared } = cluster;
    let mut touched: BTreeMap<usize, usize> = BTreeMap::new();
    for step in all.iter().filter_map(|at| touching.get(*at)).flatten() {
        *touched.entry(*step).or_default() += 1;
    }
    let own: BTreeSet<usize> = own.into_iter().collect();
    let mut first = BTreeMap::new();
    let mut kept = Cluster { items: Vec::new(), own: Vec::new(), shared };
    let mut folded: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut gone: BTreeSet<usize> = BTreeSet::new();
    for (at, item, by) in all.iter().filter_map(|at| Some((*at, items.get(*at)?, touching.get(*at)?))) {
        let alone = |step: &usize| own.contains(step) && touched.get(step) == Some(&1);
        let mut mine: Vec<_> = by
            .iter()
            .filter(|step| alone(step))
            .filter_map(|at| steps.get(*at).map(|step| ((&step.table, length(step), &step.before, &step.after), *at)))
            .collect();
        mine.sort();
        let others: Vec<usize> = by.iter().filter(|step| !alone(step)).copied().collect();
        let (alike, mine): (Vec<_>, Vec<usize>) = mine.into_iter().unzip();
        match first.entry((profile(picture, frame.map, item.part), item.moves, item.network, alike, others)) {
            std::collections::btree_map::Entry::Vacant(new) => {
                new.insert(mine);
                kept.items.push(at);
            }
            std::collections::btree_map::Entry::Occupied(known) => {
                for (stands, step) in known.get().iter().zip(mine) {
                    folded.entry(*stands).or_default().push(step);
                    gone.insert(step);
                }
            }
        }
    }
    kept.own = own.difference(&gone).copied().collect();
    (kept, folded)
}

fn looks<'a>(
    frame: &Frame<'a>,
    picture: &'a Picture,
    items: &[Item<'a>],
    steps: &'a [Step],
    touching: &[BTreeSet<usize>],
    cluster: &Cluster,
) -> Looks<'a> {
    let own = cluster.own.iter().filter_map(|at| steps.get(*at));
    let own = own.map(|step| (&step.table, length(step), &step.before, &step.after)).collect();
    let local: BTreeMap<usize, usize> = cluster.own.iter().enumerate().map(|(at, step)| (*step, at)).collect();
    let parts = cluster.items.iter().filter_map(|at| items.get(*at).zip(touching.get(*at)));
    let parts = parts.map(|(item, touching)| {
        let by = touching.iter().filter_map(|step| local.get(step).copied()).collect();
        (profile(picture, frame.map, item.part), item.moves, by)
    });
    (own, parts.collect(), cluster.shared.clone())
}

/// Classes that share moves, together.
fn problems(classes: &[Class<'_>]) -> Vec<Vec<usize>> {
    let mut of_move: BTreeMap<usize, usize> = BTreeMap::new();
    let mut sets = Sets::new(classes.len());
    for (at, class) in classes.iter().enumerate() {
        for a_move in &class.moves {
            match of_move.get(a_move) {
                Some(other) => sets.join(at, *other),
                None => drop(of_move.insert(*a_move, at)),
            }
        }
    }
    let mut problems: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in 0..classes.len() {
        problems.entry(sets.find(at)).or_default().push(at);
    }
    problems.into_values().collect()
}

/// Disjoint sets of positions; each is named by its lowest member.
struct Sets(Vec<usize>);

impl Sets {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn find(&mut self, at: usize) -> usize {
        let mut root = at;
        while let Some(parent) = self.0.get(root).copied().filter(|parent| *parent != root) {
            root = parent;
        }
        if let Some(slot) = self.0.get_mut(at) {
            *slot = root;
        }
        root
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        if let Some(slot) = self.0.get_mut(a.max(b)) {
            *slot = a.min(b);
        }
    }
}
