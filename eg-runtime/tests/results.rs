//! An `Err` of any type is a failure: for events, messages and schedules, in `testing`, over HTTP and on Lambda.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]
#![allow(clippy::unused_async, reason = "what matters is the result")]

use std::error::Error as StdError;
use std::io;

use eg_runtime::axum::response::{Redirect, Response};
use eg_runtime::testing::{Outcome, TestApp};
use eg_runtime::{
    App, CloudEvent, Data, Error, Json, ResultExt as _, StatusCode, Verdict, http, queue, schedule, subscribe,
};
use serde_json::{Value, json};

/// A function for each type of error, with all kinds of triggers.
macro_rules! failing {
    ($($name:ident $event:literal $route:literal $later:literal: $ty:ty = $error:expr;)+) => {$(
        #[subscribe($event)]
        #[http(POST, $route)]
        #[http(POST, $later, mode = "async")]
        #[queue($event)]
        async fn $name() -> Result<Json<u8>, $ty> {
            Err($error)
        }
    )+};
}

type Aliased = Result<Json<u8>, String>;

failing! {
    text "text" "/text" "/later/text": String = "no stock".to_owned();
    literal "literal" "/literal" "/later/literal": &'static str = "no stock";
    nothing "nothing" "/nothing" "/later/nothing": () = ();
    data "data" "/data" "/later/data": Json<Value> = Json(json!({"stock": 0}));
    io_error "io" "/io" "/later/io": io::Error = io::Error::other("disk full");
    boxed "boxed" "/boxed" "/later/boxed": Box<dyn StdError + Send + Sync> = "no stock".into();
    from_anyhow "anyhow" "/anyhow" "/later/anyhow": anyhow::Error = anyhow::anyhow!("no stock").context("order 7");
    from_eyre "eyre" "/eyre" "/later/eyre": eyre::Report = eyre::eyre!("no stock").wrap_err("order 7");
    status "status" "/status" "/later/status": StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    missing "missing" "/missing" "/later/missing": (StatusCode, String) = (StatusCode::NOT_FOUND, "no order".to_owned());
    fine "fine" "/fine" "/later/fine": (StatusCode, String) = (StatusCode::CREATED, "not quite".to_owned());
    redirect "redirect" "/redirect" "/later/redirect": Redirect = Redirect::to("/login");
    retry "retry" "/retry" "/later/retry": Error = Error::retry("secret");
    reject "reject" "/reject" "/later/reject": Error = Error::reject("no order");
    ok_status "ok" "/ok" "/later/ok": Error = Error::status(StatusCode::OK, "all is well");
}

#[schedule("rate(1 day)")]
#[subscribe("aliased")]
async fn aliased() -> Aliased {
    Err("not now".to_owned())
}

#[subscribe("answer", mode = "sync")]
async fn answer() -> Result<(), (StatusCode, &'static str)> {
    Err((StatusCode::SERVICE_UNAVAILABLE, "closed"))
}

/// A response says itself what happened.
#[subscribe("response")]
async fn response() -> Response {
    eg_runtime::IntoResponse::into_response((StatusCode::BAD_GATEWAY, "partner is down"))
}

fn event(ty: &str) -> CloudEvent {
    CloudEvent::of_type(ty, "/tests", Data::Empty).with_id("1").with_time(None)
}

/// Each type: the reason, whether it is final, and the answer to a waiting client.
const FAILURES: [(&str, &str, bool, u16, &str); 15] = [
    ("text", "no stock", false, 500, "no stock"),
    ("literal", "no stock", false, 500, "no stock"),
    ("nothing", "it returned an `Err` without a message", false, 500, ""),
    ("data", "{\"stock\":0}", false, 500, "{\"stock\":0}"),
    ("io", "disk full", false, 500, "{\"errors\":[\"Internal Server Error\"]}"),
    ("boxed", "no stock", false, 500, "{\"errors\":[\"Internal Server Error\"]}"),
    ("anyhow", "order 7: no stock", false, 500, "{\"errors\":[\"Internal Server Error\"]}"),
    ("eyre", "order 7: no stock", false, 500, "{\"errors\":[\"Internal Server Error\"]}"),
    ("status", "it answered 503 Service Unavailable", false, 503, ""),
    ("missing", "no order", true, 404, "no order"),
    ("fine", "not quite", false, 500, "not quite"),
    ("redirect", "it answered 303 See Other", false, 303, ""),
    ("retry", "secret", false, 500, "{\"errors\":[\"Internal Server Error\"]}"),
    ("reject", "no order", true, 422, "{\"errors\":[\"no order\"]}"),
    ("ok", "all is well", false, 500, "{\"errors\":[\"all is well\"]}"),
];

#[tokio::test]
async fn an_error_of_any_type_fails_the_delivery_with_its_reason() {
    let app = TestApp::new(App::new()).unwrap();
    for (ty, reason, is_final, ..) in FAILURES {
        let expected = match is_final {
            true => Outcome::Rejected(reason.to_owned()),
            false => Outcome::Retry(reason.to_owned()),
        };
        assert_eq!(app.deliver(event(ty)).await.unwrap()[0].outcome, expected, "{ty}");

        let kind = if is_final { "Reject" } else { "Retry" };
        let payload = String::from_utf8(event(ty).to_json().unwrap()).unwrap();
        let error = app.invoke(&payload).await.unwrap_err();
        assert_eq!(
            (error.error_type.as_str(), error.error_message.as_str()),
            (kind, reason),
            "{ty} on Lambda"
        );

        let message = json!({"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": "x",
            "eventSourceARN": format!("arn:aws:sqs:eu-central-1:1:{ty}")}]});
        let reply = app.invoke(&message.to_string()).await.unwrap();
        assert_eq!(reply["batchItemFailures"], json!([{"itemIdentifier": "m"}]), "{ty} in a queue");

        // The gateway has answered the client of an asynchronous route; it delivers the request as an event.
        let error = app.invoke(&request(&format!("/later/{ty}"))).await.unwrap_err();
        assert_eq!(
            (error.error_type.as_str(), error.error_message.as_str()),
            (kind, reason),
            "{ty}, asynchronous"
        );
    }
}

fn request(path: &str) -> String {
    json!({"eventType": "http.request", "cloudEventsVersion": "0.1", "source": "/x", "eventID": "1",
        "data": {"method": "POST", "path": path, "headers": {}}})
    .to_string()
}

#[tokio::test]
async fn a_client_that_waits_gets_the_answer_and_never_a_success() {
    let app = TestApp::new(App::new()).unwrap();
    for (path, _, _, status, body) in FAILURES {
        let answer = app.post(&format!("/{path}"), &()).await;
        assert_eq!((answer.status().as_u16(), answer.text().as_str()), (status, body), "{path}");
        let reply = app.invoke(&request(&format!("/{path}"))).await.unwrap();
        assert_eq!(
            (&reply["statusCode"], &reply["body"]),
            (&json!(status), &json!(body)),
            "{path} on Lambda"
        );
    }
    assert_eq!(app.post("/redirect", &()).await.headers()["location"], "/login");
}

/// Who emitted the event gets the answer of a synchronous function. EventBridge and SNS look at failures only, and would
/// take the answer for a success.
#[tokio::test]
async fn a_synchronous_function_fails_where_nobody_waits() {
    let app = TestApp::new(App::new()).unwrap();
    let payload = String::from_utf8(event("answer").to_json().unwrap()).unwrap();
    assert_eq!(app.invoke(&payload).await.unwrap()["statusCode"], 503);
    let bus = json!({"version": "0", "id": "1", "detail-type": "answer", "source": "shop", "account": "1",
        "time": "2026-01-01T12:00:00Z", "region": "eu-central-1", "resources": [], "detail": {}});
    let topic = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"MessageId": "1",
        "TopicArn": "arn:aws:sns:eu-central-1:1:t", "Message": payload, "Timestamp": "2026-01-01T12:00:00Z"}}]});
    for payload in [bus, topic] {
        let error = app.invoke(&payload.to_string()).await.unwrap_err();
        assert_eq!((error.error_type.as_str(), error.error_message.as_str()), ("Retry", "closed"));
    }
}

#[tokio::test]
async fn schedules_aliases_and_plain_responses() {
    let app = TestApp::new(App::new()).unwrap();
    let error = app.tick("aliased").await.unwrap_err();
    assert_eq!((error.error_type.as_str(), error.error_message.as_str()), ("Retry", "not now"));
    let outcome = async |ty| app.deliver(event(ty)).await.unwrap().remove(0).outcome;
    assert_eq!(outcome("aliased").await, Outcome::Retry("not now".to_owned()));
    assert_eq!(outcome("response").await, Outcome::Retry("partner is down".to_owned()));
}

#[test]
fn errors_tell_what_they_are() {
    for (error, verdict, status, message) in [
        (Error::retry("later"), Verdict::Retry, 500, "later"),
        (Error::reject("never"), Verdict::Reject, 422, "never"),
        (Error::status(StatusCode::NOT_FOUND, "gone"), Verdict::Reject, 404, "gone"),
        (Error::status(StatusCode::TOO_MANY_REQUESTS, "busy"), Verdict::Retry, 429, "busy"),
        (Error::from("text"), Verdict::Retry, 500, "text"),
        (Error::from("text").into_reject(), Verdict::Reject, 422, "text"),
    ] {
        let found = (error.verdict(), error.http_status().as_u16(), error.message());
        assert_eq!(found, (verdict, status, message), "{error}");
    }
    let error = Error::from(anyhow::Error::from(io::Error::other("disk full")).context("order 7"));
    assert_eq!((error.message(), error.to_string().as_str()), ("order 7", "order 7: disk full"));
    assert!(error.source().unwrap().source().unwrap().is::<io::Error>());
    assert!(Error::from(io::Error::other("disk full")).downcast_ref::<io::Error>().is_some());
    assert!(Error::retry("later").source().is_none());
}

/// Every type of error that `?` takes: whatever it is, the caller decides whether a retry can help.
#[test]
fn a_result_of_any_error_can_be_retried_or_rejected() {
    fn check<E>(failure: impl Fn() -> E, message: &str)
    where
        Error: From<E>,
    {
        let error = Err::<(), _>(failure()).retry().unwrap_err();
        assert_eq!((error.verdict(), error.message()), (Verdict::Retry, message));
        let error = Err::<(), _>(failure()).reject().unwrap_err();
        assert_eq!((error.verdict(), error.message()), (Verdict::Reject, message));
        let through = || -> Result<(), Error> { Ok(Err::<(), _>(failure())?) };
        assert_eq!(through().unwrap_err().message(), message);
    }
    check(|| io::Error::other("disk full"), "disk full");
    check(|| anyhow::anyhow!("no stock").context("order 7"), "order 7");
    check(|| eyre::eyre!("no stock").wrap_err("order 7"), "order 7");
    check(|| Box::<dyn StdError + Send + Sync>::from("no stock"), "no stock");
    check(|| "no stock", "no stock");
    check(|| "no stock".to_owned(), "no stock");
    check(|| Error::reject("no stock"), "no stock");
    check(|| Error::status(StatusCode::NOT_FOUND, "no stock"), "no stock");
    assert_eq!(Ok::<_, io::Error>(7).reject().unwrap(), 7);
}
