//! Every form of the attributes, in a crate that forbids unsafe code and denies all warnings.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, clippy::pedantic)]
#![allow(clippy::unused_async, reason = "what matters is the attribute, not what the function does")]

use eg_runtime::{
    App, Bytes, Caller, Change, CloudEvent, Context, Data, Decision, Emit, Error, Event, HeaderMap, Json,
    Method, Path, Query, ResultExt, State, StatusCode, authorizer, http, invoke, stream, subscribe,
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

/// Every kind of condition.
#[subscribe(UserDeleted, name = "some", ordered, where(
    data.id in 1..=9, source starts_with "/people", subject not exists, r#type == "user.deleted",
    any(tenant in ["a", "b"], all(address in cidr("10.0.0.0/8"), tenant not like "*-test")),
))]
async fn some_events(event: CloudEvent<UserDeleted>) {
    drop(event);
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
    emit.send_event(emit.event(body.clone()).with_subject("s")).await?;
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

#[subscribe(eventbridge(source = "aws.s3", detail_type = "Object Created"), eventbridge(
    source = ["/shop", "/web"],
    detail_type = ["a b", "c"],
    detail = {
        "a": [1, -2.5, "x", true, null, {"prefix": "p"}, {"exists": false}],
        "b": {"c": [{"numeric": [">", 0, "<=", 5]}, {"anything-but": ["x", {"suffix": "s"}]}]},
        "$or": [{"d": ["1"]}, {"e": {"f": ["2"]}}],
    },
), retry(attempts = 3))]
async fn on_a_bus(_event: CloudEvent<Data>) {}

#[stream(dynamodb("orders"), batch_size = 100, window = "5s", retry(attempts = 5, max_age = "1h"))]
#[stream(kinesis("clicks"))]
#[stream(kafka("visits"))]
async fn records(_change: Json<Change<UserCreated>>) -> Result<(), Error> {
    Ok(())
}

#[invoke]
async fn raw(_context: Context, payload: Vec<u32>) -> usize {
    payload.len()
}

#[invoke(name = "raw2", timeout = "1m", memory = 256)]
async fn raw_bytes(_greeting: State<Greeting>, payload: Bytes) -> Result<Bytes, Error> {
    Ok(payload)
}

#[authorizer(iam, name = "checkToken", timeout = "5s", memory = 256)]
async fn check_token(_method: Method, _headers: HeaderMap) -> Result<Decision, Error> {
    Ok(Decision::allow("u7").with("tier", "gold"))
}

#[http(GET, "/mine", authorizer = check_token)]
#[http(PUT, "/mine", authorizer = handlers::check_caller)]
async fn mine(_caller: Caller) {}

mod handlers {
    use eg_runtime::subscribe;

    #[eg_runtime::authorizer]
    pub(super) async fn check_caller(caller: super::Caller) -> super::Decision {
        if caller.source_ip().is_some() { super::Decision::deny() } else { super::Decision::unauthorized() }
    }

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
