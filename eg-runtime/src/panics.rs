//! Turns a function's panic into a failure with its place. The process continues. Leaves printing to `log`.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::env;
use std::future::{Future, poll_fn};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::pin::pin;
use std::sync::Once;

use axum::response::Response;
use futures_util::FutureExt as _;

use crate::extract::ResponseFuture;
use crate::log::{Level, is_json, print};
use crate::outcome::{Failure, FailureKind};

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
    /// Whether this thread is polling a future whose panics are caught, and reported with the failure.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Awaits `response`. A panic becomes a 500 whose failure names the place.
pub(crate) async fn catch(response: ResponseFuture) -> Response {
    catch_in(response).await.unwrap_or_else(Failure::into_response)
}

/// Awaits `future`.
///
/// # Errors
/// If it panics: the failure, which names the place.
pub(crate) async fn catch_in<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let mut future = pin!(future);
    let marked = poll_fn(|context| {
        let _mark = Mark::set();
        future.as_mut().poll(context)
    });
    // Unwind safety: the runtime keeps none of the function's data.
    AssertUnwindSafe(marked).catch_unwind().await.map_err(|payload| failure(&*payload))
}

/// Calls `poll`, a single poll of something that belongs to the function.
///
/// # Errors
/// If it panics: the failure, which names the place. It must not be polled again.
pub(crate) fn catch_poll<T>(poll: impl FnOnce() -> T) -> Result<T, Failure> {
    let _mark = Mark::set();
    panic::catch_unwind(AssertUnwindSafe(poll)).map_err(|payload| failure(&*payload))
}

/// Marks the thread until it is dropped, which a panic does, too.
struct Mark {
    before: bool,
}

impl Mark {
    fn set() -> Self {
        Self { before: CAUGHT.replace(true) }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        CAUGHT.set(self.before);
    }
}

/// Converts a panic to a failure.
fn failure(payload: &(dyn Any + Send)) -> Failure {
    let place = LAST.take();
    let message = message(place.as_deref(), payload);
    Failure { place, ..Failure::new(FailureKind::Panic, message) }
}

fn message(place: Option<&str>, payload: &(dyn Any + Send)) -> String {
    let at = place.map(|place| format!(" at {place}")).unwrap_or_default();
    format!("panicked{at}: {}", text(payload))
}

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send>;

/// Installs a panic hook that remembers the place. A hook that the program has set is called, too. The hook of the
/// standard library, which prints several lines, is called only if `RUST_BACKTRACE` asks for what it prints and lines may
/// be plain text; otherwise each panic is one line.
pub(crate) fn remember_places() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        let is_default = is_same(&previous, &panic::take_hook());
        let backtrace = env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0" && !value.is_empty());
        let backtrace = backtrace && !is_json();
        panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            let place = info.location().map(ToString::to_string);
            if !is_default || backtrace {
                previous(info);
            } else if !CAUGHT.get() {
                print(Level::Error, &message(place.as_deref(), info.payload()));
            }
            LAST.set(place);
        }));
    });
}

/// Returns whether both are the same function without captured values, as is the hook of the standard library each time
/// it is taken.
fn is_same(a: &Hook, b: &Hook) -> bool {
    size_of_val(&**a) == 0 && size_of_val(&**b) == 0 && std::ptr::eq(&raw const **a, &raw const **b)
}

fn text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}
