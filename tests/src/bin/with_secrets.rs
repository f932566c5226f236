//! A service that reads its secrets in the first line of `main`, as the constructors of states do, when tokio's threads are there.

use std::env::var;

use eg_runtime::{App, Error, Json, State, invoke};
use serde_json::{Value, json};

#[derive(Clone)]
struct Secrets([String; 3]);

/// Returns the secrets, and what else is in the environment.
#[invoke]
async fn tells(State(Secrets([key, password, port])): State<Secrets>, _payload: Value) -> Json<Value> {
    Json(json!({
        "key": key, "password": password, "port": port, "references": var("EG_SECRETS").ok(),
        "plain": var("PLAIN").ok(), "arguments": std::env::args().skip(1).collect::<Vec<_>>(),
    }))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    // Empty without secrets, because `cargo eg run` starts this service beside the others of its package.
    let secrets = ["API_KEY", "PASSWORD", "PORT"].map(|name| var(name).unwrap_or_default());
    App::new().state(Secrets(secrets)).run().await
}
