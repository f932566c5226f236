//! A web application that emits events. It contains no functions, so it depends on eg-sdk alone.
//!
//! ```text
//! $ cargo eg run examples/hello-event
//! $ cargo run -p emit-from-an-app
//! $ curl -X POST localhost:3000/visitors/Daisy
//! the doorman knows
//! $ cargo eg logs --function greet
//! …
//! Hello, Daisy!
//! …
//! ```

use std::error::Error;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use eg_sdk::{Event, EventGateway};
use serde::Serialize;
use tokio::net::TcpListener;

#[derive(Serialize, Event)]
#[event("visitor.arrived", source = "/apps/door")]
#[serde(transparent)]
struct VisitorArrived {
    name: String,
}

/// Announces a visitor. The gateway accepts an event only once it is on disk.
async fn arrive(State(gateway): State<EventGateway>, Path(name): Path<String>) -> (StatusCode, String) {
    match gateway.emit(VisitorArrived { name }).await {
        Ok(_) => (StatusCode::ACCEPTED, "the doorman knows\n".to_owned()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Configured by EVENT_GATEWAY_URL. Clones share connections.
    let gateway = EventGateway::from_env()?;
    let app = Router::new().route("/visitors/{name}", post(arrive)).with_state(gateway);
    let port = std::env::var("PORT").unwrap_or("3000".to_owned());
    let listener = TcpListener::bind(("127.0.0.1", port.parse::<u16>()?)).await?;
    println!("the door is at http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
