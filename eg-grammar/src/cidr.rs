//! Ranges of IP addresses in CIDR notation, for the operator `cidr` of filters.

use std::net::IpAddr;

use crate::Mistake;

/// A range of IP addresses, for example `10.0.0.0/24` or `2001:db8::/32`.
///
/// ```
/// use eg_grammar::Cidr;
///
/// let range: Cidr = "10.0.0.0/24".parse().unwrap();
/// assert!(range.contains("10.0.0.255") && !range.contains("10.0.1.0") && !range.contains("ten"));
/// assert!("10.0.0.0/33".parse::<Cidr>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    first: IpAddr,
    /// How many leading bits an address must have in common with `first`.
    bits: u32,
}

impl std::str::FromStr for Cidr {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let mistake = || {
            Mistake::new(format!(
                "{text:?} is no range of IP addresses: write one such as \"10.0.0.0/24\" or \"2001:db8::/32\""
            ))
        };
        let (first, bits) = text.split_once('/').ok_or_else(mistake)?;
        let first: IpAddr = first.parse().map_err(|_| mistake())?;
        let limit = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.parse().ok().filter(|bits| *bits <= limit).ok_or_else(mistake)?;
        Ok(Self { first, bits })
    }
}

impl Cidr {
    /// Returns whether the text is an address of the range.
    #[must_use]
    pub fn contains(&self, address: &str) -> bool {
        let differing = match (self.first, address.parse()) {
            (IpAddr::V4(first), Ok(IpAddr::V4(address))) => {
                (first.to_bits() ^ address.to_bits()).leading_zeros()
            }
            (IpAddr::V6(first), Ok(IpAddr::V6(address))) => {
                (first.to_bits() ^ address.to_bits()).leading_zeros()
            }
            _ => return false,
        };
        differing >= self.bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_contain_addresses_of_their_family() {
        for (range, address, expected) in [
            ("10.0.0.0/24", "10.0.0.0", true),
            ("10.0.0.0/24", "10.0.0.255", true),
            ("10.0.0.0/24", "10.0.1.0", false),
            // The bits after the prefix do not count.
            ("10.0.0.77/24", "10.0.0.1", true),
            ("0.0.0.0/0", "255.1.2.3", true),
            ("10.0.0.1/32", "10.0.0.1", true),
            ("10.0.0.1/32", "10.0.0.2", false),
            ("0.0.0.0/0", "::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "10.0.0.1", false),
            ("10.0.0.0/24", "10.0.0", false),
        ] {
            let found = range.parse::<Cidr>().map(|range| range.contains(address));
            assert_eq!(found, Ok(expected), "{address} in {range}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "::/129", "ten/8", "10.0.0.0/-1"]
        {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }
}
