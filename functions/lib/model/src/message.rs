//! A message about many things.

/// Most lines of one message: it has to be read by a person, and Step Functions refuses a cause of more than 32,768 characters and a state's output
/// of more than 256 KiB ("Step Functions service quotas").
pub const MOST_LINES: usize = 50;

/// The first [`MOST_LINES`] lines, and how many more there are.
#[must_use]
pub fn first_lines(lines: impl IntoIterator<Item = String>) -> Vec<String> {
    cut(lines, "")
}

/// The first [`MOST_LINES`] lines, how many more there are, and where they are found.
#[must_use]
pub fn first_lines_of(lines: impl IntoIterator<Item = String>, place: &str) -> Vec<String> {
    cut(lines, &format!(", see {place}"))
}

fn cut(lines: impl IntoIterator<Item = String>, place: &str) -> Vec<String> {
    let mut lines = lines.into_iter();
    let mut first: Vec<String> = lines.by_ref().take(MOST_LINES).collect();
    match lines.count() {
        0 => {}
        more => first.push(format!("and {more} more{place}")),
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted() {
        let lines = |count: usize| (0..count).map(|n| n.to_string());
        assert_eq!(first_lines(lines(MOST_LINES)), lines(MOST_LINES).collect::<Vec<_>>());
        let cut = first_lines(lines(MOST_LINES + 950));
        assert_eq!(cut.len(), MOST_LINES + 1);
        assert_eq!(cut.last().unwrap(), "and 950 more");
        let cut = first_lines_of(lines(MOST_LINES + 950), "the inventory");
        assert_eq!(cut.last().unwrap(), "and 950 more, see the inventory");
    }
}
