//! Asks a type, in a constant, what it says about a function: which events it may emit, which state it needs.
//! An inherent constant wins over a trait's, so types that say nothing fall through to the empty answer, and
//! aliases are seen through.

use std::any::{TypeId, type_name};
use std::marker::PhantomData;

use eg_sdk::__private::EventTrait as Event;
use eg_sdk::EventSet;

use crate::{Emit, State};

/// Stands for the argument type `T`.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<T>);

/// A state that has to be provided.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    pub(crate) id: fn() -> TypeId,
    pub(crate) name: fn() -> &'static str,
}

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
}

impl<T: 'static> Probe<State<T>> {
    /// The state.
    pub const NEEDS: Option<Need> = Some(Need { id: TypeId::of::<T>, name: type_name::<T> });
}

/// The event type that `E` stands for.
#[must_use]
pub const fn event_type<E: Event>() -> &'static str {
    E::TYPE
}
