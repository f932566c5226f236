//! Stores the configuration: it is loaded as a whole at start and changed resource by resource.

use std::sync::Arc;

use super::faults::Failure;
use super::jobs::give_up;
use super::queue::Work;
use super::session::Session;
use super::stored::fits;
use super::values::{get, values};
use super::{PostgresStore, StoreError};
use crate::decide::catalog::{Catalog, Change, Resource, Version};
use crate::decide::delivery::{SUBSCRIPTION_DELETED, disabled};
use crate::decide::refusal::Kind;
use crate::store::seal::of_bytes;
use crate::timestamp::Timestamp;

const LOAD: &str = "SELECT kind, space, id, body, seal FROM config";

const PUT: &str = "INSERT INTO config (kind, space, id, body, enabled, seal) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (kind, space, id) DO UPDATE SET body = excluded.body, enabled = excluded.enabled, seal = excluded.seal";

const DELETE: &str = "DELETE FROM config WHERE kind = $1 AND space = $2 AND id = $3";

impl PostgresStore {
    pub(in crate::store) async fn load_catalog(&self) -> Result<Catalog, StoreError> {
        let version = self.version.lock().await;
        let mut catalog = Catalog::default();
        for row in self.readers.query(LOAD, values![]).await? {
            let (kind, body): (&str, &str) = (get(&row, "kind")?, get(&row, "body")?);
            if !fits(of_bytes(body.as_bytes()), get(&row, "seal")?) {
                let (space, id): (&str, &str) = (get(&row, "space")?, get(&row, "id")?);
                let what = format!("{kind} `{id}` of space `{space}` does not match its checksum");
                return Err(StoreError::Corrupt(what));
            }
            catalog.apply(&Change::Put(resource(kind, body)?));
        }
        catalog.version = *version;
        Ok(catalog)
    }

    pub(in crate::store) async fn change(
        &self,
        from: Version,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Version, StoreError> {
        let mut version = self.version.lock().await;
        if from != *version {
            return Err(StoreError::Outdated);
        }
        self.writer.run(Changes { changes, now }).await?;
        *version = from.next();
        Ok(*version)
    }
}

struct Changes {
    changes: Vec<Change>,
    now: Timestamp,
}

impl Work for Changes {
    type Output = ();

    async fn run(&mut self, session: &mut Session) -> Result<(), Failure> {
        for change in &self.changes {
            apply(session, change, self.now).await?;
        }
        Ok(())
    }
}

/// Writes a change.
async fn apply(session: &mut Session, change: &Change, now: Timestamp) -> Result<(), Failure> {
    match change {
        Change::Put(resource) => {
            let body = match resource {
                Resource::EventType(entry) => serde_json::to_string(&**entry),
                Resource::Function(entry) => serde_json::to_string(&**entry),
                Resource::Subscription(entry) => serde_json::to_string(&**entry),
                Resource::Cors(entry) => serde_json::to_string(&**entry),
            };
            let body = body.map_err(Failure::unreadable)?;
            let disabled_because = match resource {
                Resource::Subscription(entry) => entry.disabled.as_deref(),
                _ => None,
            };
            let seal = i64::from(of_bytes(body.as_bytes()).number());
            let (kind, space, id) = (resource.kind().as_str(), resource.space(), resource.id());
            session.later(PUT, values![kind, space, id, &body, disabled_because.is_none(), seal]);
            match disabled_because {
                Some(why) => give_up(session, space, id, &disabled(why), now).await,
                None => Ok(()),
            }
        }
        Change::Delete { kind, space, id } => {
            session.later(DELETE, values![kind.as_str(), space, id]);
            match kind {
                Kind::Subscription => give_up(session, space, id, SUBSCRIPTION_DELETED, now).await,
                _ => Ok(()),
            }
        }
    }
}

fn resource(kind: &str, body: &str) -> Result<Resource, Failure> {
    let read = match kind {
        "event_type" => serde_json::from_str(body).map(Arc::new).map(Resource::EventType),
        "function" => serde_json::from_str(body).map(Arc::new).map(Resource::Function),
        "subscription" => serde_json::from_str(body).map(Arc::new).map(Resource::Subscription),
        "cors" => serde_json::from_str(body).map(Arc::new).map(Resource::Cors),
        other => return Err(Failure::unreadable(format!("unknown kind of resource `{other}`"))),
    };
    read.map_err(Failure::unreadable)
}
