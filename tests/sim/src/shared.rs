//! The handle that every server of a simulation holds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::{clock::Clock, faults::Gate, world::World};

/// The world, the clock and the interception point of one simulation. Cheap to clone.
#[derive(Clone)]
pub struct Shared(Arc<Inner>);

struct Inner {
    world: Mutex<World>,
    clock: Arc<dyn Clock>,
    gate: Gate,
}

impl Shared {
    /// Puts a world under a clock.
    pub fn new(world: World, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner { world: Mutex::new(world), clock, gate: Gate::default() }))
    }

    /// Locks the world. Never hold the guard over an `await`.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present moment of this simulation.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The log, the fault rules and the holds.
    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }
}
