//! Decides which gateway works: the one that holds the lease, a row of the database. It renews the lease; others take it when
//! it has run out, by the clock of the database. A gateway whose own clock says so pauses, and goes on if nobody took the lease.
//! `numbers` keeps a gateway from writing that has lost it.
//!
//! A statement may be carried out after its connection was given up. So each names the epoch that it is about, and a gateway
//! recognises a lease that it has taken without knowing.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_util::task::AbortOnDropHandle;

use super::StoreError;
use super::faults::Failure;
use super::settings::Settings;
use super::values::{Value, get, values};
use crate::clock;

const STATE: &str =
    "SELECT epoch, holder, expires_at <= now() OR holder = $1 AS is_free FROM lease WHERE id = 1";

/// Takes the lease if it is as free as it was, and closes the store for the gateway that had it.
const TAKE: &str = "
    WITH taken AS (
        UPDATE lease SET epoch = epoch + 1, holder = $1, expires_at = now() + $2 * INTERVAL '1 millisecond'
        WHERE id = 1 AND epoch = $3 AND (expires_at <= now() OR holder = $1) RETURNING epoch)
    UPDATE writer SET epoch = taken.epoch FROM taken WHERE writer.id = 1 RETURNING writer.epoch";

const RENEW: &str = "
    UPDATE lease SET expires_at = greatest(expires_at, now() + $2 * INTERVAL '1 millisecond')
    WHERE id = 1 AND epoch = $1 RETURNING epoch";

// After it, nobody can renew the lease.
const RELEASE: &str = "
    UPDATE lease SET epoch = epoch + 1, expires_at = now() WHERE id = 1 AND epoch = $1 RETURNING epoch";

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
    /// The lease could not be renewed in time. Until the database answers, nobody knows whether another gateway works.
    CutOff,
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
    /// When the lease runs out unless it is renewed. A process that was paused may ask before the task that renews it.
    until: Mutex<Option<Instant>>,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            state: watch::Sender::new(State::Active),
            renewed: AtomicBool::new(true),
            until: Mutex::default(),
        }
    }
}

impl Standing {
    /// # Errors
    /// Fails if this gateway may not use the store any more.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match *self.state.borrow() {
            State::Active if !self.has_run_out() => Ok(()),
            State::Active | State::CutOff => {
                Err(StoreError::Unreachable("another gateway may work meanwhile".to_owned()))
            }
            State::Lost => Err(StoreError::LeaseLost),
            State::Closed => Err(StoreError::Closed),
        }
    }

    fn has_run_out(&self) -> bool {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| until <= Instant::now())
    }

    fn valid_until(&self, until: Instant) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// Returns whether this gateway may use the store, and the database could be reached lately.
    pub(super) fn is_renewed(&self) -> bool {
        self.check().is_ok() && self.renewed.load(Ordering::Relaxed)
    }

    /// Records that another gateway has taken over.
    pub(super) fn lost(&self) {
        if self.change(&[State::Active, State::CutOff], State::Lost) {
            tracing::error!("another gateway has taken over the store");
        }
    }

    /// Records that the lease has run out, and another gateway may take over.
    fn cut_off(&self) {
        if self.change(&[State::Active], State::CutOff) {
            tracing::error!(
                "the lease of the store could not be renewed in time; this gateway pauses until the database answers"
            );
        }
    }

    /// Records that no other gateway has taken over.
    fn goes_on(&self) {
        if self.change(&[State::CutOff], State::Active) {
            tracing::info!("the database answers, and no other gateway has taken over; this one goes on");
        }
    }

    /// Returns whether the state has changed.
    fn change(&self, from: &[State], to: State) -> bool {
        self.state.send_if_modified(|state| {
            let changes = from.contains(state);
            if changes {
                *state = to;
            }
            changes
        })
    }

    pub(super) fn closed(&self) {
        self.state.send_replace(State::Closed);
    }

    /// Returns once another gateway has taken over.
    pub(super) async fn until_lost(&self) {
        // The sender is `self`, so this never fails.
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
    /// Returns [`StoreError::Closed`] if `stop` is ready before, and fails if the database refuses this gateway. One that
    /// cannot be reached is asked again.
    pub(super) async fn wait(
        settings: Arc<Settings>,
        standing: Arc<Standing>,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Self, StoreError> {
        let holder = holder();
        let (mut client, mut announced) = (None, false);
        let taken = loop {
            let pause = match ask_for(&settings, &mut client, &holder).await {
                Ok(Asked::Taken(taken)) => break taken,
                Ok(Asked::Held(by)) => {
                    if !std::mem::replace(&mut announced, true) {
                        tracing::info!(by, "standing by: another gateway works with this store");
                    }
                    ASKING
                }
                Err(error @ (Failure::Disconnected(_) | Failure::Collided(_) | Failure::Slow)) => {
                    tracing::warn!(error = %StoreError::from(error), "cannot ask for the lease of the store");
                    client = None;
                    PAUSE
                }
                Err(error) => return Err(error.into()),
            };
            // Not while it asks: it may have the lease then.
            tokio::select! {
                () = &mut stop => return Err(StoreError::Closed),
                () = tokio::time::sleep(pause) => {}
            }
        };
        let epoch = taken.epoch;
        tracing::info!(epoch, "this gateway works with the store now");
        standing.valid_until(taken.at + settings.lease);
        let renewing = tokio::spawn(renew(Arc::clone(&settings), standing, client, taken));
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

/// What a gateway hears that asks for the lease.
#[derive(Debug)]
enum Asked {
    Taken(Taken),
    /// The gateway with this name has it.
    Held(String),
}

#[derive(Debug, Clone, Copy)]
struct Taken {
    epoch: i64,
    /// A moment before the lease began.
    at: Instant,
}

async fn ask_for(settings: &Settings, client: &mut Connection, holder: &str) -> Result<Asked, Failure> {
    loop {
        let state = ask(client, settings, STATE, values![holder]).await?;
        let state = state.ok_or_else(|| Failure::unreadable("there is no lease"))?;
        if !get(&state, "is_free")? {
            return Ok(Asked::Held(get(&state, "holder")?));
        }
        let at = Instant::now();
        if let Some(epoch) = take(settings, client, holder, get(&state, "epoch")?).await? {
            return Ok(Asked::Taken(Taken { epoch, at }));
        }
        // Another gateway was faster.
    }
}

/// Takes the lease after an epoch. Returns the new one, unless the lease has changed.
async fn take(
    settings: &Settings,
    client: &mut Connection,
    holder: &str,
    after: i64,
) -> Result<Option<i64>, Failure> {
    let taken = ask(client, settings, TAKE, values![holder, settings.lease_millis(), after]).await?;
    taken.map(|row| get(&row, "epoch")).transpose()
}

/// Renews the lease three times before it runs out, until it is lost.
async fn renew(settings: Arc<Settings>, standing: Arc<Standing>, mut client: Connection, taken: Taken) {
    let (pause, mut renewed_at) = (settings.lease / 4, taken.at);
    loop {
        let (at, renewed) = {
            let mut renew = pin!(async {
                tokio::time::sleep(pause).await;
                let at = Instant::now();
                let values = values![taken.epoch, settings.lease_millis()];
                (at, ask(&mut client, &settings, RENEW, values).await)
            });
            match tokio::time::timeout_at(renewed_at + settings.lease, &mut renew).await {
                Ok(renewed) => renewed,
                Err(_) => {
                    // Then another gateway may work, and this one must not call functions.
                    standing.cut_off();
                    renew.await
                }
            }
        };
        standing.renewed.store(matches!(renewed, Ok(Some(_))), Ordering::Relaxed);
        match renewed {
            Ok(Some(_)) => {
                renewed_at = at;
                standing.valid_until(at + settings.lease);
                standing.goes_on();
            }
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

/// Returns a name that only this run of this gateway has, for its operator.
fn holder() -> String {
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
        let settings = Settings::read(&server.database(), Duration::from_secs(60)).unwrap();
        super::super::migrations::prepare(&settings).await.unwrap();
        let mut client = None;
        // Its answer is lost.
        assert_eq!(take(&settings, &mut client, "a", 0).await.unwrap(), Some(1));
        let other = ask_for(&settings, &mut client, "b").await.unwrap();
        assert!(matches!(other, Asked::Held(by) if by == "a"));
        let Asked::Taken(Taken { epoch, .. }) = ask_for(&settings, &mut client, "a").await.unwrap() else {
            panic!("the lease is its own")
        };
        assert_eq!(epoch, 2);
        for after in 0..2 {
            assert_eq!(take(&settings, &mut client, "a", after).await.unwrap(), None);
        }
        let mut renewed = async || {
            let values = values![epoch, settings.lease_millis()];
            ask(&mut client, &settings, RENEW, values).await.unwrap().is_some()
        };
        assert!(renewed().await);
        ask(&mut None, &settings, RELEASE, values![epoch]).await.unwrap();
        assert!(!renewed().await);
        let next = ask_for(&settings, &mut client, "b").await.unwrap();
        assert!(matches!(next, Asked::Taken(Taken { epoch: 4, .. })), "{next:?}");
        // A gateway that stands by can be stopped.
        let stopped = std::pin::pin!(std::future::ready(()));
        let stood_by = Lease::wait(Arc::new(settings), Arc::default(), stopped).await;
        assert!(matches!(stood_by, Err(StoreError::Closed)), "{stood_by:?}");
    }
}
