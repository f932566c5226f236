//! Serves HTTP: `#[http]` routes under their own paths, and every function as `POST /functions/<name>`, which accepts
//! a CloudEvent like the gateway's `http` functions, or any payload if the function has `#[invoke]`.

use std::env;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::{Bytes, HttpBody as _};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::map_request;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use eg_grammar::limits;
use eg_sdk::CloudEvent;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use tokio::net::TcpListener;

use crate::authorizer;
use crate::context::Invocation;
use crate::dispatch::{Entry, RequestOrEvent, Sender, Service};
use crate::linger::linger;
use crate::log::{Level, print};
use crate::outcome::{Failure, FailureKind};
use crate::payload::Shape;
use crate::reply;
use crate::stream::{self, Streaming};

/// Why the server cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("`{0}` is not an address to listen on; set HOST to an IP address and PORT to a port number")]
    Address(String),
    #[error("cannot listen on {0}: {1}; set PORT to another port")]
    Listen(SocketAddr, io::Error),
    #[error("serving HTTP failed: {0}")]
    Serve(io::Error),
}

/// Serves until the process is asked to end, then finishes the current requests.
pub(crate) async fn serve(name: &str, service: Service) -> Result<(), ServeError> {
    let var =
        |name, default: &str| env::var(name).ok().filter(|v| !v.is_empty()).unwrap_or(default.to_owned());
    let address = format!("{}:{}", var("HOST", "127.0.0.1"), var("PORT", "3000"));
    let address: SocketAddr = address.parse().map_err(|_| ServeError::Address(address))?;
    let listener = TcpListener::bind(address).await.map_err(|e| ServeError::Listen(address, e))?;
    let address = listener.local_addr().map_err(|e| ServeError::Listen(address, e))?;
    print(Level::Info, &format!("{name} serves http://{address}"));
    for (function, _) in service.each() {
        print(Level::Info, &format!("  POST /functions/{function}"));
    }
    axum::serve(listener, router(service))
        .with_graceful_shutdown(asked_to_end())
        .await
        .map_err(ServeError::Serve)
}

fn router(service: Service) -> Router {
    let all = Arc::new(service);
    let functions = all.each().fold(Router::new(), |router, (name, alone)| {
        router.route(&format!("/functions/{name}"), post(invoke).with_state(Arc::new(alone)))
    });
    // The event around a request of the gateway is larger than the body of the request.
    let limit = limits::enclosing(all.payload_limit());
    functions.layer(DefaultBodyLimit::max(limit)).fallback(request).layer(map_request(linger)).with_state(all)
}

/// Answers a request to one of the `#[http]` routes. A body that is not in memory is streamed.
async fn request(State(service): State<Arc<Service>>, request: Request) -> Response {
    let invocation = Arc::default();
    let response = service.http(request, &invocation).await.unwrap_or_else(Failure::into_response);
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| Streaming::of_body(body, &invocation).into_body())
}

/// Delivers a CloudEvent to one function. An `http.request` event gets the reply object that the gateway unpacks, or a
/// stream if its sender can read one.
async fn invoke(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let limit = limits::enclosing(service.payload_limit());
            let message = format!(
                "the event is larger than {limit} bytes: emit a part of it, or where to get it; or raise the limit with \
                 `App::payload_limit`"
            );
            return refused(StatusCode::PAYLOAD_TOO_LARGE, message);
        }
        Err(rejection) => return refused(StatusCode::BAD_REQUEST, rejection.body_text()),
    };
    if let Some(function) = service.invoked() {
        return invoked(&service, function, body).await;
    }
    if let Some(answer) = authorized(&service, &body).await {
        return answer;
    }
    let event = match CloudEvent::from_json(&body) {
        Ok(event) => event,
        Err(e) => return refused(StatusCode::UNPROCESSABLE_ENTITY, e.to_string()),
    };
    let invocation = Invocation { request_id: event.id().to_owned(), ..Invocation::default() };
    let invocation = Arc::new(invocation);
    let answer = match service.request_in(event) {
        Ok(RequestOrEvent::Request(mut request)) => {
            if reads_streams(&headers) {
                stream::allow(&mut request);
            }
            service.http(request, &invocation).await
        }
        Ok(RequestOrEvent::Event(event)) => service.event(event, Sender::MayWait, &invocation).await,
        Err(e) => return refused(StatusCode::UNPROCESSABLE_ENTITY, e.to_string()),
    };
    let reply = match answer {
        Ok(response) if stream::is_marked(&response) => {
            let media_type = [(header::CONTENT_TYPE, stream::MEDIA_TYPE)];
            return (media_type, Streaming::new(response, &invocation).into_body()).into_response();
        }
        Ok(response) => {
            let reply = reply::write(response, Shape::JoinedWithCookies, None, service.payload_limit()).await;
            reply.inspect_err(|failure| failure.log(None, &invocation.request_id))
        }
        Err(failure) => Err(failure),
    };
    match reply {
        Ok(reply) => ([(header::CONTENT_TYPE, "application/json")], reply).into_response(),
        Err(failure) => failed(&failure),
    }
}

/// Answers the question of the event gateway whether a request may pass. `None` if the function is no authorizer, or if the
/// body asks nothing.
async fn authorized(service: &Service, body: &[u8]) -> Option<Response> {
    let json = std::str::from_utf8(body).ok()?;
    Some(match authorizer::answer(service, json, &Arc::default()).await? {
        Ok(answer) => ([(header::CONTENT_TYPE, "application/json")], answer).into_response(),
        Err(failure) => failed(&failure),
    })
}

/// Calls a function with `#[invoke]` with the body as the payload, and answers with its result.
async fn invoked(service: &Service, function: &Entry, payload: Bytes) -> Response {
    let invocation = Arc::default();
    let answer = match service.invoke(function, payload, &invocation).await {
        Ok(response) => reply::verbatim(response, None, service.payload_limit())
            .await
            .inspect_err(|failure| failure.log(Some(function.name()), "")),
        Err(failure) => Err(failure),
    };
    match answer {
        Ok(answer) => ([(header::CONTENT_TYPE, "application/json")], answer).into_response(),
        Err(failure) => failed(&failure),
    }
}

/// Returns whether the sender of an event can read a streamed answer.
fn reads_streams(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|one| one.trim() == stream::MEDIA_TYPE)
}

/// Builds the response to a failure: the status tells whether a retry can help, the body is Lambda's error report.
fn failed(failure: &Failure) -> Response {
    let status = match failure.kind {
        FailureKind::Reject | FailureKind::Named { is_reject: true, .. } => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    report(status, failure)
}

/// Refuses what no function can handle, and logs why.
fn refused(status: StatusCode, message: String) -> Response {
    let failure = Failure::new(FailureKind::Reject, message);
    failure.log(None, "");
    report(status, &failure)
}

fn report(status: StatusCode, failure: &Failure) -> Response {
    let body = json!({ "errorType": failure.kind.error_type(), "errorMessage": failure.message });
    (status, Json(body)).into_response()
}

async fn asked_to_end() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminate) = terminate {
            tokio::select! { _ = interrupt => {}, _ = terminate.recv() => {} }
            return;
        }
    }
    // Without a handler, the signal ends the process by default.
    let _ = interrupt.await;
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http_body_util::BodyExt as _;
    use serde_json::Value;
    use tower::ServiceExt as _;

    use super::*;
    use crate::Error;
    use crate::decision::{Decision, decided};
    use crate::dispatch::Around;
    use crate::extract::Call;
    use crate::registry::{FunctionDef, Mode, Subscription, Trigger};
    use crate::returned::{IsError, IsResponse, reply};
    use crate::shared::{Shared, States};

    const SUBSCRIPTION: Trigger = Trigger::Subscription(Subscription {
        event_type: "order.placed",
        mode: Mode::Async,
        method: "POST",
        path: "/",
        route: None,
        cors: None,
        stream: false,
        authorizer: None,
        retry: None,
        filter: None,
        ordered: false,
    });

    fn service(call: Call) -> Service {
        service_of(&[SUBSCRIPTION], call)
    }

    fn service_of(triggers: &'static [Trigger], call: Call) -> Service {
        let function = Box::leak(Box::new(FunctionDef {
            package: "p",
            version: "0.1.0",
            name: "ship",
            doc: "",
            file: "main.rs",
            line: 1,
            triggers,
            timeout: None,
            memory: None,
            body_limit: None,
            emits: &[],
            needs: &[],
            call,
        }));
        let shared = Shared {
            states: States::default(),
            source: "/tests".to_owned(),
            payload_limit: 100,
            max_hops: 16,
        };
        Service::new(&[function], shared, Around::default()).unwrap()
    }

    /// A function with `#[invoke]` gets the body, whatever it is, and answers without an envelope.
    #[tokio::test]
    async fn an_invoked_function_answers_as_it_is() {
        let echo: Call = |request| Box::pin(async { Response::new(request.into_body()) });
        let fail: Call =
            |_| Box::pin(async { IsError.response(Error::retry("none is left").with_type("OutOfStock")) });
        let event = r#"{"specversion":"1.0","id":"1","source":"/shop","type":"order.placed"}"#;
        let refuse: Call =
            |_| Box::pin(async { IsError.response(Error::reject("none is left").with_type("OutOfStock")) });
        let failed = r#"{"errorMessage":"none is left","errorType":"OutOfStock"}"#;
        for (call, payload, status, answer) in [
            (echo, "[1, 2]", 200, "[1, 2]"),
            (echo, event, 200, event),
            (fail, "{}", 500, failed),
            (refuse, "{}", 422, failed),
        ] {
            let request = http::Request::post("/functions/ship").body(Body::from(payload)).unwrap();
            let response = router(service_of(&[Trigger::Invoke], call)).oneshot(request).await.unwrap();
            assert_eq!(response.status().as_u16(), status);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, answer);
        }
    }

    /// The gateway may name a function over HTTP as the authorizer of an event type.
    #[tokio::test]
    async fn an_authorizer_answers_the_gateway() {
        let decide: Call = |request| {
            Box::pin(async move {
                let known = request.headers().contains_key("x-token");
                decided(if known { Decision::allow("u7") } else { Decision::deny() })
            })
        };
        for (headers, answer) in [
            (r#"{"X-Token": "t"}"#, r#"{"authorization":{"context":{},"principalId":"u7"}}"#),
            ("{}", r#"{"error":{"message":"Forbidden"}}"#),
        ] {
            let question = format!(
                r#"{{"event": {{}}, "request": {{"method": "POST", "path": "/", "headers": {headers}}}}}"#
            );
            let request = http::Request::post("/functions/ship").body(Body::from(question)).unwrap();
            let service = service_of(&[Trigger::Authorizer { iam: false }], decide);
            let response = router(service).oneshot(request).await.unwrap();
            assert_eq!(response.status().as_u16(), 200);
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), answer);
        }
    }

    /// The gateway retries after a 500 and gives up after a 422; the body has the reason.
    #[tokio::test]
    async fn an_error_of_any_type_fails_the_event() {
        let calls: [(Call, u16, &str, &str); 4] = [
            (|_| Box::pin(async { reply(()) }), 200, "", ""),
            (|_| Box::pin(async { IsResponse.response("no stock") }), 500, "Retry", "no stock"),
            (
                |_| Box::pin(async { IsResponse.response(StatusCode::GONE) }),
                422,
                "Reject",
                "it answered 410 Gone",
            ),
            (|_| Box::pin(async { IsError.response(Error::reject("no order")) }), 422, "Reject", "no order"),
        ];
        for (call, status, error_type, message) in calls {
            let event = r#"{"specversion":"1.0","id":"1","source":"/shop","type":"order.placed"}"#;
            let request = http::Request::post("/functions/ship").body(Body::from(event)).unwrap();
            let response = router(service(call)).oneshot(request).await.unwrap();
            assert_eq!(response.status().as_u16(), status, "{message}");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let body: Value = serde_json::from_slice(&body).unwrap();
            let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
            assert_eq!((text("errorType").as_str(), text("errorMessage").as_str()), (error_type, message));
        }
    }
}
