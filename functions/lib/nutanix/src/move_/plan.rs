//! How far a migration plan is, judged by its machines: Move's own word for a plan says nothing of its parts.

use super::MoveRecord;
use super::MoveState;

/// A migration plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovePlan {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its machines.
    pub machines: Vec<MoveRecord>,
}

/// How far the cutover of a migration plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cutover {
    /// Of no machine has it begun, or only a test of it.
    Waiting,
    /// It goes on.
    UnderWay,
    /// Some machines are cut over, others not, and nothing goes on.
    Partly,
    /// It failed, and no machine is cut over.
    Failed,
    /// Every machine is cut over.
    Finished,
}

impl MovePlan {
    /// How far its cutover is.
    #[must_use]
    pub fn cutover(&self) -> Cutover {
        let finished = self.machines.iter().filter(|machine| machine.state == MoveState::Finished).count();
        if self.machines.iter().any(MoveRecord::cutting_over) {
            Cutover::UnderWay
        } else if finished > 0 && finished == self.machines.len() {
            Cutover::Finished
        } else if finished > 0 {
            Cutover::Partly
        } else if self.machines.iter().any(MoveRecord::failed) {
            Cutover::Failed
        } else {
            Cutover::Waiting
        }
    }
}
