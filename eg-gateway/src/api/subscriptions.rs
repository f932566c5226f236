//! `/v1/spaces/<space>/subscriptions`: which function gets which events. Can also replace several subscriptions as
//! one change, so that no request arrives while a route has neither the old function nor the new one.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use eg_grammar::without_bom;
use eg_sdk::Schema;
use eg_sdk::config::Subscription;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::errors::ApiError;
use super::received::Received;
use super::resource::{self, Managed};
use super::routes::{Component, Content, Doc, Routes};
use super::{ApiState, json};
use crate::decide::catalog::{Catalog, Change, Resource};
use crate::decide::refusal::Refusal;
use crate::decide::rules;
use crate::decide::targets::PrivateTargets;

/// Subscriptions to delete and to create as one change.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
struct Replacement {
    /// The ids of the subscriptions to delete.
    #[serde(default)]
    delete: Vec<String>,
    /// The subscriptions to create. They are checked against the space without the deleted ones.
    #[serde(default)]
    #[schema(as = Vec<Subscription>)]
    create: Vec<Box<RawValue>>,
}

#[derive(Serialize)]
struct Created<'a> {
    subscriptions: Vec<&'a Subscription>,
}

pub(super) fn routes() -> Routes {
    let created =
        Content::List { member: "subscriptions", items: Component::of::<Subscription>(Subscription::NAME) };
    let doc = Doc::new("replaceSubscriptions", "Deletes and creates subscriptions, all of them or none.")
        .body(Content::json::<Replacement>("Replacement"))
        .answer(created);
    resource::routes::<Subscription>().post("/subscriptions/replace", replace, doc)
}

/// Deletes and creates all of them, or none. Answers with the created subscriptions, in the order of the request.
async fn replace(
    State(app): State<Arc<ApiState>>,
    Path(space): Path<String>,
    body: Received,
) -> Result<Response, ApiError> {
    app.count(&space, Subscription::METRIC, "replace");
    let Replacement { delete, create } = serde_json::from_slice(without_bom(&body))
        .map_err(|e| ApiError::bad_request(format!("no replacement: {e}")))?;
    let subscription = |one: Box<RawValue>| rules::subscription(&space, one.get().as_bytes());
    let created = create.into_iter().map(subscription).collect::<Result<Vec<_>, Refusal>>()?;
    // Spawned, so that the change is completed on disk and in memory even if the client hangs up.
    let change = async move {
        let plan = |catalog: &Catalog| catalog.replace_subscriptions(&space, &delete, created.clone());
        app.configuration.change(plan).await
    };
    let changes = tokio::spawn(change).await.map_err(|_| ApiError::internal())??;
    let created = changes.iter().filter_map(|change| match change {
        Change::Put(Resource::Subscription(created)) => Some(&**created),
        _ => None,
    });
    Ok(json(StatusCode::OK, &Created { subscriptions: created.collect() }))
}

impl Managed for Subscription {
    const NAME: &'static str = "Subscription";
    const NAMES: &'static str = "Subscriptions";
    const PATHS: (&'static str, &'static str) = ("/subscriptions", "/subscriptions/{id}");
    const METRIC: &'static str = "subscription";

    fn read(body: &[u8], space: &str, _: Option<&str>, _: &PrivateTargets) -> Result<Self, Refusal> {
        rules::subscription(space, body)
    }

    fn create(self, catalog: &Catalog) -> Result<Change, Refusal> {
        catalog.create_subscription(self)
    }

    fn update(self, catalog: &Catalog, id: &str) -> Result<Change, Refusal> {
        catalog.update_subscription(id, self)
    }

    fn delete(catalog: &Catalog, space: &str, id: &str) -> Result<Change, Refusal> {
        catalog.delete_subscription(space, id)
    }
}
