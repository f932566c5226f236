//! A WebSocket API: what one client writes, the others read.
//!
//! ```text
//! $ cargo eg run examples/websocket-chat
//! $ cargo eg invoke websocket-chat-say --sample websocket-message --quiet
//! {"statusCode":200,…}
//! ```
//!
//! A browser, or `websocat ws://localhost:9001/ws`, connects to the local WebSocket API, whose address `cargo eg run` prints.
//! `cargo eg template` makes the API of API Gateway, and lets the functions that take `Connections` send to its connections.
//!
//! Functions share no memory, so the connections are kept in a folder: each is an empty file. On AWS, use a table.

use std::path::PathBuf;

use eg_runtime::{App, CloudEvent, Connections, Error, Presence, State, subscribe};

/// The folder with a file for each connection.
#[derive(Clone)]
struct Room(PathBuf);

/// Lets a client in.
#[subscribe("websocket.connect")]
async fn enter(State(room): State<Room>, event: CloudEvent) -> Result<(), Error> {
    Ok(std::fs::write(room.0.join(event.subject().unwrap_or_default()), "")?)
}

/// Sends what a client writes to all others.
#[subscribe("websocket.message")]
async fn say(State(room): State<Room>, connections: Connections, event: CloudEvent) -> Result<(), Error> {
    let text = String::from_utf8_lossy(event.data.as_bytes());
    for file in std::fs::read_dir(&room.0)? {
        let other = file?.file_name().to_string_lossy().into_owned();
        if Some(&*other) != event.subject() && connections.send(&other, &*text).await? == Presence::Gone {
            // `leave`, or another `say`, may have removed it.
            let _ = std::fs::remove_file(room.0.join(other));
        }
    }
    Ok(())
}

/// Forgets a client that has left.
#[subscribe("websocket.disconnect")]
async fn leave(State(room): State<Room>, event: CloudEvent) {
    // `say` may have noticed it before.
    let _ = std::fs::remove_file(room.0.join(event.subject().unwrap_or_default()));
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let data = std::env::var_os("EG_DATA_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let room = data.join("room");
    std::fs::create_dir_all(&room)?;
    App::new().state(Room(room)).run().await
}
