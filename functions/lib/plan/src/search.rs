//! Finds the fewest stages through safe states.

use crate::classes::Class;
use holdfast_model::NetworkName;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

/// Up to this many moves every way through the states is looked at (3^10 pairs of state and stage); above it, a depth-first search finds a safe
/// order, which may have more stages than the fewest.
const EXHAUSTIVE: usize = 10;

/// States that the depth-first search looks at before it gives up.
const MOST_STATES: usize = 20_000;

/// Steps of one case that the depth-first search puts into one stage: each costs twice the states.
const WIDEST: u32 = 6;

/// Moves of one problem: what happens together, in which order at the earliest.
pub(crate) struct Problem<'c, 'a> {
    classes: Vec<&'c Class<'a>>,
    /// Moves that there are, by their number over all problems.
    moves: Vec<usize>,
    /// Per move, the classes that it touches, by their position.
    touched: BTreeMap<usize, Vec<usize>>,
    /// Per move, how early: all of a lower rank come first.
    ranks: BTreeMap<usize, u8>,
    known: Vec<RefCell<BTreeMap<u128, State>>>,
}

/// What a state is for one case: which ways have arrived at the destination; none where a way is worse than it was.
type State = Option<Rc<Vec<bool>>>;

/// Why there is no order.
pub(crate) enum Stuck {
    /// No order is safe: what can be done, and what each next move would do.
    NoOrder { reached: Vec<usize>, conflicts: Vec<(usize, String)> },
    /// None was found among this many states of this many moves; there may be one.
    GaveUp { states: usize, moves: usize },
}

/// Where a search for an order ended.
enum End {
    /// Nothing leads further than to this state.
    Dead(Done),
    /// Too many states.
    GaveUp,
}

/// A set of moves.
type Done = BTreeSet<usize>;

impl<'c, 'a> Problem<'c, 'a> {
    pub(crate) fn new(classes: Vec<&'c Class<'a>>, rank: impl Fn(usize) -> u8) -> Self {
        let moves: BTreeSet<usize> = classes.iter().flat_map(|class| class.moves.iter().copied()).collect();
        let ranks = moves.iter().map(|a_move| (*a_move, rank(*a_move))).collect();
        let known = classes.iter().map(|_| RefCell::default()).collect();
        let mut touched: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, class) in classes.iter().enumerate() {
            for a_move in &class.moves {
                touched.entry(*a_move).or_default().push(at);
            }
        }
        Self { classes, moves: moves.into_iter().collect(), touched, ranks, known }
    }

    /// Networks of the problem; of those that look alike, one.
    pub(crate) fn networks(&self) -> BTreeSet<NetworkName> {
        self.classes.iter().flat_map(|class| &class.case.items).map(|item| item.network.clone()).collect()
    }

    /// The first network of the problem, by its name.
    pub(crate) fn network(&self) -> String {
        self.networks().first().map(ToString::to_string).unwrap_or_default()
    }

    /// Orders the moves into stages such that every subset of every stage is safe.
    pub(crate) fn stages(&self) -> Result<Vec<Vec<usize>>, Stuck> {
        if self.moves.is_empty() {
            return Ok(Vec::new());
        }
        let found = if self.moves.len() <= EXHAUSTIVE { self.fewest() } else { self.any() };
        found.map_err(|end| match end {
            End::Dead(reached) => self.stuck(&reached),
            End::GaveUp => Stuck::GaveUp { states: MOST_STATES, moves: self.moves.len() },
        })
    }

    fn mask(class: &Class<'_>, done: &Done) -> u128 {
        class.moves.iter().enumerate().fold(
            0,
            |mask, (at, a_move)| {
                if done.contains(a_move) { mask | (1_u128 << at) } else { mask }
            },
        )
    }

    fn state(&self, at: usize, mask: u128) -> State {
        let (class, known) = (self.classes.get(at)?, self.known.get(at)?);
        if let Some(state) = known.borrow().get(&mask) {
            return state.clone();
        }
        let state = class.case.state(mask).ok().map(Rc::new);
        known.borrow_mut().insert(mask, state.clone());
        state
    }

    /// Whether a step is safe: nothing is worse than it was, and what has arrived stays.
    fn safe_step(&self, at: usize, before: u128, after: u128) -> bool {
        match (self.state(at, before), self.state(at, after)) {
            (Some(before), Some(after)) => before.iter().zip(after.iter()).all(|(was, is)| !was || *is),
            (_, None) | (None, _) => false,
        }
    }

    /// Whether every order of `stage` is safe on top of `done`: each case by itself, since it is what its own steps make it.
    fn stage_safe(&self, done: &Done, stage: &Done, widest: u32) -> bool {
        self.classes.iter().enumerate().all(|(at, class)| {
            let (done, stage) = (Self::mask(class, done), Self::mask(class, stage));
            let ways = |subset: u128| {
                let last = (0..class.moves.len()).map(|bit| 1_u128 << bit).filter(move |bit| subset & bit != 0);
                last.map(move |bit| (done | (subset & !bit), done | subset))
            };
            stage.count_ones() <= widest
                && subsets(stage).all(|subset| ways(subset).all(|(before, after)| self.safe_step(at, before, after)))
        })
    }

    /// Whether nothing of a lower rank than any of `stage` is left undone.
    fn in_turn(&self, done: &Done, stage: &Done) -> bool {
        let Some(highest) = stage.iter().map(|a_move| self.rank(*a_move)).max() else { return false };
        self.moves.iter().all(|a_move| self.rank(*a_move) >= highest || done.contains(a_move))
    }

    fn rank(&self, a_move: usize) -> u8 {
        self.ranks.get(&a_move).copied().unwrap_or(0)
    }

    /// Breadth first over states: the first way to the full state has the fewest stages. Else the last state reached.
    fn fewest(&self) -> Result<Vec<Vec<usize>>, End> {
        let set = |mask: u128| -> Done {
            self.moves.iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0).map(|(_, a_move)| *a_move).collect()
        };
        let full = (1_u128 << self.moves.len()) - 1;
        let mut came: BTreeMap<u128, u128> = BTreeMap::new();
        let mut queue = VecDeque::from([0_u128]);
        let mut last = 0_u128;
        while let Some(mask) = queue.pop_front() {
            last = if mask.count_ones() > last.count_ones() { mask } else { last };
            let done = set(mask);
            for stage in subsets(full & !mask) {
                if stage == 0 || came.contains_key(&(mask | stage)) {
                    continue;
                }
                let moves = set(stage);
                if self.in_turn(&done, &moves) && self.stage_safe(&done, &moves, 128) {
                    came.insert(mask | stage, mask);
                    if mask | stage == full {
                        let stages = way_back(&came, full).into_iter();
                        return Ok(stages.map(|stage| set(stage).into_iter().collect()).collect());
                    }
                    queue.push_back(mask | stage);
                }
            }
        }
        Err(End::Dead(set(last)))
    }

    /// Depth first, one move after the other; then neighbours are put together where that is safe.
    fn any(&self) -> Result<Vec<Vec<usize>>, End> {
        let mut seen: BTreeSet<Done> = BTreeSet::new();
        let mut way: Vec<usize> = Vec::new();
        let mut done = Done::new();
        let mut furthest = Done::new();
        while done.len() < self.moves.len() {
            if seen.len() >= MOST_STATES {
                return Err(End::GaveUp);
            }
            if done.len() > furthest.len() {
                furthest.clone_from(&done);
            }
            let left = || self.moves.iter().copied().filter(|a_move| !done.contains(a_move));
            let turn = left().map(|a_move| self.rank(a_move)).min();
            let next = left().filter(|a_move| Some(self.rank(*a_move)) == turn).find(|a_move| {
                self.touched_safe(*a_move, &done) && {
                    let mut then = done.clone();
                    then.insert(*a_move);
                    !seen.contains(&then)
                }
            });
            match next {
                Some(a_move) => {
                    done.insert(a_move);
                    way.push(a_move);
                    seen.insert(done.clone());
                }
                None => match way.pop() {
                    Some(a_move) => drop(done.remove(&a_move)),
                    None => return Err(End::Dead(furthest)),
                },
            }
        }
        Ok(self.joined(&way))
    }

    /// Whether a move is safe for the cases that it touches; the others are as before it.
    fn touched_safe(&self, a_move: usize, done: &Done) -> bool {
        let touched = self.touched.get(&a_move).into_iter().flatten();
        let mut classes = touched.filter_map(|at| self.classes.get(*at).map(|class| (*at, class)));
        classes.all(|(at, class)| {
            let before = Self::mask(class, done);
            self.safe_step(at, before, before | Self::mask(class, &Done::from([a_move])))
        })
    }

    fn joined(&self, way: &[usize]) -> Vec<Vec<usize>> {
        let mut stages: Vec<Done> = Vec::new();
        let mut done = Done::new();
        for a_move in way {
            if let Some(last) = stages.last_mut() {
                last.insert(*a_move);
                if self.in_turn(&done, last) && self.stage_safe(&done, last, WIDEST) {
                    continue;
                }
                last.remove(a_move);
                done.extend(last.iter().copied());
            }
            stages.push(Done::from([*a_move]));
        }
        stages.into_iter().map(|stage| stage.into_iter().collect()).collect()
    }

    fn stuck(&self, reached: &Done) -> Stuck {
        let left = self.moves.iter().filter(|a_move| !reached.contains(*a_move));
        let conflicts = left.filter_map(|a_move| {
            let then: Done = reached.iter().copied().chain([*a_move]).collect();
            let harm = self.classes.iter().find_map(|class| class.case.state(Self::mask(class, &then)).err());
            let harm = harm.unwrap_or_else(|| "where something that has arrived would leave again".to_owned());
            (!self.touched_safe(*a_move, reached)).then_some((*a_move, harm))
        });
        Stuck::NoOrder { reached: reached.iter().copied().collect(), conflicts: conflicts.collect() }
    }
}

/// All subsets of the bits of `mask`, the widest first, the empty one last.
fn subsets(mask: u128) -> impl Iterator<Item = u128> {
    let mut next = Some(mask);
    std::iter::from_fn(move || {
        let subset = next?;
        next = if subset == 0 { None } else { Some((subset - 1) & mask) };
        Some(subset)
    })
}

fn way_back(came: &BTreeMap<u128, u128>, full: u128) -> Vec<u128> {
    let mut stages = Vec::new();
    let mut at = full;
    while let Some(before) = came.get(&at) {
        stages.push(at & !before);
        at = *before;
    }
    stages.reverse();
    stages
}
