//! Creates the tables, and changes those of older versions. Each migration is one transaction, so if several gateways begin with
//! the same one, the others find it done. Gateways that work meanwhile may be of the version before, so a migration only adds.

use std::error::Error;
use std::time::Duration;

use refinery::Target;
use refinery::error::Kind;

use super::StoreError;
use super::faults::Failure;
use super::settings::Settings;

mod embedded {
    refinery::embed_migrations!("src/store/postgres/migrations");
}

/// The tables that a gateway needs to join the others.
const GATEWAYS: &str = include_str!("gateways.sql");

/// How often a migration is tried that collides with the same one of another gateway.
const TRIES: usize = 5;

/// The pause after a migration has failed, and after the database could not be reached.
const PAUSE: Duration = Duration::from_millis(500);

/// What is to be done to a database.
#[derive(Debug, Clone, Copy)]
enum Step {
    Prepare,
    Migrate,
}

/// Prepares what a gateway needs to join the others, and waits for the database if it cannot be reached.
///
/// # Errors
/// Fails if the database is of a newer version, or would lose what it has committed.
pub(super) async fn prepare(settings: &Settings) -> Result<(), StoreError> {
    persist(settings, Step::Prepare).await
}

/// Runs the migrations that the database does not have yet, and waits for the database if it cannot be reached.
///
/// # Errors
/// Fails if the database is of a newer version.
pub(super) async fn run(settings: &Settings) -> Result<(), StoreError> {
    persist(settings, Step::Migrate).await
}

/// Tries a step until the database can be reached.
async fn persist(settings: &Settings, step: Step) -> Result<(), StoreError> {
    let mut tries = 0;
    loop {
        let error = match carry_out(settings, step).await {
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

async fn carry_out(settings: &Settings, step: Step) -> Result<(), Failure> {
    let (mut client, _driver) = settings.connect().await?;
    if let Step::Migrate = step {
        return migrate(&mut client, Target::Latest).await;
    }
    let durable = client.query_typed("SELECT current_setting('synchronous_commit', true)", &[]).await?;
    let durable: Option<&str> = durable.first().and_then(|row| row.get(0));
    if durable == Some("off") {
        let reason = "`synchronous_commit` is off, so the database would lose events that it has accepted; turn it on for the \
            role of the gateway: ALTER ROLE … SET synchronous_commit = on";
        return Err(StoreError::Failed(reason.to_owned()).into());
    }
    // This only compares the versions.
    migrate(&mut client, Target::Version(0)).await?;
    client.batch_execute(GATEWAYS).await.map_err(|error| collided(error.into()))
}

async fn migrate(client: &mut tokio_postgres::Client, target: Target) -> Result<(), Failure> {
    let migrations = embedded::migrations::runner().set_grouped(true).set_target(target);
    let Err(error) = migrations.run_async(client).await else { return Ok(()) };
    if let Kind::MissingVersion(_) | Kind::DivergentVersion(..) = error.kind() {
        let reason = format!(
            "the database was written by another version of the gateway: {error}; use a newer gateway"
        );
        return Err(StoreError::Failed(reason).into());
    }
    let first: Option<&dyn Error> = error.source();
    let mut causes = std::iter::successors(first, |error| (*error).source());
    let cause = causes.find_map(|error| error.downcast_ref::<tokio_postgres::Error>());
    Err(collided(cause.map_or_else(|| Failure::Refused(error.to_string()), Failure::from)))
}

/// Another gateway may have just created the same tables. Then another try succeeds.
fn collided(failure: Failure) -> Failure {
    match failure {
        Failure::Refused(reason) => Failure::Collided(reason),
        failure => failure,
    }
}
