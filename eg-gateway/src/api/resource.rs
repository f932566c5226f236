//! Creates, reads, updates, deletes and lists the resources of the Config API, with the same handlers for every kind.
//! `decide` checks the changes, and `configuration` carries them out.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use eg_sdk::Schema;
use eg_sdk::config::Resource as Wire;
use eg_sdk::schema::Shape;

use super::errors::ApiError;
use super::query::Query;
use super::received::Received;
use super::routes::{Component, Content, Doc, Parameter, Routes};
use super::{ApiState, answer, json, with_type};
use crate::decide::catalog::{Catalog, Change, Entry, Resource};
use crate::decide::refusal::Refusal;
use crate::decide::targets::PrivateTargets;

/// A kind of resource that clients manage.
pub(super) trait Managed: Wire + Entry + Schema + Clone + Send + Sync + 'static {
    /// The name of its schema, for example `Function`. With a verb it names the operations: `createFunction`.
    const NAME: &'static str;
    /// The plural of the name.
    const NAMES: &'static str;
    /// The paths of its collection and of one resource.
    const PATHS: (&'static str, &'static str);
    /// The label of its requests in metrics.
    const METRIC: &'static str;

    /// Reads a resource from the body of a request. `id` is the id in the path.
    fn read(body: &[u8], space: &str, id: Option<&str>, targets: &PrivateTargets) -> Result<Self, Refusal>;
    fn create(self, catalog: &Catalog) -> Result<Change, Refusal>;
    fn update(self, catalog: &Catalog, id: &str) -> Result<Change, Refusal>;
    fn delete(catalog: &Catalog, space: &str, id: &str) -> Result<Change, Refusal>;

    /// Returns the id of the resource that a path names; `segment` is percent-decoded.
    fn id_in_path(segment: String) -> String {
        segment
    }

    /// Returns the resource in the form that clients may see.
    fn shown(&self) -> Cow<'_, Self> {
        Cow::Borrowed(self)
    }
}

const LABELS: [Parameter; 1] = [Parameter {
    name: "metadata.<key>",
    doc: "Lists only the resources whose metadata has this value under `<key>`. Several such parameters must all match.",
    shape: &Shape::STRING,
}];

/// Returns the routes of the resources of one kind.
pub(super) fn routes<T: Managed>() -> Routes {
    let (name, names, kind) = (T::NAME, T::NAMES, <T as Wire>::KIND);
    let component = Component::of::<T>(name);
    let one = Content::Json(component);
    let (collection, item) = T::PATHS;
    let list_doc = Doc::new(
        format!("list{names}"),
        format!("Lists the resources of kind {kind} in a space, by id in descending order."),
    )
    .query(&LABELS)
    .answer(Content::List { member: T::LIST, items: component });
    let create_doc = Doc::new(format!("create{name}"), format!("Creates one resource of kind {kind}."))
        .body(one)
        .status(StatusCode::CREATED)
        .answer(one);
    let read_doc =
        Doc::new(format!("get{name}"), format!("Returns one resource of kind {kind}.")).answer(one);
    let update_doc =
        Doc::new(format!("update{name}"), format!("Replaces the fields of one resource of kind {kind}."))
            .body(one)
            .answer(one);
    let delete_doc = Doc::new(format!("delete{name}"), format!("Deletes one resource of kind {kind}."))
        .status(StatusCode::NO_CONTENT);
    Routes::new(T::LIST)
        .get(collection, list::<T>, list_doc)
        .post(collection, create::<T>, create_doc)
        .get(item, read::<T>, read_doc)
        .put(item, update::<T>, update_doc)
        .delete(item, delete::<T>, delete_doc)
}

async fn list<T: Managed>(
    State(app): State<Arc<ApiState>>,
    Path(space): Path<String>,
    query: Query,
) -> Response {
    app.count(&space, T::METRIC, "list");
    let snapshot = app.configuration.current();
    let found = snapshot.catalog.table::<T>().list(&space, &query.labels());
    let shown: Vec<Cow<'_, T>> = found.into_iter().map(T::shown).collect();
    json(StatusCode::OK, &BTreeMap::from([(T::LIST, shown)]))
}

async fn read<T: Managed>(
    State(app): State<Arc<ApiState>>,
    Path((space, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    app.count(&space, T::METRIC, "get");
    let snapshot = app.configuration.current();
    let found = snapshot.catalog.table::<T>().find(&space, &T::id_in_path(id))?;
    Ok(json(StatusCode::OK, &found.shown()))
}

async fn create<T: Managed>(
    State(app): State<Arc<ApiState>>,
    Path(space): Path<String>,
    body: Received,
) -> Result<Response, ApiError> {
    let created = match T::read(&body, &space, None, &app.private_targets) {
        Ok(new) => {
            change(Arc::clone(&app), move |catalog| new.clone().create(catalog), StatusCode::CREATED).await
        }
        Err(refusal) => Err(refusal.into()),
    };
    // Only now, because the first resource of a space makes it known.
    app.count(&space, T::METRIC, "create");
    created
}

async fn update<T: Managed>(
    State(app): State<Arc<ApiState>>,
    Path((space, id)): Path<(String, String)>,
    body: Received,
) -> Result<Response, ApiError> {
    app.count(&space, T::METRIC, "update");
    let id = T::id_in_path(id);
    let new = T::read(&body, &space, Some(&id), &app.private_targets)?;
    change(app, move |catalog| new.clone().update(catalog, &id), StatusCode::OK).await
}

async fn delete<T: Managed>(
    State(app): State<Arc<ApiState>>,
    Path((space, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    app.count(&space, T::METRIC, "delete");
    let id = T::id_in_path(id);
    change(app, move |catalog| T::delete(catalog, &space, &id), StatusCode::NO_CONTENT).await
}

/// Carries out the change that `plan` returns, and answers with the resource, unless it was deleted.
async fn change(
    app: Arc<ApiState>,
    plan: impl Fn(&Catalog) -> Result<Change, Refusal> + Send + Sync + 'static,
    status: StatusCode,
) -> Result<Response, ApiError> {
    // Spawned, so that the change is completed on disk and in memory even if the client hangs up.
    let change = async move { app.configuration.change(|catalog| Ok([plan(catalog)?])).await };
    let [change] = tokio::spawn(change).await.map_err(|_| ApiError::internal())??;
    Ok(match change {
        Change::Put(Resource::EventType(entry)) => json(status, &*entry.shown()),
        Change::Put(Resource::Function(entry)) => json(status, &*entry.shown()),
        Change::Put(Resource::Subscription(entry)) => json(status, &*entry.shown()),
        Change::Put(Resource::Cors(entry)) => json(status, &*entry.shown()),
        Change::Delete { .. } => with_type(answer(status, Body::empty()), "application/json"),
    })
}
