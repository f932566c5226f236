//! Reads stored events and what deliveries deliver, and checks their seals. The queries decide what happens to a row whose
//! seal does not fit.

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio_postgres::Row;

use super::faults::Failure;
use super::values::{get, optional_time, remains, storable};
use crate::store::seal::{Seal, Sealer, of_bytes};
use crate::timestamp::Timestamp;

/// The columns that [`Stored`] reads. The table is called `e`.
macro_rules! event {
    () => {
        "e.space AS event_space, e.id AS event_id, e.type AS event_type, e.source AS event_source,
         e.subject AS event_subject, e.method AS event_method, e.path AS event_path,
         e.accepted_at AS event_accepted_at, e.event AS event_json, e.seal AS event_seal"
    };
}
pub(super) use event;

/// The condition that an event has a space and an id, as the index of events needs it. The table is called `e`.
macro_rules! named {
    ($space:literal, $id:literal) => {
        concat!(
            "md5(e.space || '/' || e.id) = md5(",
            $space,
            " || '/' || ",
            $id,
            ") AND e.space = ",
            $space,
            " AND e.id = ",
            $id
        )
    };
}
pub(super) use named;

/// The columns that [`Payload`] reads. The tables are called `d` and `e`.
macro_rules! payload {
    () => {
        concat!(
            "d.payload, d.payload_seal, coalesce(octet_length(d.payload), 0) + coalesce(octet_length(e.event), 0) AS size, ",
            $crate::store::postgres::stored::event!()
        )
    };
}
pub(super) use payload;

/// The rows of a query up to the first one with which their sizes add up to as many bytes. The database would send all
/// others, too, before it could go on.
macro_rules! up_to_bytes {
    ($bytes:literal, $order:literal, $($query:tt)+) => {
        concat!(
            "SELECT * FROM (SELECT q.*, coalesce(sum(q.size) OVER (ORDER BY ",
            $order,
            " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before FROM (",
            $($query)+,
            ") q) q WHERE before < ",
            $bytes,
            " ORDER BY ",
            $order
        )
    };
}
pub(super) use up_to_bytes;

/// Returns how many bytes of JSON a row has.
pub(super) fn size(row: &Row) -> Result<usize, Failure> {
    Ok(usize::try_from(get::<i32>(row, "size")?).unwrap_or_default())
}

/// An event of the store. What is left of a missing one is empty.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) id: String,
    pub(super) ty: String,
    pub(super) source: String,
    pub(super) subject: Option<String>,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) accepted_at: Option<Timestamp>,
    pub(super) json: Bytes,
    /// Whether it is as it was accepted.
    pub(super) is_sound: bool,
}

impl Stored {
    pub(super) fn read(row: &Row) -> Result<Self, Failure> {
        let text = |column| get::<Option<String>>(row, column).map(Option::unwrap_or_default);
        let space = text("event_space")?;
        let json: Option<Vec<u8>> = get(row, "event_json")?;
        let stored: Option<i64> = get(row, "event_seal")?;
        let mut event = Self {
            id: text("event_id")?,
            ty: text("event_type")?,
            source: text("event_source")?,
            subject: get(row, "event_subject")?,
            method: text("event_method")?,
            path: text("event_path")?,
            accepted_at: optional_time(row, "event_accepted_at")?,
            json: json.unwrap_or_default().into(),
            is_sound: false,
        };
        let sealer = Sealer::default().text(&space).text(&event.id).text(&event.ty).text(&event.source);
        let sealer = sealer.optional(event.subject.as_deref()).text(&event.method).text(&event.path);
        let accepted_at = event.accepted_at.unwrap_or(Timestamp::EARLIEST);
        event.is_sound = fits(sealer.time(accepted_at).blob(&event.json).seal(), stored);
        Ok(event)
    }

    /// Returns its JSON, or what is left of it.
    pub(super) fn raw(&self) -> Box<RawValue> {
        raw(&self.json, self.is_sound)
    }
}

/// Returns the seal of an event that is stored with these columns.
pub(super) fn seal_of(
    columns: [&str; 4],
    subject: Option<&str>,
    at: [&str; 2],
    time: Timestamp,
    json: &[u8],
) -> Seal {
    let sealer = columns.into_iter().fold(Sealer::default(), |sealer, text| sealer.text(&storable(text)));
    let sealer = sealer.optional(subject.map(storable).as_deref());
    let sealer = at.into_iter().fold(sealer, |sealer, text| sealer.text(&storable(text)));
    sealer.time(time).blob(json).seal()
}

/// What a delivery delivers: its edited payload, or else its event.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) event: Stored,
    pub(super) json: Bytes,
    /// Whether it is as it was stored.
    pub(super) is_sound: bool,
}

impl Payload {
    pub(super) fn read(row: &Row) -> Result<Self, Failure> {
        let event = Stored::read(row)?;
        let edited: Option<Vec<u8>> = get(row, "payload")?;
        let (json, is_sound) = match edited {
            None => (event.json.clone(), event.is_sound),
            Some(edited) => {
                let is_sound = fits(of_bytes(&edited), get(row, "payload_seal")?);
                (edited.into(), is_sound)
            }
        };
        Ok(Self { event, json, is_sound })
    }

    /// Returns its JSON, or what is left of it.
    pub(super) fn raw(&self) -> Box<RawValue> {
        raw(&self.json, self.is_sound)
    }
}

/// Returns whether a seal is the one that is stored.
pub(super) fn fits(seal: Seal, stored: Option<i64>) -> bool {
    stored.and_then(|stored| i32::try_from(stored).ok()).map(Seal::stored) == Some(seal)
}

fn raw(json: &[u8], is_sound: bool) -> Box<RawValue> {
    let read = is_sound.then(|| serde_json::from_slice(json).ok()).flatten();
    read.unwrap_or_else(|| remains(json))
}
