//! What is written in two places says the same in both.
//!
//! Rust owns documents and error names, the state machines own order, retry and compensation, the template owns wiring and
//! permission. Run with `UPDATE=1` to write the generated files anew.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that is wrong"
)]

mod machines;
mod rights;
mod rooms;
mod schemas;
mod support;
mod timeouts;
mod wiring;
