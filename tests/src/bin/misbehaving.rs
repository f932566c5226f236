//! A service whose functions fail and answer in every way that functions can. `MISBEHAVE` makes it fail to start.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::pending;
use std::panic::panic_any;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use std::{env, fs, io};

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::sse::{Event as SseEvent, Sse};
use eg_runtime::{
    App, Bytes, CloudEvent, Context, Emit, Error, Event, HeaderMap, IntoResponse as _, Json, Path, Query,
    Response, State, StatusCode, http, queue, subscribe,
};
use futures_util::stream::{self, Stream, StreamExt as _};

#[derive(Clone)]
struct Needed(&'static str);

/// Panics.
#[http(POST, "/panic")]
async fn panics() -> String {
    env::var("SET_NOWHERE").expect("there is something")
}

/// Answers with the status in the request body.
#[http(POST, "/status")]
async fn answers(State(needed): State<Needed>, Json(status): Json<u16>) -> Result<String, Error> {
    let status = StatusCode::from_u16(status)?;
    if status.is_success() { Ok(needed.0.to_owned()) } else { Err(Error::status(status, "as you wish")) }
}

/// Fails in the way that the payload names.
#[subscribe("do", retry(attempts = 2, max_backoff = 0))]
async fn fails(context: Context, event: CloudEvent<String>) -> Result<(), Error> {
    println!("{} of {}", event.data, context.function_name());
    match event.data.as_str() {
        "retry" => Err(Error::retry("the mail server is down")),
        "reject" => Err(Error::reject("the address does not exist")),
        "status" => Err(Error::status(StatusCode::CONFLICT, "someone else is at it")),
        "panic" => panic!("as you wish"),
        _ => Ok(()),
    }
}

/// The value of a panic. It panics itself as often as it says, each time that it is dropped.
struct Bomb(u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        if let Some(left) = self.0.checked_sub(1) {
            panic_any(Bomb(left));
        }
    }
}

/// Panics once more whenever the runtime has caught it, which ends a worker.
#[subscribe("burst")]
async fn bursts() {
    panic_any(Bomb(2));
}

/// Answers with the body and the content type of the request, two cookies, and a header with two values.
#[http(POST, "/mirror")]
async fn mirrors(headers: HeaderMap, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    for (name, value) in
        [("set-cookie", "a=1"), ("set-cookie", "b=2; HttpOnly"), ("x-many", "1"), ("x-many", "2")]
    {
        response.headers_mut().append(name, HeaderValue::from_static(value));
    }
    if let Some(media_type) = headers.get(CONTENT_TYPE) {
        response.headers_mut().insert(CONTENT_TYPE, media_type.clone());
    }
    response
}

/// Prints the size of a request for which nobody waits.
#[http(POST, "/later", mode = "async")]
async fn heeds(body: Bytes) {
    println!("later {} bytes", body.len());
}

/// Answers with a body that panics, or that never ends.
#[http(GET, "/stream/{how}")]
async fn streams(Path(how): Path<String>) -> Response {
    let body = stream::once(async { Ok::<_, Infallible>(Bytes::from("begun")) });
    let rest =
        stream::once(async move { if how == "panic" { panic!("in the middle") } else { pending().await } });
    Response::new(Body::from_stream(body.chain(rest)))
}

/// Writes into the folder of a stream how many parts it has made when it is dropped.
struct Parts {
    folder: PathBuf,
    made: usize,
}

impl Drop for Parts {
    fn drop(&mut self) {
        let _ = fs::write(self.folder.join("left"), self.made.to_string());
    }
}

impl Parts {
    /// Makes a part, and notes how many there are.
    fn make(&mut self, part: impl Into<Bytes>) -> io::Result<Bytes> {
        self.made += 1;
        fs::write(self.folder.join("made"), self.made.to_string())?;
        Ok(part.into())
    }

    /// Waits until there is the file `go`, and makes the second part, in this way.
    async fn second(&mut self, how: &str) -> Option<io::Result<Bytes>> {
        while !self.folder.join("go").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        match how {
            "fails" => Some(Err(io::Error::other("the disk is full"))),
            "panics" => panic!("in the middle"),
            _ => Some(self.make("second")),
        }
    }
}

fn micros() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros()
}

/// Streams two parts, the second when there is a file `go` in the folder that the query names. It may also fail, send 256
/// MiB, or send the time as its first part.
#[http(GET, "/parts/{how}", stream)]
async fn parts(Path(how): Path<String>, Query(query): Query<HashMap<String, PathBuf>>) -> Response {
    let folder = query.get("folder").cloned().unwrap_or_else(env::temp_dir);
    let parts = stream::unfold(Parts { folder, made: 0 }, move |mut parts| {
        let how = how.clone();
        async move {
            let part = match (how.as_str(), parts.made) {
                ("flood", 4096..) => None,
                ("flood", _) => Some(parts.make(vec![b'x'; 64 * 1024])),
                ("now", 0) => Some(parts.make(micros().to_string())),
                ("now", _) => parts.second("never").await,
                (_, 0) => Some(parts.make("first ")),
                (_, 1) => parts.second(&how).await,
                _ => None,
            };
            part.map(|part| (part, parts))
        }
    });
    ([("x-parts", "2"), ("set-cookie", "a=1")], Body::from_stream(parts)).into_response()
}

/// Streams two events to a browser.
#[http(GET, "/events", stream)]
async fn informs() -> Sse<impl Stream<Item = Result<SseEvent, Infallible>>> {
    Sse::new(stream::iter(["first", "second"].map(|data| Ok(SseEvent::default().data(data)))))
}

/// Answers an event.
#[subscribe("ask", mode = "sync", path = "/ask")]
async fn asked(event: CloudEvent<String>) -> Result<Json<String>, Error> {
    match event.data.as_str() {
        "teapot" => Err(Error::status(StatusCode::IM_A_TEAPOT, "short and stout")),
        question => Ok(Json(format!("{question}? yes"))),
    }
}

/// Answers with the size of the request body.
#[http(POST, "/size")]
async fn measures(body: Bytes) -> String {
    body.len().to_string()
}

/// Answers without a body.
#[http(DELETE, "/size")]
async fn forgets() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Answers with the length of the text.
#[subscribe("weigh", mode = "sync", path = "/weigh")]
async fn weighs(event: CloudEvent<String>) -> String {
    event.data.len().to_string()
}

/// Prints the length of the text.
#[subscribe("keep")]
async fn keeps(event: CloudEvent<String>) {
    println!("keeps {} of {}", event.data.len(), event.id());
}

/// Sleeps for the time in the payload, and returns its trace.
#[subscribe("sleep", mode = "sync")]
async fn sleeps(context: Context, event: CloudEvent<u64>) -> String {
    println!("sleeps {} ms", event.data);
    tokio::time::sleep(Duration::from_millis(event.data)).await;
    let trace = context.trace().map(|trace| trace.trace_id().to_owned()).unwrap_or_default();
    format!("{} {} {trace}", event.id(), context.x_ray_trace_id().unwrap_or_default())
}

#[derive(serde::Serialize, Event)]
#[event("passed.on")]
struct PassedOn {}

/// Emits, so that the service needs a gateway.
#[subscribe("pass.on")]
async fn passes_on(emit: Emit<PassedOn>) -> Result<(), Error> {
    emit.send(PassedOn {}).await?;
    Ok(())
}

#[derive(serde::Serialize, serde::Deserialize, Event)]
#[event("echo")]
struct Echo {}

/// Emits the event that it receives: an endless loop unless the gateway breaks it.
#[subscribe(Echo)]
async fn echoes(emit: Emit<Echo>, event: CloudEvent<Echo>) -> Result<(), Error> {
    println!("echo {}", event.hops());
    emit.send(event.data).await?;
    Ok(())
}

/// Starts the loop.
#[http(POST, "/echo")]
async fn shouts(emit: Emit<Echo>) -> Result<(), Error> {
    emit.send(Echo {}).await?;
    Ok(())
}

/// Handles messages; each states how long that takes.
#[queue("jobs")]
async fn works(event: CloudEvent<u64>) {
    tokio::time::sleep(Duration::from_millis(event.data)).await;
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    match env::var("MISBEHAVE").as_deref() {
        Ok("missing state") => App::new().run().await,
        Ok("exit") => Err(Error::retry("no database")),
        Ok(hook @ ("before snapshot" | "after restore" | "hooks")) => with_hooks(hook).run().await,
        _ => app().run().await,
    }
}

/// Returns the app, with the client of the Runtime API that the environment names.
fn app() -> App {
    let app = App::new().state(Needed("fine"));
    if env::var("LAMBDA_CLIENT").is_ok_and(|client| client == "aws") { app.lambda_runtime() } else { app }
}

/// Returns an app with hooks that say that they run. One of them fails.
fn with_hooks(fails: &str) -> App {
    let fails = fails.to_owned();
    let hook = move |name: &'static str| {
        let fails = fails == name;
        async move {
            println!("hook {name}");
            if fails { Err(Error::retry("no hook today")) } else { Ok(()) }
        }
    };
    let (before, first, after) = (hook.clone(), hook.clone(), hook.clone());
    let (end, end_first) = (hook.clone(), hook.clone());
    app()
        .before_snapshot(move || first("before that"))
        .before_snapshot(move || before("before snapshot"))
        .after_restore(move || after("after restore"))
        .on_shutdown(move || end("on shutdown"))
        .on_shutdown(move || end_first("on shutdown first"))
        .after_answer(move || hook("after answer"))
}
