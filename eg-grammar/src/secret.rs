//! Reads and writes references to secrets: where AWS keeps the value of a variable. Reading the value is left to the SDK.

use std::fmt;
use std::str::FromStr;

use crate::Mistake;

/// The most bytes that a reference may have: the longest ARN of AWS.
const MOST: usize = 2048;

/// Where a secret is kept.
///
/// ```
/// use eg_grammar::SecretReference;
///
/// let reference: SecretReference = "secretsmanager:shop/bank#password".parse()?;
/// assert_eq!(
///     reference,
///     SecretReference::Secret { id: "shop/bank".to_owned(), member: Some("password".to_owned()) }
/// );
/// assert_eq!(reference.to_string(), "secretsmanager:shop/bank#password");
/// assert!("hunter2".parse::<SecretReference>().is_err());
/// # Ok::<(), eg_grammar::Mistake>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretReference {
    /// A parameter of Systems Manager: its name, which begins with `/`, and possibly `:` with a version or a label.
    Parameter(String),
    /// A secret of Secrets Manager.
    Secret {
        /// Its name or its ARN.
        id: String,
        /// The member to take from a secret that is a JSON object. `None`: the whole text.
        member: Option<String>,
    },
}

impl SecretReference {
    /// Returns the name of a parameter without version and label.
    #[must_use]
    pub fn parameter(name: &str) -> &str {
        name.split(':').next().unwrap_or(name)
    }
}

impl FromStr for SecretReference {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let fits = |name: &str, special: &str| {
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || special.as_bytes().contains(&byte))
        };
        match text.split_once(':').filter(|_| text.len() <= MOST) {
            Some(("ssm", name)) => {
                let (path, selector) = name.split_once(':').unwrap_or((name, "1"));
                let is_path = path.len() > 1 && path.starts_with('/') && !path.ends_with('/');
                if is_path && fits(path, "/_.-") && !selector.is_empty() && fits(selector, "_.-") {
                    return Ok(Self::Parameter(name.to_owned()));
                }
            }
            Some(("secretsmanager", rest)) => {
                let (id, member) = match rest.split_once('#') {
                    Some((id, member)) => (id, Some(member)),
                    None => (rest, None),
                };
                let named = id.strip_prefix("arn:").map_or_else(
                    || fits(id, "/_+=.@-"),
                    |arn| {
                        arn.contains(":secretsmanager:") && arn.contains(":secret:") && fits(arn, ":/_+=.@-")
                    },
                );
                if !id.is_empty() && named && member.is_none_or(|member| !member.is_empty()) {
                    return Ok(Self::Secret { id: id.to_owned(), member: member.map(str::to_owned) });
                }
            }
            _ => {}
        }
        // The text may be a secret that was written here by mistake, so no message repeats it.
        Err(Mistake::new(
            "write where the secret is kept, as in \"ssm:/shop/api-key\", \"secretsmanager:api-key\" or \
             \"secretsmanager:bank#password\"; the secret itself does not belong in this file",
        ))
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(name) => write!(f, "ssm:{name}"),
            Self::Secret { id, member: None } => write!(f, "secretsmanager:{id}"),
            Self::Secret { id, member: Some(member) } => write!(f, "secretsmanager:{id}#{member}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/bank-AbCdEf";

    #[test]
    fn references_are_written_as_they_were_read() {
        for text in [
            "ssm:/shop/api-key",
            "ssm:/shop/api-key:3",
            "ssm:/shop/api-key:prod",
            "secretsmanager:api-key",
            "secretsmanager:bank#password",
            "secretsmanager:bank#the password",
            &format!("secretsmanager:{ARN}"),
            &format!("secretsmanager:{ARN}#password"),
        ] {
            assert_eq!(text.parse::<SecretReference>().unwrap().to_string(), text);
        }
        assert_eq!(SecretReference::parameter("/shop/api-key:3"), "/shop/api-key");
    }

    #[test]
    fn what_is_no_reference_is_not_repeated() {
        let long = format!("ssm:/{}", "a".repeat(MOST));
        for text in [
            "",
            "hunter2",
            "ssm:",
            "ssm:/",
            "ssm:hunter2",
            "ssm:/hunter2/",
            "ssm:/hunter2:",
            "ssm:/hunter 2",
            "secretsmanager:",
            "secretsmanager:#hunter2",
            "secretsmanager:bank#",
            "secretsmanager:hunter2!",
            "secretsmanager:arn:aws:s3:::hunter2",
            "vault:hunter2",
            &long,
        ] {
            let mistake = text.parse::<SecretReference>().unwrap_err().to_string();
            assert!(mistake.starts_with("write where") && !mistake.contains("hunter2"), "{text}: {mistake}");
        }
    }
}
