//! Derives the URL of a user's Gravatar from the email address. Source: <https://docs.gravatar.com/general/hash/>.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Returns the URL of the picture. Ignores case and surrounding space of the address.
pub(crate) fn url(email: &str) -> String {
    let mut url = "https://www.gravatar.com/avatar/".to_owned();
    for byte in Sha256::digest(email.trim().to_lowercase()) {
        // Writing to a string cannot fail.
        let _ = write!(url, "{byte:02x}");
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_documentation() {
        let expected = "https://www.gravatar.com/avatar/84059b07d4be67b806386c0aad8070a23f18836bbaae342275dc0a83414c32ee";
        for email in ["MyEmailAddress@example.com ", "myemailaddress@example.com"] {
            assert_eq!(url(email), expected, "{email}");
        }
    }
}
