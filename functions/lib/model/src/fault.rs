//! Faults: how a function says no. Their names are an interface, since Step Functions sees only the name.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A function's reasoned no: the name that a state machine catches, and what a person reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// The name that a state machine catches.
    pub name: FaultName,
    /// What is wrong, where, what was left behind and how to mend it: a lower-case fragment.
    pub message: String,
}

impl Fault {
    /// A fault with its message.
    pub fn new(name: FaultName, message: impl Into<String>) -> Self {
        Self { name, message: message.into() }
    }
}

/// The functions, each deployed as one Lambda function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    /// Records addresses before the move.
    Capture,
    /// Gives NICs their addresses back.
    RestoreNic,
    /// Points route tables at where the machines are.
    SwapRoute,
    /// Checks and reports.
    Verify,
    /// Reads where the machines are.
    Watch,
}

impl Function {
    /// All functions.
    pub const ALL: [Function; 5] =
        [Function::Capture, Function::RestoreNic, Function::SwapRoute, Function::Verify, Function::Watch];

    /// Name of the binary and, in Pascal case with `Function` behind, of the resource in the template.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Function::Capture => "capture",
            Function::RestoreNic => "restore-nic",
            Function::SwapRoute => "swap-route",
            Function::Verify => "verify",
            Function::Watch => "watch",
        }
    }

    /// Faults that the function can return.
    #[must_use]
    pub fn faults(self) -> Vec<FaultName> {
        FaultName::ALL.into_iter().filter(|fault| fault.from().contains(&self)).collect()
    }
}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident retry $retry:literal from [$($from:ident),+];)+) => {
        /// Names of all faults.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum FaultName {
            $($(#[$doc])* $name,)+
        }

        impl FaultName {
            /// All names.
            pub const ALL: [FaultName; [$(stringify!($name)),+].len()] = [$(FaultName::$name),+];

            /// The text that arrives as `errorType` and stands in `ErrorEquals`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(FaultName::$name => stringify!($name),)+ }
            }

            /// Whether the same call may succeed a little later without a person.
            #[must_use]
            pub fn retryable(self) -> bool {
                match self { $(FaultName::$name => $retry,)+ }
            }

            /// Functions that can return it.
            #[must_use]
            pub fn from(self) -> &'static [Function] {
                match self { $(FaultName::$name => &[$(Function::$from),+],)+ }
            }
        }
    };
}

faults! {
    /// The input is not what the function takes, or names something that the network map does not have.
    InvalidInput retry false from [Capture, RestoreNic, SwapRoute, Verify, Watch];
    /// The network map cannot be used.
    InvalidMap retry false from [Capture, RestoreNic, SwapRoute, Verify, Watch];
    /// Something of Holdfast's own is not set up: a parameter, secret, table or right is missing.
    NotConfigured retry false from [Capture, RestoreNic, SwapRoute, Verify, Watch];
    /// AWS refused for lack of rights.
    AccessDenied retry false from [Capture, RestoreNic, SwapRoute, Verify, Watch];
    /// AWS or an appliance asked to slow down, and kept asking.
    Throttled retry true from [Capture, RestoreNic, SwapRoute, Verify, Watch];
    /// AWS or an appliance did not answer or answered with an error of its own.
    Unavailable retry true from [Capture, RestoreNic, SwapRoute, Verify, Watch];
    /// A bug of Holdfast: what was seen cannot be.
    Internal retry false from [Capture, RestoreNic, SwapRoute, Verify, Watch];
    /// Nothing was captured for this wave or network.
    NotCaptured retry false from [RestoreNic, SwapRoute, Verify, Watch];
    /// Two machines of the wave have one name.
    DuplicateName retry false from [Capture];
    /// A selected instance has an address outside the declared networks, or no name.
    OutsideNetworks retry false from [Capture];
    /// The guest says otherwise than the EC2 API.
    GuestContradicts retry false from [Capture];
    /// A guest could not be read.
    GuestUnread retry false from [Capture];
    /// The captured version is better than what can be captured now; it stays.
    CaptureWorse retry false from [Capture];
    /// User name or password was refused by Prism Central or Move.
    WrongPassword retry false from [RestoreNic, Watch];
    /// The certificate of Prism Central or Move is not the trusted one.
    UntrustedCertificate retry false from [RestoreNic, Watch];
    /// No VM of this name at the site.
    VmNotFound retry false from [RestoreNic];
    /// Several VMs of one name, and Move does not tell which.
    VmAmbiguous retry false from [RestoreNic];
    /// The subnet that should carry the network does not fit.
    SubnetUnfit retry false from [RestoreNic];
    /// Another NIC holds the address.
    AddressHeld retry false from [RestoreNic];
    /// The VM has not the NICs that the capture has.
    NicUnexpected retry false from [RestoreNic];
    /// A NIC could not be given its address; the message says what is left.
    RestoreIncomplete retry false from [RestoreNic];
    /// The NIC is right, the guest does not use the address.
    GuestSilent retry false from [RestoreNic];
    /// The planner or the checker says no, or a test failover would be in somebody's way, with the reason.
    Refused retry false from [SwapRoute, Watch];
    /// No evidence and no person's force.
    EvidenceMissing retry false from [SwapRoute];
    /// The evidence is older than the policy allows.
    EvidenceStale retry false from [SwapRoute];
    /// The evidence says that the machines are not there, or also elsewhere.
    EvidenceAgainst retry false from [SwapRoute];
    /// Something in scope could not be read.
    Unread retry false from [SwapRoute];
    /// Another operation is open on a network.
    OperationOpen retry false from [SwapRoute];
    /// A writer that died may still have a call under way; wait until its lease has run out.
    LeaseHeld retry true from [SwapRoute];
    /// Another execution took this operation over.
    TakenOver retry false from [SwapRoute];
    /// A route was changed by somebody else.
    Drifted retry false from [SwapRoute];
    /// A route change failed; the message says what is done and what is left.
    SwapIncomplete retry false from [SwapRoute];
    /// There is no such operation, or it cannot be undone.
    NotUndoable retry false from [SwapRoute, Watch];
}

impl fmt::Display for FaultName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serialized_name_is_the_caught_name() {
        for fault in FaultName::ALL {
            assert_eq!(serde_json::to_value(fault).unwrap(), fault.name());
        }
    }
}
