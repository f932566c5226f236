//! The local WebSocket API: what clients, functions and AWS's management API see of connections.

use std::path::Path;

use eg_local::{Cloud, FunctionSpec, SocketFunctions};
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{eventually, example, http};

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A cloud with one function for all events of connections. It writes what it gets, one a line, into a file.
struct Local {
    cloud: Cloud,
    folder: tempfile::TempDir,
}

impl Local {
    async fn start() -> Self {
        let (cloud, folder) = (Cloud::start().await.unwrap(), tempfile::tempdir().unwrap());
        let spec = FunctionSpec::new("chat", example("function")).handler("socket");
        cloud.deploy(spec.variable("SEEN", folder.path().join("seen"))).await.unwrap();
        let chat = || Some("chat".to_owned());
        let functions =
            SocketFunctions { connect: chat(), message: chat(), answers: true, disconnect: chat() };
        cloud.websockets(functions);
        Self { cloud, folder }
    }

    async fn connect(&self, query: &str) -> Client {
        connect_async(format!("{}{query}", self.cloud.websocket_url())).await.unwrap().0
    }

    /// The payloads that the function has got.
    fn seen(&self) -> Vec<Value> {
        seen(&self.folder.path().join("seen"))
    }

    fn management(&self, connection: &str) -> String {
        format!("{}/ws/@connections/{}", self.cloud.url(), connection.replace('=', "%3D"))
    }
}

fn seen(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

async fn text(client: &mut Client) -> String {
    client.next().await.unwrap().unwrap().into_text().unwrap().to_string()
}

#[tokio::test]
async fn a_connection_lives_from_its_handshake_to_its_end() {
    let local = Local::start().await;
    let mut client = local.connect("?room=7").await;
    let connect = local.seen().remove(0);
    let id = connect["requestContext"]["connectionId"].as_str().unwrap().to_owned();
    assert_eq!(connect["requestContext"]["eventType"], "CONNECT");
    assert_eq!(connect["queryStringParameters"], json!({"room": "7"}));

    client.send(Message::text("hello")).await.unwrap();
    assert_eq!(text(&mut client).await, "got hello");

    let url = local.management(&id);
    let sent = http().post(&url).body("from a function").send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::OK);
    assert_eq!(text(&mut client).await, "from a function");
    let described: Value = http().get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(described["identity"]["sourceIp"], "127.0.0.1");
    assert!(described["lastActiveAt"].as_str() >= described["connectedAt"].as_str(), "{described}");
    let large = http().post(&url).body("x".repeat(128 * 1024 + 1)).send().await.unwrap();
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(large.headers()["x-amzn-errortype"], "PayloadTooLargeException");

    assert_eq!(http().delete(&url).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() else { panic!("a close frame") };
    assert_eq!(frame.code, CloseCode::Normal);
    eventually("the function knows of the end", || local.seen().len() == 3).await;
    let end = local.seen().pop().unwrap();
    assert_eq!(end["requestContext"]["eventType"], "DISCONNECT");
    assert_eq!(end["requestContext"]["connectionId"], id.as_str());
    for request in [http().post(&url).body("x"), http().get(&url), http().delete(&url)] {
        let gone = request.send().await.unwrap();
        assert_eq!(gone.status(), StatusCode::GONE);
        assert_eq!(gone.headers()["x-amzn-errortype"], "GoneException");
    }
    local.cloud.stop().await;
}

#[tokio::test]
async fn the_function_can_refuse_a_connection_and_fail() {
    let local = Local::start().await;
    for (query, status) in [("?status=403", 403), ("?fail", 502)] {
        let refused = connect_async(format!("{}{query}", local.cloud.websocket_url())).await.unwrap_err();
        let WsError::Http(answer) = refused else { panic!("{refused}") };
        assert_eq!(answer.status().as_u16(), status, "{query}");
    }
    let mut client = local.connect("").await;
    client.send(Message::text("fail")).await.unwrap();
    let failure: Value = serde_json::from_str(&text(&mut client).await).unwrap();
    assert_eq!(failure["message"], "Internal server error");
    client.send(Message::text("again")).await.unwrap();
    assert_eq!(text(&mut client).await, "got again", "the connection stays open");

    client.send(Message::binary(vec![1_u8])).await.unwrap();
    let Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() else { panic!("a close frame") };
    assert_eq!(frame.code, CloseCode::Unsupported);
    let mut client = local.connect("").await;
    client.send(Message::text("x".repeat(128 * 1024 + 1))).await.unwrap();
    let Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() else { panic!("a close frame") };
    assert_eq!(frame.code, CloseCode::Size);
    local.cloud.stop().await;
}

/// A program that keeps its connections in a table would otherwise find them there after the next start.
#[tokio::test]
async fn a_cloud_that_stops_ends_its_connections() {
    let local = Local::start().await;
    let mut client = local.connect("").await;
    let Local { cloud, folder } = local;
    cloud.stop().await;
    let Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() else { panic!("a close frame") };
    assert_eq!(frame.code, CloseCode::Away);
    let end = seen(&folder.path().join("seen")).pop().unwrap();
    assert_eq!(end["requestContext"]["disconnectStatusCode"], 1001);
}

/// Pages of this machine connect from ports of their own. Those from elsewhere must not.
#[tokio::test]
async fn only_pages_of_this_machine_connect() {
    let local = Local::start().await;
    for (origin, is_served) in [
        ("http://localhost:5173", true),
        ("http://127.0.0.1:3000", true),
        ("https://app.localhost", true),
        ("https://evil.example", false),
        ("http://localhost.evil.example", false),
        ("null", false),
        ("file://", false),
    ] {
        let mut request = local.cloud.websocket_url().into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        assert_eq!(connect_async(request).await.is_ok(), is_served, "{origin}");
    }
    let mut request = local.cloud.websocket_url().into_client_request().unwrap();
    request.headers_mut().insert("host", "evil.example".parse().unwrap());
    assert!(connect_async(request).await.is_err(), "a foreign name");

    // Pages call no functions' port to send to connections.
    let client = http();
    let url = local.management("c1=");
    let foreign = client.post(&url).header("origin", "http://localhost:5173").body("x").send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    local.cloud.stop().await;
}

#[tokio::test]
async fn without_functions_nobody_connects() {
    let cloud = Cloud::start().await.unwrap();
    let refused = connect_async(cloud.websocket_url()).await.unwrap_err();
    let WsError::Http(answer) = refused else { panic!("{refused}") };
    assert_eq!(answer.status(), 404);
    cloud.stop().await;
}
