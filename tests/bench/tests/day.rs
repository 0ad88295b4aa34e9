//! Days of simulated time, with all that may go wrong in them.

use holdfast_bench::day::{Counts, run};

/// Days that a test looks at; `holdfast-bench` looks at a thousand.
const DAYS: u64 = 16;

/// A day at whose end an operation is open that only a forced move ends.
const STUCK: u64 = 28;

#[test]
fn nothing_that_must_never_happen_happens_in_a_day_and_all_is_well_after_it() {
    let mut all = Counts::default();
    for seed in (0..DAYS).chain([STUCK]) {
        let day = run(seed);
        let last: Vec<&str> = day.story.iter().rev().take(40).rev().map(String::as_str).collect();
        assert!(day.violations.is_empty(), "seed {seed}: {:#?}\n{}", day.violations, last.join("\n"));
        all += day.counts;
    }
    // Of what may go wrong, something did.
    let Counts {
        writes,
        operations,
        forced,
        undone,
        without_region,
        deaths,
        started_by_event,
        held_back,
        refused,
        replaced,
        stuck,
        ..
    } = all;
    for count in [writes, operations, forced, undone, without_region, deaths, started_by_event, held_back, refused] {
        assert!(count > DAYS, "{all:?}");
    }
    assert!(replaced > 4 && stuck > 0, "{all:?}");
}

#[test]
fn a_day_is_the_same_for_the_same_seed() {
    assert_eq!(run(7), run(7));
}
