//! A start of a state machine as the command that a person copies.

use std::fmt;

/// Name of the state machine that leads networks to a site, and takes operations back.
pub const FAILOVER: &str = "holdfast-failover";

/// A start of a state machine in the Region and account of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    partition: String,
    region: String,
    account: String,
    machine: String,
    input: String,
}

impl Command {
    /// A start of the state machine of an execution with an input; none where the id is not that of an execution.
    pub(crate) fn again(execution: &str, input: &str) -> Option<Self> {
        match execution.split(':').collect::<Vec<_>>().as_slice() {
            ["arn", partition, "states", region, account, "execution", machine, _] => Some(Self {
                partition: (*partition).to_owned(),
                region: (*region).to_owned(),
                account: (*account).to_owned(),
                machine: (*machine).to_owned(),
                input: input.to_owned(),
            }),
            _ => None,
        }
    }

    /// A start of [`FAILOVER`] beside it.
    pub(crate) fn failover(execution: &str, input: &str) -> Option<Self> {
        Self::again(execution, input).map(|command| Self { machine: FAILOVER.to_owned(), ..command })
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, region, account, machine, input } = self;
        write!(
            f,
            "aws stepfunctions start-execution --region {region} --state-machine-arn arn:{partition}:states:{region}:{account}:stateMachine:{machine} --input {}",
            quoted(input)
        )
    }
}

/// A word for a shell: nothing in single quotes means anything but a single quote.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a shell makes of a command, word by word.
    fn words(command: &Command) -> Vec<String> {
        let script = command.to_string().replacen("aws ", r"printf '%s\n' aws ", 1);
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_shell_reads_a_command_as_it_is_meant() {
        let execution = "arn:aws:states:eu-west-1:111122223333:execution:holdfast-cutover:run-1";
        for input in
            [r#"{"wave": "wave-1"}"#, r#"{"force": {"by": "O'Neil", "reason": "$(reboot) `x` \\ \"y\""}}"#, "''"]
        {
            let command = Command::failover(execution, input).unwrap();
            let machine = "arn:aws:states:eu-west-1:111122223333:stateMachine:holdfast-failover";
            let region = ["aws", "stepfunctions", "start-execution", "--region", "eu-west-1"];
            assert_eq!(words(&command), [&region[..], &["--state-machine-arn", machine, "--input", input]].concat());
        }
        let again = Command::again(execution, "{}").unwrap();
        assert!(
            words(&again).contains(&"arn:aws:states:eu-west-1:111122223333:stateMachine:holdfast-cutover".to_owned())
        );
        assert_eq!(Command::again("run-1", "{}"), None);
    }
}
