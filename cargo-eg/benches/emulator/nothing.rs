//! An emulator that only passes on: what its HTTP server, the function, the caller and the sockets between them take,
//! over which no emulator has any say. One process; no log, no limits, no memory, no failures. It stays awake for the next
//! step as long as the emulator does.

use std::error::Error;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use tokio::sync::{Mutex, Notify, mpsc, oneshot};

/// An event, and where its answer goes.
type Invocation = (Bytes, oneshot::Sender<Bytes>);

/// As long as the emulator stays awake.
const MOMENT: Duration = Duration::from_micros(300);

/// What the function's process has to do.
struct Work {
    invocations: mpsc::Receiver<Invocation>,
    step: Arc<Notify>,
    /// Of the event that it works on.
    answer: Option<oneshot::Sender<Bytes>>,
}

/// Starts it on a thread, with the function's program. What comes back are the function's process and the address of
/// the Invoke API.
pub(crate) fn start(program: &Path) -> Result<(Child, String), Box<dyn Error>> {
    let [invoke, runtime] = [listen()?, listen()?];
    let url = format!("http://{}", invoke.local_addr()?);
    let function = Command::new(program)
        .env("AWS_LAMBDA_RUNTIME_API", runtime.local_addr()?.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "echo")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    std::thread::spawn(move || {
        // As the emulator: everything on one thread.
        let threads = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        threads.block_on(async {
            let (sender, invocations) = mpsc::channel(1);
            let step = Arc::new(Notify::new());
            tokio::spawn(stay_awake(step.clone()));
            let work = Arc::new(Mutex::new(Work { invocations, step, answer: None }));
            let (callers, process) =
                tokio::join!(serve(invoke, callers(sender)), serve(runtime, process(work)));
            callers.and(process)
        })
    });
    Ok((function, url))
}

fn callers(invocations: mpsc::Sender<Invocation>) -> Router {
    Router::new().route("/2015-03-31/functions/{name}/invocations", post(invoke)).with_state(invocations)
}

fn process(work: Arc<Mutex<Work>>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .with_state(work)
}

async fn invoke(
    State(invocations): State<mpsc::Sender<Invocation>>,
    event: Bytes,
) -> Result<Bytes, StatusCode> {
    let (sender, answer) = oneshot::channel();
    invocations.send((event, sender)).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    answer.await.map_err(|_| StatusCode::BAD_GATEWAY)
}

async fn next(State(work): State<Arc<Mutex<Work>>>) -> Result<impl IntoResponse, StatusCode> {
    let mut work = work.lock().await;
    let (event, answer) = work.invocations.recv().await.ok_or(StatusCode::GONE)?;
    work.answer = Some(answer);
    work.step.notify_one();
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:echo"),
        (
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0",
        ),
        (header::CONTENT_TYPE.as_str(), "application/json"),
    ];
    Ok((headers, event))
}

async fn response(State(work): State<Arc<Mutex<Work>>>, answer: Bytes) -> StatusCode {
    let mut work = work.lock().await;
    work.step.notify_one();
    if let Some(caller) = work.answer.take() {
        // Callers here wait for their answers.
        let _ = caller.send(answer);
    }
    StatusCode::ACCEPTED
}

async fn stay_awake(step: Arc<Notify>) {
    loop {
        step.notified().await;
        let begun = Instant::now();
        while begun.elapsed() < MOMENT {
            std::thread::yield_now();
            tokio::task::yield_now().await;
        }
    }
}

fn listen() -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn serve(listener: TcpListener, router: Router) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| {
        // Only speed is lost without it.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await
}
