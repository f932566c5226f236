//! Users and their sessions. Knows no HTTP, and of events only that they are stored with what they tell of.

use eg_runtime::Error;
use eg_runtime::outbox::{Decision, Emitter, Outbox, OutboxError, Outgoing};
use serde::{Deserialize, Serialize};
use service_storage::{Key, Store, Write};

/// A user who is known by id and full name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Profile {
    pub(crate) id: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
}

/// Somebody who gives an address, and maybe a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Registrant {
    pub(crate) email: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
}

/// Somebody who has registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Registered {
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) registrant: Registrant,
}

/// A user as stored, whichever way they came. Without the session: who may read a user need not be that user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum User {
    Profile(Profile),
    Registered(Registered),
}

/// A session: the answer to a registration, and nobody else can guess it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Session {
    user: String,
}

/// All users, cheap to clone. What is stored here is stored together with the event that tells of it.
#[derive(Debug, Clone)]
pub(crate) struct Users(Outbox<Store>);

impl Users {
    pub(crate) fn new(store: Store) -> Self {
        Self(Outbox::new(store))
    }

    /// Stores a profile; one with the same id is replaced.
    pub(crate) async fn put(
        &self,
        profile: &Profile,
        emitter: &impl Emitter,
        event: Outgoing,
    ) -> Result<(), Error> {
        let write = Write::put(user(&profile.id), &User::Profile(profile.clone()))?;
        self.store(vec![write], emitter, event).await
    }

    /// Stores a new user with a session.
    pub(crate) async fn register(
        &self,
        registered: &Registered,
        token: &str,
        emitter: &impl Emitter,
        event: Outgoing,
    ) -> Result<(), Error> {
        let writes = vec![
            Write::put(user(&registered.id), &User::Registered(registered.clone()))?.if_absent(),
            Write::put(session(token), &Session { user: registered.id.clone() })?.if_absent(),
        ];
        self.store(writes, emitter, event).await
    }

    /// Once this is stored, it is done, even if nobody can be told yet.
    async fn store(&self, writes: Vec<Write>, emitter: &impl Emitter, event: Outgoing) -> Result<(), Error> {
        // A request has no name by which it could be known again; its event has.
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

    /// Emits what could not be emitted when it was stored.
    pub(crate) async fn send_unsent(&self, emitter: &impl Emitter) -> Result<(), Error> {
        self.0.send_unsent(emitter).await?;
        Ok(())
    }

    /// The user with this id.
    pub(crate) async fn get(&self, id: &str) -> Result<Option<User>, Error> {
        if id.is_empty() {
            return Ok(None);
        }
        Ok(self.0.store().get(&user(id)).await?.map(|item| item.read()).transpose()?)
    }

    /// Whether a registration was answered with this session.
    pub(crate) async fn has_session(&self, token: &str) -> Result<bool, Error> {
        Ok(!token.is_empty() && self.0.store().get(&session(token)).await?.is_some())
    }
}

/// Nobody needs to list users, so each has a partition of its own: none of them gets hot.
fn user(id: &str) -> Key {
    Key::new(format!("user#{id}"), "user")
}

fn session(token: &str) -> Key {
    Key::new(format!("session#{token}"), "session")
}
