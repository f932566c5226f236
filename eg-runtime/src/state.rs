//! What is shared by all invocations of a process: the values given to `App::state`, by their type. The gateway's
//! client is one of them, so that a binary that emits nothing does not even contain it.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;

use axum::extract::FromRequestParts;
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
    /// The `source` of what functions emit: `/services/<service>`.
    pub(crate) source: String,
}

impl States {
    pub(crate) fn insert<T: Any + Send + Sync>(&mut self, state: T) {
        self.0.insert(TypeId::of::<T>(), Box::new(state));
    }

    /// Sees to it that there is a value for `need`: one that was given, or one that can be made now.
    ///
    /// # Errors
    /// When it can be neither.
    pub(crate) fn provide(&mut self, need: &Need) -> Result<(), Unmet> {
        match (self.0.contains_key(&(need.id)()), need.make) {
            (true, _) => Ok(()),
            (false, Some(make)) => make(self).map_err(Unmet::Failed),
            (false, None) => Err(Unmet::Missing),
        }
    }

    pub(crate) fn get<T: Any>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

/// Why there is no value for a need.
pub(crate) enum Unmet {
    Missing,
    Failed(Box<dyn StdError + Send + Sync>),
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
