//! Reports to Lambda why `main` ended before `App::run`, for example because a database could not be opened. Lambda would
//! otherwise know no more than the exit code. Leaves failures of `App::run` itself to `lambda`.

use std::cell::RefCell;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, thread};

use serde_json::json;

/// The variable with the Runtime API's address; set on Lambda.
pub(crate) const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// The error type of a process that cannot start.
pub(crate) const INIT_ERROR: &str = "Runtime.InitError";

/// How long the report may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether `App::run` was called, or the app runs in a test.
static DONE: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Why the start has failed, if the process ends now. The main thread drops it after `main`.
    static UNFINISHED: RefCell<Option<Unfinished>> = const { RefCell::new(None) };
}

/// A start that has not led to `App::run` yet.
struct Unfinished {
    endpoint: String,
    cause: String,
}

/// Notes that the program creates an app.
pub(crate) fn begun() {
    note(|| "`main` ended before `App::run`".to_owned());
}

/// Notes an error, because it will probably end `main`.
pub(crate) fn failed(cause: impl FnOnce() -> String) {
    note(cause);
}

/// Notes that nothing can be unfinished any more.
pub(crate) fn done() {
    DONE.store(true, Ordering::Relaxed);
}

fn note(cause: impl FnOnce() -> String) {
    // Threads other than the main one end for many reasons.
    if DONE.load(Ordering::Relaxed) || thread::current().name() != Some("main") {
        return;
    }
    if let Some(endpoint) = env::var(RUNTIME_API).ok().filter(|endpoint| !endpoint.is_empty()) {
        UNFINISHED.with_borrow_mut(|unfinished| match unfinished {
            // Only the last cause is reported.
            Some(unfinished) => unfinished.cause = cause(),
            None => *unfinished = Some(Unfinished { endpoint, cause: cause() }),
        });
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !DONE.load(Ordering::Relaxed) {
            // The message is on stderr as well, so a failed report loses nothing.
            let _ = report(&self.endpoint, &self.cause);
        }
    }
}

/// Posts the error over a connection of its own: before `main` and at the end of a thread, there is no async runtime.
pub(crate) fn report(endpoint: &str, cause: &str) -> io::Result<()> {
    let endpoint = endpoint.strip_prefix("http://").unwrap_or(endpoint);
    let (host, base) = endpoint.split_at(endpoint.find('/').unwrap_or(endpoint.len()));
    let base = base.trim_end_matches('/');
    let address = host.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let body = json!({ "errorType": INIT_ERROR, "errorMessage": cause }).to_string();
    let request = format!(
        "POST {base}/2018-06-01/runtime/init/error HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Lambda-Runtime-Function-Error-Type: {INIT_ERROR}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    // An answer, whichever, means that the report has arrived.
    stream.read(&mut [0]).map(drop)
}
