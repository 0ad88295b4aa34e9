//! Nutanix: recovery plans that move machines, jobs that tell of it, and whoever watches them.

use super::deeds::Deed;
use super::ground::{EC2, HOSTS, NC2, NC2_OSAKA, NC2_TOKYO, network, site};
use super::machines::State;
use super::world::{Job, Stored, World};
use holdfast_model::{Action, Became, Ending, Event, EventId, ExtId, HostName, Job as EventJob, PrismName};

fn other(from: &str) -> &'static str {
    if from == NC2_TOKYO { NC2_OSAKA } else { NC2_TOKYO }
}

fn event(world: &mut World, hosts: &[usize], (from, to): (&str, &str), action: Action, failed: &[usize]) -> EventId {
    let number = world.number();
    let job = ExtId::parse(format!("{number:08}-2222-2222-2222-222222222222")).unwrap();
    let id = EventId::parse(format!("failover-{}", job.as_str())).unwrap();
    let ending = match failed.len() {
        0 => Ending::Finished,
        some if some == hosts.len() => Ending::Failed,
        _ => Ending::PartlyFinished,
    };
    let became = |host: &usize| {
        let failed = failed.contains(host).then(|| "no space".to_owned());
        (HostName::parse(HOSTS[*host].0).unwrap(), Became { source: None, vm: None, failed })
    };
    let prism = if to == NC2_OSAKA { "pc-osaka" } else { "pc-tokyo" };
    let event = Event {
        schema_version: 1,
        id: id.clone(),
        job: EventJob::Failover { prism_central: PrismName::parse(prism).unwrap(), job, name: "plan".into(), action },
        ending,
        networks: hosts.iter().map(|host| network(HOSTS[*host].1)).collect(),
        from: Some(site(from)),
        to: site(to),
        machines: hosts.iter().map(became).collect(),
        ended: None,
        found_at: world.now,
        summary: format!("a job led machines from {from} to {to}"),
    };
    world.jobs.insert(id.clone(), Job { event, test: false, ended: false });
    id
}

/// Machines change sides: by the will of both, or by that of the target alone; some late, some without their address, some not at all.
pub(crate) fn failover(world: &mut World, hosts: &[usize], from: &'static str) {
    if from == EC2 {
        return;
    }
    let to = other(from);
    let action = world.dice.pick(&[Action::Planned, Action::Live, Action::Unplanned, Action::Unplanned]);
    let both_alive = action == Action::Unplanned && world.dice.one_in(3);
    world.note(|| format!("{action:?} failover of {hosts:?} from {from} to {to}, both alive: {both_alive}"));
    let (mut last, mut failed) = (0, Vec::new());
    for host in hosts {
        let off = world.dice.between(1, 60);
        let boots = off + world.dice.between(0, 120);
        let deed = |state, at| Deed::Set { host: *host, site: at, state };
        if both_alive {
            let later = world.dice.between(600, 4_000);
            world.later(later, deed(State::Off, from));
        } else {
            world.later(off, deed(State::Off, from));
        }
        match world.dice.below(12) {
            0 => failed.push(*host),
            1 | 2 => {
                world.later(boots, deed(State::Astray, to));
                let mended = boots + world.dice.between(60, 900);
                world.later(mended, deed(State::On, to));
            }
            _ => world.later(boots, deed(State::On, to)),
        }
        last = last.max(boots);
    }
    if action == Action::Unplanned && world.dice.one_in(4) {
        world.dark.insert(from);
        let light = world.dice.between(300, 3_000);
        world.later(light, Deed::Light(from));
    }
    let id = event(world, hosts, (from, to), action, &failed);
    let after = last + world.dice.between(-20, 30).max(-last + 1);
    world.later(after, Deed::Ends(id));
}

/// A job that moves nobody: a test failover, or one that a Prism Central tells wrong of.
pub(crate) fn lie(world: &mut World, hosts: &[usize], from: &'static str) {
    if from == EC2 {
        return;
    }
    let id = event(world, hosts, (from, other(from)), Action::Unplanned, &[]);
    let test = world.dice.one_in(2);
    world.jobs.get_mut(&id).unwrap().test = test;
    world.note(|| format!("{id} moves nobody; a test: {test}"));
    world.later(30, Deed::Ends(id));
}

/// A job has ended: the watchers of both Regions find it, each in its time.
pub(crate) fn ends(world: &mut World, id: &EventId) {
    world.jobs.get_mut(id).unwrap().ended = true;
    for _ in 0..2 {
        let after = world.dice.between(1, 70);
        world.later(after, Deed::Watch(id.clone()));
    }
}

/// One look of a watcher at a job: stored once, put on the bus at least once, by whoever lives to do so; some come twice, some hours late.
pub(crate) fn watch(world: &mut World, id: &EventId) {
    let job = world.jobs[id].clone();
    if job.test {
        return;
    }
    if !world.tells(job.event.to.as_str()) {
        world.later(60, Deed::Watch(id.clone()));
        return;
    }
    let known = world.events.contains_key(id);
    world.events.entry(id.clone()).or_insert(Stored { event: job.event, taken: None });
    if known && !world.dice.one_in(3) {
        return;
    }
    let soon = world.dice.between(0, 5);
    world.later(soon, Deed::Deliver(id.clone()));
    if world.dice.one_in(4) {
        let late = world.dice.between(1, 9_000);
        world.later(late, Deed::Deliver(id.clone()));
    }
}

/// Somebody shuts down and starts machines until all run at one site with their addresses.
pub(crate) fn settle(world: &mut World, hosts: &[usize]) {
    let runs =
        |world: &World, site: &str| hosts.iter().filter(|host| world.machines.state(**host, site).runs()).count();
    let at = NC2.into_iter().max_by_key(|site| runs(world, site)).unwrap();
    for host in hosts {
        world.set(*host, EC2, State::Off);
        world.set(*host, at, State::On);
        let there = other(at);
        if world.machines.state(*host, there) != State::None {
            world.set(*host, there, State::Off);
        }
    }
    let words = world.machines_words();
    world.note(|| format!("settled: {words}"));
}

/// The VMs are shut down, and the instances started.
pub(crate) fn back_to_ec2(world: &mut World, hosts: &[usize]) {
    for host in hosts {
        for at in NC2.into_iter().filter(|at| world.machines.state(*host, at).runs()).collect::<Vec<_>>() {
            let off = world.dice.between(1, 60);
            world.later(off, Deed::Set { host: *host, site: at, state: State::Off });
        }
        let boots = world.dice.between(60, 180);
        world.later(boots, Deed::Set { host: *host, site: EC2, state: State::On });
    }
}
