//! Functions that send to the connections of a WebSocket API, and the clients of a test.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use eg_runtime::testing::TestApp;
use eg_runtime::{App, CloudEvent, Connections, Error, Presence, StatusCode, schedule, subscribe};
use eg_sdk::manifest::Manifest;
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Serialize)]
struct Said<'a> {
    text: &'a str,
}

/// Lets in who asks for a room.
#[subscribe("websocket.connect", mode = "sync")]
async fn enter(handshake: CloudEvent<Value>) -> StatusCode {
    if handshake.data["headers"].get("x-room").is_some() { StatusCode::OK } else { StatusCode::FORBIDDEN }
}

/// Tells everybody; a client that says `quit` is disconnected.
#[subscribe("websocket.message", mode = "sync")]
async fn say(connections: Connections, message: CloudEvent) -> Result<String, Error> {
    let text = String::from_utf8_lossy(message.data.as_bytes());
    let from = message.subject().unwrap_or_default();
    if text == "quit" {
        assert_eq!(connections.close(from).await?, Presence::Connected);
        return Ok(String::new());
    }
    let mut reached = 0;
    for other in ["c1", "c2", "c3"].into_iter().filter(|other| *other != from) {
        if connections.send_json(other, &Said { text: &text }).await? == Presence::Connected {
            reached += 1;
        }
    }
    let is_known = connections.get(from).await?.is_some();
    Ok(format!("{reached} others, {is_known}"))
}

#[schedule("rate(1 minute)")]
async fn remind(connections: Connections) -> Result<(), Error> {
    let _ = connections.send("c2", "a minute has passed").await?;
    Ok(())
}

#[subscribe("order.paid")]
async fn other() {}

#[tokio::test]
async fn messages_reach_the_other_clients() {
    let app = TestApp::new(App::new()).unwrap();
    app.connections().leave("c3");
    let answer = app.message("c1", "hello").await.unwrap();
    assert_eq!((answer.status(), answer.text().as_str()), (StatusCode::OK, "1 others, true"));
    assert_eq!(app.connections().sent("c2"), [json!({"text": "hello"}).to_string()]);
    assert_eq!([app.connections().sent("c1"), app.connections().sent("c3")], [[""; 0]; 2]);

    app.message("c1", "quit").await.unwrap();
    assert!(!app.connections().is_connected("c1") && app.connections().is_connected("c2"));
    app.tick("remind").await.unwrap();
    assert_eq!(app.connections().sent("c2").last().unwrap(), "a minute has passed");
}

#[tokio::test]
async fn the_function_of_new_connections_decides() {
    let app = TestApp::new(App::new()).unwrap();
    assert_eq!(app.connect("c1").await.unwrap().status(), StatusCode::FORBIDDEN);
    assert!(!app.connections().is_connected("c1"), "it was refused");
    let error = app.disconnect("c1").await.unwrap_err();
    assert_eq!(error.error_message, "no function subscribes to `websocket.disconnect`");
}

/// The rights of a function on AWS follow from this.
#[test]
fn functions_with_connections_are_in_the_manifest() {
    let manifest = Manifest::read(&std::env::current_exe().unwrap()).unwrap();
    let managing = manifest.functions.iter().filter(|function| function.connections);
    assert_eq!(managing.map(|function| &*function.name).collect::<Vec<_>>(), ["say", "remind"]);
    let printed = serde_json::to_value(&manifest).unwrap();
    assert_eq!(printed["functions"][1]["connections"], true);
    assert_eq!(printed["functions"][0].get("connections"), None);
}
