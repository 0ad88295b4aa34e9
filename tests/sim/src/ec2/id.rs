//! Ids as EC2 writes them, always the same for the same seed.

use sha2::{Digest, Sha256};

/// `prefix` and 17 hexadecimal digits made from `seed`.
pub fn id(prefix: &str, seed: &str) -> String {
    format!("{prefix}-0{}", digits(seed, 16))
}

/// Id of a security group; `default` is the VPC's own.
pub fn security_group(vpc: &str, name: &str) -> String {
    id("sg", &format!("{vpc}/{name}"))
}

/// A locally administered MAC address made from `seed`.
pub fn mac(seed: &str) -> String {
    let digits = digits(seed, 10);
    let pairs: Vec<&str> = (0..5).filter_map(|i| digits.get(2 * i..2 * i + 2)).collect();
    format!("0a:{}", pairs.join(":"))
}

/// `count` hexadecimal digits made from `seed`, 64 at most.
pub fn digits(seed: &str, count: usize) -> String {
    Sha256::digest(seed.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>()
        .chars()
        .take(count)
        .collect()
}

/// A UUID-shaped request id made from `seed`.
pub fn request_id(seed: &str) -> String {
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, seed.as_bytes()).to_string()
}
