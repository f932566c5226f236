//! The HTTP methods of routes.

use std::fmt;
use std::str::FromStr;

use crate::{Mistake, did_you_mean, list};

/// An HTTP method that a route may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
    /// `HEAD`
    Head,
    /// `OPTIONS`
    Options,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 7] =
        [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Head, Self::Options];

    /// The names of all methods.
    const NAMES: [&'static str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

    /// The method as it is written in a request.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The method with exactly this name, in upper case as HTTP has it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }

    /// The method whose routes answer a request that has no route with this method: GET for HEAD.
    #[must_use]
    pub const fn answered_as(self) -> Option<Self> {
        match self {
            Self::Head => Some(Self::Get),
            _ => None,
        }
    }

    /// Whether requests with this method usually have a body.
    #[must_use]
    pub const fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

impl FromStr for Method {
    type Err = Mistake;

    fn from_str(name: &str) -> Result<Self, Mistake> {
        Self::named(name).ok_or_else(|| {
            let hint = did_you_mean(name, &Self::NAMES);
            let methods = list(&Self::NAMES);
            Mistake::new(format!("unknown HTTP method `{name}`{hint}; the methods are {methods}"))
        })
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods() {
        for (name, method, has_body) in [
            ("GET", Method::Get, false),
            ("POST", Method::Post, true),
            ("PUT", Method::Put, true),
            ("PATCH", Method::Patch, true),
            ("DELETE", Method::Delete, false),
            ("HEAD", Method::Head, false),
            ("OPTIONS", Method::Options, false),
        ] {
            assert_eq!(name.parse(), Ok(method));
            assert_eq!((method.as_str(), method.has_body()), (name, has_body));
        }
        assert_eq!(Method::ALL.len(), Method::NAMES.len());
        let others = Method::ALL.into_iter().filter_map(|method| Some((method, method.answered_as()?)));
        assert_eq!(others.collect::<Vec<_>>(), [(Method::Head, Method::Get)]);
    }

    #[test]
    fn other_words() {
        let methods = "the methods are `GET`, `POST`, `PUT`, `PATCH`, `DELETE`, `HEAD` and `OPTIONS`";
        for (name, hint) in [
            ("post", "; did you mean `POST`?"),
            ("FETCH", "; did you mean `PATCH`?"),
            ("SUBSCRIBE", ""),
            ("TRACE", ""),
        ] {
            let mistake = name.parse::<Method>().unwrap_err();
            assert_eq!(mistake.to_string(), format!("unknown HTTP method `{name}`{hint}; {methods}"));
        }
    }
}
