//! The committed scripts, verbatim. They travel as an element of `commands` of their own, so that their hash is known.

/// Prints a Linux machine's network as JSON; also runs where there is no `ip`.
pub const CAPTURE_SH: &str = include_str!("../scripts/capture.sh");
/// Prints a Windows machine's network as JSON.
pub const CAPTURE_PS1: &str = include_str!("../scripts/capture.ps1");
/// Configures adapters of a Linux machine; `HOLDFAST_SETTINGS` is set before it.
pub const SETTINGS_SH: &str = include_str!("../scripts/settings.sh");
/// Configures adapters of a Windows machine; `$HoldfastSettings` is set before it.
pub const SETTINGS_PS1: &str = include_str!("../scripts/settings.ps1");
/// Pings targets from a Linux machine; `HOLDFAST_TARGETS`, `HOLDFAST_COUNT` and `HOLDFAST_PORT` are set before it.
pub const PROBE_SH: &str = include_str!("../scripts/probe.sh");
/// Pings targets from a Windows machine; `$HoldfastTargets`, `$HoldfastCount` and `$HoldfastPort` are set before it.
pub const PROBE_PS1: &str = include_str!("../scripts/probe.ps1");
