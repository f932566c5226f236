//! Creates the tables, and changes those of older versions. Whoever starts first does it.

use std::time::Duration;

use super::StoreError;
use super::faults::Failure;
use super::settings::Settings;

mod embedded {
    refinery::embed_migrations!("src/store/postgres/migrations");
}

/// How often a migration is tried that collides with the same one of another gateway.
const TRIES: usize = 5;

/// The pause after a migration has failed, and after the database could not be reached.
const PAUSE: Duration = Duration::from_millis(500);

/// Runs the migrations that the database does not have yet, and waits for the database if it cannot be reached.
///
/// # Errors
/// Fails if the database is of a newer version, or would lose what it has committed.
pub(super) async fn run(settings: &Settings) -> Result<(), StoreError> {
    let mut tries = 0;
    loop {
        let error = match migrate(settings).await {
            Ok(()) => return Ok(()),
            Err(Failure::Disconnected(error)) => error,
            Err(Failure::Collided(error)) if tries < TRIES => {
                tries += 1;
                error
            }
            Err(Failure::Collided(error)) => return Err(StoreError::Failed(error)),
            Err(failure) => return Err(failure.into()),
        };
        tracing::warn!(error, "cannot prepare the database of the store; trying again");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn migrate(settings: &Settings) -> Result<(), Failure> {
    let (mut client, _driver) = settings.connect().await?;
    let durable = client.query_typed("SELECT current_setting('synchronous_commit', true)", &[]).await?;
    let durable: Option<&str> = durable.first().and_then(|row| row.get(0));
    if durable == Some("off") {
        let reason = "`synchronous_commit` is off, so the database would lose events that it has accepted; turn it on for the \
            role of the gateway: ALTER ROLE … SET synchronous_commit = on";
        return Err(StoreError::Failed(reason.to_owned()).into());
    }
    let migrations = embedded::migrations::runner().set_grouped(true);
    match migrations.run_async(&mut client).await {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.kind() {
            refinery::error::Kind::MissingVersion(_) | refinery::error::Kind::DivergentVersion(..) => {
                let reason = format!(
                    "the database was written by another version of the gateway: {error}; use a newer gateway"
                );
                StoreError::Failed(reason).into()
            }
            _ if client.is_closed() => Failure::Disconnected(error.to_string()),
            // Also if another gateway has just created the same tables.
            _ => Failure::Collided(error.to_string()),
        }),
    }
}
