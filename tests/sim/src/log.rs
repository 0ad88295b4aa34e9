//! The request log: every call of a client to a simulated system, in order of arrival.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

use crate::faults::client::Client;
use crate::faults::{CallInfo, Source};

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Number of the call; they start at 1 and are never given twice.
    pub seq: u64,
    /// When it arrived.
    pub at: Timestamp,
    /// The system called: `aws`, `prism:<name>` or `move:<name>`.
    pub source: Source,
    /// Account of the caller.
    pub account: String,
    /// Region called.
    pub region: String,
    /// Service called.
    pub service: String,
    /// Action.
    pub action: String,
    /// The telling parameters in short.
    pub params: String,
    /// Whether the call is meant to change something.
    pub mutating: bool,
    /// Lambda function that called, if one did.
    pub function: Option<String>,
    /// Process of this machine that called, where it is known.
    pub pid: Option<i32>,
    /// HTTP status of the answer; nothing while there is none.
    pub status: Option<u16>,
    /// Error code of the answer.
    pub error: Option<String>,
    /// Why the client got no answer of the system's own: `RequestDropped`, `ReplyDropped`, `CallerKilled`, `Hung`, `Trickled`, `Garbage`.
    pub dropped: Option<String>,
}

/// The log of one simulation.
#[derive(Debug, Default)]
pub struct Log(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    last_seq: u64,
    entries: Vec<Entry>,
}

impl Log {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a call down; its number.
    pub fn arrived(&self, at: Timestamp, call: CallInfo, client: Option<Client>) -> u64 {
        let mut log = self.entries();
        log.last_seq += 1;
        let seq = log.last_seq;
        let (pid, function) = client.map_or((None, None), |client| (Some(client.pid), client.function));
        let CallInfo { source, account, region, service, action, params, mutating } = call;
        log.entries.push(Entry {
            seq,
            at,
            source,
            account,
            region,
            service,
            action,
            params,
            mutating,
            function,
            pid,
            status: None,
            error: None,
            dropped: None,
        });
        seq
    }

    /// Adds the answer to a call.
    pub fn answered(&self, seq: u64, status: u16, error: Option<String>) {
        self.change(seq, |entry| {
            entry.status = Some(status);
            entry.error = error;
        });
    }

    /// Notes that the client got no answer.
    pub fn dropped(&self, seq: u64, why: &str) {
        self.change(seq, |entry| entry.dropped = Some(why.into()));
    }

    /// Writes down a call to a Region or system that answers nothing.
    pub fn lost(&self, at: Timestamp, call: CallInfo, client: Option<Client>) {
        let seq = self.arrived(at, call, client);
        self.dropped(seq, "Lost");
    }

    fn change(&self, seq: u64, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries().entries.iter_mut().rev().find(|entry| entry.seq == seq) {
            change(entry);
        }
    }

    /// The calls after number `since`.
    pub fn since(&self, since: u64) -> Vec<Entry> {
        self.entries().entries.iter().filter(|entry| entry.seq > since).cloned().collect()
    }

    /// The number of the last call.
    pub fn last_seq(&self) -> u64 {
        self.entries().last_seq
    }

    /// Forgets all calls; numbers go on.
    pub fn clear(&self) {
        self.entries().entries.clear();
    }
}
