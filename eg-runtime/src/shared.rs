//! The values that all invocations of a process share: those given to `App::state`, by type. Leaves the extractors to
//! `state` and `emit`.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;

/// The shared values.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) states: States,
    /// The `source` of emitted events: `/services/<service>`.
    pub(crate) source: String,
}

impl Shared {
    /// Returns the name of the service.
    pub(crate) fn service(&self) -> &str {
        self.source.strip_prefix("/services/").unwrap_or_default()
    }
}

/// Values by type. The client is one of them, so that a binary that emits nothing does not contain it.
#[derive(Default)]
pub(crate) struct States(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

/// A value that a function needs.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    pub(crate) id: fn() -> TypeId,
    pub(crate) name: fn() -> &'static str,
    /// Creates the value if the app has none.
    pub(crate) make: Option<Make>,
}

/// Adds a value.
pub(crate) type Make = fn(&mut States) -> Result<(), Box<dyn StdError + Send + Sync>>;

/// Why a needed value is missing.
pub(crate) enum Unmet {
    Missing,
    Failed(Box<dyn StdError + Send + Sync>),
}

impl States {
    pub(crate) fn insert<T: Any + Send + Sync>(&mut self, state: T) {
        self.0.insert(TypeId::of::<T>(), Box::new(state));
    }

    /// Ensures that the value for `need` exists. Creates it if possible.
    ///
    /// # Errors
    /// If the value is missing and cannot be created.
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
