//! A fault at every single call of a start, one after the other, and a new start, for every way in which a NIC is repaired.

use futures::future::join_all;
use holdfast_model::wire::Progress;
use holdfast_model::{FaultName, Macs};
use holdfast_sim::World;
use holdfast_sim::faults::{Effect, Garbage, Match, NewFault, Source, When};
use holdfast_sim::prism::state::Nic;
use serde_json::json;

use crate::world::Scene;

/// A way in which the one host of a wave is repaired; the other machine that Move cut over is none of it.
#[derive(Debug, Clone, Copy)]
struct Way {
    level: &'static str,
    /// Its place in the scene.
    host: usize,
    macs: Macs,
    /// Whether Move gave it its own address.
    own_address: bool,
    migrates: bool,
    /// Whether the calls that come before its first change, which are the same in all ways of a family, are struck too.
    from_the_first_call: bool,
    /// The changes by which the way is known.
    changes: &'static [&'static str],
}

/// A level that is not spoken, beside which there is v3.
const V3: &str = "4.0.a1";

const MIGRATE: Way = Way {
    level: "4.1",
    host: 0,
    macs: Macs::AsMoved,
    own_address: false,
    migrates: true,
    from_the_first_call: true,
    changes: &["vms.nics.migrate", "vms.nics.update", "vms.nics.update"],
};

const OTHER: Way = Way { from_the_first_call: false, ..MIGRATE };

const WAYS: [Way; 7] = [
    MIGRATE,
    Way {
        host: 1,
        changes: &["vms.nics.release-ip", "vms.nics.assign-ip", "vms.nics.update", "vms.nics.update"],
        ..OTHER
    },
    Way { level: "4.3", macs: Macs::AsCaptured, changes: &["vms.nics.create", "vms.nics.delete"], ..OTHER },
    Way {
        level: "4.0",
        host: 1,
        macs: Macs::AsCaptured,
        own_address: true,
        changes: &["vms.nics.release-ip", "vms.nics.create", "vms.nics.delete"],
        ..OTHER
    },
    Way { migrates: false, changes: &["vms.nics.migrate", "vms.nics.delete", "vms.nics.create"], ..OTHER },
    Way { level: V3, changes: &["v3.vms.update", "v3.vms.update"], ..MIGRATE },
    Way { level: V3, macs: Macs::AsCaptured, changes: &["v3.vms.update", "v3.vms.update"], ..OTHER },
];

/// A call of a start without faults.
struct Call {
    /// `prism` or `move`.
    system: &'static str,
    /// Its number among the calls to that system.
    number: u64,
    action: String,
    change: bool,
}

/// A fault, and how many tries of a call it strikes; all later calls too where none is given.
type Fault = (Effect, Option<u64>);

fn error(status: u16) -> Effect {
    Effect::Error { code: "INTERNAL".into(), status, message: "try later".into() }
}

/// Faults of one call, the `n`-th of its way. A read has no effect that a fault could come before or after, and gets one after the other.
fn faults(n: usize, call: &Call, way: &Way) -> Vec<Fault> {
    let forms = [Garbage::Html, Garbage::Truncated, Garbage::WrongTypes];
    let form = forms[n % forms.len()];
    let silence = (Effect::DropReply, None);
    // As often as a call is sent that is answered so, and not answered.
    let (answered, silent) = (Some(u64::from(holdfast_nutanix::TRIES)), Some(3));
    if !call.change {
        let garbage = (Effect::Garbage { form, when: When::After }, Some(1));
        let error = (error(if n.is_multiple_of(2) { 500 } else { 503 }), answered);
        let mut all = vec![garbage, error, silence];
        all.rotate_left(n % 3);
        all.truncate(if way.from_the_first_call && way.level != V3 { 2 } else { 1 });
        return all;
    }
    // Taken for a change that was done at once.
    let nothing = Effect::Garbage { form: Garbage::Empty, when: When::Before };
    let link = call.action == "vms.nics.update";
    let common = [
        (error(500), Some(1)),
        (error(503), answered),
        (Effect::DropRequest, silent),
        (Effect::DropReply, Some(1)),
        (Effect::DropReply, silent),
        (Effect::Garbage { form, when: When::After }, Some(1)),
        silence,
    ];
    common.into_iter().chain(link.then_some((nothing, Some(1)))).collect()
}

/// The scene of a way, and its world to begin with.
async fn scene(way: &Way) -> (Scene, World) {
    let mut scene = Scene::after_cutover(|world| {
        let world = world.replacen("  tokyo:\n", &format!("  tokyo:\n    api_level: \"{}\"\n", way.level), 1);
        if !way.own_address {
            return world;
        }
        world.replacen("first: 172.30.1.100, last: 172.30.1.199", "first: 172.30.1.35, last: 172.30.1.35", 1)
    })
    .await;
    scene.switch(&json!({"learned_lag_reads": 0, "address_lag_reads": 0, "migrate_powered_on": way.migrates}));
    scene.with_move = way.from_the_first_call;
    // What a guest uses shows with the next read.
    scene.policy.guest_timeout_seconds = 1;
    scene.hosts = vec![scene.hosts.swap_remove(way.host)];
    scene.declared.mac_addresses = way.macs;
    // Until Move shows the cutover as done.
    (0..9).for_each(|_| {
        scene.sim.shared().world().moves.values_mut().for_each(holdfast_sim::move_::MoveAppliance::observe)
    });
    let world = scene.sim.shared().world().clone();
    (scene, world)
}

/// What the VM of the scene's host has.
fn nics(scene: &Scene) -> Vec<Nic> {
    let name = scene.hosts[0].name.as_str();
    let world = scene.sim.shared().world();
    world.prisms["tokyo"].vms.values().find(|vm| vm.name == name).unwrap().nics.clone()
}

/// What is compared of NICs: where each is, with what.
fn shown(nics: &[Nic]) -> String {
    let shown = |nic: &Nic| format!("{} {} {} {:?} {:?}; ", nic.ext_id, nic.mac, nic.subnet, nic.address, nic.shape);
    nics.iter().map(shown).collect()
}

/// Everything that is not the VM and the guest of the scene's host, but for what reading changes.
fn outside(scene: &Scene) -> Vec<String> {
    let name = scene.hosts[0].name.as_str();
    let world = scene.sim.shared().world();
    let prism = &world.prisms["tokyo"];
    let vms = prism.vms.values().filter(|vm| vm.name != name);
    let vms = vms.map(|vm| format!("VM {} {:?} {:?}: {}", vm.ext_id, vm.name, vm.power, shown(&vm.nics)));
    let guests = world.guests.all.iter().filter(|(id, _)| id.machine() != name).map(|guest| format!("{guest:?}"));
    let rest = [json!(prism.subnets), json!(prism.vpcs), json!(world.moves)];
    vms.chain(guests).chain(rest.iter().map(ToString::to_string)).collect()
}

fn assert_same(before: &[String], now: &[String], what: &str) {
    assert_eq!(now.len(), before.len(), "{what}");
    for (before, now) in before.iter().zip(now) {
        let at = before.bytes().zip(now.bytes()).position(|(one, other)| one != other).unwrap_or(0).saturating_sub(200);
        let part = |text: &str| text.chars().skip(at).take(500).collect::<String>();
        assert!(now == before, "{what}: {} was {}", part(now), part(before));
    }
}

/// Whether the host has one NIC, on its subnet, connected, with its addresses and its MAC address where it is to have that, and its guest uses them.
fn is_right(scene: &Scene) -> bool {
    let (nics, record) = (nics(scene), &scene.hosts[0].nics[0]);
    let world = scene.sim.shared().world();
    let app = world.prisms["tokyo"].subnets.values().find(|subnet| subnet.name == "app").unwrap().ext_id;
    let [nic] = nics.as_slice() else { return false };
    let mac = record.mac.as_ref().unwrap().as_str();
    let has =
        nic.subnet == app && nic.address == Some(record.primary) && nic.secondary.is_empty() && nic.shape.connected;
    let mac = scene.declared.mac_addresses == Macs::AsMoved || nic.mac.eq_ignore_ascii_case(mac);
    let guest = world.guests.all.iter().find(|(id, _)| id.machine() == scene.hosts[0].name.as_str()).unwrap().1;
    has && mac && guest.adapters.iter().filter(|adapter| adapter.holds(record.primary)).count() == 1
}

/// The calls of a start that meets no fault.
async fn calls(scene: &Scene, way: &Way) -> Vec<Call> {
    let gate = scene.sim.shared().gate();
    let since = gate.log().last_seq();
    scene.start().await.unwrap();
    assert!(is_right(scene), "{way:?}: {}", shown(&nics(scene)));
    let (mut of_prism, mut of_move) = (0, 0);
    let call = |entry: holdfast_sim::log::Entry| {
        let (system, count) = match entry.source {
            Source::Prism(_) => ("prism", &mut of_prism),
            Source::Move(_) => ("move", &mut of_move),
            Source::Aws => panic!("{entry:?}"),
        };
        *count += 1;
        // A login changes nothing that counts.
        Call { system, number: *count - 1, action: entry.action, change: entry.mutating && system == "prism" }
    };
    let calls: Vec<Call> = gate.log().since(since).into_iter().map(call).collect();
    let changes: Vec<&str> = calls.iter().filter(|call| call.change).map(|call| call.action.as_str()).collect();
    assert!(changes.starts_with(way.changes), "{way:?}: {changes:?}");
    calls
}

/// One start that meets a fault, and one that meets none.
async fn play(
    scene: &mut Scene,
    world: &World,
    what: &str,
    strike: impl FnOnce(&Scene),
    struck: impl FnOnce(&Scene) -> bool,
) {
    *scene.sim.shared().world() = world.clone();
    scene.notes = crate::world::Kept::default();
    let (before, around) = (nics(scene), outside(scene));
    strike(scene);
    let ended = scene.start().await;
    assert!(struck(scene), "{what}: not struck: {ended:?}");
    let now = nics(scene);
    match &ended {
        Ok(restored) => {
            assert_eq!(restored.result, Progress::Done, "{what}");
            assert!(is_right(scene), "{what}: {restored:?}: {}", shown(&now));
        }
        Err(fault) => {
            let (host, address) = (&scene.hosts[0].name, scene.hosts[0].nics[0].primary);
            assert!(
                matches!(fault.name, FaultName::Unavailable | FaultName::RestoreIncomplete),
                "{what}: {}: {fault}",
                fault.name.name()
            );
            if !is_right(scene) && shown(&now) != shown(&before) {
                let named =
                    fault.message.starts_with(&format!("{host}: ")) && fault.message.contains(&address.to_string());
                assert!(named, "{what}: {fault}: {}", shown(&now));
                assert!(fault.message.contains("start again, or "), "{what}: {fault}: {}", shown(&now));
            }
        }
    }
    assert_same(&around, &outside(scene), what);
    let gate = scene.sim.shared().gate();
    gate.clear_faults();
    gate.log().clear();
    let again = scene.start().await.unwrap_or_else(|fault| panic!("after {what}: {fault}\nfirst: {ended:?}"));
    assert_eq!(again.result, Progress::Done, "after {what}");
    assert!(is_right(scene), "after {what}: {again:?}: {}", shown(&nics(scene)));
    assert_same(&around, &outside(scene), &format!("after {what}"));
    assert!(scene.notes.is_empty(), "after {what}: notes are left");
}

/// Scenes of one way at once; most of a start is waiting.
const LANES: usize = 8;

/// Plays every `LANES`-th case of a way, and tells how many there are.
async fn strike_everywhere(way: &Way, lane: usize) -> usize {
    let (mut scene, world) = scene(way).await;
    let calls = calls(&scene, way).await;
    let first = if way.from_the_first_call { 0 } else { calls.iter().position(|call| call.change).unwrap() };
    let mut all = Vec::new();
    for (n, call) in calls.iter().enumerate().skip(first) {
        all.extend(faults(n, call, way).into_iter().map(|fault| (call, fault)));
    }
    for (call, (effect, times)) in all.iter().skip(lane).step_by(LANES) {
        let what = format!("{way:?}: {effect:?} {times:?} at {} ({})", call.action, call.number);
        let strike = |scene: &Scene| {
            let matching = Match { source: Some(call.system.into()), ..Match::default() };
            let (skip, times, effect) = (call.number, *times, effect.clone());
            scene.sim.shared().gate().add_fault(NewFault { matching, skip, times, effect });
        };
        let struck = |scene: &Scene| scene.sim.shared().gate().faults().iter().any(|fault| fault.struck > 0);
        play(&mut scene, &world, &what, strike, struck).await;
    }
    all.len()
}

async fn by(ways: &[Way]) {
    let lanes = ways.iter().flat_map(|way| (0..LANES).map(move |lane| strike_everywhere(way, lane)));
    let of_ways = join_all(lanes).await;
    assert!(of_ways.iter().all(|cases| *cases > 20), "{of_ways:?}");
}

#[tokio::test]
async fn a_nic_that_stays_is_right_after_a_fault_at_any_call_and_a_new_start() {
    by(&WAYS[..2]).await;
}

#[tokio::test]
async fn a_nic_that_is_created_and_deleted_is_there_once_after_a_fault_at_any_call_and_a_new_start() {
    by(&WAYS[2..5]).await;
}

#[tokio::test]
async fn by_v3_a_nic_is_there_once_after_a_fault_at_any_call_and_a_new_start() {
    by(&WAYS[5..]).await;
}

#[tokio::test]
async fn a_nic_is_right_after_a_call_of_the_table_of_notes_that_failed_before_or_after_its_effect_and_a_new_start() {
    join_all(WAYS.iter().map(async |way| {
        let (mut scene, world) = scene(way).await;
        calls(&scene, way).await;
        let calls = scene.notes.calls();
        assert!(calls >= 3, "{way:?}: {calls}");
        for (call, when) in (0..calls).flat_map(|call| [(call, When::Before), (call, When::After)]) {
            let what = format!("{way:?}: {when:?} call {call} of the table");
            play(&mut scene, &world, &what, |scene| scene.notes.strike(call, when), |scene| scene.notes.calls() > call)
                .await;
        }
    }))
    .await;
}
