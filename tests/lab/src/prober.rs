//! Clients on-premises that ask the machine for an answer all the time, and count how often there was none.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{LabError, control::Control, wait};

/// Time between two probes of one client.
const PACE: Duration = Duration::from_millis(100);

/// Probes sent and lost, by client.
pub type Counts = BTreeMap<String, Count>;

/// Probes of one client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// How many were sent.
    pub sent: u32,
    /// How many of them had no answer.
    pub lost: u32,
}

/// Probing goes on until this is dropped.
#[derive(Debug)]
pub struct Prober {
    counts: Arc<Mutex<Counts>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Prober {
    /// Starts one client per guest name, each of which probes `to`.
    pub fn start(control: &Control, from: &[&str], to: Ipv4Addr) -> Self {
        let counts = Arc::new(Mutex::new(Counts::new()));
        let client = |from: &&str| {
            let (control, counts, from) = (control.clone(), Arc::clone(&counts), (*from).to_owned());
            tokio::spawn(async move {
                loop {
                    // A control server that does not answer counts as lost: nobody could tell otherwise.
                    let answered = probe(&control, &from, to).await.is_ok_and(|report| answered(&report));
                    tally(&counts, &from, answered);
                    wait::pause(PACE).await;
                }
            })
        };
        let tasks = from.iter().map(client).collect();
        Self { counts, tasks }
    }

    /// The counts since the last time that they were taken.
    pub fn take(&self) -> Counts {
        std::mem::take(&mut *lock(&self.counts))
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn tally(counts: &Mutex<Counts>, client: &str, answered: bool) {
    let mut counts = lock(counts);
    let count = counts.entry(client.to_owned()).or_default();
    count.sent += 1;
    count.lost += u32::from(!answered);
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends one probe through the data plane and returns its report.
///
/// # Errors
/// [`LabError::Control`] when the guest does not exist.
pub async fn probe(control: &Control, from: &str, to: Ipv4Addr) -> Result<Value, LabError> {
    control.post("/probes", &json!({"from": from, "to": to, "count": 1})).await
}

/// Whether a probe of this report had an answer.
pub fn answered(report: &Value) -> bool {
    report.get("received").and_then(Value::as_u64).is_some_and(|received| received > 0)
}

/// Holds when every probe of this report had one answer and no second one, all from one machine at `place`: an instance's id, or the name
/// of a Prism Central.
///
/// # Errors
/// What was seen instead.
pub fn answered_at(report: &Value, place: &str) -> Result<(), String> {
    let number = |key| report.get(key).and_then(Value::as_u64);
    let places: Vec<&str> = match report.get("answered_by").and_then(Value::as_array) {
        Some(by) => by.iter().filter_map(|by| place_of(by.get("place")?)).collect(),
        None => Vec::new(),
    };
    let once = number("sent") == number("received") && number("received") > Some(0) && number("duplicates") == Some(0);
    if once && places == [place] { Ok(()) } else { Err(format!("not answered by one machine at {place}: {report}")) }
}

fn place_of(place: &Value) -> Option<&str> {
    let key = match place.get("kind")?.as_str()? {
        "instance" => "instance",
        "vm" => "prism",
        _ => "site",
    };
    place.get(key)?.as_str()
}
