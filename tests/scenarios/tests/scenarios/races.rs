//! Executions that race: two and five at once, for the same networks, for overlapping ones, and against each other.
//!
//! Who comes when is chosen by holds of calls, not by time. Whatever happens: no loop and no blackhole meanwhile, every network at one site in every
//! table, each execution green or held with its reason, journals without gaps, and the same input again is green.

use crate::support::{dynamodb, forget, green, held, invoke, lab_with};
use futures::future::join_all;
use holdfast_lab::{Execution, Lab, LabOptions, Source, network_map, prober};
use holdfast_sim::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

const FRANKFURT: &str = "eu-central-1";
const DUBLIN: &str = "eu-west-1";
const SWAP: &str = "holdfast-swap-route";

/// Addresses of each network.
const HOSTS: [(&str, &[&str]); 2] = [("erp", &["10.64.17.20", "10.64.18.5"]), ("web", &["10.64.40.11"])];

#[tokio::test(flavor = "multi_thread")]
async fn racing_executions_end_green_or_held_and_leave_every_network_at_one_site() {
    let lab = lab_with(LabOptions {
        world: file("two-networks.yaml"),
        map: file("two-networks.map.yaml"),
        ..LabOptions::default()
    })
    .await;
    let path = folder().join("two-networks.map.yaml");
    let splitting =
        std::fs::read_to_string(&path).unwrap() + "policy: { accept_stranded: [erp, web], proof_seconds: 0 }\n";
    lab.publish(&network_map::localized(&splitting, &path, lab.sim()).unwrap()).await.unwrap();
    // As in the story's world: each look that finds something still changing costs a pause.
    let at_once = json!({"ec2": {"route_pending_reads": 0}, "guests": {"invocation_hidden_reads": 0, "invocation_pending_reads": 0}});
    lab.control().put("/switches", &at_once).await.unwrap();
    green(&lab.run(FRANKFURT, "capture", &json!({"wave": "alpha"})).await.unwrap());
    lab.control().post("/move/mover/cutover", &json!({"plan": "alpha"})).await.unwrap();

    one_event_delivered_twice(&lab).await;
    recover(&lab).await;
    // Every case begins here: the VMs are in Dublin, the routes lead to Frankfurt, the journal is empty.
    let before = lab.sim().shared().world().clone();
    let ring = Ring { lab, before };
    ring.one_takes_over_and_the_late_write_is_out_before_the_way_back().await;
    ring.one_ends_before_the_other_has_a_lock().await;
    ring.evidence_from_before_the_last_move_counts_no_more().await;
    ring.another_set_meets_an_open_operation().await;
    ring.a_lock_is_lost_behind_one_that_was_taken().await;
    ring.five_at_once_for_the_same().await;
    ring.five_at_once_for_different_sets_and_sites().await;
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds")
}

fn file(name: &str) -> Source {
    Source::File(folder().join(name))
}

fn to(site: &str, networks: &[&str]) -> Value {
    json!({"networks": networks, "to": site})
}

/// The VMs of both networks go to the other Prism Central.
async fn recover(lab: &Lab) {
    for plan in ["erp", "web"] {
        lab.control().post(&format!("/recovery-plans/{plan}/failover"), &json!({"kind": "planned"})).await.unwrap();
    }
}

/// EventBridge delivers at least once.
async fn one_event_delivered_twice(lab: &Lab) {
    let input = json!({"wave": "alpha"});
    let both = [lab.run(FRANKFURT, "cutover", &input), lab.run(FRANKFURT, "cutover", &input)];
    let both: Vec<Execution> = join_all(both).await.into_iter().map(Result::unwrap).collect();
    for execution in &both {
        println!("cutover: {} {}", execution.status, execution.words());
        if !execution.succeeded() {
            // The same NIC was changed by both, or the operation taken over.
            reasoned(execution, &["RestoreIncomplete", "TakenOver"]);
        }
    }
    green(&lab.run(FRANKFURT, "cutover", &input).await.unwrap());
    served(lab, "erp", "prism-fra").await;
    served(lab, "web", "prism-fra").await;
}

struct Ring {
    lab: Lab,
    before: World,
}

/// An execution whose `swap-route` stands still at a call: for less than the 10 s that it waits for an answer.
struct Standing {
    arn: String,
    hold: String,
}

impl Ring {
    /// A second start takes the operation over. The call of the first may still reach EC2: nobody leads the networks back until it cannot.
    async fn one_takes_over_and_the_late_write_is_out_before_the_way_back(&self) {
        self.begin("taken over").await;
        let (there, back) = (to("dublin", &["erp", "web"]), to("frankfurt", &["erp", "web"]));
        let seen = self.watch(&there).await;
        let first = self.stand(&there, write(DUBLIN), 0, "before").await;
        done(&self.swap(&there, &seen).await);
        assert_eq!(self.operations().await.len(), 1, "who takes over goes on from the frozen plan");
        recover(&self.lab).await;
        refused(&self.swap(&back, &self.watch(&back).await).await, "LeaseHeld", "may still have a call under way");
        held(&self.go_on(first).await, "TakenOver");
        green(&self.run(FRANKFURT, &back).await);
        self.ended("taken over", "frankfurt").await;
    }

    /// Both saw free locks and the same tables; one is done before the other has a lock.
    async fn one_ends_before_the_other_has_a_lock(&self) {
        self.begin("before a lock").await;
        let both = to("dublin", &["erp", "web"]);
        let seen = self.watch(&both).await;
        let first = self.stand(&both, put(), 1, "before").await;
        done(&self.swap(&both, &seen).await);
        green(&self.go_on(first).await);
        self.ended("before a lock", "dublin").await;
        let begun = self.journals().await;
        assert_eq!(begun.len(), 1, "one operation wrote all: {begun:?}");
    }

    /// An execution that comes late saw the machines where they have not been for two moves.
    async fn evidence_from_before_the_last_move_counts_no_more(&self) {
        self.begin("old evidence").await;
        let (there, back) = (to("dublin", &["erp", "web"]), to("frankfurt", &["erp", "web"]));
        let seen = self.watch(&there).await;
        let late = self.stand(&there, put(), 0, "before").await;
        done(&self.swap(&there, &seen).await);
        recover(&self.lab).await;
        done(&self.swap(&back, &self.watch(&back).await).await);
        held(&self.go_on(late).await, "EvidenceStale");
        green(&self.run(FRANKFURT, &back).await);
        self.ended("old evidence", "frankfurt").await;
    }

    /// A set that overlaps, and another site: refused by name while the operation is open, and nothing is changed by it.
    async fn another_set_meets_an_open_operation(&self) {
        self.begin("overlap").await;
        let (both, web, away) = (to("dublin", &["erp", "web"]), to("dublin", &["web"]), to("frankfurt", &["erp"]));
        let seen = self.watch(&both).await;
        let first = self.stand(&to("dublin", &["erp"]), write(FRANKFURT), 0, "before").await;
        refused(&self.swap(&both, &seen).await, "OperationOpen", "(move erp to dublin) is open on network `erp`");
        refused(&self.swap(&away, &seen).await, "OperationOpen", "worked at by execution");
        assert_eq!(self.operations().await.len(), 1);
        // A network that nobody works at goes its way meanwhile.
        done(&self.swap(&web, &seen).await);
        self.never_worse("overlap, between two writes").await;
        green(&self.go_on(first).await);
        self.ended("overlap", "dublin").await;
        held(&self.run(DUBLIN, &away).await, "EvidenceAgainst");
        green(&self.run(DUBLIN, &both).await);
    }

    /// The second of two locks is gone when it is asked for: the first is given back, and what is left to do is planned again.
    async fn a_lock_is_lost_behind_one_that_was_taken(&self) {
        self.begin("second lock").await;
        let both = to("dublin", &["erp", "web"]);
        let seen = self.watch(&both).await;
        // The operation, the lock of `erp`, the lock of `web`.
        let first = self.stand(&both, put(), 2, "before").await;
        refused(&self.swap(&to("dublin", &["erp"]), &seen).await, "OperationOpen", "is open on network `erp`");
        done(&self.swap(&to("dublin", &["web"]), &seen).await);
        green(&self.go_on(first).await);
        self.ended("second lock", "dublin").await;
    }

    async fn five_at_once_for_the_same(&self) {
        self.begin("five").await;
        let both = to("dublin", &["erp", "web"]);
        let five = [FRANKFURT, DUBLIN, FRANKFURT, DUBLIN, FRANKFURT].map(|region| (region, both.clone()));
        let ends = self.at_once(&five).await;
        assert!(ends.iter().any(Execution::succeeded));
        for end in ends.iter().filter(|end| !end.succeeded()) {
            reasoned(end, &["TakenOver", "LeaseHeld"]);
        }
        self.ended("five", "dublin").await;
        green(&self.run(DUBLIN, &both).await);
    }

    async fn five_at_once_for_different_sets_and_sites(&self) {
        self.begin("five different").await;
        let all = [
            (FRANKFURT, to("dublin", &["erp", "web"])),
            (DUBLIN, to("dublin", &["erp"])),
            (FRANKFURT, to("dublin", &["web"])),
            (DUBLIN, to("frankfurt", &["erp", "web"])),
            (FRANKFURT, to("frankfurt", &["web"])),
        ];
        let ends = self.at_once(&all).await;
        for (end, (_, input)) in ends.iter().zip(&all) {
            match input["to"].as_str().unwrap() {
                "dublin" if end.succeeded() => {}
                "dublin" => reasoned(end, &["OperationOpen", "LeaseHeld"]),
                // Nobody runs there: the routes were there when it looked, and its checks failed; or they had gone.
                _ => reasoned(end, &["OperationOpen", "LeaseHeld", "EvidenceAgainst", "EvidenceStale", "failed"]),
            }
        }
        for (network, _) in HOSTS {
            assert!(self.site_of(network).is_some(), "{network} is at one site");
        }
        green(&self.run(DUBLIN, &all[0].1).await);
        self.ended("five different", "dublin").await;
    }

    async fn begin(&self, case: &str) {
        println!("-- {case}");
        {
            let mut world = self.lab.sim().shared().world();
            // Functions that are warm keep the sessions of their roles.
            let accounts = world.accounts.clone();
            *world = World { accounts, ..self.before.clone() };
        }
        forget(&self.lab, "holdfast-operations", "").await;
    }

    async fn run(&self, region: &str, input: &Value) -> Execution {
        let ended = self.lab.run(region, "failover", input).await.unwrap_or_else(|error| panic!("{}", error.line()));
        println!("{input}: {} {}", ended.status, ended.words());
        ended
    }

    /// Starts an execution and waits until a call of its `swap-route` is held.
    async fn stand(&self, input: &Value, pattern: Value, skip: u32, when: &str) -> Standing {
        let hold = json!({"match": pattern, "skip": skip, "when": when});
        let hold = format!("/holds/{}", self.lab.control().post("/holds", &hold).await.unwrap()["id"]);
        let arn = self.lab.begin(FRANKFURT, "failover", input).await.unwrap();
        let held = async {
            while self.lab.control().get(&format!("{hold}?wait_ms=1000")).await.unwrap()["state"] != "held" {}
        };
        tokio::select! {
            () = held => {}
            ended = self.lab.finish(FRANKFURT, &arn) => panic!("it made no such call: {}", ended.unwrap().words()),
        }
        self.never_worse("held").await;
        Standing { arn, hold }
    }

    async fn go_on(&self, standing: Standing) -> Execution {
        self.lab.control().post(&format!("{}/release", standing.hold), &json!({})).await.unwrap();
        let ended = self.lab.finish(FRANKFURT, &standing.arn).await.unwrap();
        println!("released: {} {}", ended.status, ended.words());
        ended
    }

    /// Evidence as the state machine takes it.
    async fn watch(&self, request: &Value) -> Value {
        let subject = json!({"kind": "failover", "request": request});
        let input = json!({"schema_version": 1, "execution": "racer", "subject": subject});
        invoke(&self.lab, "holdfast-watch", &input).await.unwrap()["evidence"].clone()
    }

    /// `swap-route` as the state machine of another execution calls it.
    async fn swap(&self, request: &Value, evidence: &Value) -> Result<Value, Value> {
        let input = json!({
            "schema_version": 1,
            "execution": "racer",
            "action": "apply",
            "request": request,
            "evidence": evidence,
        });
        invoke(&self.lab, SWAP, &input).await
    }

    /// Runs all of them at once, and asks from every client all the time.
    async fn at_once(&self, all: &[(&'static str, Value)]) -> Vec<Execution> {
        let mut running = std::pin::pin!(join_all(all.iter().map(|(region, input)| self.run(region, input))));
        loop {
            tokio::select! {
                ends = &mut running => return ends,
                () = self.never_worse("at once") => {}
            }
        }
    }

    /// The VMs may be where no route leads yet; nothing loops, and nothing is dropped by a route.
    async fn never_worse(&self, case: &str) {
        for (network, _) in HOSTS {
            for seen in probes(&self.lab, network).await {
                let text = seen.to_string().to_lowercase();
                assert!(!text.contains("loop") && !text.contains("blackhole"), "{case}: {seen}");
            }
        }
    }

    /// Every network is at the site by every table and by probes, nobody holds a lock, and no journal has a gap.
    async fn ended(&self, case: &str, site: &str) {
        self.never_worse(case).await;
        for (network, _) in HOSTS {
            assert_eq!(self.site_of(network).as_deref(), Some(site), "{case}: {network}");
            served(&self.lab, network, if site == "dublin" { "prism-dub" } else { "prism-fra" }).await;
        }
        for (operation, numbers) in self.journals().await {
            let gapless: Vec<usize> = (0..numbers.len()).collect();
            assert_eq!(numbers, gapless, "{case}: {operation}");
        }
        for lock in self.items("network#").await {
            let open = serde_json::from_str::<Value>(lock["doc"]["S"].as_str().unwrap()).unwrap()["open"].clone();
            assert_eq!(open, Value::Null, "{case}");
        }
    }

    /// The site that every table leads a network to.
    fn site_of(&self, network: &str) -> Option<String> {
        let prefix = if network == "erp" { "10.64.16.0/22" } else { "10.64.40.0/24" };
        let world = self.lab.sim().shared().world();
        let hop = |table: &str| {
            let routes = serde_json::to_value(&world.ec2.tgw_route_tables[table].routes).unwrap();
            routes[prefix].to_string()
        };
        let peering = "tgw-attach-0a330000000000001";
        let sites = [
            ("frankfurt", ["tgw-attach-0a110000000000003", peering]),
            ("dublin", [peering, "tgw-attach-0a220000000000003"]),
        ];
        let fits = sites.into_iter().find(|(_, [frankfurt, dublin])| {
            ["tgw-rtb-0a110000000000001", "tgw-rtb-0a110000000000002"]
                .iter()
                .all(|table| hop(table).contains(frankfurt))
                && hop("tgw-rtb-0a220000000000001").contains(dublin)
        });
        fits.map(|(site, _)| site.to_owned())
    }

    async fn items(&self, partition: &str) -> Vec<Value> {
        let found = dynamodb(&self.lab, "Scan", json!({"TableName": "holdfast-operations"})).await;
        let items = found["Items"].as_array().unwrap().iter();
        items.filter(|item| item["pk"]["S"].as_str().unwrap().starts_with(partition)).cloned().collect()
    }

    /// Operations that are stored.
    async fn operations(&self) -> Vec<Value> {
        let items = self.items("op#").await;
        items.into_iter().filter(|item| item["sk"]["S"].as_str().unwrap() == "operation#0000").collect()
    }

    /// The numbers of the entries of each operation that was begun.
    async fn journals(&self) -> BTreeMap<String, Vec<usize>> {
        let mut journals: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for item in self.items("op#").await {
            if let Some(number) = item["sk"]["S"].as_str().unwrap().strip_prefix("event#") {
                let of = item["pk"]["S"].as_str().unwrap().to_owned();
                journals.entry(of).or_default().push(number.parse().unwrap());
            }
        }
        journals.values_mut().for_each(|numbers| numbers.sort_unstable());
        journals
    }
}

/// A route that `swap-route` writes in a Region.
fn write(region: &str) -> Value {
    json!({"function": SWAP, "service": "ec2", "region": region, "action": "ReplaceTransitGatewayRoute"})
}

/// An item that `swap-route` puts: first the operation, then the lock of each network, then entries of the journal.
fn put() -> Value {
    json!({"function": SWAP, "service": "dynamodb", "action": "PutItem"})
}

/// The function did what it was asked for.
#[track_caller]
fn done(ended: &Result<Value, Value>) {
    assert!(matches!(ended, Ok(output) if output["result"] == "done"), "{ended:?}");
}

/// The function refused with this error, which says `what`.
#[track_caller]
fn refused(ended: &Result<Value, Value>, error: &str, what: &str) {
    let Err(refusal) = ended else { panic!("should be refused: {ended:?}") };
    assert_eq!(refusal["errorType"], error, "{refusal}");
    assert!(refusal["errorMessage"].as_str().unwrap().contains(what), "{refusal}");
}

/// The execution holds for one of these reasons.
#[track_caller]
fn reasoned(execution: &Execution, reasons: &[&str]) {
    held(execution, "");
    assert!(reasons.iter().any(|reason| execution.cause.contains(reason)), "{}", execution.cause);
}

async fn probes(lab: &Lab, network: &str) -> Vec<Value> {
    let mut seen = Vec::new();
    for address in HOSTS.iter().filter(|(name, _)| *name == network).flat_map(|(_, hosts)| *hosts) {
        for client in ["plant", "depot", "desk-1"] {
            let probe = json!({"from": client, "to": address, "count": 1});
            seen.push(lab.control().post("/probes", &probe).await.unwrap());
        }
    }
    seen
}

/// Every client reaches every address of a network, and what answers is at `place`.
async fn served(lab: &Lab, network: &str, place: &str) {
    for seen in probes(lab, network).await {
        prober::answered_at(&seen, place).unwrap_or_else(|seen| panic!("{network}: {seen}"));
    }
}
