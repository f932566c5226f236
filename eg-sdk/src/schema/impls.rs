//! The shapes of types of the standard library and of other types that events often contain.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::{Field, Part, Presence, Schema, Shape};

const BYTE: Shape = Shape::Integer { min: Some(0), max: Some(255) };

/// `types => shape;`
macro_rules! shapes {
    ($($($ty:ty),+ => $shape:expr;)+) => {
        $($(impl Schema for $ty {
            const SHAPE: &'static Shape = &$shape;
        })+)+
    };
}

shapes! {
    bool => Shape::Bool;
    f32, f64 => Shape::Number;
    char => Shape::Char;
    str, String, Path, PathBuf => Shape::STRING;
    IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6 => Shape::STRING;
    Ipv4Addr => Shape::String { format: Some("ipv4") };
    Ipv6Addr => Shape::String { format: Some("ipv6") };
    uuid::Uuid => Shape::String { format: Some("uuid") };
    () => Shape::Null;
    u8 => BYTE;
    u16 => Shape::Integer { min: Some(0), max: Some(u16::MAX as i64) };
    u32 => Shape::Integer { min: Some(0), max: Some(u32::MAX as i64) };
    u64, u128, usize => Shape::Integer { min: Some(0), max: None };
    i8 => Shape::Integer { min: Some(i8::MIN as i64), max: Some(i8::MAX as i64) };
    i16 => Shape::Integer { min: Some(i16::MIN as i64), max: Some(i16::MAX as i64) };
    i32 => Shape::Integer { min: Some(i32::MIN as i64), max: Some(i32::MAX as i64) };
    i64, i128, isize => Shape::Integer { min: None, max: None };
    std::num::NonZeroU8 => Shape::Integer { min: Some(1), max: Some(255) };
    std::num::NonZeroU16 => Shape::Integer { min: Some(1), max: Some(u16::MAX as i64) };
    std::num::NonZeroU32 => Shape::Integer { min: Some(1), max: Some(u32::MAX as i64) };
    std::num::NonZeroU64, std::num::NonZeroU128, std::num::NonZeroUsize => Shape::Integer { min: Some(1), max: None };
    serde_json::Value, serde_json::value::RawValue => Shape::Any;
    serde_json::Map<String, serde_json::Value> => Shape::Map { keys: &Shape::STRING, values: &Shape::Any };
    serde_json::Number => Shape::Number;
    // As a string only with the feature `serde-human-readable` of `time`.
    time::OffsetDateTime => Shape::AnyOf(&[&Shape::STRING, &numbers(9)]);
    time::PrimitiveDateTime => Shape::AnyOf(&[&Shape::STRING, &numbers(6)]);
    time::Date => Shape::AnyOf(&[&Shape::STRING, &numbers(2)]);
    time::Time => Shape::AnyOf(&[&Shape::STRING, &numbers(4)]);
    bytes::Bytes, bytes::BytesMut => Shape::List { items: &BYTE, unique: false, length: None };
    Duration => Shape::Object { parts: &[field("secs", u64::SHAPE), field("nanos", u32::SHAPE)], closed: true };
}

#[cfg(feature = "chrono")]
impl<Tz: chrono::TimeZone> Schema for chrono::DateTime<Tz> {
    const SHAPE: &'static Shape = &Shape::String { format: Some("date-time") };
}

#[cfg(feature = "chrono")]
shapes! {
    // RFC 3339 requires an offset, which these do not have.
    chrono::NaiveDateTime, chrono::NaiveTime => Shape::STRING;
    chrono::NaiveDate => Shape::String { format: Some("date") };
}

#[cfg(feature = "rust_decimal")]
shapes! {
    // As a number only with one of its features `serde-float` and `serde-arbitrary-precision`.
    rust_decimal::Decimal => Shape::AnyOf(&[&Shape::STRING, &Shape::Number]);
}

#[cfg(feature = "url")]
shapes! {
    url::Url => Shape::String { format: Some("uri") };
}

/// An array of whole numbers.
const fn numbers(length: usize) -> Shape {
    Shape::List { items: &Shape::Integer { min: None, max: None }, unique: false, length: Some(length) }
}

const fn field(name: &'static str, shape: &'static Shape) -> Part {
    Part::Field(Field { name, doc: "", shape, presence: Presence::Required })
}

/// Types whose JSON is that of their target.
macro_rules! pointers {
    ($($ty:ty),+) => {
        $(impl<T: Schema + ?Sized> Schema for $ty {
            const SHAPE: &'static Shape = T::SHAPE;
        })+
    };
}

pointers!(&T, &mut T, Box<T>, Rc<T>, Arc<T>);

impl<T: Schema + ToOwned + ?Sized> Schema for Cow<'_, T> {
    const SHAPE: &'static Shape = T::SHAPE;
}

impl<T: Schema> Schema for Option<T> {
    const SHAPE: &'static Shape = &Shape::Optional(T::SHAPE);
}

impl<T: ?Sized> Schema for PhantomData<T> {
    const SHAPE: &'static Shape = &Shape::Null;
}

impl<T: Schema, const N: usize> Schema for [T; N] {
    const SHAPE: &'static Shape = &Shape::List { items: T::SHAPE, unique: false, length: Some(N) };
}

macro_rules! lists {
    ($($ty:ty),+; unique: $unique:literal) => {
        $(impl<T: Schema> Schema for $ty {
            const SHAPE: &'static Shape = &Shape::List { items: T::SHAPE, unique: $unique, length: None };
        })+
    };
}

lists!([T], Vec<T>, VecDeque<T>, LinkedList<T>, BinaryHeap<T>; unique: false);
lists!(BTreeSet<T>; unique: true);

impl<T: Schema, S> Schema for HashSet<T, S> {
    const SHAPE: &'static Shape = &Shape::List { items: T::SHAPE, unique: true, length: None };
}

impl<K: Schema, V: Schema> Schema for BTreeMap<K, V> {
    const SHAPE: &'static Shape = &Shape::Map { keys: K::SHAPE, values: V::SHAPE };
}

impl<K: Schema, V: Schema, S> Schema for HashMap<K, V, S> {
    const SHAPE: &'static Shape = &Shape::Map { keys: K::SHAPE, values: V::SHAPE };
}

macro_rules! tuples {
    ($($name:ident)+) => {
        impl<$($name: Schema),+> Schema for ($($name,)+) {
            const SHAPE: &'static Shape = &Shape::Tuple(&[$($name::SHAPE),+]);
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);
