//! Checks of machines: the judgement of `holdfast-plan`, objection by objection.

use crate::checks::{fail, list, pass, unknown, warn};
use crate::facts::{Live, Subject};
use crate::routes;
use holdfast_model::SiteName;
use holdfast_model::wire::{Check, CheckStatus};
use holdfast_plan::{Facts, Move, Objection, Objections, cut_off, judge, plan_move};

/// How a verification takes what the judgement objects to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taking {
    /// A captured host that is not where it should be, or still somewhere else.
    pub host: CheckStatus,
    /// Somebody who cannot reach the networks there.
    pub stranded: CheckStatus,
    /// No evidence: before the machines are restored nobody has asked yet; after a forced change nobody could be asked.
    pub no_evidence: Option<CheckStatus>,
}

/// Whether every captured host is at the site with its addresses, nowhere else, and nobody else holds an address of the networks.
pub(crate) fn at_site(subject: &Subject<'_>, live: &Live, to: &SiteName, taking: Taking) -> Vec<Check> {
    judged_at(subject, live, to, taking).checks
}

/// What the judgement of machines comes to.
pub(crate) struct Judged {
    pub checks: Vec<Check>,
    /// Whether a person has to mend something: no time does.
    pub lasts: bool,
}

/// The same as [`at_site`], and whether any of it lasts.
pub(crate) fn judged_at(subject: &Subject<'_>, live: &Live, to: &SiteName, taking: Taking) -> Judged {
    let apart = routes::apart(subject, live, to);
    let facts = Facts {
        networks: &subject.networks,
        to,
        map: subject.map,
        addresses: subject.addresses.as_ref(),
        apart: &apart,
        picture: Some(&live.picture),
        plan: None,
        evidence: subject.evidence.as_ref(),
        hosts: &subject.hosts,
        machines: &live.machines,
        now: subject.now,
    };
    let objections = match judge(&facts) {
        Ok(lines) => return Judged { checks: vec![pass(machines(to), list(lines))], lasts: false },
        Err(objections) => objections.0,
    };
    let checks: Vec<Check> = objections.iter().filter_map(|objection| one(objection, live, to, taking)).collect();
    if checks.is_empty() {
        let saw = format!("nothing speaks against {} captured hosts", subject.hosts.len());
        return Judged { checks: vec![pass(machines(to), saw)], lasts: false };
    }
    Judged { checks, lasts: objections.iter().any(lasts) }
}

/// Whether what is objected to stays as it is until a person mends it.
fn lasts(objection: &Objection) -> bool {
    match objection {
        // A machine that runs twice, is off or has not its address on a NIC; one that is nobody's.
        Objection::Host { .. } | Objection::Stranger { .. } | Objection::NotCaptured { .. } => true,
        // A guest takes its address late, a site answers late, the next look takes evidence anew; who is stranded is a warning after a change.
        Objection::Guest { .. }
        | Objection::Unread { .. }
        | Objection::NoEvidence
        | Objection::Stale { .. }
        | Objection::OtherNetworks { .. }
        | Objection::Stranded { .. } => false,
    }
}

/// Whom a move to a site would cut off from the networks: it would be refused for each whom nobody accepted. `targets` is why load-balancer targets were
/// not read.
pub(crate) fn cut_off_by(subject: &Subject<'_>, live: &Live, to: &SiteName, targets: Option<&String>) -> Check {
    let name = format!("nobody is cut off by a move to {to}");
    let wanted = Move { networks: &subject.networks, to, hosts: subject.addresses.as_ref() };
    // Where there is no plan, another check says why; who is held back does not depend on its steps.
    let plan = plan_move(&wanted, subject.map, &live.picture).ok();
    let facts = Facts {
        networks: &subject.networks,
        to,
        map: subject.map,
        addresses: subject.addresses.as_ref(),
        apart: &routes::apart(subject, live, to),
        picture: Some(&live.picture),
        plan: plan.as_ref(),
        evidence: None,
        hosts: &subject.hosts,
        machines: &live.machines,
        now: subject.now,
    };
    let found = cut_off(&facts);
    let unread = live.machines_unread.iter().filter(|(site, _)| *site != to);
    let unread: Vec<String> = unread
        .map(|(site, why)| format!("site `{site}` is unknown: {why}"))
        .chain(targets.map(|why| format!("load-balancer targets are unknown: {why}")))
        .collect();
    if !found.refused.is_empty() {
        fail(name, list([Objections(found.refused).to_string()].into_iter().chain(unread)))
    } else if !unread.is_empty() {
        unknown(name, list(unread))
    } else {
        pass(name, list(if found.accepted.is_empty() { vec!["nobody was found".to_owned()] } else { found.accepted }))
    }
}

fn machines(to: &SiteName) -> String {
    format!("machines for {to}")
}

fn one(objection: &Objection, live: &Live, to: &SiteName, taking: Taking) -> Option<Check> {
    let text = objection.to_string();
    Some(match objection {
        Objection::NoEvidence => Check { name: "evidence".to_owned(), status: taking.no_evidence?, saw: text },
        Objection::NotCaptured { .. } => unknown("captured hosts", text),
        // The change itself takes time: it was judged by this evidence when it was fresh.
        Objection::Stale { .. } => warn("evidence", text),
        Objection::OtherNetworks { .. } => unknown("evidence", text),
        Objection::Unread { site, .. } => {
            let why = live.machines_unread.get(site).map_or(text, |why| format!("site `{site}` is unknown: {why}"));
            unknown(format!("machines at {site}"), why)
        }
        Objection::Host { host, .. } | Objection::Guest { host, .. } => {
            Check { name: format!("host {host} for {to}"), status: taking.host, saw: text }
        }
        Objection::Stranded { .. } => {
            Check { name: "nobody is cut off".to_owned(), status: taking.stranded, saw: text }
        }
        Objection::Stranger { .. } => fail("nobody else holds an address of the networks", text),
    })
}
