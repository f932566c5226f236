//! Reads queries and forms. What they mean is decided by the pages and actions.

use std::convert::Infallible;

use axum::body::{Body, to_bytes};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::failure::Failure;

/// The maximum length of a form, in bytes: an edited event of the largest size, with escapes.
const LARGEST: usize = 32 * 1024 * 1024;

/// The fields of a query or a form. If several have the same name, the first one counts. An empty one counts as absent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// Reads the form in the body of a request.
    pub(crate) async fn of_form(body: Body) -> Result<Self, Failure> {
        let bytes = to_bytes(body, LARGEST).await.map_err(|_| Failure::BadForm)?;
        let mut form = Self::parse(&bytes);
        // Browsers send the line ends of a text as those of mail.
        form.0.iter_mut().for_each(|(_, value)| *value = value.replace("\r\n", "\n"));
        Ok(form)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name)?;
        Some(found.1.as_str()).filter(|value| !value.is_empty())
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Returns where a page of a list begins.
    ///
    /// # Errors
    /// If it is not a number.
    pub(crate) fn before(&self) -> Result<Option<i64>, Failure> {
        self.get("before").map(|before| before.parse().map_err(|_| Failure::BadQuery)).transpose()
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }
}

impl<S: Sync> FromRequestParts<S> for Fields {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default().as_bytes()))
    }
}
