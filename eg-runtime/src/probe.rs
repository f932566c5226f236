//! Determines from an argument's type, in a constant, which events a function receives and may emit, and which state
//! it needs. Inherent constants of `Probe` take precedence over those of its traits, which are the defaults for all
//! other types; so type aliases work, too.

use std::marker::PhantomData;

use axum::Json;
use eg_sdk::__private::EventTrait as Event;
use eg_sdk::schema::Shape;
use eg_sdk::{CloudEvent, EventGateway, EventSet, Question};

use crate::ask::Ask;
use crate::connections::Connections;
use crate::emit::Emit;
use crate::shared::Need;
use crate::state::State;
#[cfg(feature = "webhooks")]
use crate::webhook::{Provider, Secrets, Webhook};

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
    /// Emitted as a question, to a function that answers.
    Asked,
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

/// The default for types that decode no payload of an event type.
pub trait NoPayload {
    /// Unknown.
    const PAYLOAD: Option<&'static str> = None;
}

impl<T> EmitsNothing for Probe<T> {}
impl<T> NoPayload for Probe<T> {}
impl<T> NoEvents for Probe<T> {}
impl<T> NeedsNothing for Probe<T> {}

impl<E: EventSet> Probe<Emit<E>> {
    /// The event types of the set.
    pub const EMITS: &'static [&'static str] = E::TYPES;
    /// The events of the set.
    pub const EVENTS: Events =
        Events { direction: Direction::Emitted, types: E::TYPES, sources: E::SOURCES, schemas: E::SCHEMAS };
    /// The client.
    pub const NEEDS: Option<Need> = Some(Need::of::<EventGateway>());
}

impl<E: Question> Probe<Ask<E>> {
    /// The type of the question.
    pub const EMITS: &'static [&'static str] = &[E::TYPE];
    /// The question.
    pub const EVENTS: Events = Events {
        direction: Direction::Asked,
        types: &[E::TYPE],
        sources: &[E::SOURCE],
        schemas: &[E::SCHEMA],
    };
    /// The client.
    pub const NEEDS: Option<Need> = Some(Need::of::<EventGateway>());
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

impl<E: Event> Probe<CloudEvent<E>> {
    /// The event type whose payload it decodes.
    pub const PAYLOAD: Option<&'static str> = Some(E::TYPE);
}

impl<E: Event> Probe<Json<E>> {
    /// The event, which is the JSON of a request, an event or a message.
    pub const EVENTS: Events = Events {
        direction: Direction::Received,
        types: &[E::TYPE],
        sources: &[E::SOURCE],
        schemas: &[E::SCHEMA],
    };
    /// The event type whose payload it decodes.
    pub const PAYLOAD: Option<&'static str> = Some(E::TYPE);
}

impl Probe<Connections> {
    /// The client.
    pub const NEEDS: Option<Need> = Some(Connections::NEED);
}

#[cfg(feature = "webhooks")]
impl<P: Provider, T> Probe<Webhook<P, T>> {
    /// The secrets of the sender.
    pub const NEEDS: Option<Need> = Some(Secrets::<P>::NEED);
}

impl<T: 'static> Probe<State<T>> {
    /// The state.
    pub const NEEDS: Option<Need> = Some(Need::of::<T>());
}

impl Direction {
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Emitted | Self::Asked => "emitted",
            Self::Received => "received",
        }
    }
}
