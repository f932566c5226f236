//! Tower layers around an app: which requests and events they see, and what they may change.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::IntoResponse as _;
use eg_runtime::testing::{Outcome, TestApp};
use eg_runtime::{
    App, CloudEvent, Data, Emit, Error, Event, Json, Request, Response, StatusCode, http, subscribe,
};
use http_body_util::Limited;
use serde::{Deserialize, Serialize};
use tower::timeout::TimeoutLayer;

#[derive(Serialize, Deserialize, Event)]
#[event("order.placed")]
struct Placed {
    n: u32,
}

#[http(POST, "/orders")]
async fn place(emit: Emit<Placed>, Json(n): Json<u32>) -> Result<StatusCode, Error> {
    emit.send(Placed { n }).await?;
    Ok(StatusCode::ACCEPTED)
}

#[subscribe(Placed)]
async fn ship(event: CloudEvent<Placed>) -> Result<(), Error> {
    if event.data.n == 0 { Err(Error::reject("nothing to ship")) } else { Ok(()) }
}

#[subscribe("slow")]
async fn slow() {
    std::future::pending::<()>().await;
}

/// Counts what passes.
#[derive(Clone)]
struct Count(Arc<AtomicUsize>);

impl<S> tower::Layer<S> for Count {
    type Service = Counting<S>;

    fn layer(&self, inner: S) -> Counting<S> {
        Counting(inner, self.0.clone())
    }
}

#[derive(Clone)]
struct Counting<S>(S, Arc<AtomicUsize>);

impl<S: tower::Service<Request, Response = Response>> tower::Service<Request> for Counting<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> S::Future {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.call(request)
    }
}

#[tokio::test]
async fn layers_stand_around_every_function() {
    let count = Count(Arc::default());
    let app = App::new().layer(TimeoutLayer::new(Duration::from_millis(20))).layer(count.clone());
    let app = TestApp::new(app).unwrap();
    app.post("/orders", &1).await;
    app.settle().await;
    assert_eq!(count.0.load(Ordering::SeqCst), 2);

    let slow = CloudEvent::of_type("slow", "/x", Data::Empty);
    let deliveries = app.deliver(slow).await.unwrap();
    assert!(
        matches!(&deliveries[0].outcome, Outcome::Retry(reason) if reason.contains("timed out")),
        "{deliveries:?}"
    );
    let rejected = app.deliver(Placed { n: 0 }).await.unwrap();
    assert_eq!(
        rejected[0].outcome,
        Outcome::Rejected("nothing to ship".to_owned()),
        "failures pass through layers"
    );
}

/// Answers preflights, and marks all other answers, as layers for CORS do.
#[derive(Clone)]
struct AnyOrigin;

impl<S> tower::Layer<S> for AnyOrigin {
    type Service = AnyOriginService<S>;

    fn layer(&self, inner: S) -> AnyOriginService<S> {
        AnyOriginService(inner)
    }
}

#[derive(Clone)]
struct AnyOriginService<S>(S);

impl<S> tower::Service<Request> for AnyOriginService<S>
where
    S: tower::Service<axum::http::Request<Limited<Body>>, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let preflight = request.method() == "OPTIONS";
        // Another type of body, as layers that limit or decompress bodies have.
        let answer = self.0.call(request.map(|body| Limited::new(body, 100)));
        Box::pin(async move {
            let mut response =
                if preflight { StatusCode::NO_CONTENT.into_response() } else { answer.await? };
            let any = axum::http::HeaderValue::from_static("*");
            response.headers_mut().insert("access-control-allow-origin", any);
            Ok(response)
        })
    }
}

/// Layers were around functions only, so that preflights and the answers 404 and 405 lacked CORS headers; and layers that
/// change the type of the body did not compile.
#[tokio::test]
async fn layers_see_requests_that_no_function_answers() {
    let app = TestApp::new(App::new().layer(AnyOrigin)).unwrap();
    for (method, path, body, status) in [
        ("OPTIONS", "/orders", "", 204),
        ("GET", "/orders", "", 405),
        ("POST", "/nowhere", "", 404),
        ("POST", "/orders", "7", 202),
        ("POST", "/orders", "\"text\"", 422),
    ] {
        let request = axum::http::Request::builder().method(method).uri(path);
        let request = request.header("content-type", "application/json").body(body).unwrap();
        let answer = app.http(request).await;
        assert_eq!(answer.status(), status, "{method} {path}");
        assert_eq!(answer.headers()["access-control-allow-origin"], "*", "{method} {path}");
    }
    let limited = app.post("/orders", &"x".repeat(200)).await;
    assert_eq!(limited.status(), 413, "the layer's own limit");
    let deliveries = app.deliver(Placed { n: 1 }).await.unwrap();
    assert_eq!(deliveries[0].outcome, Outcome::Done, "events pass the layer, too");
}
