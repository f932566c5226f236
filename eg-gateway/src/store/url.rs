//! The URL of a store in a database. `postgres` reads it.

use std::fmt;
use std::str::FromStr;

use super::{Store, StoreError};

/// The URL of the database in which a gateway keeps its store, such as `postgres://user:password@host/database`. Nothing shows
/// the password.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl(String);

impl StoreUrl {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StoreUrl {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Self, StoreError> {
        Store::check_url(url)?;
        Ok(Self(url.to_owned()))
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreUrl(…)")
    }
}
