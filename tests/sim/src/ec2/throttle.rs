//! Token buckets per account, Region and action, refilled once a second.
//!
//! Source: Amazon EC2 developer guide, "Request throttling for the Amazon EC2 API".

use std::collections::BTreeMap;

use jiff::Timestamp;

/// Size and refill of an action's bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Most tokens that it holds.
    pub bucket: i64,
    /// Tokens added each second.
    pub refill: i64,
}

/// Describe and search calls that name what they want.
pub const READING: Rate = Rate { bucket: 100, refill: 20 };
/// `DescribeInstances` and `DescribeNetworkInterfaces` with neither a filter nor a page size.
pub const UNFILTERED: Rate = Rate { bucket: 50, refill: 10 };
/// Calls that change something.
pub const MUTATING: Rate = Rate { bucket: 50, refill: 5 };

/// The bucket of an action.
pub fn rate(action: &str, mutating: bool, form: &BTreeMap<String, String>) -> Rate {
    let narrowed = |key: &String| {
        ["Filter.", "MaxResults", "NextToken", "InstanceId.", "NetworkInterfaceId."]
            .iter()
            .any(|it| key.starts_with(it))
    };
    match (mutating, action) {
        (true, _) => MUTATING,
        (false, "DescribeInstances" | "DescribeNetworkInterfaces") if !form.keys().any(narrowed) => UNFILTERED,
        (false, _) => READING,
    }
}

/// All buckets.
#[derive(Debug, Clone, Default)]
pub struct Buckets(BTreeMap<(String, String, String), Bucket>);

#[derive(Debug, Clone)]
struct Bucket {
    tokens: i64,
    refilled: i64,
}

impl Buckets {
    /// Takes a token for a call; false if there is none.
    pub fn take(&mut self, account: &str, region: &str, action: &str, rate: Rate, now: Timestamp) -> bool {
        let second = now.as_second();
        let key = (account.to_owned(), region.to_owned(), action.to_owned());
        let bucket = self.0.entry(key).or_insert(Bucket { tokens: rate.bucket, refilled: second });
        let elapsed = second.saturating_sub(bucket.refilled).max(0);
        bucket.tokens = bucket.tokens.saturating_add(elapsed.saturating_mul(rate.refill)).min(rate.bucket);
        bucket.refilled = bucket.refilled.max(second);
        if bucket.tokens < 1 {
            return false;
        }
        bucket.tokens -= 1;
        true
    }

    /// Fills every bucket.
    pub fn reset(&mut self) {
        self.0.clear();
    }
}
