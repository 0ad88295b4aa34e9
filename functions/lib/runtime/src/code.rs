//! Which code runs: the hash of the program itself, so that nobody has to declare a version.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::sync::OnceLock;

/// The program that runs, as Linux names it.
const SELF: &str = "/proc/self/exe";

/// SHA-256 in lower-case hexadecimal.
#[must_use]
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 of the program that runs: the same wherever the same archive was deployed. Read once; none where it cannot be read.
#[must_use]
pub fn code_of_this_program() -> Option<&'static str> {
    static CODE: OnceLock<Option<String>> = OnceLock::new();
    CODE.get_or_init(|| std::fs::read(SELF).ok().map(sha256)).as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_knows_the_hash_of_its_own_file() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(code_of_this_program(), Some(sha256(own).as_str()));
        assert_eq!(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
