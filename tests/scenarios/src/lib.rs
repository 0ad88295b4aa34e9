//! Nothing but tests: see `tests/`. Each starts a lab of its own: real Lambda binaries, real state machines, simulated platforms.
