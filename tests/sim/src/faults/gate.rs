//! The fault rules, the holds and the log of one simulation.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{CallInfo, Match};
use crate::{connection::Connection, log::Log};

/// What an injected fault does to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// The call is refused with this error and has no effect.
    Error {
        /// Error code, such as `IncorrectState`.
        code: String,
        /// HTTP status; 400 unless given.
        #[serde(default = "bad_request")]
        status: u16,
        /// Text of the error.
        #[serde(default)]
        message: String,
    },
    /// The call is refused by the platform's own throttling error.
    Throttle,
    /// The call is answered later.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// The call has its effect, and the connection closes instead of an answer.
    DropReply,
    /// The connection closes; the call has no effect.
    DropRequest,
    /// The answer, of status 200, is nothing that the system would say.
    Garbage {
        /// What it is instead.
        form: Garbage,
        /// Whether the call has its effect before it.
        when: When,
    },
    /// No answer comes, and the connection stays open.
    Hang {
        /// Whether the call has its effect before it.
        when: When,
    },
    /// The answer begins and never ends: a byte at a time.
    Trickle {
        /// Milliseconds between two bytes.
        ms: u64,
        /// Whether the call has its effect before it.
        when: When,
    },
}

/// What comes in place of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Garbage {
    /// A page for people, as a proxy in between would send.
    Html,
    /// The first half of the answer, or of some other document where the call has no effect.
    Truncated,
    /// A document in which every member is a number.
    WrongTypes,
    /// Nothing at all.
    Empty,
    /// More than any list holds: blanks without end.
    Huge,
}

fn bad_request() -> u16 {
    400
}

/// A fault rule to add.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewFault {
    /// Calls that it is for.
    #[serde(rename = "match", default)]
    pub matching: Match,
    /// How many fitting calls pass unharmed first.
    #[serde(default)]
    pub skip: u64,
    /// How many calls it strikes; without it, all.
    #[serde(default)]
    pub times: Option<u64>,
    /// What it does.
    pub effect: Effect,
}

/// A fault rule in force.
#[derive(Debug, Clone, Serialize)]
pub struct Fault {
    /// Its id.
    pub id: u64,
    /// What was asked for; `skip` and `times` count down.
    #[serde(flatten)]
    pub rule: NewFault,
    /// How many calls it struck.
    pub struck: u64,
}

/// On which side of its effect a call is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Nothing has happened yet.
    Before,
    /// The effect is there, the answer is not sent.
    After,
}

/// A hold to add: it stops one call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldRequest {
    /// Calls that it is for.
    #[serde(rename = "match", default)]
    pub matching: Match,
    /// How many fitting calls pass first.
    #[serde(default)]
    pub skip: u64,
    /// Where it stops the call; before its effect unless given.
    #[serde(default = "before")]
    pub when: When,
}

fn before() -> When {
    When::Before
}

/// Where a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// No call has come yet.
    Waiting,
    /// A call is held.
    Held,
    /// The call went on.
    Released,
    /// The caller was killed; the call did not go on.
    Killed,
}

/// A hold.
pub struct Hold {
    request: HoldRequest,
    state: watch::Sender<HoldState>,
    held: Option<Held>,
}

struct Held {
    call: CallInfo,
    connection: Connection,
    seq: u64,
}

impl Hold {
    /// The call that it stopped, if any.
    pub fn call(&self) -> Option<&CallInfo> {
        self.held.as_ref().map(|held| &held.call)
    }

    /// Where it stands.
    pub fn state(&self) -> HoldState {
        *self.state.borrow()
    }

    /// What was asked for.
    pub fn request(&self) -> &HoldRequest {
        &self.request
    }
}

/// The log, the fault rules and the holds of a simulation.
#[derive(Default)]
pub struct Gate {
    log: Log,
    rules: Mutex<Rules>,
}

#[derive(Default)]
struct Rules {
    last_id: u64,
    faults: BTreeMap<u64, Fault>,
    holds: BTreeMap<u64, Hold>,
}

impl Gate {
    /// The request log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a fault rule and returns its id.
    pub fn add_fault(&self, rule: NewFault) -> u64 {
        let mut rules = self.rules();
        rules.last_id += 1;
        let id = rules.last_id;
        rules.faults.insert(id, Fault { id, rule, struck: 0 });
        id
    }

    /// The fault rules, oldest first.
    pub fn faults(&self) -> Vec<Fault> {
        self.rules().faults.values().cloned().collect()
    }

    /// Takes one fault rule away; false if there is none with this id.
    pub fn remove_fault(&self, id: u64) -> bool {
        self.rules().faults.remove(&id).is_some()
    }

    /// Takes all fault rules away.
    pub fn clear_faults(&self) {
        self.rules().faults.clear();
    }

    /// The effects that strike this call, in the order of their rules.
    pub(super) fn strike(&self, call: &CallInfo, connection: Option<&Connection>) -> Vec<Effect> {
        let mut effects = Vec::new();
        for fault in self.rules().faults.values_mut() {
            if fault.rule.times == Some(0) || !fault.rule.matching.fits(call, || connection?.client()) {
                continue;
            }
            if fault.rule.skip > 0 {
                fault.rule.skip -= 1;
                continue;
            }
            if let Some(times) = &mut fault.rule.times {
                *times -= 1;
            }
            fault.struck += 1;
            effects.push(fault.rule.effect.clone());
        }
        effects
    }

    /// Adds a hold and returns its id.
    pub fn add_hold(&self, request: HoldRequest) -> u64 {
        let mut rules = self.rules();
        rules.last_id += 1;
        let id = rules.last_id;
        rules.holds.insert(id, Hold { request, state: watch::Sender::new(HoldState::Waiting), held: None });
        id
    }

    /// Counts the call against the waiting holds; the hold that stops it, if any.
    pub(super) fn hold_for(&self, seq: u64, call: &CallInfo, connection: &Connection) -> Option<(u64, When)> {
        for (id, hold) in &mut self.rules().holds {
            if hold.state() != HoldState::Waiting
                || hold.held.is_some()
                || !hold.request.matching.fits(call, || connection.client())
            {
                continue;
            }
            if hold.request.skip > 0 {
                hold.request.skip -= 1;
                continue;
            }
            hold.held = Some(Held { call: call.clone(), connection: connection.clone(), seq });
            return Some((*id, hold.request.when));
        }
        None
    }

    /// Stops the calling task until the hold is released or its caller killed; the state that ended it.
    pub(super) async fn stand(&self, id: u64) -> HoldState {
        let Some(mut state) = self.rules().holds.get(&id).map(|hold| {
            hold.state.send_replace(HoldState::Held);
            hold.state.subscribe()
        }) else {
            return HoldState::Released;
        };
        let ended = state.wait_for(|state| *state != HoldState::Held).await;
        ended.map_or(HoldState::Released, |state| *state)
    }

    /// Follows a hold's state; `None` if there is no such hold.
    pub fn watch_hold(&self, id: u64) -> Option<watch::Receiver<HoldState>> {
        self.rules().holds.get(&id).map(|hold| hold.state.subscribe())
    }

    /// The call that a hold has stopped.
    pub fn held_call(&self, id: u64) -> Option<CallInfo> {
        self.rules().holds.get(&id)?.call().cloned()
    }

    /// Lets a held call go on, or takes a waiting hold away.
    pub fn release(&self, id: u64) -> bool {
        self.rules().holds.get(&id).is_some_and(|hold| {
            hold.state.send_replace(HoldState::Released);
            true
        })
    }

    /// Kills the process that made the held call; its id.
    ///
    /// # Errors
    /// A sentence that says why nothing was killed.
    pub fn kill(&self, id: u64) -> Result<i32, String> {
        let rules = self.rules();
        let hold = rules.holds.get(&id).ok_or_else(|| format!("there is no hold {id}"))?;
        let held = hold.held.as_ref().ok_or_else(|| format!("hold {id} holds no call"))?;
        if hold.state() != HoldState::Held {
            return Err(format!("hold {id} holds no call any more"));
        }
        let client = held.connection.client().ok_or("the caller's process was not found on this machine")?;
        client.kill()?;
        // Written here: the server forgets the call as soon as it sees that its client is gone.
        self.log.dropped(held.seq, "CallerKilled");
        hold.state.send_replace(HoldState::Killed);
        Ok(client.pid)
    }
}
