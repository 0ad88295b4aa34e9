//! The clock as it is passed in: nothing but `holdfast-runtime` reads the machine's own.

use jiff::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}
