//! Webhooks of another service: a function gets only those with the right signature, and makes events of them.
//!
//! ```text
//! $ cargo eg run examples/webhooks
//! $ curl localhost:4000/hooks/github -H 'content-type: application/json' \
//!     -H 'x-github-event: push' -H 'x-github-delivery: 72d3162e' \
//!     -H 'x-hub-signature-256: sha256=fa39cb17b20669c234bf1881a58e6c630ddfab87e534070c3cf4bef12cbbd626' \
//!     -d '{"ref":"refs/heads/main","after":"6113728f"}'
//! $ cargo eg logs --function webhooks-build
//! …
//! building 6113728f of refs/heads/main
//! …
//! $ curl -X POST localhost:4000/hooks/github -H 'content-type: application/json' -d '{}'
//! {"errors":["github: the request has no header `x-hub-signature-256`, so nothing shows who sent it"]}
//! ```
//!
//! The secret is in `GITHUB_WEBHOOK_SECRET`. Without it, this example uses the secret of GitHub's documentation.

use eg_runtime::webhook::{GitHub, Secrets, Webhook};
use eg_runtime::{App, CloudEvent, Emit, Error, Event, http, subscribe};
use serde::{Deserialize, Serialize};

/// What the example needs of a push.
#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    branch: String,
    after: String,
}

#[derive(Serialize, Deserialize, Event)]
#[event("code.pushed")]
struct CodePushed {
    branch: String,
    commit: String,
}

/// Makes an event of a push. If GitHub sends it again, the event has the same id and is not delivered again.
#[http(POST, "/hooks/github")]
async fn receive(emit: Emit<CodePushed>, hook: Webhook<GitHub, Push>) -> Result<(), Error> {
    let id = hook.event_id();
    let Push { branch, after: commit } = hook.payload;
    emit.send_event(emit.event(CodePushed { branch, commit }).with_id(id)).await?;
    Ok(())
}

/// Builds what was pushed.
#[subscribe(CodePushed)]
async fn build(event: CloudEvent<CodePushed>) {
    println!("building {} of {}", event.data.commit, event.data.branch);
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let secrets = Secrets::<GitHub>::from_env();
    App::new().state(secrets.unwrap_or_else(|_| Secrets::new(["It's a Secret to Everybody"]))).run().await
}
