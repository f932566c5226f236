//! Turns a function's panic into a failure with its place. The process continues.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

use axum::response::Response;
use futures_util::FutureExt as _;

use crate::extract::ResponseFuture;
use crate::outcome::{Failure, FailureKind};

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Awaits `response`. A panic becomes a 500 whose failure names the place.
pub(crate) async fn catch(response: ResponseFuture) -> Response {
    // Unwind safety: the runtime keeps none of the function's data.
    AssertUnwindSafe(response)
        .catch_unwind()
        .await
        .unwrap_or_else(|payload| failure(&*payload).into_response())
}

/// Converts a panic to a failure.
pub(crate) fn failure(payload: &(dyn Any + Send)) -> Failure {
    let place = LAST.take();
    let at = place.as_ref().map(|place| format!(" at {place}")).unwrap_or_default();
    let message = format!("panicked{at}: {}", text(payload));
    Failure { place, ..Failure::new(FailureKind::Panic, message) }
}

/// Installs a panic hook that remembers the place, and calls the previous hook.
pub(crate) fn remember_places() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            LAST.set(info.location().map(ToString::to_string));
            previous(info);
        }));
    });
}

fn text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}
