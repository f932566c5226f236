//! The rule for email addresses, the same for all services. Sends nothing.

/// The maximum length in bytes (RFC 5321, 4.5.3.1.3, without the angle brackets).
const LONGEST: usize = 254;

/// Returns a plausible address in lower case and without surrounding space: exactly one `@` with text on both sides, and
/// no space or control character. Does not check that the mailbox exists.
#[must_use]
pub fn email_address(text: &str) -> Option<String> {
    let text = text.trim();
    let (local, domain) = text.split_once('@')?;
    let sound = !local.is_empty()
        && !domain.is_empty()
        && !domain.contains('@')
        && text.len() <= LONGEST
        && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    sound.then(|| text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_normalised_or_refused() {
        let longest = format!("{}@x.org", "d".repeat(248));
        for (text, expected) in [
            (" Donald@Disney.COM ", Some("donald@disney.com")),
            ("d@x", Some("d@x")),
            ("o'brien+x@x.org", Some("o'brien+x@x.org")),
            (&longest, Some(&*longest)),
            (&format!("d{longest}"), None),
            ("", None),
            (" ", None),
            ("donald", None),
            ("@x.org", None),
            ("d@", None),
            ("d@x@y", None),
            ("d d@x.org", None),
            ("d@x.org\nBcc: all@x.org", None),
        ] {
            assert_eq!(email_address(text).as_deref(), expected, "{text}");
        }
    }
}
