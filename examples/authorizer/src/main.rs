//! An authorizer: a function that decides which requests reach the routes that name it.
//!
//! ```text
//! $ cargo eg run examples/authorizer
//! $ curl localhost:4000/safe
//! {"message":"Unauthorized"}
//! $ curl localhost:4000/safe -H 'authorization: Bearer guess'
//! {"message":"Forbidden"}
//! $ curl localhost:4000/safe -H 'authorization: Bearer s3same'
//! Welcome, alibaba, there is gold for you.
//! ```
//!
//! Locally, and wherever nobody in front of the program asks the authorizer, the process of the route's function does.
//! `cargo eg template` makes it a Lambda authorizer of the HTTP API.

use eg_runtime::{App, Caller, Decision, Error, HeaderMap, State, authorizer, http};

/// The token that opens the door.
#[derive(Clone)]
struct Token(&'static str);

/// Knows one token.
#[authorizer]
async fn check_token(State(token): State<Token>, headers: HeaderMap) -> Decision {
    let given = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    match given {
        None => Decision::unauthorized(),
        Some(given) if given == token.0 => Decision::allow("alibaba").with("treasure", "gold"),
        Some(_) => Decision::deny(),
    }
}

/// Is open for those who know the token.
#[http(GET, "/safe", authorizer = check_token)]
async fn safe(caller: Caller) -> String {
    let treasure = caller.authorizer().get("treasure").and_then(|value| value.as_str());
    let name = caller.principal_id().unwrap_or("stranger");
    format!("Welcome, {name}, there is {} for you.\n", treasure.unwrap_or("nothing"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().state(Token("s3same")).run().await
}
