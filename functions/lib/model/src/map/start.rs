//! What may start by itself, and when not.

use jiff::civil::Weekday;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, Zoned};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

/// What a finished cutover or failover of a network's machines starts. The weakest of several networks counts for all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StartPolicy {
    /// Nothing: a person starts the execution.
    #[default]
    Manual,
    /// A message with the plan and the commands that approve or reject it.
    Propose,
    /// The execution, where two signals say the same: the job, and what the Prism Centrals say of the machines.
    Automatic,
}

impl StartPolicy {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn is_manual(&self) -> bool {
        *self == StartPolicy::Manual
    }
}

impl fmt::Display for StartPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StartPolicy::Manual => "manual",
            StartPolicy::Propose => "propose",
            StartPolicy::Automatic => "automatic",
        })
    }
}

/// The longest that a proposal may wait, in seconds: a day, so that an execution that waits ends well within its own time-out.
pub const LONGEST_APPROVAL_SECONDS: u32 = 86_400;

/// Limits of what starts by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StartLimits {
    /// For so many seconds after a network was moved, no failover of it starts by itself.
    pub hold_down_seconds: u32,
    /// After so many moves of a network within a day, whoever started them, no failover of it starts by itself.
    pub most_swaps_a_day: u32,
    /// A proposal that nobody answered for so many seconds has expired: 1 to 86400.
    #[schemars(range(min = 1, max = 86400))]
    pub approval_expires_seconds: u32,
    /// Times at which nothing starts by itself; proposals are made all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub automatic_off: Vec<Window>,
}

impl Default for StartLimits {
    fn default() -> Self {
        Self { hold_down_seconds: 600, most_swaps_a_day: 4, approval_expires_seconds: 3_600, automatic_off: Vec::new() }
    }
}

/// A time of the week, in the local time of a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Days on which it begins, at least one.
    pub days: BTreeSet<Day>,
    /// When it begins.
    pub from: ClockTime,
    /// When it has ended; earlier than `from`: on the next day.
    pub to: ClockTime,
    /// Time zone of the IANA database, as `Asia/Tokyo`.
    pub time_zone: String,
}

/// The time zones that this version was built with, so that the same map means the same everywhere.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

impl Window {
    /// The time zone; none where its name is not known.
    pub(crate) fn zone(&self) -> Option<TimeZone> {
        ZONES.get(&self.time_zone).ok()
    }

    /// Whether a moment is within it. In a time zone that is not known every moment is.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        let Some(zone) = self.zone() else { return true };
        let local = Zoned::new(now, zone);
        let minute = ClockTime::of(&local);
        let today = self.days.contains(&local.weekday().into());
        let yesterday = self.days.contains(&local.weekday().previous().into());
        if self.from < self.to {
            return today && self.from <= minute && minute < self.to;
        }
        (today && self.from <= minute) || (yesterday && minute < self.to)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<String> = self.days.iter().map(|day| format!("{day:?}").to_lowercase()).collect();
        write!(f, "{} {} to {} {}", days.join(", "), self.from, self.to, self.time_zone)
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the days of the week say it")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl From<Weekday> for Day {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Monday => Day::Mon,
            Weekday::Tuesday => Day::Tue,
            Weekday::Wednesday => Day::Wed,
            Weekday::Thursday => Day::Thu,
            Weekday::Friday => Day::Fri,
            Weekday::Saturday => Day::Sat,
            Weekday::Sunday => Day::Sun,
        }
    }
}

/// A time of the day, in minutes: `00:00` to `24:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct ClockTime(u16);

/// Minutes of a day.
const DAY: u16 = 24 * 60;

impl ClockTime {
    fn of(local: &Zoned) -> Self {
        Self(u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs()))
    }

    fn parse(text: &str) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        let two = |digits: &str| -> Option<u16> {
            let plain = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten()
        };
        let minutes = two(minutes).filter(|minutes| *minutes < 60)?;
        Some(Self(two(hours)? * 60 + minutes)).filter(|time| time.0 <= DAY)
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl TryFrom<String> for ClockTime {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
            .ok_or_else(|| format!("`{text}` is not a time of the day; write \"HH:MM\" in quotes, up to \"24:00\""))
    }
}

impl From<ClockTime> for String {
    fn from(time: ClockTime) -> String {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(days: &str, from: &str, to: &str, zone: &str) -> Window {
        let days: Vec<&str> = days.split(' ').collect();
        serde_json::from_value(serde_json::json!({"days": days, "from": from, "to": to, "time_zone": zone})).unwrap()
    }

    /// 2026-01-02 is a Friday.
    #[test]
    fn a_window_is_of_the_day_it_begins_on_in_its_own_time_zone() {
        let night = window("fri", "22:00", "06:00", "Asia/Tokyo");
        let weekend = window("sat sun", "00:00", "24:00", "Asia/Tokyo");
        let winter = window("fri", "01:00", "02:00", "Europe/Berlin");
        for (window, at, within) in [
            (&night, "2026-01-02T12:59:59Z", false),
            (&night, "2026-01-02T13:00:00Z", true),
            (&night, "2026-01-02T20:59:59Z", true),
            (&night, "2026-01-02T21:00:00Z", false),
            // Saturday night is not Friday night, nor is the early Friday.
            (&night, "2026-01-03T13:00:00Z", false),
            (&night, "2026-01-01T20:00:00Z", false),
            (&weekend, "2026-01-02T14:59:59Z", false),
            (&weekend, "2026-01-02T15:00:00Z", true),
            (&weekend, "2026-01-04T14:59:59Z", true),
            (&weekend, "2026-01-04T15:00:00Z", false),
            // An hour's local time is another UTC hour in summer.
            (&winter, "2026-01-02T00:30:00Z", true),
            (&winter, "2026-07-03T00:30:00Z", false),
            (&winter, "2026-07-02T23:30:00Z", true),
        ] {
            assert_eq!(window.holds(at.parse().unwrap()), within, "{window} at {at}");
        }
    }

    #[test]
    fn a_time_of_the_day_is_written_in_one_way() {
        assert_eq!(ClockTime::parse("24:00").unwrap().to_string(), "24:00");
        for bad in ["24:01", "7:00", "07:60", "07", "-1:00", "+1:00", "07:00:00", ""] {
            assert_eq!(ClockTime::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn nothing_starts_by_itself_unless_the_map_says_so() {
        assert_eq!(StartPolicy::default(), StartPolicy::Manual);
        assert!(StartPolicy::Manual < StartPolicy::Propose && StartPolicy::Propose < StartPolicy::Automatic);
    }
}
