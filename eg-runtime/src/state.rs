//! `State<T>`: the argument that gives a function a value of `App::state`. Leaves the values to `shared`.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::context::Scope;

/// A value given to [`App::state`](crate::App::state), cloned for each invocation, as an argument of a function.
///
/// The service fails to start if a function takes a value that is missing.
#[derive(Debug, Clone, Copy, Default)]
pub struct State<T>(pub T);

impl<S: Sync, T: Clone + Send + Sync + 'static> FromRequestParts<S> for State<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let state = Scope::of(parts).shared.states.get::<T>();
        Ok(Self(state.expect("the service does not start without the states of its functions").clone()))
    }
}
