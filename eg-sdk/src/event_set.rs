//! Sets of event types, for signatures that say what may be emitted: one type, or a tuple of them.

use crate::Event;
use crate::schema::Shape;

/// One [`Event`] type, or a tuple of up to twelve.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither an event nor a tuple of events",
    note = "add `#[derive(Event)]` and `#[event(\"some.type\")]` to the types that are emitted"
)]
pub trait EventSet {
    /// Their event types.
    const TYPES: &'static [&'static str];
    /// The source that each type fixes.
    const SOURCES: &'static [Option<&'static str>];
    /// The JSON shape of each payload, if it is known.
    const SCHEMAS: &'static [Option<&'static Shape>];
}

/// `E` is one of the events of this set. `At` says where, and is always inferred.
#[diagnostic::on_unimplemented(
    message = "this function may not emit `{E}`",
    label = "not one of the events that it declares",
    note = "its signature says what it emits: use `Emit<{E}>`, or add `{E}` to the tuple in `Emit<(…)>`"
)]
pub trait Contains<E, At> {}

#[diagnostic::do_not_recommend]
impl<E: Event> EventSet for E {
    const TYPES: &'static [&'static str] = &[E::TYPE];
    const SOURCES: &'static [Option<&'static str>] = &[E::SOURCE];
    const SCHEMAS: &'static [Option<&'static Shape>] = &[E::SCHEMA];
}

impl<E: Event> Contains<E, Only> for E {}

/// With a second candidate, the compiler does not take the declared event for the type of the emitted one, and reports
/// above why another event may not be emitted. No value has the type [`Never`].
impl<E: Event> Contains<Never, Never> for E {}

/// Position of the single event.
#[doc(hidden)]
#[derive(Debug)]
pub enum Only {}

/// No event.
#[doc(hidden)]
#[derive(Debug)]
pub enum Never {}

/// Position in a tuple.
#[doc(hidden)]
#[derive(Debug)]
pub enum Nth<const N: usize> {}

macro_rules! tuple {
    ($($n:literal $name:ident),+) => {
        #[diagnostic::do_not_recommend]
        impl<$($name: Event),+> EventSet for ($($name,)+) {
            const TYPES: &'static [&'static str] = &[$($name::TYPE),+];
            const SOURCES: &'static [Option<&'static str>] = &[$($name::SOURCE),+];
            const SCHEMAS: &'static [Option<&'static Shape>] = &[$($name::SCHEMA),+];
        }
        tuple!(@members ($($name),+) $($n $name)+);
    };
    (@members $all:tt $($n:literal $name:ident)+) => {
        $(tuple!(@member $all $n $name);)+
    };
    (@member ($($all:ident),+) $n:literal $name:ident) => {
        #[diagnostic::do_not_recommend]
        impl<$($all: Event),+> Contains<$name, Nth<$n>> for ($($all,)+) {}
    };
}

tuple!(0 A);
tuple!(0 A, 1 B);
tuple!(0 A, 1 B, 2 C);
tuple!(0 A, 1 B, 2 C, 3 D);
tuple!(0 A, 1 B, 2 C, 3 D, 4 E);
tuple!(0 A, 1 B, 2 C, 3 D, 4 E, 5 F);
tuple!(0 A, 1 B, 2 C, 3 D, 4 E, 5 F, 6 G);
tuple!(0 A, 1 B, 2 C, 3 D, 4 E, 5 F, 6 G, 7 H);
tuple!(0 A, 1 B, 2 C, 3 D, 4 E, 5 F, 6 G, 7 H, 8 I);
tuple!(0 A, 1 B, 2 C, 3 D, 4 E, 5 F, 6 G, 7 H, 8 I, 9 J);
tuple!(0 A, 1 B, 2 C, 3 D, 4 E, 5 F, 6 G, 7 H, 8 I, 9 J, 10 K);
tuple!(0 A, 1 B, 2 C, 3 D, 4 E, 5 F, 6 G, 7 H, 8 I, 9 J, 10 K, 11 L);
