//! Reads off an argument's type, in a constant, which events a function receives and may emit, and which state it needs.
//! Inherent constants of `Probe` win over those of its traits, which are the empty answers for all other types; so
//! aliases work too.

use std::any::{TypeId, type_name};
use std::marker::PhantomData;

use eg_sdk::__private::EventTrait as Event;
use eg_sdk::schema::Shape;
use eg_sdk::{CloudEvent, EventGateway, EventSet};

use crate::emit::Emit;
use crate::shared::Need;
use crate::state::State;

/// Stands for the argument type `T`.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<T>);

/// Events that a function has to do with. Only constants see it, so that no program contains its schemas as such.
#[derive(Debug, Clone, Copy)]
pub struct Events {
    pub(crate) direction: Direction,
    pub(crate) types: &'static [&'static str],
    /// The source that each type fixes.
    pub(crate) sources: &'static [Option<&'static str>],
    /// What each is as JSON.
    pub(crate) schemas: &'static [Option<&'static Shape>],
}

/// Whether events come or go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Direction {
    Emitted,
    Received,
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

/// The answer of types that have no events.
pub trait NoEvents {
    /// None.
    const EVENTS: Events = Events { direction: Direction::Emitted, types: &[], sources: &[], schemas: &[] };
}

impl<T> EmitsNothing for Probe<T> {}
impl<T> NoEvents for Probe<T> {}
impl<T> NeedsNothing for Probe<T> {}

impl<E: EventSet> Probe<Emit<E>> {
    /// The event types of the set.
    pub const EMITS: &'static [&'static str] = E::TYPES;
    /// The events of the set.
    pub const EVENTS: Events =
        Events { direction: Direction::Emitted, types: E::TYPES, sources: E::SOURCES, schemas: E::SCHEMAS };
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

impl<E: Event> Probe<CloudEvent<E>> {
    /// The event.
    pub const EVENTS: Events = Events {
        direction: Direction::Received,
        types: &[E::TYPE],
        sources: &[E::SOURCE],
        schemas: &[E::SCHEMA],
    };
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

impl Direction {
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Emitted => "emitted",
            Self::Received => "received",
        }
    }
}
