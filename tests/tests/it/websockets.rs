//! A WebSocket API in `cargo eg run`: clients connect, and functions send to them through the API that manages connections.

use eg_tests::app::App;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_chat_read_what_the_others_write() {
    let state = tempfile::tempdir().unwrap();
    let app = App::start(state.path(), &["examples/websocket-chat"]).await;
    let url = app.lambda.replace("http", "ws") + "/ws";
    let shown = app
        .program
        .line("websocket ", |line| Some(line.trim().strip_prefix("websocket ")?.trim().to_owned()));
    assert_eq!(shown.await, url);

    let (mut alice, _) = connect_async(&url).await.unwrap();
    let (mut bob, _) = connect_async(&url).await.unwrap();
    alice.send(Message::text("hello")).await.unwrap();
    assert_eq!(bob.next().await.unwrap().unwrap(), Message::text("hello"));
    bob.send(Message::text("hello, Alice")).await.unwrap();
    assert_eq!(alice.next().await.unwrap().unwrap(), Message::text("hello, Alice"));

    bob.close(None).await.unwrap();
    let line = |text: &'static str| move |line: &str| line.contains(text).then_some(());
    app.program.line("the end of a connection", line("→ websocket-chat-leave 200")).await;
    assert_eq!(std::fs::read_dir(state.path().join("data/websocket-chat/room")).unwrap().count(), 1);
    assert_eq!(app.program.interrupt().await, 0);
    let next = alice.next().await.unwrap().unwrap();
    assert!(matches!(next, Message::Close(Some(_))), "{next:?}");
    assert_eq!(std::fs::read_dir(state.path().join("data/websocket-chat/room")).unwrap().count(), 0);
}
