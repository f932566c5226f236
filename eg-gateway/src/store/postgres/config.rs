//! Stores the configuration: it is loaded as a whole at start and changed resource by resource. Its version is in the database,
//! and changes in the transaction that changes the resources.

use super::faults::Failure;
use super::jobs::give_up;
use super::queue::Work;
use super::session::Session;
use super::stored::fits;
use super::values::{get, values};
use super::{PostgresStore, StoreError};
use crate::decide::catalog::{Catalog, Change, Version};
use crate::store::configuration::{gives_up, of_json, to_json};
use crate::store::seal::of_bytes;
use crate::timestamp::Timestamp;

const LOAD: &str = "SELECT kind, space, id, body, seal FROM config";

const VERSION: &str = "SELECT version FROM writer WHERE id = 1";

const PUT: &str = "INSERT INTO config (kind, space, id, body, enabled, seal) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (kind, space, id) DO UPDATE SET body = excluded.body, enabled = excluded.enabled, seal = excluded.seal";

const DELETE: &str = "DELETE FROM config WHERE kind = $1 AND space = $2 AND id = $3";

impl PostgresStore {
    pub(in crate::store) async fn load_catalog(&self) -> Result<Catalog, StoreError> {
        // Both queries see the same state of the database.
        let mut reading = self.readers.look_up().await?;
        let rows = reading.query(LOAD, values![]).await?;
        let version = Version::of_number(get(&reading.one(VERSION, values![]).await?, "version")?);
        reading.end().await?;
        let mut catalog = Catalog::default();
        for row in rows {
            let (kind, body): (&str, &str) = (get(&row, "kind")?, get(&row, "body")?);
            if !fits(of_bytes(body.as_bytes()), get(&row, "seal")?) {
                let (space, id): (&str, &str) = (get(&row, "space")?, get(&row, "id")?);
                let what = format!("{kind} `{id}` of space `{space}` does not match its checksum");
                return Err(StoreError::Corrupt(what));
            }
            catalog.apply(&Change::Put(of_json(kind, body).map_err(Failure::unreadable)?));
        }
        catalog.version = version;
        Ok(catalog)
    }

    pub(in crate::store) async fn change(
        &self,
        from: Version,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Version, StoreError> {
        self.writer.run(Changes { from, changes, now }).await?.ok_or(StoreError::Outdated)
    }
}

struct Changes {
    from: Version,
    changes: Vec<Change>,
    now: Timestamp,
}

impl Work for Changes {
    /// The new version, or nothing if the changes are based on an outdated one.
    type Output = Option<Version>;

    async fn run(&mut self, session: &mut Session) -> Result<Option<Version>, Failure> {
        if self.from != session.numbers.version {
            return Ok(None);
        }
        for change in &self.changes {
            apply(session, change, self.now).await?;
        }
        session.numbers.version = self.from.next();
        Ok(Some(session.numbers.version))
    }
}

/// Writes a change.
async fn apply(session: &mut Session, change: &Change, now: Timestamp) -> Result<(), Failure> {
    let given_up = gives_up(change);
    match change {
        Change::Put(resource) => {
            let body = to_json(resource).map_err(Failure::unreadable)?;
            let seal = i64::from(of_bytes(body.as_bytes()).number());
            let (kind, space, id) = (resource.kind().as_str(), resource.space(), resource.id());
            session.later(PUT, values![kind, space, id, &body, given_up.is_none(), seal]);
        }
        Change::Delete { kind, space, id } => session.later(DELETE, values![kind.as_str(), space, id]),
    }
    match given_up {
        Some((space, subscription, why)) => give_up(session, space, subscription, &why, now).await,
        None => Ok(()),
    }
}
