//! Prism Central and Move as clients see them: over HTTPS, rule by rule.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "what fails here fails the test")]

mod addresses;
mod changes;
mod client;
mod guests;
mod migration;
mod reads;
mod recovery;
mod v3;
