//! Tests the client of a WebSocket API's connections, with a server that plays the API Gateway Management API.

use bytes::Bytes;
use eg_sdk::__private::Connections;
use eg_sdk::config::Aws;
use serde_json::json;

use crate::server::{Server, json as answer, status};
use crate::signature::{SECRET, Signed, is_signed};

fn client(server: &Server) -> Connections {
    let mut aws = Aws::new("eu-central-1");
    aws.aws_access_key_id = Some("AKIDEXAMPLE".into());
    aws.aws_secret_access_key = Some(SECRET.into());
    aws.aws_session_token = Some("the/token==".into());
    Connections::new(Some(&format!("{}/prod", server.url)), aws).unwrap()
}

#[tokio::test]
async fn calls_are_signed_and_name_the_connection() {
    let server = Server::start(|number, _| match number {
        1 => answer(200, &json!({ "connectedAt": "2026-01-31T12:00:00Z" })),
        2 => status(204),
        _ => status(200),
    })
    .await;
    let connections = client(&server);
    assert!(connections.send("Zx3+c=", Bytes::from("hello")).await.unwrap());
    let described = connections.describe("Zx3+c=").await.unwrap().unwrap();
    assert!(described.starts_with(b"{\"connectedAt\""));
    assert!(connections.close("Zx3+c=").await.unwrap());

    let seen = server.seen();
    let lines: Vec<String> = seen.iter().map(crate::server::Seen::line).collect();
    let path = "/prod/@connections/Zx3%2Bc%3D";
    assert_eq!(lines, ["POST", "GET", "DELETE"].map(|method| format!("{method} {path}")));
    assert_eq!(&*seen[0].body, b"hello");
    for (call, headers) in seen.iter().zip([&["content-type", "host"][..], &["host"], &["host"]]) {
        let headers = &[headers, &["x-amz-date", "x-amz-security-token"]].concat();
        let path = "/prod/%40connections/Zx3%252Bc%253D";
        let expected = Signed { service: "execute-api", region: "eu-central-1", path, headers };
        assert!(is_signed(call, &expected), "{call:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_gone_is_no_error() {
    let server = Server::start(|_, _| answer(410, &json!({ "message": null }))).await;
    let connections = client(&server);
    assert!(!connections.send("c1", Bytes::from("hello")).await.unwrap());
    assert_eq!(connections.describe("c1").await.unwrap(), None);
    assert!(!connections.close("c1").await.unwrap());
    assert_eq!(server.seen().len(), 3, "nothing was tried again");
}

#[tokio::test]
async fn refusals_are_errors_and_throttled_calls_are_repeated() {
    let server = Server::start(|_, _| answer(403, &json!({ "Message": "not authorized" }))).await;
    let error = client(&server).send("c1", Bytes::from("hello")).await.unwrap_err();
    assert_eq!(error.status(), Some(403));
    let message = error.to_string();
    assert!(message.starts_with("cannot send to connection `c1`: http://"), "{message}");
    assert!(message.ends_with("not authorized\"}"), "{message}");

    let server = Server::answers([status(429), status(200)]).await;
    assert!(client(&server).send("c1", Bytes::from("hello")).await.unwrap());
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn without_credentials_only_a_local_api_is_called() {
    let server = Server::start(|_, _| status(200)).await;
    let local = Connections::new(Some(&server.url), Aws::default()).unwrap();
    assert!(local.send("c1", Bytes::from("hello")).await.unwrap());
    assert_eq!(server.seen()[0].header("authorization"), None);

    for (client, reason) in [
        (Connections::new(Some("https://127.0.0.1:1/ws"), Aws::default()), "there are no credentials"),
        (Connections::new(None, Aws::default()), "its WebSocket API is not known; set AWS_ENDPOINT_URL_"),
    ] {
        let error = client.unwrap().send("c1", Bytes::from("hello")).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot send to connection `c1`: {reason}")), "{error}");
    }
}
