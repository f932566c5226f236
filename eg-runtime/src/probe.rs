//! Asks a type, in a constant, what it says about a function: which events it may emit, which state it needs.
//! An inherent constant wins over a trait's, so types that say nothing fall through to the empty answer, and
//! aliases are seen through.

use std::any::{TypeId, type_name};
use std::error::Error as StdError;
use std::marker::PhantomData;

use eg_sdk::__private::EventTrait as Event;
use eg_sdk::{EventGateway, EventSet};

use crate::state::States;
use crate::{Emit, State};

/// Stands for the argument type `T`.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<T>);

/// A value that has to be there before the function is called.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    pub(crate) id: fn() -> TypeId,
    pub(crate) name: fn() -> &'static str,
    /// Makes it where nobody has given it.
    pub(crate) make: Option<Make>,
}

/// Adds a value to the states.
pub(crate) type Make = fn(&mut States) -> Result<(), Box<dyn StdError + Send + Sync>>;

/// The answer of types that emit nothing.
pub trait EmitsNothing {
    /// Nothing.
    const EMITS: &'static [&'static str] = &[];
}

/// The answer of types that need no state.
pub trait NeedsNothing {
    /// Nothing.
    const NEEDS: Option<Need> = None;
}

impl<T> EmitsNothing for Probe<T> {}
impl<T> NeedsNothing for Probe<T> {}

impl<E: EventSet> Probe<Emit<E>> {
    /// The event types of the set.
    pub const EMITS: &'static [&'static str] = E::TYPES;
    /// The gateway's client: the one the environment describes, unless `App::gateway` gave another.
    pub const NEEDS: Option<Need> = Some(Need {
        id: TypeId::of::<EventGateway>,
        name: type_name::<EventGateway>,
        make: Some(|states| {
            states.insert(EventGateway::from_env()?);
            Ok(())
        }),
    });
}

impl<T: 'static> Probe<State<T>> {
    /// The state.
    pub const NEEDS: Option<Need> = Some(Need { id: TypeId::of::<T>, name: type_name::<T>, make: None });
}

/// The event type that `E` stands for.
#[must_use]
pub const fn event_type<E: Event>() -> &'static str {
    E::TYPE
}
