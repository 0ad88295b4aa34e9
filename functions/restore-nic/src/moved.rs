//! Which VMs a machine has been since Move made one of it, by the recovery jobs that took it from one side to the other. Pure.

use holdfast_model::{Event, ExtId, HostName, Job, SiteName};

/// A VM that a machine was, or is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Was<'a> {
    pub(crate) vm: ExtId,
    /// The failover that made it; none for the one that Move made.
    pub(crate) by: Option<&'a Event>,
}

impl Was<'_> {
    /// Where the failover took it, in words.
    fn how(&self) -> String {
        let Some(Event { job, to, .. }) = self.by else { return format!("`{}` by Move's record", self.vm) };
        let job = match job {
            Job::Failover { name, .. } => name.as_str(),
            Job::Cutover { .. } => "of Move",
        };
        format!("`{}` at {to} by recovery job `{job}`", self.vm)
    }
}

/// The VMs that a machine was, one after the other: the last one is what it is now. Each VM is there once, where it was last.
///
/// A job that failed made VMs too; which of them is the machine is for who looks where they are.
pub(crate) fn trail<'a>(vm: &ExtId, host: &HostName, failovers: &'a [Event]) -> Vec<Was<'a>> {
    let mut trail = vec![Was { vm: vm.clone(), by: None }];
    for event in failovers {
        let Some(became) = event.machines.get(host) else { continue };
        let (Some(source), Some(vm)) = (&became.source, &became.vm) else { continue };
        if !trail.iter().any(|was| was.vm.as_str().eq_ignore_ascii_case(source)) {
            continue;
        }
        trail.retain(|was| was.vm != *vm);
        trail.push(Was { vm: vm.clone(), by: Some(event) });
    }
    trail
}

/// The trail in words.
pub(crate) fn told(trail: &[Was<'_>]) -> String {
    trail.iter().map(Was::how).collect::<Vec<_>>().join(", then ")
}

/// The site that the last failover took it to.
pub(crate) fn now_at<'a>(trail: &[Was<'a>]) -> Option<&'a SiteName> {
    trail.last()?.by.map(|event| &event.to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn vm(number: u32) -> ExtId {
        ExtId::parse(format!("11111111-1111-4111-8111-{number:012}")).unwrap()
    }

    fn failover(job: &str, to: &str, source: u32, became: Option<u32>) -> Event {
        serde_json::from_value(json!({"schema_version": 1, "id": format!("failover-{job}"),
            "job": {"kind": "failover", "prism_central": "pc-osaka", "job": vm(99), "name": job, "action": "planned"},
            "ending": "finished", "networks": ["app"], "to": to, "found_at": "2026-01-02T03:04:05Z", "summary": "",
            "machines": {"web-1": {"source": vm(source).as_str().to_uppercase(), "vm": became.map(vm)}, "app-1": {}}}))
        .unwrap()
    }

    fn walked(failovers: &[Event]) -> Vec<ExtId> {
        let web = HostName::parse("web-1").unwrap();
        trail(&vm(1), &web, failovers).into_iter().map(|was| was.vm).collect()
    }

    #[test]
    fn a_machine_is_followed_there_and_back_and_through_jobs_that_have_nothing_of_it() {
        let there = failover("there", "nc2-osaka", 1, Some(2));
        let back = failover("back", "nc2-tokyo", 2, Some(3));
        let other = failover("other", "nc2-osaka", 7, Some(8));
        let lost = failover("lost", "nc2-osaka", 1, None);
        assert_eq!(walked(&[other.clone(), lost, there.clone(), back.clone()]), [vm(1), vm(2), vm(3)]);
        assert_eq!(walked(&[other]), [vm(1)]);
        let all = [there, back];
        let trail = trail(&vm(1), &HostName::parse("web-1").unwrap(), &all);
        assert_eq!(now_at(&trail).unwrap().as_str(), "nc2-tokyo");
        let told = told(&trail);
        assert!(told.contains("by Move's record, then `") && told.ends_with("at nc2-tokyo by recovery job `back`"));
    }

    #[test]
    fn a_vm_that_gets_its_id_back_is_what_the_machine_is_now() {
        let there = failover("there", "nc2-osaka", 1, Some(2));
        let back = failover("back", "nc2-tokyo", 2, Some(1));
        assert_eq!(walked(&[there.clone(), back]), [vm(2), vm(1)]);
        // By a job that failed, and again from the same source.
        assert_eq!(walked(&[there, failover("again", "nc2-osaka", 1, Some(3))]), [vm(1), vm(2), vm(3)]);
    }
}
