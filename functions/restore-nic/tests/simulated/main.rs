//! Restoring a wave against the simulated Prism Central and Move, over HTTPS.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what fails here fails the test"
)]

mod answers;
mod circle;
mod crash;
mod faults;
mod moved;
mod order;
mod random;
mod refusals;
mod settings;
mod success;
mod test_cutover;
mod world;
