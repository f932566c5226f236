//! `State<T>`: the argument that gives a function a value of `App::state`. Leaves the values to `shared`.

use std::any::Any;

use axum::extract::FromRequestParts;
use eg_sdk::EventGateway;
use http::request::Parts;

use crate::context::{Cause, NotAFunction, Scope};
use crate::emit;

/// A value given to [`App::state`](crate::App::state), cloned for each invocation, as an argument of a function.
///
/// The service fails to start if a function takes a value that is missing. The client `State<EventGateway>` is always
/// there: the one given to [`App::gateway`](crate::App::gateway), or one that is configured by environment variables.
/// Its calls carry the trace of what the function handles, name it as their cause, and count its hops. Prefer
/// [`Emit`](crate::Emit) where the event types are known: only those are in the manifest.
///
/// Each process of a function has its own value, so functions share no memory through it.
#[derive(Debug, Clone, Copy, Default)]
pub struct State<T>(pub T);

impl<S: Sync, T: Clone + Send + Sync + 'static> FromRequestParts<S> for State<T> {
    type Rejection = NotAFunction;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let Scope { shared, context, .. } = Scope::of(parts)?;
        let mut state = shared.states.get::<T>().ok_or(NotAFunction)?.clone();
        if let Some(gateway) = (&mut state as &mut dyn Any).downcast_mut::<EventGateway>() {
            *gateway = emit::of_invocation(gateway, context, Cause::of(parts));
        }
        Ok(Self(state))
    }
}
