//! Stores the configuration: it is loaded as a whole at start and changed resource by resource.

use rusqlite::types::Type;
use rusqlite::{Connection, params};

use super::jobs::give_up;
use super::seal::bytes_fit;
use super::{SqliteStore, StoreError};
use crate::decide::catalog::{Catalog, Change, Resource, Version};
use crate::store::configuration::{gives_up, of_json, to_json};
use crate::store::seal::of_bytes;
use crate::timestamp::Timestamp;

const PUT: &str = "INSERT INTO config (kind, space, id, body, seal) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (kind, space, id) DO UPDATE SET body = excluded.body, seal = excluded.seal";

impl SqliteStore {
    pub(in crate::store) async fn load_catalog(&self) -> Result<Catalog, StoreError> {
        let version = self.version.lock().await;
        let mut catalog = self.readers.look_up(load).await?;
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
        let apply = move |connection: &Connection| {
            changes.iter().try_for_each(|change| apply(connection, change, now))
        };
        self.writer.run(apply).await?;
        *version = from.next();
        Ok(*version)
    }
}

/// Returns the names of the resources that do not match their checksums.
///
/// # Errors
/// Fails if the table is damaged.
pub(super) fn damaged(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut check = connection.prepare("PRAGMA integrity_check('config')")?;
    let found: Vec<String> = check.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut found: Vec<String> = found.into_iter().filter(|found| found != "ok").collect();
    let mut statement = connection.prepare("SELECT body, seal, kind, space, id FROM config")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if !bytes_fit(row, 0)? {
            let name = |column| row.get::<_, String>(column).unwrap_or_else(|_| "?".to_owned());
            found.push(format!("{} `{}` of space `{}`", name("kind"), name("id"), name("space")));
        }
    }
    Ok(found)
}

/// Returns all resources.
pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Catalog> {
    let mut catalog = Catalog::default();
    let mut statement = connection.prepare("SELECT kind, body FROM config")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, body): (String, String) = (row.get("kind")?, row.get("body")?);
        catalog.apply(&Change::Put(resource(&kind, &body)?));
    }
    Ok(catalog)
}

/// Writes a change.
pub(crate) fn apply(connection: &Connection, change: &Change, now: Timestamp) -> rusqlite::Result<()> {
    match change {
        Change::Put(resource) => {
            let body = to_json(resource);
            let body = body.map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
            let key = (resource.kind().as_str(), resource.space(), resource.id());
            connection.prepare_cached(PUT)?.execute(params![
                key.0,
                key.1,
                key.2,
                body,
                of_bytes(body.as_bytes())
            ])?;
        }
        Change::Delete { kind, space, id } => {
            let delete = "DELETE FROM config WHERE kind = ?1 AND space = ?2 AND id = ?3";
            connection.prepare_cached(delete)?.execute(params![kind.as_str(), space, id])?;
        }
    }
    match gives_up(change) {
        Some((space, subscription, why)) => give_up(connection, space, subscription, &why, now),
        None => Ok(()),
    }
}

fn resource(kind: &str, body: &str) -> rusqlite::Result<Resource> {
    of_json(kind, body).map_err(|e| rusqlite::Error::FromSqlConversionFailure(1, Type::Text, e))
}
