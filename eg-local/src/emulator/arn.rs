//! How callers name a function: plain name, partial ARN or full ARN, with or without a qualifier.
//! Only reads names; whether such a function exists is the registry's business.

use std::fmt;

/// The region that the emulator claims to be in.
pub const REGION: &str = "us-east-1";

/// The account that the emulator claims to be.
pub const ACCOUNT: &str = "000000000000";

/// The only version that exists locally.
pub const LATEST: &str = "$LATEST";

/// A function, as a caller named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FunctionName {
    /// The name alone, whatever region and account stood before it: there is one account here.
    pub(super) name: String,
    /// Version or alias, if the caller asked for one.
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

    /// The only version of function `name`.
    pub(super) fn latest(name: &str) -> Self {
        Self { name: name.to_owned(), qualifier: None }
    }

    /// Whether the emulator has that version.
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

/// The ARN of a local function.
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
