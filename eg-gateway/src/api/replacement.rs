//! `POST /v1/spaces/<space>/subscriptions/replace`: subscriptions go and others take their place, at once. One by one, a
//! request could come while a route has neither the old function nor the new one.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use eg_sdk::config::Subscription;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::errors::ApiError;
use super::{App, json, read_body};
use crate::decide::catalog::{Change, Resource};
use crate::decide::refusal::Refusal;
use crate::decide::rules;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    /// Ids.
    #[serde(default)]
    delete: Vec<String>,
    /// What the space looks like without those decides whether these are admissible.
    #[serde(default)]
    create: Vec<Box<RawValue>>,
}

#[derive(Serialize)]
struct Answer<'a> {
    subscriptions: Vec<&'a Subscription>,
}

/// Deletes and creates all of them, or none. Answers with those that were created, in their order.
pub(super) async fn carry_out(app: Arc<App>, space: String, body: Body) -> Result<Response, ApiError> {
    let body = read_body(body, app.body_limit).await?;
    let Request { delete, create } =
        serde_json::from_slice(&body).map_err(|e| ApiError::bad_request(format!("no replacement: {e}")))?;
    let subscription = |one: Box<RawValue>| rules::subscription(&space, one.get().as_bytes());
    let created = create.into_iter().map(subscription).collect::<Result<Vec<_>, Refusal>>()?;
    // A client that hangs up in the middle must not leave memory and disk with different configurations.
    let change = async move {
        app.configuration.change(|catalog| catalog.replace_subscriptions(&space, &delete, created)).await
    };
    let changes = tokio::spawn(change).await.map_err(|_| ApiError::internal())??;
    let created = changes.iter().filter_map(|change| match change {
        Change::Put(Resource::Subscription(created)) => Some(&**created),
        _ => None,
    });
    Ok(json(StatusCode::OK, &Answer { subscriptions: created.collect() }))
}
