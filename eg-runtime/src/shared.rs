//! What all invocations of a process share: the values given to `App::state`, by their type, and what functions need of
//! them. The extractors that hand the values out are `state` and `emit`.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;

/// What invocations share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) states: States,
    /// The `source` of the events that functions emit: `/services/<service>`.
    pub(crate) source: String,
}

/// Values by their type. The gateway's client is one of them, so that a binary that emits nothing does not contain it.
#[derive(Default)]
pub(crate) struct States(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

/// A value that a function needs before it can be called.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    pub(crate) id: fn() -> TypeId,
    pub(crate) name: fn() -> &'static str,
    /// Makes the value if the app was given none.
    pub(crate) make: Option<Make>,
}

/// Adds a value to the states.
pub(crate) type Make = fn(&mut States) -> Result<(), Box<dyn StdError + Send + Sync>>;

/// Why there is no value for a need.
pub(crate) enum Unmet {
    Missing,
    Failed(Box<dyn StdError + Send + Sync>),
}

impl States {
    pub(crate) fn insert<T: Any + Send + Sync>(&mut self, state: T) {
        self.0.insert(TypeId::of::<T>(), Box::new(state));
    }

    /// Makes sure that there is a value for `need`, and makes one if need be.
    ///
    /// # Errors
    /// If there is none and none can be made.
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

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} states", self.0.len())
    }
}
