//! Route plans as pure functions.
//!
//! Owns the route change as a value ([`Step`], [`Plan`]), the longest-prefix walk ([`trace`], [`trace_reply`]), the planner
//! ([`plan_move`], [`plan_undo`], [`plan_rest`]), the checker that is written without looking at it ([`check`]), and the judgement of evidence
//! ([`judge`]). Everything here is synchronous and total: no clock, log, randomness or I/O. Steps are journalled and applied by
//! `holdfast-journal`.

mod advertised;
mod case;
mod check;
mod classes;
mod declared;
mod desire;
mod drift;
mod ends;
mod entry;
mod forecast;
mod judge;
mod meanwhile;
mod plan;
mod present;
mod refusal;
mod search;
mod start;
mod step;
mod stored;
mod table;
mod targets;
mod touch;
mod trace;
mod uncovered;
mod view;
mod walk;

pub use check::{Violation, check};
pub use desire::{apart, current_site};
pub use drift::{Drift, drift, only_reported, plan_correction};
pub use entry::{Taken, entry_taken};
pub use forecast::{Forecast, QuotaSource, QuotaUse, api, forecast, quotas_wanted};
pub use judge::{CutOff, Facts, Objection, Objections, cut_off, ec2_sites_left, judge, sites_judged};
pub use meanwhile::{WayBack, meanwhile};
pub use plan::{plan_move, plan_rest, plan_undo, within_quotas};
pub use present::{NoValue, value_at};
pub use refusal::Refusal;
pub use start::{Decision, Past, Start, StartFacts, Switch, concerned, decide};
pub use step::{Move, Place, Plan, RouteValue, Spot, Step};
pub use table::{NOTHING_TO_CHANGE, done_words, plan_table, plan_text};
pub use trace::{Outcome, Reply, Source, trace, trace_reply};
pub use view::{View, parts};
