//! Where the picture of somebody is, given the e-mail address. Source: <https://docs.gravatar.com/general/hash/>.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The URL of the picture. Case and surrounding space of the address make no difference.
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
