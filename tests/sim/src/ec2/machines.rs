//! Instances' power, for the API and for Move.

use super::state::{Ec2, InstanceState};

impl Ec2 {
    /// Stops an instance; `pending_reads` more reads show it as `stopping`. A stopped one stays so.
    /// Afterwards tell [`crate::guests::instance_changed`].
    ///
    /// # Errors
    /// A sentence if there is no such instance or it is terminated.
    pub fn stop_instance(&mut self, id: &str, pending_reads: u32) -> Result<(), String> {
        self.turn(id, false, pending_reads)
    }

    /// Starts an instance; `pending_reads` more reads show it as `pending`. A running one stays so.
    /// Afterwards tell [`crate::guests::instance_changed`].
    ///
    /// # Errors
    /// A sentence if there is no such instance or it is terminated.
    pub fn start_instance(&mut self, id: &str, pending_reads: u32) -> Result<(), String> {
        self.turn(id, true, pending_reads)
    }

    fn turn(&mut self, id: &str, on: bool, pending_reads: u32) -> Result<(), String> {
        let instance = self.instances.get_mut(id).ok_or_else(|| format!("there is no instance `{id}`"))?;
        if instance.state == InstanceState::Terminated {
            return Err(format!("instance `{id}` is terminated"));
        }
        if instance.state.is_on() != on {
            instance.state = match (on, pending_reads) {
                (true, 0) => InstanceState::Running,
                (true, reads) => InstanceState::Pending(reads),
                (false, 0) => InstanceState::Stopped,
                (false, reads) => InstanceState::Stopping(reads),
            };
        }
        Ok(())
    }

    /// Terminates an instance and deletes the interfaces that go away with it.
    ///
    /// # Errors
    /// A sentence if there is no such instance.
    pub fn terminate_instance(&mut self, id: &str) -> Result<(), String> {
        let instance = self.instances.get_mut(id).ok_or_else(|| format!("there is no instance `{id}`"))?;
        instance.state = InstanceState::Terminated;
        for eni in std::mem::take(&mut instance.enis).into_values() {
            match self.enis.get_mut(&eni) {
                Some(found) if found.delete_on_termination => {
                    self.enis.remove(&eni);
                }
                Some(found) => found.attached = None,
                None => {}
            }
        }
        Ok(())
    }
}
