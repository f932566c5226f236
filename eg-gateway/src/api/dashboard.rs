//! Puts the pages of the dashboard before the Config API, on its port. `eg-dashboard` has the pages, which call the APIs like
//! any other client; this module knows who may see them.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Redirect, Response};
use eg_dashboard::{Options as Pages, ROOT};
use eg_sdk::{EventGateway, RetryPolicy, Settings};
use tower_service::Service as _;

use super::errors::ApiError;
use super::guard;
use super::received::{Received, client};
use super::{ApiState, holding};
use crate::decide::access::Denial;
use crate::server::inside::Door;
use crate::store::PAGE;

/// Where the pages reach the APIs, and where people do.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) events_url: String,
    pub(crate) config_url: String,
    pub(crate) events: Door,
    pub(crate) config: Door,
}

/// Returns the service for the port of the Config API: the pages, and `api` for everything else.
pub(crate) fn service(app: &Arc<ApiState>, places: Places, api: Router) -> Router {
    let keys = &app.access_keys;
    let pages = Pages {
        secure: places.config_url.starts_with("https:"),
        events_url: places.events_url.clone(),
        gateway: gateway(places),
        names: app.screening.config_names().clone(),
        // No page knows the key, whatever name it has.
        any_host: keys.all.is_some(),
        ticket: None,
    };
    let state = (Arc::clone(app), eg_dashboard::router(pages));
    Router::new().fallback_service(api).layer(from_fn_with_state(state, choose))
}

/// Returns a client of this gateway that needs no port.
fn gateway(places: Places) -> EventGateway {
    let mut settings = Settings::default();
    // Whether the ports have TLS does not matter within the process.
    let plain = |url: &str| url.replacen("https:", "http:", 1);
    settings.url = plain(&places.events_url);
    settings.config_url = Some(plain(&places.config_url));
    let events_at = authority(&settings.url).to_owned();
    let dial = move |at: &str| -> io::Result<_> {
        if at == events_at { places.events.open() } else { places.config.open() }
    };
    let gateway = EventGateway::with_settings(settings).expect("the addresses of ports are URLs");
    gateway.with_retry(RetryPolicy::none()).with_dialer(dial)
}

/// Returns host and port of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

async fn choose(
    State((app, pages)): State<(Arc<ApiState>, Router)>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    if path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return show(&app, pages, request).await.unwrap_or_else(ApiError::into_response);
    }
    let accept = request.headers().get(header::ACCEPT);
    if path == "/" && !app.strict && eg_dashboard::is_wanted(request.method(), accept) {
        return Redirect::to(ROOT).into_response();
    }
    next.run(request).await
}

/// Answers a request with a page, if the client may see it.
async fn show(app: &Arc<ApiState>, mut pages: Router, request: Request) -> Result<Response, ApiError> {
    guard::one_host(request.version(), request.uri(), request.headers())?;
    // A key for all spaces protects everything. Without one, some or all of it is open to programs on this machine, as which
    // the pages count.
    if app.access_keys.all.is_none() && !guard::is_local_request(request.headers(), request.extensions()) {
        return Err(Denial::NotLocal.into());
    }
    let client = client(request.extensions());
    // Pages read at most this much of the store at once. The stream of changes and the files read nothing.
    let reserved = if reads(request.uri().path()) { PAGE } else { 0 };
    let making = app.memory.reserve([Some(client), None], reserved);
    let making = making.map_err(ApiError::no_memory)?;
    let (head, body) = request.into_parts();
    // What a page holds while it is made counts like the form that it answers.
    let Received { bytes, room } = Received::read(app, [Some(client), None], body).await?;
    let Ok(mut response) = pages.call(Request::from_parts(head, Body::from(bytes))).await;
    let length = response.body().size_hint().exact().and_then(|length| usize::try_from(length).ok());
    let Some(length) = length else {
        // An export reads one page after the other until the last is sent.
        response.extensions_mut().insert(Arc::new(making));
        return Ok(response);
    };
    drop(making);
    room.grow(length).map_err(ApiError::no_memory)?;
    Ok(holding(response, room))
}

/// Returns whether the page at a path reads the store.
fn reads(path: &str) -> bool {
    let rest = path.strip_prefix(ROOT).unwrap_or(path);
    let of_space = rest.strip_prefix("/spaces/").and_then(|rest| rest.split_once('/'));
    !rest.starts_with("/assets/") && of_space.is_none_or(|(_, page)| page != "live")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_read_the_store_are_known_by_their_place() {
        for (path, expected) in [
            ("/dashboard/assets/1/app.js", false),
            ("/dashboard/spaces/default/live", false),
            ("/dashboard/spaces/assets/events", true),
            ("/dashboard/spaces/default/events/live", true),
            ("/dashboard/spaces/default/dead-letters/export", true),
        ] {
            assert_eq!(reads(path), expected, "{path}");
        }
    }

    #[test]
    fn hosts_and_ports_of_urls() {
        for (url, expected) in
            [("http://localhost:4000", "localhost:4000"), ("http://[::1]:4000/base/", "[::1]:4000")]
        {
            assert_eq!(authority(url), expected);
        }
    }
}
