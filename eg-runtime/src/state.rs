//! What is shared by all invocations of a process: the states given to `App::state`, and the gateway's client.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;

use axum::extract::FromRequestParts;
use eg_sdk::EventGateway;
use http::request::Parts;

use crate::context::Scope;
use crate::probe::Need;

/// A value given to [`App::state`](crate::App::state), cloned for each invocation: an argument of a function.
///
/// That it was given is checked when the service starts.
#[derive(Debug, Clone, Copy, Default)]
pub struct State<T>(pub T);

/// The states by their type.
#[derive(Default)]
pub(crate) struct States(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

/// What invocations share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) states: States,
    pub(crate) gateway: EventGateway,
}

impl States {
    pub(crate) fn insert<T: Any + Send + Sync>(&mut self, state: T) {
        self.0.insert(TypeId::of::<T>(), Box::new(state));
    }

    pub(crate) fn has(&self, need: Need) -> bool {
        self.0.contains_key(&(need.id)())
    }

    fn get<T: Any>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} states", self.0.len())
    }
}

impl<S: Sync, T: Clone + Send + Sync + 'static> FromRequestParts<S> for State<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let state = Scope::of(parts).shared.states.get::<T>();
        Ok(Self(state.expect("the start of the service fails when a function's state is missing").clone()))
    }
}
