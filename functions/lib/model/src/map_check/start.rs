//! What the limits of what starts by itself, and of the wait for its proof, may not say.

use super::{Checker, MapError};
use crate::{LONGEST_APPROVAL_SECONDS, LONGEST_PROOF_SECONDS};

impl Checker<'_> {
    pub(super) fn start(&self) -> Result<(), MapError> {
        let proof = self.map.policy.proof_seconds;
        if proof > LONGEST_PROOF_SECONDS {
            let message = format!("`proof_seconds: {proof}` is more than {LONGEST_PROOF_SECONDS}");
            return self.error(&["policy", "proof_seconds"], message);
        }
        let limits = &self.map.policy.start;
        if !(1..=LONGEST_APPROVAL_SECONDS).contains(&limits.approval_expires_seconds) {
            let message = format!(
                "`approval_expires_seconds: {}` is not between 1 and {LONGEST_APPROVAL_SECONDS}",
                limits.approval_expires_seconds
            );
            return self.error(&["policy", "start", "approval_expires_seconds"], message);
        }
        for (at, window) in limits.automatic_off.iter().enumerate() {
            let at = at.to_string();
            let path = |key| ["policy", "start", "automatic_off", at.as_str(), key];
            if window.days.is_empty() {
                return self.error(&path("days"), "`days` is empty; name at least one, as `days: [sat, sun]`");
            }
            if window.from == window.to {
                let message = format!(
                    "a window from {} to {} is empty; for a whole day write `from: \"00:00\"` and `to: \"24:00\"`",
                    window.from, window.to
                );
                return self.error(&path("to"), message);
            }
            if window.zone().is_none() {
                let message = format!(
                    "time zone `{}` is not known; write a name of the IANA database, as `Asia/Tokyo`",
                    window.time_zone
                );
                return self.error(&path("time_zone"), message);
            }
        }
        Ok(())
    }
}
