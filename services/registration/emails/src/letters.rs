//! Sends letters and stores them, each together with its event. "Sending" prints the letter to the function's log.

use eg_runtime::outbox::{Cause, Decision, Emitter, Found, Outbox, OutboxError, OutboxStore as _};
use eg_runtime::{Emit, Error};
use registration_events::EmailSent;
use serde::{Deserialize, Serialize};
use service_storage::{Item, Key, Store, Write};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const PARTITION: &str = "letter";

/// A letter that was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Letter {
    /// When the reason for the letter arose (RFC 3339, UTC).
    pub(crate) time: String,
    #[serde(flatten)]
    pub(crate) sent: EmailSent,
}

/// The letters. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Letters(Outbox<Store>);

impl Letters {
    pub(crate) fn new(store: Store) -> Self {
        Self(Outbox::new(store))
    }

    /// Sends a letter for `cause`, which arose at `time`, and emits its event. Sends nothing if there is a letter for
    /// this cause already. If the process dies between sending and storing, the letter is sent again.
    pub(crate) async fn send(
        &self,
        emit: &Emit<EmailSent>,
        cause: Cause,
        time: OffsetDateTime,
        sent: EmailSent,
    ) -> Result<(), OutboxError<service_storage::Error>> {
        let known = self.0.store().find(cause.as_str()).await.map_err(OutboxError::Store)?;
        if matches!(known, Found::New) {
            println!("To: {}\nSubject: {}", sent.email, sent.subject);
        }
        let micros = (time.unix_timestamp_nanos() / 1_000).max(0);
        let key = Key::new(PARTITION, format!("{micros:016}#{}", cause.as_str()));
        // The year has four digits until the year 9999.
        let letter = Letter { time: time.format(&Rfc3339).unwrap_or_default(), sent };
        let event = emit.stage(letter.sent.clone()).map_err(OutboxError::Event)?;
        let write = Write::put(key, &letter).map_err(OutboxError::Store)?;
        let decide = || async { Ok(Decision::new(vec![write.clone()]).emit(event.clone())) };
        self.0.handle(emit, cause, decide).await.map(drop)
    }

    /// Returns all letters, oldest first.
    pub(crate) async fn all(&self) -> Result<Vec<Letter>, Error> {
        let items = self.0.store().query(PARTITION).await?;
        Ok(items.iter().map(Item::read).collect::<Result<_, _>>()?)
    }

    /// Emits the stored events that could not be emitted earlier.
    pub(crate) async fn send_unsent(&self, emitter: &impl Emitter) -> Result<(), Error> {
        self.0.send_unsent(emitter).await?;
        Ok(())
    }
}
