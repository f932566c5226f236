//! Keeps this gateway among those that work with the store: each has a row, whose lease it renews. One whose lease has run out, by
//! the clock of the database, may be removed by any other (`neighbours`); then it can write nothing any more (`numbers`). A
//! gateway whose own clock says so pauses, and goes on if it was not removed.
//!
//! A statement may be carried out after its connection was given up. So each names the gateway that it is about, and a gateway
//! recognises a row that it has made without knowing.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_util::task::AbortOnDropHandle;

use super::StoreError;
use super::faults::Failure;
use super::settings::Settings;
use super::standing::Standing;
use super::values::{Value, get, values};
use crate::clock;

// The name is unique, so a gateway that asks twice has one row.
const JOIN: &str = "
    WITH joined AS (
        UPDATE writer SET epoch = epoch + 1 WHERE id = 1 AND NOT EXISTS (SELECT 1 FROM gateways WHERE name = $1)
        RETURNING epoch)
    INSERT INTO gateways (epoch, name, expires_at, session, tick, version)
    SELECT epoch, $1, now() + $2 * INTERVAL '1 millisecond', 0, 0, -1 FROM joined RETURNING epoch";

const JOINED: &str = "SELECT epoch FROM gateways WHERE name = $1";

const RENEW: &str = "
    UPDATE gateways SET expires_at = greatest(expires_at, now() + $2 * INTERVAL '1 millisecond')
    WHERE epoch = $1 RETURNING epoch";

// After it, nobody can renew the lease.
const LEAVE: &str = "DELETE FROM gateways WHERE epoch = $1";

/// The pause after the database could not be reached.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a statement about the lease may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// The row of a gateway that works. Its lease is renewed until this is dropped.
#[derive(Debug)]
pub(super) struct Membership {
    pub(super) epoch: i64,
    settings: Arc<Settings>,
    _renewing: AbortOnDropHandle<()>,
}

impl Membership {
    /// Joins the gateways of the store.
    ///
    /// # Errors
    /// Returns [`StoreError::Closed`] if `stop` is ready before, and fails if the database refuses this gateway. One that
    /// cannot be reached is asked again.
    pub(super) async fn join(
        settings: Arc<Settings>,
        standing: Arc<Standing>,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Self, StoreError> {
        let (name, mut client) = (name(), None);
        let joined = loop {
            match join(&settings, &mut client, &name).await {
                Ok(joined) => break joined,
                Err(error @ (Failure::Disconnected(_) | Failure::Collided(_) | Failure::Slow)) => {
                    tracing::warn!(error = %StoreError::from(error), "cannot join the gateways of the store");
                    client = None;
                }
                Err(error) => return Err(error.into()),
            }
            // Not while it asks: it may have joined then.
            tokio::select! {
                () = &mut stop => return Err(StoreError::Closed),
                () = tokio::time::sleep(PAUSE) => {}
            }
        };
        let epoch = joined.epoch;
        tracing::info!(epoch, "this gateway works with the store now");
        standing.renewed(joined.at, joined.at + settings.lease);
        let renewing = tokio::spawn(renew(Arc::clone(&settings), standing, client, joined));
        Ok(Self { epoch, settings, _renewing: AbortOnDropHandle::new(renewing) })
    }

    /// Returns how long this gateway may be silent.
    pub(super) fn lease(&self) -> Duration {
        self.settings.lease
    }

    /// Leaves the gateways of the store.
    pub(super) async fn leave(&self) {
        if let Err(error) = ask(&mut None, &self.settings, LEAVE, values![self.epoch]).await {
            let error = StoreError::from(error);
            tracing::warn!(%error, "cannot leave the gateways of the store; others take over when the lease has run out");
        }
    }
}

/// A connection for statements about the lease.
type Connection = Option<(Client, AbortOnDropHandle<()>)>;

#[derive(Debug, Clone, Copy)]
struct Joined {
    epoch: i64,
    /// A moment before the lease began.
    at: Instant,
}

async fn join(settings: &Settings, client: &mut Connection, name: &str) -> Result<Joined, Failure> {
    let at = Instant::now();
    let made = ask(client, settings, JOIN, values![name, settings.lease_millis()]).await?;
    let row = match made {
        Some(row) => Some(row),
        None => ask(client, settings, JOINED, values![name]).await?,
    };
    let row = row.ok_or_else(|| Failure::Collided("the row of this gateway is gone".to_owned()))?;
    Ok(Joined { epoch: get(&row, "epoch")?, at })
}

/// Renews the lease three times before it runs out, until it is lost.
async fn renew(settings: Arc<Settings>, standing: Arc<Standing>, mut client: Connection, joined: Joined) {
    let (pause, mut renewed_at) = (settings.lease / 4, joined.at);
    loop {
        let (at, renewed) = {
            let mut renew = pin!(async {
                tokio::time::sleep(pause).await;
                let at = Instant::now();
                let values = values![joined.epoch, settings.lease_millis()];
                (at, ask(&mut client, &settings, RENEW, values).await)
            });
            match tokio::time::timeout_at(renewed_at + settings.lease, &mut renew).await {
                Ok(renewed) => renewed,
                Err(_) => {
                    // Then others may have taken over, and this gateway must not call functions.
                    standing.not_renewed();
                    standing.cut_off();
                    renew.await
                }
            }
        };
        match renewed {
            Ok(Some(_)) => {
                renewed_at = at;
                standing.renewed(at, at + settings.lease);
            }
            Ok(None) => return standing.lost(),
            Err(error) => {
                standing.not_renewed();
                client = None;
                tracing::warn!(error = %StoreError::from(error), "cannot renew the lease of this gateway");
            }
        }
    }
}

/// Runs a statement about the lease, and connects first if necessary.
async fn ask(
    client: &mut Connection,
    settings: &Settings,
    sql: &str,
    values: Vec<Value>,
) -> Result<Option<tokio_postgres::Row>, Failure> {
    let ask = async {
        if client.as_ref().is_none_or(|(client, _)| client.is_closed()) {
            *client = Some(settings.connect().await?);
        }
        let Some((client, _)) = client else { return Ok(None) };
        let values: Vec<_> = values
            .iter()
            .map(|value| (value as &(dyn tokio_postgres::types::ToSql + Sync), value.ty()))
            .collect();
        Ok(client.query_typed(sql, &values).await?.into_iter().next())
    };
    let late = |_| Failure::Disconnected("the database did not answer in time".to_owned());
    tokio::time::timeout(PATIENCE, ask).await.map_err(late)?
}

/// Returns a name that only this run of this gateway has, for its operator.
fn name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}, process {}, run {}", std::process::id(), clock::event_id())
}

#[cfg(test)]
mod tests {
    use eg_tests::postgres::Postgres;

    use super::*;

    /// Statements that were given up are carried out nevertheless, sometimes much later.
    #[tokio::test]
    async fn what_is_carried_out_late_changes_nothing() {
        let Some(server) = Postgres::shared() else { return };
        let url = server.database();
        let settings = Settings::read(&url, Duration::from_secs(60)).unwrap();
        super::super::migrations::prepare(&settings).await.unwrap();
        let mut client = None;
        let first = join(&settings, &mut client, "a").await.unwrap().epoch;
        // The answer to the first question was lost.
        assert_eq!(join(&settings, &mut client, "a").await.unwrap().epoch, first);
        let second = join(&settings, &mut client, "b").await.unwrap().epoch;
        assert!(second > first);
        assert_eq!(server.sql(&url, "SELECT count(*) FROM gateways"), "2");
        let mut renewed = async |epoch: i64| {
            let values = values![epoch, settings.lease_millis()];
            ask(&mut client, &settings, RENEW, values).await.unwrap().is_some()
        };
        assert!(renewed(first).await && renewed(second).await);
        ask(&mut None, &settings, LEAVE, values![first]).await.unwrap();
        assert!(!renewed(first).await && renewed(second).await);
        // No number is used twice.
        assert!(join(&settings, &mut client, "a").await.unwrap().epoch > second);
    }
}
