//! The kinds of streams that functions can read, and the names that each kind allows.

use std::fmt;
use std::str::FromStr;

use crate::{Mistake, did_you_mean, list};

/// Where the records of a stream come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamKind {
    /// The changes of a DynamoDB table.
    DynamoDb,
    /// A Kinesis stream.
    Kinesis,
    /// A topic of Kafka.
    Kafka,
}

impl StreamKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::DynamoDb, Self::Kinesis, Self::Kafka];

    /// Returns the word for it in attributes and manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::Kinesis => "kinesis",
            Self::Kafka => "kafka",
        }
    }

    /// Returns what a name of this kind names, and its shortest and longest length.
    const fn names(self) -> (&'static str, usize, usize) {
        match self {
            Self::DynamoDb => ("a table", 3, 255),
            Self::Kinesis => ("a stream", 1, 128),
            Self::Kafka => ("a topic", 1, 249),
        }
    }
}

impl fmt::Display for StreamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for StreamKind {
    type Err = Mistake;

    fn from_str(word: &str) -> Result<Self, Mistake> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or_else(|| {
            let kinds = Self::ALL.map(Self::as_str);
            Mistake::new(format!(
                "there is no stream `{word}`{}; the kinds are {}",
                did_you_mean(word, &kinds),
                list(&kinds)
            ))
        })
    }
}

/// Checks the name of a table, stream or topic.
///
/// # Errors
/// If its service would refuse the name.
pub fn check_stream(kind: StreamKind, name: &str) -> Result<(), Mistake> {
    let (what, shortest, longest) = kind.names();
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if (shortest..=longest).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(Mistake::new(format!(
        "{name:?} cannot name {what}: use {shortest} to {longest} letters, digits, `.`, `-` and `_`"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for kind in StreamKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        let mistake = "kinesys".parse::<StreamKind>().unwrap_err();
        let expected = "there is no stream `kinesys`; did you mean `kinesis`?; the kinds are `dynamodb`, `kinesis` and `kafka`";
        assert_eq!(mistake.to_string(), expected);
    }

    #[test]
    fn names() {
        let (longest, too_long) = ("a".repeat(249), "a".repeat(250));
        for (kind, name, valid) in [
            (StreamKind::DynamoDb, "orders", true),
            (StreamKind::DynamoDb, "or", false),
            (StreamKind::Kinesis, "a.b-c_D9", true),
            (StreamKind::Kinesis, "", false),
            (StreamKind::Kafka, &*longest, true),
            (StreamKind::Kafka, &*too_long, false),
            (StreamKind::Kafka, "a b", false),
            (StreamKind::Kinesis, "arn:aws:kinesis:eu-central-1:123456789012:stream/clicks", false),
        ] {
            assert_eq!(check_stream(kind, name).is_ok(), valid, "{name}");
        }
        let mistake = check_stream(StreamKind::DynamoDb, "a/b").unwrap_err();
        assert_eq!(
            mistake.to_string(),
            "\"a/b\" cannot name a table: use 3 to 255 letters, digits, `.`, `-` and `_`"
        );
    }
}
