//! Some of several gateways, or all, cannot reach the database, and come back.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use eg_gateway::StoreError;
use eg_tests::postgres::Postgres;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Api, Functions, PATIENCE, TestGateway, error};

const LEASE: Duration = Duration::from_secs(1);

/// A network between gateways and the database. While it is cut, it swallows what is sent.
#[derive(Debug, Default)]
struct Network {
    is_cut: AtomicBool,
}

impl Network {
    /// Returns it with the URL of the database behind it.
    async fn to(server: &Postgres, database: &str) -> (Arc<Self>, String) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (from, to) = (server.port, listener.local_addr().unwrap().port());
        let url = server.over_tcp(database).replace(&format!(":{from}/"), &format!(":{to}/"));
        let network = Arc::<Self>::default();
        let passing = Arc::clone(&network);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, from)).await.unwrap();
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(Arc::clone(&passing).pass(from_client, to_server));
                tokio::spawn(Arc::clone(&passing).pass(from_server, to_client));
            }
        });
        (network, url)
    }

    async fn pass(self: Arc<Self>, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let mut chunk = vec![0; 65_536];
        while let Ok(read @ 1..) = from.read(&mut chunk).await {
            if !self.is_cut.load(Ordering::SeqCst) && to.write_all(&chunk[..read]).await.is_err() {
                return;
            }
        }
    }

    fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
    }
}

async fn start(url: &str) -> TestGateway {
    TestGateway::with(|options| {
        options.store = Some(url.parse().unwrap());
        options.store_lease = LEASE;
    })
    .await
}

/// Functions that are spread over the gateways, so that each makes calls.
async fn set_up(api: &Api, functions: &Functions) {
    api.event_type("e").await;
    for function in 0..8 {
        let id = format!("f{function}");
        api.http_function(&id, &functions.url(&format!("/{id}"))).await;
        api.subscribe("e", &id).await;
    }
}

/// Emits until the gateway answers like this.
async fn until_answer(api: &Api, name: &str, status: u16) -> reqwest::Response {
    let deadline = Instant::now() + PATIENCE;
    for number in 0.. {
        let answer = api.try_emit("e", &format!("{name} {number}")).await.unwrap();
        if answer.status() == status {
            return answer;
        }
        assert!(Instant::now() < deadline, "{} instead of {status}", answer.status());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    unreachable!()
}

async fn until_nothing_waits(api: &Api) {
    let deadline = Instant::now() + PATIENCE;
    while api.accounting().await["pending"] != 0 {
        assert!(Instant::now() < deadline, "{}", api.accounting().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let books = api.accounting().await;
    assert_eq!((&books["balanced"], &books["dead"]), (&json!(true), &json!(0)), "{books}");
}

fn gateways(server: &Postgres, url: &str) -> String {
    server.sql(url, "SELECT count(*) FROM gateways")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_others_go_on_without_a_gateway_that_is_cut_off() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let (network, through) = Network::to(server, &url).await;
    let functions = Functions::accepting().await;
    let (cut_off, one, other) = (start(&through).await, start(&url).await, start(&url).await);
    set_up(&one.api, &functions).await;
    for (number, gateway) in [&cut_off, &one, &other].into_iter().cycle().take(12).enumerate() {
        gateway.api.emit("e", &format!("before {number}")).await;
    }
    until_nothing_waits(&one.api).await;

    network.cut(true);
    let refused = until_answer(&cut_off.api, "cut off", 503).await;
    assert_eq!(refused.headers()["retry-after"], "1");
    error(503, &refused.text().await.unwrap());
    for number in 0..12 {
        [&one, &other][number % 2].api.emit("e", &format!("meanwhile {number}")).await;
    }
    // Also those whose gateway is gone.
    until_nothing_waits(&one.api).await;
    // Nobody waits for it any longer than for its lease.
    let began = Instant::now();
    one.api.event_type("another").await;
    assert!(began.elapsed() < 5 * LEASE, "{:?}", began.elapsed());
    assert_eq!(gateways(server, &url), "2");

    network.cut(false);
    let why = tokio::time::timeout(PATIENCE, cut_off.gateway.failed()).await.expect("it hears of it");
    assert!(matches!(why, StoreError::LeaseLost), "{why}");
    let refused = until_answer(&cut_off.api, "removed", 503).await;
    assert!(refused.text().await.unwrap().contains("other gateways have taken over"));
    // What it has accepted is delivered, and what it has refused is not there.
    until_nothing_waits(&one.api).await;
    drop(cut_off);
    for gateway in [one, other] {
        gateway.gateway.shutdown().await;
    }
    assert_eq!(gateways(server, &url), "0");
}

/// All leases have run out by then, and each gateway could take the others for dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_gateways_go_on_when_the_database_is_back() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let (network, through) = Network::to(server, &url).await;
    let functions = Functions::accepting().await;
    let gateways_here = [start(&through).await, start(&through).await, start(&through).await];
    set_up(&gateways_here[0].api, &functions).await;
    network.cut(true);
    for gateway in &gateways_here {
        until_answer(&gateway.api, "away", 503).await;
    }
    tokio::time::sleep(3 * LEASE).await;
    network.cut(false);
    for (number, gateway) in gateways_here.iter().enumerate() {
        until_answer(&gateway.api, &format!("back {number}"), 202).await;
    }
    // For longer than it takes to remove somebody.
    let until = Instant::now() + 3 * LEASE;
    let mut number = 0;
    while Instant::now() < until {
        number += 1;
        gateways_here[number % 3].api.emit("e", &format!("after {number}")).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(gateways(server, &url), "3");
    until_nothing_waits(&gateways_here[0].api).await;
}

/// Clients that hold connections until they are dropped.
struct Crowd(Vec<Child>);

impl Crowd {
    /// Takes so many connections, if so many are left.
    fn take(server: &Postgres, number: usize) -> Self {
        let hold = || {
            let mut psql = Command::new("psql");
            // It waits for commands.
            psql.args(["-X", "-q", "-d", &server.over_tcp("x/postgres")]);
            psql.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        Self((0..number).map(|_| hold()).collect())
    }

    /// Runs a command over the first connection.
    fn run(&mut self, sql: &str) {
        let input = self.0[0].stdin.as_mut().unwrap();
        writeln!(input, "{sql};").unwrap();
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for client in &mut self.0 {
            let _ = client.kill();
            let _ = client.wait();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_take_all_connections() {
    let Some(server) = Postgres::start() else { return };
    server.sql("postgres", "ALTER SYSTEM SET max_connections = 25");
    server.stop(false);
    server.resume();
    let url = server.database();
    let functions = Functions::accepting().await;
    let gateway = start(&url).await;
    set_up(&gateway.api, &functions).await;
    gateway.api.emit("e", "before").await;
    until_nothing_waits(&gateway.api).await;
    let mut operator = Crowd::take(&server, 1);
    let connected =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = 'postgres' AND client_addr IS NOT NULL";
    let deadline = Instant::now() + PATIENCE;
    while server.sql("postgres", connected) == "0" {
        assert!(Instant::now() < deadline, "the operator is not connected");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let crowd = Crowd::take(&server, 40);
    // The gateway needs new connections, and gets none.
    let refused = loop {
        let name = url.rsplit('/').next().unwrap();
        operator.run(&format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'"
        ));
        let answer = gateway.api.try_emit("e", "meanwhile").await.unwrap();
        if answer.status() == 503 {
            break answer.text().await.unwrap();
        }
        assert!(Instant::now() < deadline, "it still has connections");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    error(503, &refused);
    drop(crowd);
    until_answer(&gateway.api, "after", 202).await;
    until_nothing_waits(&gateway.api).await;
    gateway.gateway.shutdown().await;
}
