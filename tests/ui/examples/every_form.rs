//! Every form of the attributes, in a crate that forbids unsafe code and denies all warnings.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, clippy::pedantic)]
#![allow(clippy::unused_async, reason = "what matters is the attribute, not what the function does")]

use eg_runtime::{
    App, CloudEvent, Context, Data, Emit, Error, Event, HeaderMap, Json, Path, Query, ResultExt as _, State,
    StatusCode, http, subscribe,
};
use serde::{Deserialize, Serialize};

/// A user.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event("user.created", source = "/people")]
pub struct UserCreated {
    /// The id.
    pub id: String,
}

#[derive(Serialize, Deserialize, Event)]
#[event("user.deleted")]
struct UserDeleted {
    id: u32,
}

#[derive(Serialize, Deserialize, Event)]
#[event("page.seen")]
struct Seen<T: Default> {
    what: T,
}

type Both = Emit<(UserCreated, UserDeleted)>;

#[derive(Clone)]
struct Greeting(&'static str);

#[http(GET, "/")]
async fn root() {}

/// Takes everything that is not the body.
#[http(PUT, "/users/{id}/files/{*rest}", name = "putFile", cors)]
async fn put_file(
    context: Context,
    State(greeting): State<Greeting>,
    Path((id, rest)): Path<(String, String)>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    emit: Both,
    Json(body): Json<UserCreated>,
) -> Result<(StatusCode, Json<UserCreated>), Error> {
    let _ = (context.remaining(), greeting.0, id, rest, query, headers);
    emit.send(UserDeleted { id: body.id.parse().reject()? }).await?;
    emit.send_event(CloudEvent::new("/x", body.clone()).with_subject("s")).await?;
    Ok((StatusCode::CREATED, Json(body)))
}

#[http(DELETE, "/users/:id")]
#[http(PATCH, "/files/*rest", cors(origins = ["https://a.example"], methods = ["PATCH"], headers = [], credentials = true))]
#[http(POST, "/bulk", mode = "async")]
#[subscribe("user.deleted", "user.expired")]
#[subscribe(UserCreated, Seen<u8>, mode = "sync", path = "/users/{id}", method = PUT)]
async fn stacked(event: CloudEvent<Data>) -> Result<(), Error> {
    if event.data.is_empty() { Err(Error::reject("no data")) } else { Ok(()) }
}

mod handlers {
    use eg_runtime::subscribe;

    #[subscribe("user.created", retry(attempts = 5, max_age = "24h", min_backoff = 1, max_backoff = "5m"))]
    pub async fn call(request: super::CloudEvent<super::UserCreated>) -> String {
        request.data.id
    }
}

fn main() {
    // Annotated functions stay ordinary functions, and futures that can be sent.
    drop(root());
    let _ = handlers::call;
    drop(App::new().state(Greeting("hello")).run());
}
