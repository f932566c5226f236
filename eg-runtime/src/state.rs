//! `State<T>`: the argument that hands a function a value given to `App::state`. `shared` keeps the values.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::context::Scope;

/// A value given to [`App::state`](crate::App::state), cloned for each invocation: an argument of a function.
///
/// The service does not start without the values that its functions take.
#[derive(Debug, Clone, Copy, Default)]
pub struct State<T>(pub T);

impl<S: Sync, T: Clone + Send + Sync + 'static> FromRequestParts<S> for State<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let state = Scope::of(parts).shared.states.get::<T>();
        Ok(Self(state.expect("the service does not start without the states of its functions").clone()))
    }
}
