//! Reads what the scripts print.

use holdfast_model::GuestReport;

/// Why output of a script was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Output without the end marker: cut off on the way.
    #[error("the output was cut off after {0} characters")]
    CutOff(usize),
    /// Whole output that does not have the form of the report.
    #[error("the output is not a report of this script")]
    Form(#[source] serde_json::Error),
    /// A report of a version that this program does not know.
    #[error("the report has version {0}, not 1")]
    Version(u32),
}

/// The version of the documents that the scripts print.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// The end marker of every script's output. ConvertTo-Json and the sh scripts both print without blanks, so that it is
/// one exact text and can be looked for before the document is parsed.
const END: &str = ",\"end\":true}";

/// Returns the last line of `stdout` if it is whole: the document reaches its end marker.
pub(crate) fn whole_line(stdout: &str) -> Result<&str, Unreadable> {
    let line = stdout.trim_end().lines().next_back().unwrap_or_default();
    if line.starts_with('{') && line.ends_with(END) {
        Ok(line)
    } else {
        Err(Unreadable::CutOff(stdout.chars().count()))
    }
}

/// Reads what a capture script printed.
///
/// # Errors
/// Output without its end marker, which was cut off on the way, and output that is not a capture report.
pub fn read_capture(stdout: &str) -> Result<GuestReport, Unreadable> {
    let report: GuestReport = serde_json::from_str(whole_line(stdout)?).map_err(Unreadable::Form)?;
    if report.schema_version != SCHEMA_VERSION {
        return Err(Unreadable::Version(report.schema_version));
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const WHOLE: &str = r#"{"schema_version":1,"host_name":"WEB-1","os":"Windows","nics":[{"name":"Ethernet","mac":"02:AB:00:00:00:01","mtu":9001,"addresses":[{"address":"172.30.1.34","prefix_length":24}],"addressing":"dhcp","gateway":"172.30.1.1","dns":["172.30.0.2"],"dns_suffixes":[],"routes":[{"prefix":"10.0.0.0/8","gateway":"172.30.1.254"}]}],"end":true}"#;

    #[test]
    fn whole_output_is_read() {
        let report = read_capture(&format!("{WHOLE}\r\n")).unwrap();
        assert_eq!(report.host_name, "WEB-1");
        assert_eq!(report.nics[0].mac.as_str(), "02:ab:00:00:00:01");
        assert_eq!(report.nics[0].addresses[0].address, Ipv4Addr::new(172, 30, 1, 34));
    }

    #[test]
    fn output_cut_at_any_character_is_refused() {
        for length in 0..WHOLE.len() {
            assert!(matches!(read_capture(&WHOLE[..length]), Err(Unreadable::CutOff(_))), "cut at {length}");
        }
    }

    #[test]
    fn output_of_another_script_is_refused() {
        let other = r#"{"schema_version":1,"host_name":"a","results":[],"end":true}"#;
        assert!(matches!(read_capture(other), Err(Unreadable::Form(_))));
    }

    #[test]
    fn a_report_of_another_version_is_refused() {
        let other = WHOLE.replace("\"schema_version\":1", "\"schema_version\":2");
        assert!(matches!(read_capture(&other), Err(Unreadable::Version(2))));
    }
}
