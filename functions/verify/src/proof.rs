//! Whether what is not proven yet is looked at again, or told now.

use holdfast_model::wire::{CheckStatus, Verdict};

/// What a verification knows of the time that proof may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Proof {
    /// Whether something is wrong that no time mends: it is told at once.
    pub lasts: bool,
    /// Seconds since the routes were changed; none where nothing is waited for.
    pub age: Option<i64>,
    /// How long what may mend itself is waited for after a change, in seconds.
    pub allowed: u32,
}

impl Proof {
    /// What is to follow from the worst of the checks.
    pub(crate) fn verdict(&self, worst: CheckStatus) -> Verdict {
        match worst {
            CheckStatus::Unknown | CheckStatus::Fail if self.may_mend() => Verdict::Wait,
            CheckStatus::Pass | CheckStatus::Warn | CheckStatus::Unknown | CheckStatus::Fail => worst.into(),
        }
    }

    /// How long was waited in vain, where a person is told that it was.
    pub(crate) fn waited(&self, worst: CheckStatus) -> Option<String> {
        let over = worst >= CheckStatus::Unknown && !self.lasts && self.allowed > 0;
        let age = self.age.filter(|age| over && *age >= i64::from(self.allowed))?;
        Some(format!(
            "it did not mend itself within {age} s after the change, policy waits {} s (`proof_seconds`)",
            self.allowed
        ))
    }

    fn may_mend(&self) -> bool {
        !self.lasts && self.age.is_some_and(|age| age < i64::from(self.allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_mend_itself_is_waited_for_and_nothing_else() {
        use CheckStatus::{Fail, Pass, Unknown, Warn};
        #[rustfmt::skip]
        let rows = [
            // lasts, age,      allowed, worst,   verdict
            (false, Some(10),   180,     Pass,    Verdict::Pass),
            (false, Some(10),   180,     Warn,    Verdict::Warn),
            (false, Some(10),   180,     Unknown, Verdict::Wait),
            (false, Some(10),   180,     Fail,    Verdict::Wait),
            (false, Some(179),  180,     Fail,    Verdict::Wait),
            (false, Some(180),  180,     Fail,    Verdict::Fail),
            (false, Some(180),  180,     Unknown, Verdict::Unknown),
            // The clock of Step Functions may be ahead of the function's.
            (false, Some(-2),   180,     Fail,    Verdict::Wait),
            // No time mends it; policy does not wait; nobody changed anything.
            (true,  Some(10),   180,     Fail,    Verdict::Fail),
            (true,  Some(10),   180,     Unknown, Verdict::Unknown),
            (false, Some(0),    0,       Fail,    Verdict::Fail),
            (false, None,       180,     Fail,    Verdict::Fail),
        ];
        for (lasts, age, allowed, worst, verdict) in rows {
            let proof = Proof { lasts, age, allowed };
            assert_eq!(proof.verdict(worst), verdict, "{proof:?} {worst:?}");
            let told = age.is_some_and(|age| age >= 180) && allowed > 0;
            assert_eq!(proof.waited(worst).is_some(), told, "{proof:?} {worst:?}");
        }
        let over = Proof { lasts: false, age: Some(190), allowed: 180 };
        let told = "it did not mend itself within 190 s after the change, policy waits 180 s (`proof_seconds`)";
        assert_eq!(over.waited(Fail).as_deref(), Some(told));
    }
}
