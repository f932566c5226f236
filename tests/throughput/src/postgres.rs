//! Measures gateways that share a store in PostgreSQL, beside one with SQLite, and what an event costs the database. In each round,
//! all of them are measured in turn, each with a new store.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Result;
use crate::function::Functions;
use crate::load::{Load, Requests, wrk_on};
use crate::programs::{Gateway, cpu_of_all};
use crate::server::Postgres;
use crate::table::median;

const ROUNDS: usize = 3;
const SECONDS: u64 = 5;

/// The load comes over this many connections in all, from as many clients as there are subscribed functions.
const CONNECTIONS: u32 = 64;
const FUNCTIONS: usize = 4;

/// The numbers of gateways with a store in PostgreSQL.
const GATEWAYS: [usize; 3] = [1, 2, 4];

/// How long accepted events may take to be delivered.
const PATIENCE: Duration = Duration::from_secs(120);

/// What one kind of load has cost, for each event or request.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    per_second: f64,
    p50: f64,
    p99: f64,
    /// Processor time of all gateways, in microseconds.
    gateways: f64,
    database: Database,
}

/// What the database has done, for each event.
#[derive(Debug, Clone, Copy, Default)]
struct Database {
    /// Processor time, in microseconds.
    cpu: f64,
    wal: f64,
    transactions: f64,
    statements: f64,
}

/// The three kinds of load on the same gateways.
#[derive(Debug, Clone, Copy, Default)]
struct Measured {
    answered: Cost,
    accepted: Cost,
    delivered: Cost,
}

pub async fn print(program: &Path) -> Result<()> {
    let server = Postgres::start().ok_or("no PostgreSQL; apt-get install postgresql")?;
    // The server of the tests forgets when the machine stops, and has little memory.
    for setting in [
        "fsync = on",
        "full_page_writes = on",
        "shared_buffers = '512MB'",
        "max_wal_size = '8GB'",
        "shared_preload_libraries = 'pg_stat_statements'",
    ] {
        server.sql("postgres", &format!("ALTER SYSTEM SET {setting}"));
    }
    server.stop(false);
    server.resume();
    let functions = Functions::start().await?;
    let mut sqlite = Vec::new();
    let mut postgres = GATEWAYS.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        let dir = tempfile::tempdir()?;
        let gateway = Gateway::start(Command::new(program), &dir.path().join("data"))?;
        sqlite.push(measure(&[gateway], &functions, None).await?);
        for (number, measured) in GATEWAYS.into_iter().zip(&mut postgres) {
            let url = server.database();
            server.sql(&url, "CREATE EXTENSION pg_stat_statements");
            let gateways = (0..number).map(|_| Gateway::with_database(program, &url));
            let gateways = gateways.collect::<Result<Vec<_>>>()?;
            measured.push(measure(&gateways, &functions, Some((&server, &url))).await?);
            gateways.into_iter().try_for_each(Gateway::end)?;
        }
    }
    table(&sqlite, &postgres);
    Ok(())
}

async fn measure(
    gateways: &[Gateway],
    functions: &Functions,
    database: Option<(&Postgres, &str)>,
) -> Result<Measured> {
    let first = &gateways[0];
    first.serve(functions).await?;
    for number in 0..FUNCTIONS {
        let url = format!("{}/answer", functions.url);
        first.subscribe(&format!("f{number}"), &url, "e", &format!("/f{number}")).await?;
    }
    let meter = Meter { gateways, database };
    let answered = meter.under(Kind::Answered).await?;
    let accepted = meter.under(Kind::Accepted).await?;
    let delivered = meter.under(Kind::Delivered).await?;
    Ok(Measured { answered, accepted, delivered })
}

/// What the requests of a load ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The answer of a function.
    Answered,
    /// Events without subscribers.
    Accepted,
    /// Events with a subscriber.
    Delivered,
}

impl Kind {
    /// Sends the requests of a client to a gateway.
    async fn load(self, gateway: &Gateway, client: usize) -> Result<Load> {
        let connections = CONNECTIONS / u32::try_from(FUNCTIONS)?;
        let path = match self {
            Self::Answered => "/answer".to_owned(),
            Self::Accepted => "/".to_owned(),
            Self::Delivered => format!("/f{client}"),
        };
        let (url, ids) = (format!("{}{path}", gateway.events), format!("{self:?}-{client}-"));
        let requests = if self == Self::Answered { Requests::Get } else { Requests::Events(&ids, 1) };
        wrk_on(connections, &url, requests, SECONDS).await
    }
}

struct Meter<'a> {
    gateways: &'a [Gateway],
    database: Option<(&'a Postgres, &'a str)>,
}

/// What was used up to a moment.
struct Reading {
    gateways: f64,
    database: Database,
    delivered: u64,
}

impl Meter<'_> {
    /// Measures a load of several clients, each of which talks to one gateway, and what follows from it.
    async fn under(&self, kind: Kind) -> Result<Cost> {
        let before = self.read().await?;
        let began = Instant::now();
        let gateways = self.gateways.iter().cycle().take(FUNCTIONS);
        let clients = gateways.enumerate().map(|(client, gateway)| kind.load(gateway, client));
        let loads: Vec<Load> = futures_util::future::try_join_all(clients).await?;
        let done: u64 = loads.iter().map(|load| load.requests - load.failed).sum();
        let delivers = kind == Kind::Delivered;
        if delivers {
            self.idle().await?;
        }
        let seconds = began.elapsed().as_secs_f64();
        let after = self.read().await?;
        let delivered = after.delivered - before.delivered;
        if delivers && delivered < done {
            return Err(format!("{done} acknowledged, {delivered} delivered").into());
        }
        let events = if delivers { delivered } else { done } as f64;
        let per_event = |before: f64, after: f64| (after - before) / events;
        let [old, new] = [before.database, after.database];
        let slowest = |of: fn(&Load) -> f64| loads.iter().map(of).fold(0.0, f64::max);
        Ok(Cost {
            per_second: events / seconds,
            p50: median(loads.iter().map(|load| load.p50)),
            p99: slowest(|load| load.p99),
            gateways: per_event(before.gateways, after.gateways),
            database: Database {
                cpu: per_event(old.cpu, new.cpu),
                wal: per_event(old.wal, new.wal),
                transactions: per_event(old.transactions, new.transactions),
                statements: per_event(old.statements, new.statements),
            },
        })
    }

    async fn read(&self) -> Result<Reading> {
        let gateways = self.gateways.iter().map(Gateway::cpu).sum::<Result<f64>>()?;
        let delivered = self.gateways[0].delivered().await?;
        let database = self.database.map_or(Ok(Database::default()), |(server, url)| read(server, url))?;
        Ok(Reading { gateways, database, delivered })
    }

    async fn idle(&self) -> Result<()> {
        let began = Instant::now();
        while self.gateways[0].backlog().await? > 0 {
            if began.elapsed() > PATIENCE {
                return Err("deliveries do not come to an end".into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

fn read(server: &Postgres, url: &str) -> Result<Database> {
    let file = server.sql(url, "SELECT pg_read_file('postmaster.pid')");
    let process = file.lines().next().unwrap_or_default().trim().parse()?;
    let name = url.rsplit('/').next().unwrap_or_default();
    let counted = server.sql(
        url,
        &format!(
            "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0'), xact_commit,
                    (SELECT sum(calls) FROM pg_stat_statements s WHERE s.dbid = d.datid)
             FROM pg_stat_database d WHERE datname = '{name}'"
        ),
    );
    let numbers: Vec<f64> = counted.split('|').map(str::parse).collect::<std::result::Result<_, _>>()?;
    let [wal, transactions, statements] = numbers[..] else { return Err(counted.into()) };
    Ok(Database { cpu: cpu_of_all(process)?, wal, transactions, statements })
}

fn table(sqlite: &[Measured], postgres: &[Vec<Measured>; 3]) {
    println!(
        "| | per second | of SQLite | p50 ms | p99 ms | gateways µs | database µs | WAL bytes | transactions | statements |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    );
    let kinds: [(&str, fn(&Measured) -> Cost); 3] = [
        ("`GET` (sync `http.request`)", |measured| measured.answered),
        ("event on disk (202)", |measured| measured.accepted),
        ("event accepted and delivered", |measured| measured.delivered),
    ];
    for (kind, of) in kinds {
        let rate = |measured: &[Measured]| median(measured.iter().map(|one| of(one).per_second));
        let base = rate(sqlite);
        let stores = std::iter::once(("SQLite".to_owned(), sqlite));
        let stores = stores.chain(GATEWAYS.iter().zip(postgres).map(|(number, measured)| {
            let plural = if *number > 1 { "s" } else { "" };
            (format!("PostgreSQL, {number} gateway{plural}"), measured.as_slice())
        }));
        for (store, measured) in stores {
            let figure = |figure: fn(Cost) -> f64| median(measured.iter().map(|one| figure(of(one))));
            println!(
                "| {kind}: {store} | {:.0} | {:.2} × | {:.1} | {:.1} | {:.0} | {:.0} | {:.0} | {:.3} | {:.2} |",
                rate(measured),
                rate(measured) / base,
                figure(|cost| cost.p50),
                figure(|cost| cost.p99),
                figure(|cost| cost.gateways),
                figure(|cost| cost.database.cpu),
                figure(|cost| cost.database.wal),
                figure(|cost| cost.database.transactions),
                figure(|cost| cost.database.statements),
            );
        }
    }
}
