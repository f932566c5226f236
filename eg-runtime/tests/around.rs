//! A router of axum beside functions, layers around single functions, and limits of single functions for bodies.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eg_runtime::axum::body::Body;
use eg_runtime::axum::http::Request as HttpRequest;
use eg_runtime::axum::middleware::from_fn;
use eg_runtime::axum::routing::{get, post};
use eg_runtime::axum::{Extension, Router, middleware::Next};
use eg_runtime::testing::{Answer, TestApp};
use eg_runtime::tower::ServiceExt as _;
use eg_runtime::{
    App, Bytes, CloudEvent, Context, Data, IntoResponse, Request, Response, State, StatusCode, http,
    subscribe,
};
use serde_json::{Value, json};

#[http(GET, "/orders")]
async fn list() -> &'static str {
    "the function's"
}

#[http(POST, "/uploads", body_limit = "1KiB")]
async fn upload(body: Bytes) -> String {
    body.len().to_string()
}

/// Takes the body undecoded, as a stream.
#[http(POST, "/streams", body_limit = 10)]
async fn stream(request: Request) -> Result<String, StatusCode> {
    let body = eg_runtime::axum::body::to_bytes(request.into_body(), usize::MAX).await;
    body.map(|body| body.len().to_string()).map_err(|_| StatusCode::INSUFFICIENT_STORAGE)
}

#[subscribe("ping")]
async fn ping() {}

/// Hands over what is below `/admin`, where the process serves this function alone.
#[http(ANY, "/admin/{*page}")]
async fn admin(State(router): State<Router>, request: Request) -> Response {
    router.oneshot(request).await.into_response()
}

/// What a layer knows of the sender.
#[derive(Clone)]
struct User(&'static str);

fn router() -> Router {
    Router::new()
        .route("/orders", post(async || "the router's").get(async || "never"))
        .route("/pages/{page}", get(async |page: eg_runtime::Path<String>| page.0))
        .route("/admin/users", get(async || "users").put(async || "changed"))
        .route("/admin/upload", post(async |body: Bytes| body.len().to_string()))
        .route("/admin/user", get(async |Extension(user): Extension<User>| user.0))
        .route("/admin/shelves/{n}", get(async |shelf: eg_runtime::Path<u32>| format!("shelf {}", shelf.0)))
        .route("/missing", get(async || StatusCode::NOT_FOUND))
        .route("/bytes", post(async |body: Bytes| body.len().to_string()))
        .route("/panics", get(async || -> () { panic!("no page") }))
        .route(
            "/context",
            get(async |context: Context, State(text): State<&'static str>| {
                format!("{text} {}", context.function_name().len())
            }),
        )
}

async fn ask(app: &TestApp, method: &str, path: &str) -> Answer {
    app.http(HttpRequest::builder().method(method).uri(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_router_answers_what_no_function_answers() {
    let app = TestApp::new(App::new().state("a state").router(router())).unwrap();
    for (method, path, status, body) in [
        ("GET", "/orders", 200, "the function's"),
        ("POST", "/orders", 200, "the router's"),
        ("GET", "/pages/a%20b", 200, "a b"),
        ("GET", "/admin/users", 200, "users"),
        ("PUT", "/admin/users", 200, "changed"),
        // The function's own parameter is none of the router's.
        ("GET", "/admin/shelves/7", 200, "shelf 7"),
        // A route's own 404 is an answer.
        ("GET", "/missing", 404, ""),
        ("GET", "/context", 200, "a state 0"),
        ("HEAD", "/pages/x", 200, ""),
    ] {
        let answer = ask(&app, method, path).await;
        assert_eq!((answer.status().as_u16(), answer.text().as_str()), (status, body), "{method} {path}");
    }
    let unknown = ask(&app, "GET", "/order").await;
    assert_eq!(unknown.status(), 404);
    assert!(unknown.text().contains("did you mean `GET /orders`?"), "{}", unknown.text());
    let put = ask(&app, "PUT", "/orders").await;
    assert_eq!((put.status().as_u16(), put.headers()["allow"].to_str().unwrap()), (405, "GET, HEAD, POST"));
    assert_eq!(app.http(post_of("/bytes", 7_000_000)).await.status(), 413, "the app's limit");
    assert_eq!(app.http(post_of("/bytes", 3_000_000)).await.text(), "3000000", "not axum's limit");
    assert_eq!(
        app.http(post_of("/admin/upload", 3_000_000)).await.text(),
        "3000000",
        "handed over by a function"
    );
    assert_eq!(ask(&app, "GET", "/panics").await.status(), 500);
}

/// The router's own fallback goes before the answer that names near routes.
#[tokio::test]
async fn a_fallback_of_the_router_answers_the_rest() {
    for router in [router(), Router::new()] {
        let router = router.fallback(async || (StatusCode::NOT_FOUND, "nothing here"));
        let app = TestApp::new(App::new().router(router)).unwrap();
        let answer = ask(&app, "GET", "/order").await;
        assert_eq!((answer.status().as_u16(), answer.text().as_str()), (404, "nothing here"));
        assert_eq!(ask(&app, "GET", "/orders").await.text(), "the function's");
    }
}

#[tokio::test]
async fn layers_of_the_app_are_around_the_router_and_the_gateway_reaches_it() {
    let count = Arc::<AtomicUsize>::default();
    let counting = count.clone();
    let layer = from_fn(move |request: Request, next: Next| {
        counting.fetch_add(1, Ordering::SeqCst);
        next.run(request)
    });
    let app = TestApp::new(App::new().router(router()).layer(layer)).unwrap();
    assert_eq!(ask(&app, "GET", "/pages/x").await.text(), "x");
    assert_eq!(count.load(Ordering::SeqCst), 1);
    // A process that serves all functions gets such a request from a gateway that has a route for it.
    let event = json!({"eventType": "http.request", "cloudEventsVersion": "0.1", "source": "/x", "eventID": "1",
        "data": {"method": "GET", "path": "/pages/x", "headers": {}}});
    let reply: Value = app.invoke(&event.to_string()).await.unwrap();
    assert_eq!((&reply["statusCode"], &reply["body"]), (&json!(200), &json!("x")));
}

/// Marks answers with a name.
fn mark(name: &'static str) -> impl Fn(Request, Next) -> MarkFuture + Clone {
    move |request, next: Next| {
        Box::pin(async move {
            let mut response = next.run(request).await;
            response.headers_mut().append("marks", name.parse().unwrap());
            response
        })
    }
}

type MarkFuture = std::pin::Pin<Box<dyn Future<Output = Response> + Send>>;

#[tokio::test]
async fn a_layer_of_a_function_is_around_this_function_only() {
    let app = App::new()
        .router(router())
        .layer_for("list", from_fn(mark("inner")))
        .layer_for("list", from_fn(mark("outer")))
        .layer(from_fn(mark("app")));
    let app = TestApp::new(app).unwrap();
    let marks = async |method: &str, path: &str| -> Vec<String> {
        let answer = ask(&app, method, path).await;
        answer.headers().get_all("marks").iter().map(|mark| mark.to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(marks("GET", "/orders").await, ["inner", "outer", "app"]);
    assert_eq!(marks("POST", "/uploads").await, ["app"]);
    assert_eq!(marks("GET", "/pages/x").await, ["app"]);
    assert_eq!(marks("GET", "/nowhere").await, ["app"]);

    let know = from_fn(async |mut request: Request, next: Next| {
        request.extensions_mut().insert(User("u7"));
        next.run(request).await
    });
    let app = TestApp::new(App::new().router(router()).layer_for("admin", know)).unwrap();
    assert_eq!(
        ask(&app, "GET", "/admin/user").await.text(),
        "u7",
        "a function hands over what its layers know"
    );

    let refuse = from_fn(async |_: Request, _: Next| StatusCode::GONE);
    let app = TestApp::new(App::new().router(router()).layer_for("ping", refuse)).unwrap();
    let deliveries = app.deliver(CloudEvent::of_type("ping", "/x", Data::Empty)).await.unwrap();
    assert!(format!("{:?}", deliveries[0].outcome).contains("410 Gone"), "{deliveries:?}");
    assert_eq!(ask(&app, "GET", "/orders").await.status(), 200);

    let wrong = App::new().router(router()).layer_for("lst", from_fn(mark("x")));
    let error = TestApp::new(wrong).unwrap_err().to_string();
    assert!(
        error.starts_with("`App::layer_for` names `lst`, but this binary has `admin`, `list`"),
        "{error}"
    );
}

fn post_of(path: &str, size: usize) -> HttpRequest<Body> {
    HttpRequest::post(path).body(Body::from(vec![b'x'; size])).unwrap()
}

#[tokio::test]
async fn a_function_has_a_limit_of_its_own_for_bodies() {
    let app = TestApp::new(App::new().router(router())).unwrap();
    assert_eq!(app.http(post_of("/uploads", 1024)).await.text(), "1024");
    let refused = app.http(post_of("/uploads", 1025)).await;
    let message = "the request body is larger than 1024 bytes: send it in parts, or raise the limit with `body_limit` of \
                   `upload`";
    assert_eq!(refused.status(), 413);
    assert_eq!(refused.json::<Value>().unwrap(), json!({ "errors": [message] }));
    // The size of this body is not known before it is read.
    let chunks = |count| {
        let chunks = futures_util::stream::iter(vec![Ok::<_, std::convert::Infallible>("12345"); count]);
        HttpRequest::post("/streams").body(Body::from_stream(chunks)).unwrap()
    };
    assert_eq!(app.http(chunks(2)).await.text(), "10");
    assert_eq!(app.http(chunks(3)).await.status(), 507, "the function sees that the body is cut off");

    let error = TestApp::new(App::new().router(router()).payload_limit(1000)).unwrap_err().to_string();
    assert!(
        error.starts_with("`upload` has `body_limit` = 1024 bytes, but the limit of the app is 1000"),
        "{error}"
    );
}
