//! Tests of the service with a vision server whose answers the test sets.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State as AxumState;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use eg_runtime::testing::{Outcome, TestApp};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

type Questions = Arc<Mutex<Vec<(Value, Option<String>)>>>;

/// A server that gives the same answer to every request and records the requests.
async fn server(status: StatusCode, answer: Value) -> (String, Questions) {
    let questions = Questions::default();
    let route = post(
        async move |AxumState(questions): AxumState<Questions>,
                    headers: HeaderMap,
                    body: axum::Json<Value>| {
            let key = headers.get("x-goog-api-key").map(|key| key.to_str().unwrap().to_owned());
            questions.lock().unwrap().push((body.0, key));
            (status, axum::Json(answer.clone()))
        },
    );
    let router = Router::new().route("/v1/images:annotate", route).with_state(questions.clone());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, questions)
}

fn donald() -> UserRegistered {
    let [id, email] = ["10", "Donald@Disney.com"].map(str::to_owned);
    UserRegistered { id, email, name: None }
}

async fn annotate(vision: Vision) -> (Outcome, Vec<CloudEvent<UserAnnotated>>) {
    let app = TestApp::new(App::new().state(vision)).unwrap();
    let outcome = app.deliver(donald()).await.unwrap().remove(0).outcome;
    (outcome, app.emitted::<UserAnnotated>().unwrap())
}

/// Runs the function against a server with this answer.
async fn check(status: StatusCode, answer: Value, expected: Result<&[&str], &str>) {
    let (url, _) = server(status, answer.clone()).await;
    let (outcome, emitted) = annotate(Vision::new(&url, None).unwrap()).await;
    match expected {
        Ok(entities) => {
            assert_eq!(outcome, Outcome::Done, "{answer}");
            assert_eq!(emitted[0].data.entities, entities, "{answer}");
        }
        Err(reason) => {
            assert_eq!(outcome, Outcome::Retry(reason.to_owned()), "{answer}");
            assert!(emitted.is_empty(), "{answer}");
        }
    }
}

#[tokio::test]
async fn entities_are_emitted() {
    let entities =
        json!([{"description": "Duck", "score": 1.2}, {"entityId": "/m/1"}, {"description": "Sailor"}]);
    check(
        StatusCode::OK,
        json!({"responses": [{"webDetection": {"webEntities": entities}}]}),
        Ok(&["Duck", "Sailor"]),
    )
    .await;
    check(StatusCode::OK, json!({"responses": [{"webDetection": {}}]}), Ok(&[])).await;
    check(StatusCode::OK, json!({"responses": [{}]}), Ok(&[])).await;
}

#[tokio::test]
async fn every_failure_is_temporary() {
    check(
        StatusCode::OK,
        json!({"responses": [{"error": {"code": 14, "message": "no such picture"}}]}),
        Err("the vision server failed: no such picture"),
    )
    .await;
    check(StatusCode::OK, json!({"responses": []}), Err("the answer of the vision server is empty")).await;
    check(
        StatusCode::FORBIDDEN,
        json!("no key"),
        Err("the vision server answered 403 Forbidden: \"no key\""),
    )
    .await;

    // No server listens on the port of a dropped listener.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (outcome, _) = annotate(Vision::new(&url, None).unwrap()).await;
    assert!(matches!(outcome, Outcome::Retry(reason) if reason.contains("Connection refused")));
}

#[tokio::test]
async fn the_question_is_the_one_that_cloud_vision_expects() {
    let (url, questions) = server(StatusCode::OK, json!({"responses": [{}]})).await;
    annotate(Vision::new(&format!("{url}/"), Some("sesame".to_owned())).unwrap()).await;
    let (question, key) = questions.lock().unwrap().remove(0);
    let image = gravatar::url("donald@disney.com");
    assert!(image.starts_with("https://"));
    assert_eq!(
        question,
        json!({"requests": [{
            "image": {"source": {"imageUri": image}},
            "features": [{"type": "WEB_DETECTION", "maxResults": 5}],
        }]})
    );
    assert_eq!(key.as_deref(), Some("sesame"));
}

#[tokio::test]
async fn a_redelivery_gives_the_same_event() {
    let (url, _) = server(StatusCode::OK, json!({"responses": [{}]})).await;
    let app = TestApp::new(App::new().state(Vision::new(&url, None).unwrap())).unwrap();
    let event = CloudEvent::new("/services/users", donald());
    for _ in 0..2 {
        app.deliver(event.clone()).await.unwrap();
    }
    let annotated = app.emitted::<UserAnnotated>().unwrap();
    assert_eq!(annotated[0].id(), annotated[1].id());
    assert_ne!(annotated[0].id(), event.id(), "an id of its own");
    assert_eq!((annotated[0].cause(), &*annotated[0].data.id), (Some(event.id()), "10"));
}

#[test]
fn a_server_needs_a_url() {
    let error = Vision::new("vision", None).unwrap_err().to_string();
    assert_eq!(error, "VISION_URL is `vision`: set it to the URL of a vision server");
}
