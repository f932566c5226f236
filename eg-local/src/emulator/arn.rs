//! Parses function names as callers write them: plain name, partial ARN or full ARN, with or without a qualifier.
//! Leaves it to `registry` whether the function exists.

use std::fmt;

/// The region of the emulator.
pub const REGION: &str = "us-east-1";

/// The account of the emulator.
pub const ACCOUNT: &str = "000000000000";

/// The only version that exists locally.
pub const LATEST: &str = "$LATEST";

/// A function, as named by a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FunctionName {
    /// The plain name. Region and account are ignored, because there is only one account.
    pub(super) name: String,
    /// The version or alias, if given.
    pub(super) qualifier: Option<String>,
}

impl FunctionName {
    /// Reads `name`, `account:function:name` or `arn:aws:lambda:region:account:function:name`,
    /// each optionally followed by `:qualifier`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let rest = match parts.as_slice() {
            ["arn", _partition, "lambda", _region, _account, "function", rest @ ..] => rest,
            [_account, "function", rest @ ..] if !rest.is_empty() => rest,
            rest => rest,
        };
        let (name, qualifier) = match rest {
            [name] => (name, None),
            [name, qualifier] if !qualifier.is_empty() => (name, Some((*qualifier).to_owned())),
            _ => return None,
        };
        (!name.is_empty()).then(|| Self { name: (*name).to_owned(), qualifier })
    }

    /// Returns the only version of function `name`.
    pub(super) fn latest(name: &str) -> Self {
        Self { name: name.to_owned(), qualifier: None }
    }

    /// Returns whether the emulator has that version.
    pub(super) fn is_latest(&self) -> bool {
        self.qualifier.as_deref().is_none_or(|qualifier| qualifier == LATEST)
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&arn(&self.name))?;
        match &self.qualifier {
            Some(qualifier) => write!(f, ":{qualifier}"),
            None => Ok(()),
        }
    }
}

/// Returns the ARN of a local function.
#[must_use]
pub fn arn(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, Option<&str>)>) {
        let found = FunctionName::parse(text);
        let found = found.as_ref().map(|found| (found.name.as_str(), found.qualifier.as_deref()));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn names_are_read_in_all_three_spellings() {
        check("users-create", Some(("users-create", None)));
        check("users-create:$LATEST", Some(("users-create", Some("$LATEST"))));
        check("000000000000:function:users-create", Some(("users-create", None)));
        check("arn:aws:lambda:us-east-1:000000000000:function:users-create", Some(("users-create", None)));
        check("arn:aws-cn:lambda:cn-north-1:123456789012:function:a:prod", Some(("a", Some("prod"))));
    }

    #[test]
    fn what_names_no_function_is_refused() {
        check("", None);
        check(":prod", None);
        check("users-create:", None);
        check("arn:aws:lambda:us-east-1:000000000000:function", None);
        check("arn:aws:lambda:us-east-1:000000000000:function:", None);
        check("arn:aws:s3:::bucket", None);
    }
}
