//! An IPv4 prefix without host bits.

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv4Addr;

/// Why a text is not a prefix that Holdfast can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Not an address and a length.
    #[error("`{0}` is not an IPv4 prefix like `172.30.1.0/24`")]
    Invalid(String),
    /// FVN overlay networks carry IPv4 only.
    #[error("`{0}` is IPv6; only IPv4 prefixes can be moved, because Flow overlay networks carry IPv4")]
    Ipv6(String),
    /// An address inside the prefix was written instead of the prefix.
    #[error("`{given}` has host bits; write `{mend}`")]
    HostBits {
        /// What was given.
        given: String,
        /// The prefix that contains it.
        mend: Prefix,
    },
}

/// An IPv4 prefix without host bits, as `172.30.1.0/24` or a host route `172.30.1.34/32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Prefix(Ipv4Net);

impl Prefix {
    /// Parses a prefix.
    ///
    /// # Errors
    /// [`PrefixError`], which says what to write instead where that is clear.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        if text.contains(':') {
            return Err(PrefixError::Ipv6(text.to_owned()));
        }
        let net: Ipv4Net = text.parse().map_err(|_| PrefixError::Invalid(text.to_owned()))?;
        if net != net.trunc() {
            return Err(PrefixError::HostBits { given: text.to_owned(), mend: Self(net.trunc()) });
        }
        Ok(Self(net))
    }

    /// The host route of one address.
    #[must_use]
    pub fn host(address: Ipv4Addr) -> Self {
        Self(Ipv4Net::from(address))
    }

    /// The prefix that holds `address` with the given length; lengths above 32 count as 32.
    #[must_use]
    pub fn around(address: Ipv4Addr, length: u8) -> Self {
        Ipv4Net::new(address, length.min(32)).map_or_else(|_| Self::host(address), |net| Self(net.trunc()))
    }

    /// Number of leading bits that are fixed.
    #[must_use]
    pub fn length(&self) -> u8 {
        self.0.prefix_len()
    }

    /// First address.
    #[must_use]
    pub fn network(&self) -> Ipv4Addr {
        self.0.network()
    }

    /// Last address.
    #[must_use]
    pub fn broadcast(&self) -> Ipv4Addr {
        self.0.broadcast()
    }

    /// Whether the address is inside.
    #[must_use]
    pub fn holds(&self, address: Ipv4Addr) -> bool {
        self.0.contains(&address)
    }

    /// Whether every address of `other` is inside; a prefix covers itself.
    #[must_use]
    pub fn covers(&self, other: &Prefix) -> bool {
        self.0.contains(&other.0)
    }

    /// Whether the two share an address.
    #[must_use]
    pub fn overlaps(&self, other: &Prefix) -> bool {
        self.covers(other) || other.covers(self)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for Prefix {
    type Error = PrefixError;
    fn try_from(text: String) -> Result<Self, PrefixError> {
        Self::parse(&text)
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> String {
        prefix.to_string()
    }
}

impl std::str::FromStr for Prefix {
    type Err = PrefixError;
    fn from_str(text: &str) -> Result<Self, PrefixError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_with_host_bits_is_refused_with_the_mend() {
        let error = Prefix::parse("172.30.1.34/24").unwrap_err();
        assert_eq!(error.to_string(), "`172.30.1.34/24` has host bits; write `172.30.1.0/24`");
    }

    #[test]
    fn ipv6_is_refused_with_the_reason() {
        assert!(matches!(Prefix::parse("fd00::/64"), Err(PrefixError::Ipv6(_))));
    }

    #[test]
    fn covering_and_overlapping() {
        let wide = Prefix::parse("172.30.0.0/16").unwrap();
        let narrow = Prefix::parse("172.30.1.0/24").unwrap();
        assert!(wide.covers(&narrow) && !narrow.covers(&wide) && narrow.overlaps(&wide));
        assert!(!narrow.overlaps(&Prefix::parse("172.30.2.0/24").unwrap()));
        assert_eq!(Prefix::around("172.30.1.34".parse().unwrap(), 24), narrow);
    }
}
