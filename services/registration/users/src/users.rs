//! Stores users and sessions, each change together with its event. Leaves HTTP and the journal to others.

use eg_runtime::Error;
use eg_runtime::outbox::{Decision, Emitter, Outbox, OutboxError, Outgoing};
use serde::{Deserialize, Serialize};
use service_storage::{Key, Store, Write};

/// A user with an id and a full name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Profile {
    pub(crate) id: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
}

/// A new user as registered: an email address and an optional name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Registrant {
    pub(crate) email: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
}

/// A stored registration or account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Registered {
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) registrant: Registrant,
}

/// A stored user of any form. It omits the session, because the reader may be someone else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum User {
    Profile(Profile),
    Registered(Registered),
}

/// A session: returned by a registration, and impossible to guess.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Session {
    user: String,
}

/// The users. Clones share them. Each change is stored together with its event.
#[derive(Debug, Clone)]
pub(crate) struct Users(Outbox<Store>);

impl Users {
    pub(crate) fn new(store: Store) -> Self {
        Self(Outbox::new(store))
    }

    /// Stores a profile. Replaces a profile with the same id.
    pub(crate) async fn put(
        &self,
        profile: &Profile,
        emitter: &impl Emitter,
        event: Outgoing,
    ) -> Result<(), Error> {
        let write = Write::put(user(&profile.id), &User::Profile(profile.clone()))?;
        self.store(vec![write], emitter, event).await
    }

    /// Stores a new user, with a session if `token` is one.
    pub(crate) async fn register(
        &self,
        registered: &Registered,
        token: Option<&str>,
        emitter: &impl Emitter,
        event: Outgoing,
    ) -> Result<(), Error> {
        let mut writes =
            vec![Write::put(user(&registered.id), &User::Registered(registered.clone()))?.if_absent()];
        if let Some(token) = token {
            let session = Write::put(session(token), &Session { user: registered.id.clone() })?;
            writes.push(session.if_absent());
        }
        self.store(writes, emitter, event).await
    }

    /// Stores the change and its event. Succeeds once both are stored, even if the event cannot be emitted yet.
    async fn store(&self, writes: Vec<Write>, emitter: &impl Emitter, event: Outgoing) -> Result<(), Error> {
        // A request has no id to detect duplicates by; its event has one.
        let cause = event.event().id().to_owned();
        let decide = || async { Ok::<_, OutboxError<_>>(Decision::new(writes.clone()).emit(event.clone())) };
        match self.0.handle(emitter, cause, decide).await {
            Err(OutboxError::Unsent(error)) => {
                println!("{} is stored and emitted later: {error}", event.event().ty());
                Ok(())
            }
            result => Ok(result.map(drop)?),
        }
    }

    /// Emits the stored events that could not be emitted earlier.
    pub(crate) async fn send_unsent(&self, emitter: &impl Emitter) -> Result<(), Error> {
        self.0.send_unsent(emitter).await?;
        Ok(())
    }

    /// Returns the user with this id.
    pub(crate) async fn get(&self, id: &str) -> Result<Option<User>, Error> {
        if id.is_empty() {
            return Ok(None);
        }
        Ok(self.0.store().get(&user(id)).await?.map(|item| item.read()).transpose()?)
    }

    /// Returns the id of the user whose session this is; `None` if it is unknown.
    pub(crate) async fn of_session(&self, token: &str) -> Result<Option<String>, Error> {
        if token.is_empty() {
            return Ok(None);
        }
        let Some(item) = self.0.store().get(&session(token)).await? else { return Ok(None) };
        let Session { user } = item.read()?;
        Ok(Some(user))
    }
}

/// Users are never listed, so each has its own partition, and no partition becomes hot.
fn user(id: &str) -> Key {
    Key::new(format!("user#{id}"), "user")
}

fn session(token: &str) -> Key {
    Key::new(format!("session#{token}"), "session")
}
