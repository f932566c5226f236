//! The Config API: resources in, resources out. Rules are in `decide`, persistence in `configuration`.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use eg_sdk::config::{Cors, EventType, Function, Subscription};
use serde::Serialize;

use super::errors::{self, ApiError};
use super::paths::{self, Path};
use super::{
    App, accounting, answer, dead_letters, feed, guard, history, json, metrics, read_body, replacement,
    replays, with_type,
};
use crate::clock;
use crate::decide::catalog::{Catalog, Change, Resource};
use crate::decide::refusal::{Kind, Refusal};
use crate::decide::rules;
use crate::decide::snapshot::Snapshot;
use crate::decide::targets::PrivateTargets;

/// The service for the port of the Config API.
pub(crate) fn service(app: Arc<App>) -> Router {
    Router::new().fallback(handle).with_state(app)
}

async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    if let Err(error) = guard::one_host(request.version(), request.headers()) {
        return error.into_response();
    }
    let started = clock::instant();
    let metrics = Arc::clone(&app.metrics);
    let response = respond(app, request).await;
    metrics.config_took(started.elapsed());
    response
}

async fn respond(app: Arc<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let path = paths::parse(parts.uri.path());
    match &path {
        Path::Unknown => return errors::not_found(),
        Path::Moved(path) => return moved(&parts.method, path.clone(), query),
        // Load balancers ask without a key.
        Path::Status if parts.method == Method::GET => return answer(StatusCode::OK, Body::empty()),
        path => {
            if let Err(error) = guard::configure(&app, path.space(), &parts.headers, &parts.extensions) {
                return error.into_response();
            }
        }
    }
    metrics::count(&app.metrics, &parts.method, &path);
    let result = match (parts.method, path) {
        (Method::GET, Path::Metrics) => metrics::text(&app).await,
        (Method::GET, Path::DeadLetters { space }) => dead_letters::list(&app, space, query).await,
        (Method::GET, Path::DeadLetter { space, id }) => dead_letters::show(&app, space, &id).await,
        (Method::POST, Path::Redrive { space, id }) => dead_letters::redrive(&app, space, id, body).await,
        (Method::DELETE, Path::DeadLetters { space }) => dead_letters::discard(&app, space, None).await,
        (Method::DELETE, Path::DeadLetter { space, id }) => {
            dead_letters::discard(&app, space, Some(id)).await
        }
        (Method::GET, Path::Events { space }) => history::list(&app, space, query).await,
        (Method::GET, Path::Event { space, id }) => history::show(&app, space, id, query).await,
        (Method::POST, Path::Replays { space }) => replays::create(app, space, body).await,
        (Method::POST, Path::Replacement { space }) => replacement::carry_out(app, space, body).await,
        (Method::GET, Path::Accounting) => accounting::show(&app).await,
        (Method::GET, Path::Feed) => feed::watch(&app, &parts.headers, query),
        (Method::GET, Path::Collection { space, kind }) => {
            Ok(list(&app.configuration.current(), kind, &space, &labels(query)))
        }
        (Method::GET, Path::Item { space, kind, id }) => {
            read(&app.configuration.current(), kind, &space, &id).map_err(ApiError::from)
        }
        (Method::POST, Path::Collection { space, kind }) => {
            let allowed = app.private_targets.clone();
            let plan = move |catalog: &_, body: &_| create(catalog, kind, &space, body, &allowed);
            change(app, body, plan, StatusCode::CREATED).await
        }
        (Method::PUT, Path::Item { space, kind, id }) => {
            let allowed = app.private_targets.clone();
            let plan = move |catalog: &_, body: &_| update(catalog, kind, &space, &id, body, &allowed);
            change(app, body, plan, StatusCode::OK).await
        }
        (Method::DELETE, Path::Item { space, kind, id }) => {
            change(app, body, move |catalog, _| delete(catalog, kind, &space, &id), StatusCode::NO_CONTENT)
                .await
        }
        _ => return errors::method_not_allowed(),
    };
    result.unwrap_or_else(ApiError::into_response)
}

fn create(
    catalog: &Catalog,
    kind: Kind,
    space: &str,
    body: &[u8],
    allowed: &PrivateTargets,
) -> Result<Change, Refusal> {
    match kind {
        Kind::EventType => catalog.create_event_type(rules::event_type(space, None, body)?),
        Kind::Function => catalog.create_function(rules::function(space, None, body, allowed)?),
        Kind::Subscription => catalog.create_subscription(rules::subscription(space, body)?),
        Kind::Cors => catalog.create_cors(rules::cors(space, body)?),
    }
}

fn update(
    catalog: &Catalog,
    kind: Kind,
    space: &str,
    id: &str,
    body: &[u8],
    allowed: &PrivateTargets,
) -> Result<Change, Refusal> {
    match kind {
        Kind::EventType => catalog.update_event_type(rules::event_type(space, Some(id), body)?),
        Kind::Function => catalog.update_function(rules::function(space, Some(id), body, allowed)?),
        Kind::Subscription => catalog.update_subscription(id, rules::subscription(space, body)?),
        Kind::Cors => catalog.update_cors(id, rules::cors(space, body)?),
    }
}

fn delete(catalog: &Catalog, kind: Kind, space: &str, id: &str) -> Result<Change, Refusal> {
    match kind {
        Kind::EventType => catalog.delete_event_type(space, id),
        Kind::Function => catalog.delete_function(space, id),
        Kind::Subscription => catalog.delete_subscription(space, id),
        Kind::Cors => catalog.delete_cors(space, id),
    }
}

/// Reads the body, carries out the change that `plan` makes of it, and answers with the resource, if one is left.
async fn change(
    app: Arc<App>,
    body: Body,
    plan: impl FnOnce(&Catalog, &[u8]) -> Result<Change, Refusal> + Send + 'static,
    status: StatusCode,
) -> Result<Response, ApiError> {
    let body: Bytes = read_body(body, app.body_limit).await?;
    // A client that hangs up in the middle must not leave memory and disk with different configurations.
    let change = async move { app.configuration.change(|catalog| Ok([plan(catalog, &body)?])).await };
    let [change] = tokio::spawn(change).await.map_err(|_| ApiError::internal())??;
    Ok(match change {
        Change::Put(Resource::EventType(entry)) => json(status, &*entry),
        Change::Put(Resource::Function(entry)) => json(status, &rules::masked(&entry)),
        Change::Put(Resource::Subscription(entry)) => json(status, &*entry),
        Change::Put(Resource::Cors(entry)) => json(status, &*entry),
        Change::Delete { .. } => with_type(answer(status, Body::empty()), "application/json"),
    })
}

fn read(snapshot: &Snapshot, kind: Kind, space: &str, id: &str) -> Result<Response, Refusal> {
    let catalog = &snapshot.catalog;
    Ok(match kind {
        Kind::EventType => json(StatusCode::OK, &**catalog.table::<EventType>().find(space, id)?),
        Kind::Function => json(StatusCode::OK, &rules::masked(catalog.table::<Function>().find(space, id)?)),
        Kind::Subscription => json(StatusCode::OK, &**catalog.table::<Subscription>().find(space, id)?),
        Kind::Cors => json(StatusCode::OK, &**catalog.table::<Cors>().find(space, id)?),
    })
}

fn list(snapshot: &Snapshot, kind: Kind, space: &str, labels: &[(String, String)]) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    enum List<'a> {
        EventTypes(Vec<&'a EventType>),
        Functions(Vec<Function>),
        Subscriptions(Vec<&'a Subscription>),
        Cors(Vec<&'a Cors>),
    }
    let catalog = &snapshot.catalog;
    let list = match kind {
        Kind::EventType => List::EventTypes(catalog.table().list(space, labels)),
        Kind::Function => List::Functions(
            catalog.table::<Function>().list(space, labels).into_iter().map(rules::masked).collect(),
        ),
        Kind::Subscription => List::Subscriptions(catalog.table().list(space, labels)),
        Kind::Cors => List::Cors(catalog.table().list(space, labels)),
    };
    json(StatusCode::OK, &list)
}

/// The labels that a list is filtered by: `metadata.<key>=<value>`; of a repeated key the first counts.
fn labels(query: &str) -> Vec<(String, String)> {
    let mut labels: Vec<(String, String)> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if let Some(key) = name.strip_prefix("metadata.")
            && !labels.iter().any(|(known, _)| known == key)
        {
            labels.push((key.to_owned(), value.into_owned()));
        }
    }
    labels
}

fn moved(method: &Method, mut path: String, query: &str) -> Response {
    if !query.is_empty() {
        path = format!("{path}?{query}");
    }
    let Ok(location) = HeaderValue::try_from(path) else { return errors::not_found() };
    let status =
        if method == Method::GET { StatusCode::MOVED_PERMANENTLY } else { StatusCode::TEMPORARY_REDIRECT };
    let mut response = answer(status, Body::empty());
    response.headers_mut().insert(header::LOCATION, location);
    response
}
