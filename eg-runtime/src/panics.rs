//! Turns a panic of a function into a failure that says where it happened. The process goes on.

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

/// Waits for `response`; a panic becomes a 500 whose failure names the place.
pub(crate) async fn catch(response: ResponseFuture) -> Response {
    // Unwind safety: what the function has touched is its own; the runtime keeps nothing of it.
    AssertUnwindSafe(response)
        .catch_unwind()
        .await
        .unwrap_or_else(|payload| failure(&*payload).into_response())
}

/// The failure that a panic is.
pub(crate) fn failure(payload: &(dyn Any + Send)) -> Failure {
    let place = LAST.take();
    let at = place.as_ref().map(|place| format!(" at {place}")).unwrap_or_default();
    let message = format!("panicked{at}: {}", text(payload));
    Failure { place, ..Failure::new(FailureKind::Panic, message) }
}

/// Remembers where panics happen, on top of whatever the panic hook does.
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
