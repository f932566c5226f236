//! Keeps a journal for each user: the events that followed from what the user did, and the calls that failed. It
//! shows a user nothing of others.

use std::time::{Duration, SystemTime};

use eg_runtime::{CloudEvent, Data, Error, ResultExt as _};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use service_storage::{Item, Key, Store, Write};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The gateway's event about a failed call.
pub(crate) const FAILED: &str = "eventgateway.function.invocationFailed";

/// The gateway's event about a dead letter.
pub(crate) const DEAD_LETTERED: &str = "eventgateway.delivery.deadLettered";

/// How long an entry is kept.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// The maximum number of entries in an answer: the newest ones.
const SHOWN: usize = 100;

/// An entry of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// When it happened (RFC 3339, UTC).
    pub(crate) time: String,
    /// The type of the event that happened or that a function failed to handle.
    pub(crate) event: String,
    /// What is known about it, in words: a subject, a target, an error.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) detail: String,
    /// Whether a call failed.
    pub(crate) failed: bool,
}

/// The part of the application's events that the journal shows.
#[derive(Deserialize)]
struct Payload {
    /// The id of the user, or of the thing that the event is about.
    id: Option<String>,
    /// The id of the user, if `id` is not.
    user: Option<String>,
    subject: Option<String>,
    target: Option<String>,
    #[serde(default)]
    entities: Vec<String>,
}

/// The part of the gateway's events about failed calls and dead letters that the journal shows.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    function_id: String,
    /// The event that the function was called with.
    event: Box<RawValue>,
    /// In events about a failed call.
    error: Option<Problem>,
    /// In events about a dead letter.
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Problem {
    message: String,
}

/// The journals of all users. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Journal(Store);

impl Journal {
    pub(crate) fn new(store: Store) -> Self {
        Self(store)
    }

    /// Adds an event to the journal of the user that it is about. Ignores events that are about no user.
    pub(crate) async fn add(&self, event: &CloudEvent<Data>) -> Result<(), Error> {
        let Some((user, entry)) = entry_of(event)? else { return Ok(()) };
        let time = event.time().unwrap_or_else(OffsetDateTime::now_utc).unix_timestamp_nanos() / 1_000;
        let key = Key::new(journal(&user), format!("{:016}#{}", time.max(0), event.id()));
        let mut write = Write::put(key, &entry)?;
        if let Some(end) = SystemTime::now().checked_add(KEPT) {
            write = write.until(end);
        }
        Ok(self.0.transact(vec![write]).await?)
    }

    /// Returns the newest entries of a user's journal, oldest first.
    pub(crate) async fn of(&self, user: &str) -> Result<Vec<Entry>, Error> {
        let items = self.0.query(&journal(user)).await?;
        let newest = items.len().saturating_sub(SHOWN);
        Ok(items[newest..].iter().map(Item::read).collect::<Result<_, _>>()?)
    }
}

/// Returns the user of an event, and the entry in that user's journal.
fn entry_of(event: &CloudEvent<Data>) -> Result<Option<(String, Entry)>, Error> {
    let time = event.time().unwrap_or_else(OffsetDateTime::now_utc);
    // The year has four digits until the year 9999.
    let time = time.format(&Rfc3339).unwrap_or_default();
    if matches!(event.ty(), FAILED | DEAD_LETTERED) {
        let Failure { function_id, event: handled, error, reason } =
            serde_json::from_slice(&event.payload()).reject()?;
        let handled: CloudEvent<Data> = CloudEvent::from_json(handled.get().as_bytes()).reject()?;
        let Some((user, _)) = read(&handled) else { return Ok(None) };
        let detail = match (error, reason) {
            (Some(Problem { message }), _) => format!("{function_id} failed: {message}"),
            (None, reason) => format!("{function_id} gave up: {}", reason.unwrap_or_default()),
        };
        return Ok(Some((user, Entry { time, event: handled.ty().to_owned(), detail, failed: true })));
    }
    let entry = |(user, detail)| (user, Entry { time, event: event.ty().to_owned(), detail, failed: false });
    Ok(read(event).map(entry))
}

/// Returns the user that an event is about, and what the event says.
fn read(event: &CloudEvent<Data>) -> Option<(String, String)> {
    let Payload { id, user, subject, target, entities } = serde_json::from_slice(&event.payload()).ok()?;
    let detail = subject.or(target).unwrap_or_else(|| entities.join(", "));
    Some((user.or(id)?, detail))
}

fn journal(user: &str) -> String {
    format!("journal#{user}")
}
