//! The values that all invocations of a process share: those given to `App::state`, by type. Leaves the extractors to
//! `state` and `emit`.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;

use eg_sdk::EventGateway;

/// The shared values.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) states: States,
    /// The `source` of emitted events: `/services/<service>`.
    pub(crate) source: String,
    /// How many bytes the body of a request and an answer may have.
    pub(crate) payload_limit: usize,
    /// How many events may lead to an event that comes from elsewhere than the gateway, which has a limit of its own.
    pub(crate) max_hops: u32,
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
    id: fn() -> TypeId,
    name: fn() -> &'static str,
    make: fn(&mut States) -> Result<(), Unmet>,
    /// Whether the function manages the connections of a WebSocket API with it.
    pub(crate) connections: bool,
}

/// Why a needed value is missing.
#[derive(Debug)]
pub(crate) enum Unmet {
    Missing,
    Failed(Box<dyn StdError + Send + Sync>),
}

impl Need {
    /// A value of this type. A client is created if the app has none: configured by environment variables.
    pub(crate) const fn of<T: Any>() -> Self {
        Self { id: TypeId::of::<T>, name: type_name::<T>, make: make::<T>, connections: false }
    }

    /// A value of this type, which `make` creates if the app has none.
    #[cfg(feature = "webhooks")]
    pub(crate) const fn made_by<T: Any>(make: fn(&mut States) -> Result<(), Unmet>) -> Self {
        Self { id: TypeId::of::<T>, name: type_name::<T>, make, connections: false }
    }

    /// The client of the connections of a WebSocket API, which has this type and is created by `make`.
    pub(crate) const fn of_connections<T: Any>(make: fn(&mut States) -> Result<(), Unmet>) -> Self {
        Self { id: TypeId::of::<T>, name: type_name::<T>, make, connections: true }
    }

    /// Returns the name of the type.
    pub(crate) fn name(&self) -> &'static str {
        (self.name)()
    }
}

/// Only in a copy for the client itself does the compiler keep the code that creates one.
fn make<T: Any>(states: &mut States) -> Result<(), Unmet> {
    if TypeId::of::<T>() != TypeId::of::<EventGateway>() {
        return Err(Unmet::Missing);
    }
    states.insert(EventGateway::from_env().map_err(|error| Unmet::Failed(error.into()))?);
    Ok(())
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
        if self.0.contains_key(&(need.id)()) { Ok(()) } else { (need.make)(self) }
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
