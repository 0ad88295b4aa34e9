//! Finds the fewest stages through safe states.

use crate::case::Case;
use crate::refusal::Refusal;
use crate::step::Step;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Up to this many steps of one network every way through the states is looked at (3^10 pairs of state and stage); above it, a depth-first search
/// finds a safe order, which may have more stages than the fewest.
const EXHAUSTIVE: usize = 10;

/// A state is one bit for each step.
const STEPS: usize = 128;

/// States that the depth-first search looks at before it gives up.
const MOST_STATES: usize = 20_000;

/// Steps of one stage that the depth-first search puts together: each costs twice the states.
const WIDEST: usize = 6;

/// Orders the steps of a case into stages such that every subset of every stage is safe.
pub(crate) fn stages(case: &Case<'_>) -> Result<Vec<Vec<Step>>, Refusal> {
    let count = case.steps.len();
    if count == 0 {
        return Ok(Vec::new());
    }
    if count > STEPS {
        return Err(Refusal::TooMany { network: case.network().clone(), steps: count });
    }
    let mut states = States { case, safe: BTreeMap::new() };
    let found = if count <= EXHAUSTIVE { states.fewest(count) } else { states.any(count) };
    match found {
        Ok(masks) => Ok(masks.into_iter().map(|mask| case.chosen(mask).cloned().collect()).collect()),
        Err(reached) => Err(states.conflict(reached, count)),
    }
}

struct States<'c, 'a> {
    case: &'c Case<'a>,
    safe: BTreeMap<u128, bool>,
}

impl States<'_, '_> {
    fn safe(&mut self, mask: u128) -> bool {
        let case = self.case;
        *self.safe.entry(mask).or_insert_with(|| case.harm(mask).is_none())
    }

    /// Whether every subset of `stage` is safe on top of `done`.
    fn stage_safe(&mut self, done: u128, stage: u128) -> bool {
        subsets(stage).all(|subset| self.safe(done | subset))
    }

    /// Breadth first over states: the first way to the full state has the fewest stages. Else the last state reached.
    fn fewest(&mut self, count: usize) -> Result<Vec<u128>, u128> {
        let full = full(count);
        let mut came: BTreeMap<u128, u128> = BTreeMap::new();
        let mut queue = VecDeque::from([0_u128]);
        let mut last = 0_u128;
        while let Some(done) = queue.pop_front() {
            last = if done.count_ones() > last.count_ones() { done } else { last };
            for stage in subsets(full & !done) {
                let next = done | stage;
                if stage == 0 || came.contains_key(&next) || !self.stage_safe(done, stage) {
                    continue;
                }
                came.insert(next, done);
                if next == full {
                    return Ok(way_back(&came, full));
                }
                queue.push_back(next);
            }
        }
        Err(last)
    }

    /// Depth first, one step after the other; then neighbours are put together where that is safe.
    fn any(&mut self, count: usize) -> Result<Vec<u128>, u128> {
        let full = full(count);
        let mut seen = BTreeSet::from([0_u128]);
        let mut way: Vec<u128> = Vec::new();
        let mut furthest = 0_u128;
        loop {
            let done = way.iter().fold(0, |all, step| all | step);
            if done == full {
                return Ok(self.joined(&way));
            }
            if done.count_ones() > furthest.count_ones() {
                furthest = done;
            }
            let next = (0..count).map(|at| 1_u128 << at).find(|step| {
                done & step == 0 && seen.len() < MOST_STATES && !seen.contains(&(done | step)) && self.safe(done | step)
            });
            match next {
                Some(step) => {
                    seen.insert(done | step);
                    way.push(step);
                }
                None => {
                    if way.pop().is_none() {
                        return Err(furthest);
                    }
                }
            }
        }
    }

    fn joined(&mut self, way: &[u128]) -> Vec<u128> {
        let mut stages: Vec<u128> = Vec::new();
        let mut done = 0;
        for step in way {
            let wider = stages.last().map(|stage| stage | step);
            match (wider, stages.last_mut()) {
                (Some(wider), Some(last)) if wider.count_ones() as usize <= WIDEST && self.stage_safe(done, wider) => {
                    *last = wider;
                }
                (_, last) => {
                    done |= last.map_or(0, |stage| *stage);
                    stages.push(*step);
                }
            }
        }
        stages
    }

    fn conflict(&mut self, reached: u128, count: usize) -> Refusal {
        let case = self.case;
        let conflicts = (0..count).map(|at| 1_u128 << at).filter(|step| reached & step == 0).filter_map(|step| {
            let line = case.chosen(step).next()?;
            case.harm(reached | step).map(|harm| format!("[{line}] would leave the way {harm}"))
        });
        Refusal::NoSafeOrder {
            network: case.network().clone(),
            reached: case.chosen(reached).map(|step| format!("[{step}]")).collect(),
            conflicts: conflicts.collect(),
        }
    }
}

fn full(count: usize) -> u128 {
    u128::MAX.checked_shr(u32::try_from(STEPS.saturating_sub(count)).unwrap_or(0)).unwrap_or(0)
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
