//! Time-outs of AWS calls. They nest: connect < attempt < operation < function < state < state machine.

use std::time::Duration;

/// Opening a connection; an endpoint of AWS answers in milliseconds, from the other end of Japan too.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// One try of one call. A page of 1,000 routes or instances takes about a second; SDK defaults have no limit at all.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// One call with all its tries. A write may still take effect this long after it was begun, so a lease outlives the
/// function's deadline by it.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(25);

/// Tries of one call, the first included: a throttle or a lost packet is repeated, an outage is told to a person.
pub const MAX_ATTEMPTS: u32 = 3;

/// Time left below which no further change is begun: one call with all its tries, and the journal's entry of it.
pub const STOP_MARGIN: Duration = Duration::from_secs(55);
