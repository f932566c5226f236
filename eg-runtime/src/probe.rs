//! Determines from an argument's type, in a constant, which events a function receives and may emit, and which state
//! it needs. Inherent constants of `Probe` take precedence over those of its traits, which are the defaults for all
//! other types; so type aliases work, too.

use std::any::{TypeId, type_name};
use std::marker::PhantomData;

use eg_sdk::__private::EventTrait as Event;
use eg_sdk::schema::Shape;
use eg_sdk::{CloudEvent, EventGateway, EventSet};

use crate::emit::Emit;
use crate::shared::Need;
use crate::state::State;

/// Represents the argument type `T`.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<T>);

/// The events of a function. Only constants use it, so that programs do not contain the schemas.
#[derive(Debug, Clone, Copy)]
pub struct Events {
    pub(crate) direction: Direction,
    pub(crate) types: &'static [&'static str],
    /// The source that each type fixes.
    pub(crate) sources: &'static [Option<&'static str>],
    /// The shape of each payload.
    pub(crate) schemas: &'static [Option<&'static Shape>],
}

/// Whether events are received or emitted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Direction {
    Emitted,
    Received,
}

/// The default for types that emit nothing.
pub trait EmitsNothing {
    /// Nothing.
    const EMITS: &'static [&'static str] = &[];
}

/// The default for types that need no state.
pub trait NeedsNothing {
    /// Nothing.
    const NEEDS: Option<Need> = None;
}

/// The default for types without events.
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
    /// The client: set with `App::gateway`, else configured by environment variables.
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

/// Returns the event type of `E`.
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
