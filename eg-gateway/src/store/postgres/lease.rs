//! Decides which gateway works: the one that holds the lease, a row of the database. It renews the lease; others take it when
//! it has run out, by the clock of the database. `numbers` keeps a gateway from writing that has lost it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio_postgres::Client;
use tokio_util::task::AbortOnDropHandle;

use super::StoreError;
use super::faults::Failure;
use super::settings::Settings;
use super::values::{Value, get, values};

/// Takes the lease if it has run out, and closes the store for the gateway that had it.
const TAKE: &str = "
    WITH taken AS (
        UPDATE lease SET epoch = epoch + 1, holder = $1, expires_at = now() + $2 * INTERVAL '1 millisecond'
        WHERE id = 1 AND expires_at <= now() RETURNING epoch)
    UPDATE writer SET epoch = taken.epoch FROM taken WHERE writer.id = 1 RETURNING writer.epoch";

const RENEW: &str = "
    UPDATE lease SET expires_at = now() + $2 * INTERVAL '1 millisecond' WHERE id = 1 AND epoch = $1 RETURNING epoch";

const RELEASE: &str = "UPDATE lease SET expires_at = now() WHERE id = 1 AND epoch = $1 RETURNING epoch";

const HOLDER: &str = "SELECT holder FROM lease WHERE id = 1";

/// How often a standby asks for the lease. So it takes over at once when the active gateway stops in order.
const ASKING: Duration = Duration::from_millis(250);

/// The pause after the database could not be reached.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a statement about the lease may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether this gateway may work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Active,
    /// Another gateway has taken over.
    Lost,
    Closed,
}

/// What the parts of a store know about the lease.
#[derive(Debug)]
pub(super) struct Standing {
    state: watch::Sender<State>,
    /// Whether the lease was renewed when it was last tried.
    renewed: AtomicBool,
}

impl Default for Standing {
    fn default() -> Self {
        Self { state: watch::Sender::new(State::Active), renewed: AtomicBool::new(true) }
    }
}

impl Standing {
    /// # Errors
    /// Fails if this gateway may not use the store any more.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match *self.state.borrow() {
            State::Active => Ok(()),
            State::Lost => Err(StoreError::LeaseLost),
            State::Closed => Err(StoreError::Closed),
        }
    }

    /// Returns whether this gateway may use the store, and the database could be reached lately.
    pub(super) fn is_renewed(&self) -> bool {
        self.check().is_ok() && self.renewed.load(Ordering::Relaxed)
    }

    /// Records that another gateway has taken over.
    pub(super) fn lost(&self) {
        self.state.send_if_modified(|state| {
            let was_active = *state == State::Active;
            if was_active {
                *state = State::Lost;
                tracing::error!("another gateway has taken over the store");
            }
            was_active
        });
    }

    pub(super) fn closed(&self) {
        self.state.send_replace(State::Closed);
    }

    /// Returns once another gateway has taken over.
    pub(super) async fn until_lost(&self) {
        // The sender is `self`, so this fails never.
        let _ = self.state.subscribe().wait_for(|state| *state == State::Lost).await;
    }
}

/// The lease of a gateway that works. It is renewed until this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) epoch: i64,
    settings: Arc<Settings>,
    _renewing: AbortOnDropHandle<()>,
}

impl Lease {
    /// Waits until this gateway may work.
    ///
    /// # Errors
    /// Fails if the database refuses this gateway. One that cannot be reached is asked again.
    pub(super) async fn wait(settings: Arc<Settings>, standing: Arc<Standing>) -> Result<Self, StoreError> {
        let holder = holder();
        let (mut client, mut announced) = (None, false);
        let epoch = loop {
            let taken = take(&settings, &mut client, &holder).await;
            match taken {
                Ok(Some(epoch)) => break epoch,
                Ok(None) if !announced => {
                    announced = true;
                    let active = ask(&mut client, &settings, HOLDER, values![]).await.ok().flatten();
                    let active: Option<String> = active.and_then(|row| get(&row, "holder").ok());
                    tracing::info!(active, "standing by: another gateway works with this store");
                }
                Ok(None) => {}
                Err(error @ (Failure::Disconnected(_) | Failure::Collided(_) | Failure::Slow)) => {
                    tracing::warn!(error = %StoreError::from(error), "cannot ask for the lease of the store");
                    client = None;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(ASKING).await;
        };
        tracing::info!(epoch, "this gateway works with the store now");
        let renewing = tokio::spawn(renew(Arc::clone(&settings), standing, client, epoch));
        Ok(Self { epoch, settings, _renewing: AbortOnDropHandle::new(renewing) })
    }

    /// Lets another gateway take over at once.
    pub(super) async fn release(&self) {
        if let Err(error) = ask(&mut None, &self.settings, RELEASE, values![self.epoch]).await {
            let error = StoreError::from(error);
            tracing::warn!(%error, "cannot release the lease of the store; another gateway takes over when it has run out");
        }
    }
}

/// A connection for statements about the lease.
type Connection = Option<(Client, AbortOnDropHandle<()>)>;

async fn take(settings: &Settings, client: &mut Connection, holder: &str) -> Result<Option<i64>, Failure> {
    let taken = ask(client, settings, TAKE, values![holder, settings.lease_millis()]).await?;
    taken.map(|row| get(&row, "epoch")).transpose()
}

/// Renews the lease three times before it runs out, until it is lost.
async fn renew(settings: Arc<Settings>, standing: Arc<Standing>, mut client: Connection, epoch: i64) {
    let pause = settings.lease / 4;
    loop {
        tokio::time::sleep(pause).await;
        let values = values![epoch, settings.lease_millis()];
        let renewed = ask(&mut client, &settings, RENEW, values).await;
        standing.renewed.store(matches!(renewed, Ok(Some(_))), Ordering::Relaxed);
        match renewed {
            Ok(Some(_)) => {}
            Ok(None) => return standing.lost(),
            Err(error) => {
                client = None;
                tracing::warn!(error = %StoreError::from(error), "cannot renew the lease of the store");
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

/// Returns a name of this gateway for its operator.
fn holder() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}, process {}", std::process::id())
}
