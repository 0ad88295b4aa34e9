//! Waiting in real time: the lab is a tool that watches other processes, so it may.

use std::time::Duration;

use crate::LabError;

/// Lets real time pass.
#[expect(clippy::disallowed_methods, reason = "the lab's one place that sleeps: it paces probes and polls processes")]
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "the lab's one place that reads the clock: the timeline is in real time")]
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// An environment variable.
#[expect(
    clippy::disallowed_methods,
    reason = "the lab's one place that reads the environment: cargo speaks through it"
)]
pub fn environment(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

/// The pause after the first question; each pause is half as long again as the one before.
const SHORTEST: Duration = Duration::from_millis(50);

/// The longest pause between two questions.
const LONGEST: Duration = Duration::from_millis(500);

/// Asks until there is an answer, less and less often: to answer takes the processor time that what is awaited needs.
///
/// # Errors
/// What `ask` returns; [`LabError::Late`] when there is no answer within the time.
pub async fn until<T, F>(what: &str, within: Duration, mut ask: impl FnMut() -> F) -> Result<T, LabError>
where
    F: Future<Output = Result<Option<T>, LabError>>,
{
    let asking = async {
        let mut next = SHORTEST;
        loop {
            if let Some(answer) = ask().await? {
                return Ok(answer);
            }
            pause(next).await;
            next = (next * 3 / 2).min(LONGEST);
        }
    };
    tokio::time::timeout(within, asking)
        .await
        .unwrap_or_else(|_| Err(LabError::Late { what: what.to_owned(), seconds: within.as_secs() }))
}
