//! Reads query parameters. The handlers interpret them.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use eg_sdk::Schema as _;
use eg_sdk::history::parse_time;
use eg_sdk::schema::Shape;
use time::OffsetDateTime;

use super::errors::ApiError;
use super::routes::Parameter;

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 500;

/// The parameters that page through a list.
pub(super) const BEFORE: Parameter = Parameter {
    name: "before",
    doc: "Lists only what is older than this: the cursor from an earlier page.",
    shape: i64::SHAPE,
};
pub(super) const LIMIT: Parameter = Parameter {
    name: "limit",
    doc: "The length of a page, 50 unless given.",
    shape: &Shape::Integer { min: Some(1), max: Some(MAX_LIMIT as i64) },
};

/// The query parameters of a request. If several have the same name, the first one counts. An empty one counts as
/// absent.
pub(super) struct Query(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

impl Query {
    /// Returns the labels that filter a list: `metadata.<key>=<value>`. If a key is repeated, the first one counts.
    pub(super) fn labels(&self) -> Vec<(String, String)> {
        let mut labels: Vec<(String, String)> = Vec::new();
        for (name, value) in &self.0 {
            if let Some(key) = name.strip_prefix("metadata.")
                && !labels.iter().any(|(known, _)| known == key)
            {
                labels.push((key.to_owned(), value.clone()));
            }
        }
        labels
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        let found = self.0.iter().find(|(known, _)| known == name)?;
        Some(found.1.clone()).filter(|value| !value.is_empty())
    }

    /// Returns the length of a page.
    pub(super) fn limit(&self) -> Result<u32, ApiError> {
        let Some(value) = self.text("limit") else { return Ok(DEFAULT_LIMIT) };
        let valid = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
        valid.ok_or_else(|| ApiError::bad_query("limit", "a number from 1 to 500"))
    }

    /// Returns the cursor in `name`, a number from an earlier page; `rule` says what it is in the error message.
    pub(super) fn cursor(&self, name: &str, rule: &str) -> Result<Option<i64>, ApiError> {
        let number = |value: String| value.parse().map_err(|_| ApiError::bad_query(name, rule));
        self.text(name).map(number).transpose()
    }

    /// Returns the yes or no in `name`.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        let read = |value: String| value.parse().map_err(|_| ApiError::bad_query(name, "true or false"));
        self.text(name).map(read).transpose()
    }

    /// Returns the time in `name`.
    pub(super) fn time(&self, name: &str) -> Result<Option<OffsetDateTime>, ApiError> {
        let read = |value: String| {
            parse_time(&value).map_err(|_| ApiError::bad_query(name, "a time such as 2026-01-31T12:00:00Z"))
        };
        self.text(name).map(read).transpose()
    }
}
