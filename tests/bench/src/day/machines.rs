//! Where the machines are, now and at any moment of the day.

use super::ground::{EC2, HOSTS, SITES};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What a site has of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing.
    None,
    Off,
    /// It runs, and uses its recorded address.
    On,
    /// It runs, and uses another address.
    Astray,
}

impl State {
    pub(crate) fn runs(self) -> bool {
        matches!(self, State::On | State::Astray)
    }
}

/// What each site had of each machine, from when on.
#[derive(Debug)]
pub(crate) struct Machines(BTreeMap<(usize, &'static str), Vec<(Timestamp, State)>>);

impl Machines {
    /// All run at one site; those in EC2 are stopped.
    pub(crate) fn at(home: &str, now: Timestamp) -> Self {
        let mut all = BTreeMap::new();
        for host in 0..HOSTS.len() {
            for site in SITES {
                let state = if site == home {
                    State::On
                } else if site == EC2 {
                    State::Off
                } else {
                    State::None
                };
                all.insert((host, site), vec![(now, state)]);
            }
        }
        Self(all)
    }

    pub(crate) fn set(&mut self, host: usize, site: &'static str, state: State, now: Timestamp) {
        let history = self.0.get_mut(&(host, site)).unwrap();
        if history.last().unwrap().1 != state {
            history.push((now, state));
        }
    }

    pub(crate) fn state(&self, host: usize, site: &str) -> State {
        self.of(host, site).last().unwrap().1
    }

    fn of(&self, host: usize, site: &str) -> &[(Timestamp, State)] {
        let key = SITES.iter().find(|known| **known == site).unwrap();
        &self.0[&(host, *key)]
    }

    /// Whether a machine was in such a state at any moment from `begin` to `end`.
    pub(crate) fn ever(
        &self,
        host: usize,
        site: &str,
        (begin, end): (Timestamp, Timestamp),
        is: impl Fn(State) -> bool,
    ) -> bool {
        let history = self.of(host, site);
        let ends = history.iter().skip(1).map(|(at, _)| *at).chain([Timestamp::MAX]);
        history.iter().zip(ends).any(|((from, state), until)| *from <= end && begin <= until && is(*state))
    }

    /// Why machines were not seen at a site within a time: they have to have run there with their addresses, and nowhere else that was looked at.
    pub(crate) fn against(
        &self,
        hosts: &[usize],
        to: &str,
        window: (Timestamp, Timestamp),
        looked_at: impl Fn(&str) -> bool,
    ) -> Option<String> {
        for host in hosts {
            let name = HOSTS[*host].0;
            if !self.ever(*host, to, window, |state| state == State::On) {
                return Some(format!("{name} never ran at {to} with its address from {} to {}", window.0, window.1));
            }
            for site in SITES.into_iter().filter(|site| *site != to && looked_at(site)) {
                if !self.ever(*host, site, window, |state| !state.runs()) {
                    return Some(format!("{name} ran at {site} all the time from {} to {}", window.0, window.1));
                }
            }
        }
        None
    }

    /// The site where all of these run with their addresses, and nowhere else.
    pub(crate) fn home(&self, hosts: &[usize]) -> Option<&'static str> {
        let home = |host: usize| {
            let mut running = SITES.into_iter().filter(|site| self.state(host, site).runs());
            match (running.next(), running.next()) {
                (Some(site), None) if self.state(host, site) == State::On => Some(site),
                _ => None,
            }
        };
        let first = home(*hosts.first()?)?;
        hosts.iter().all(|host| home(*host) == Some(first)).then_some(first)
    }
}
