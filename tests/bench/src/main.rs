//! Measures plan and check of 1,000 networks x 8 tables x 6 vantages: time, and memory at its highest. Then looks at a thousand simulated days. One
//! JSON object a line. With a seed as its argument it tells that day instead.

use holdfast_bench::day::{Counts, run};
use holdfast_bench::{Size, map, picture};
use holdfast_model::SiteName;
use holdfast_plan::{Move, check, plan_move};
use serde_json::json;
use std::error::Error;
use std::time::Instant;

/// The figure is the slowest.
const RUNS: u32 = 5;

/// The most that it may take, in seconds and MB.
const LIMITS: (f64, f64) = (1.0, 128.0);

/// Simulated days.
const DAYS: u64 = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        Some(seed) => tell_day(seed.parse()?),
        None => planning().and_then(|()| days()),
    }
}

/// What happened in the day of a seed.
fn tell_day(seed: u64) -> Result<(), Box<dyn Error>> {
    let day = run(seed);
    println!("{}\n{:?}", day.story.join("\n"), day.counts);
    if day.violations.is_empty() { Ok(()) } else { Err(day.violations.join("\n").into()) }
}

/// Looks at days one after the other, and ends with the first in which something happened that must never happen.
fn days() -> Result<(), Box<dyn Error>> {
    let (mut all, mut hours) = (Counts::default(), 0);
    for seed in 0..DAYS {
        let day = run(seed);
        if !day.violations.is_empty() {
            return Err(
                format!("seed {seed}: {}; `holdfast-bench {seed}` tells the day", day.violations.join("; ")).into()
            );
        }
        all += day.counts;
        hours += day.seconds / 3_600;
    }
    let line = json!({
        "name": "simulated days: what must never happen", "value": 0, "unit": "violations", "floor": null, "ratio": null, "runs": DAYS,
        "calls": { "all": all.executions, "mutating": all.writes, "throttled": 0 },
        "hours": hours, "counts": format!("{all:?}"),
    });
    println!("{line}");
    Ok(())
}

fn planning() -> Result<(), Box<dyn Error>> {
    let size = Size { networks: 1000, tables: 8, vantages: 6 };
    let (map, picture) = (map(size)?, picture(size)?);
    let (networks, to) = (map.networks.keys().cloned().collect(), SiteName::parse("b")?);
    let mut slowest = 0.0_f64;
    for _ in 0..RUNS {
        let begun = Instant::now();
        let plan = plan_move(&Move::whole(&networks, &to), &map, &picture)?;
        check(&plan, &picture, &map).map_err(|found| format!("the checker refuses the plan: {found:?}"))?;
        slowest = slowest.max(begun.elapsed().as_secs_f64());
        if plan.steps().count() != 8000 {
            return Err(format!("the plan has {} steps", plan.steps().count()).into());
        }
    }
    let calls = json!({ "all": 0, "mutating": 0, "throttled": 0 });
    let tell = |name: &str, value: f64, unit: &str, floor: f64| {
        let round = |value: f64| (value * 1000.0).round() / 1000.0;
        let line = json!({
            "name": name, "value": round(value), "unit": unit, "floor": floor, "ratio": round(value / floor),
            "calls": calls, "runs": RUNS,
        });
        println!("{line}");
    };
    tell("plan and check of 1,000 prefixes x 8 tables x 6 vantages", slowest, "s", LIMITS.0);
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    let peak = peak.ok_or("this system does not tell how much memory was used")?;
    tell("plan and check of 1,000 prefixes x 8 tables x 6 vantages: memory", peak / 1000.0, "MB", LIMITS.1);
    Ok(())
}
