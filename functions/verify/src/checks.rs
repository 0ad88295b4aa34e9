//! Checks as values.

use holdfast_model::wire::{Check, CheckStatus};

pub(crate) fn pass(name: impl Into<String>, saw: impl Into<String>) -> Check {
    Check { name: name.into(), status: CheckStatus::Pass, saw: saw.into() }
}

pub(crate) fn warn(name: impl Into<String>, saw: impl Into<String>) -> Check {
    Check { name: name.into(), status: CheckStatus::Warn, saw: saw.into() }
}

pub(crate) fn unknown(name: impl Into<String>, saw: impl Into<String>) -> Check {
    Check { name: name.into(), status: CheckStatus::Unknown, saw: saw.into() }
}

pub(crate) fn fail(name: impl Into<String>, saw: impl Into<String>) -> Check {
    Check { name: name.into(), status: CheckStatus::Fail, saw: saw.into() }
}

/// The worst status; a pass when there is none.
pub(crate) fn worst(checks: &[Check]) -> CheckStatus {
    checks.iter().map(|check| check.status).max().unwrap_or(CheckStatus::Pass)
}

/// Items as a person reads them.
pub(crate) fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_worse_than_a_warning_and_better_than_a_failure() {
        assert_eq!(worst(&[]), CheckStatus::Pass);
        assert_eq!(worst(&[warn("a", ""), unknown("b", ""), pass("c", "")]), CheckStatus::Unknown);
        assert_eq!(worst(&[unknown("a", ""), fail("b", "")]), CheckStatus::Fail);
    }
}
