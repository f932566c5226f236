//! Gateways with a store in PostgreSQL, one or several at the same time.

mod crash;
mod engine;
mod feed;
mod moving;
mod outage;
mod ownership;
mod partition;

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use eg_gateway::{Gateway, Options};
use eg_tests::postgres::Postgres;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Method;

use crate::process::{PROGRAM, Program};
use crate::support::{Answer, Functions, PATIENCE, TestGateway, options};

/// The command of a gateway with the store at `url`.
fn command(url: &str, lease: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args([
        "-events-port=0",
        "-config-port=0",
        "--allow-target=127.0.0.0/8",
        "--retry-min-backoff=1ms",
    ]);
    command.args(["--store-lease", lease]).env("EVENT_GATEWAY_STORE", url);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
    command
}

/// Returns how many gateways work with the store.
fn gateways(server: &Postgres, url: &str) -> u32 {
    server.sql(url, "SELECT count(*) FROM gateways").parse().unwrap()
}

/// Waits until so many gateways work with the store.
fn until_gateways(server: &Postgres, url: &str, number: u32) {
    let deadline = Instant::now() + PATIENCE;
    while gateways(server, url) != number {
        assert!(Instant::now() < deadline, "{} gateways", gateways(server, url));
        std::thread::sleep(Duration::from_millis(10));
    }
}

async fn set_up(program: &Program, functions: &Functions) {
    program.api.event_type("e").await;
    program.api.http_function("f", &functions.url("/")).await;
    program.api.subscribe("e", "f").await;
}

/// It was waited for, as a database that is away for a while is.
#[test]
fn a_host_without_an_address_ends_the_start() {
    let mut program = command("postgres://u:secret@nowhere.invalid/d", "1s").spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while program.try_wait().unwrap().is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    // Fails if it has ended, as it should have.
    let _ = program.kill();
    let output = program.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    let reason = "host `nowhere.invalid` has no address (";
    assert!(error.contains(reason) && !error.contains("secret"), "{error}");
}

/// The promise behind a 202, across gateways: what is under way when one dies is delivered by another.
#[tokio::test]
async fn what_a_gateway_had_under_way_that_dies_goes_on_elsewhere() {
    let Some(server) = Postgres::shared() else { return };
    let alive = Arc::new(AtomicBool::new(false));
    let answering = Arc::clone(&alive);
    let mut functions = Functions::start(move |_| {
        if answering.load(Ordering::SeqCst) { Answer::Http(200, String::new()) } else { Answer::Never }
    })
    .await;
    let url = server.database();
    let mut first = Program::spawn(command(&url, "1s"));
    set_up(&first, &functions).await;
    for id in ["a", "b", "c"] {
        first.api.emit("e", id).await;
    }
    functions.next_call().await;
    let second = Program::spawn(command(&url, "1s"));
    // It works at once.
    second.api.emit("e", "d").await;
    first.kill();
    let died = Instant::now();
    while functions.try_call().is_some() {}
    alive.store(true, Ordering::SeqCst);
    second.api.wait_for_books("delivered", 4).await;
    assert!(died.elapsed() < Duration::from_secs(10), "{:?}", died.elapsed());
    assert!(second.api.dead_letters().await.is_empty());
    assert_eq!(gateways(server, &url), 1);
}

#[tokio::test]
async fn a_gateway_that_stops_leaves_its_work_to_the_others_at_once() {
    let Some(server) = Postgres::shared() else { return };
    let working = Arc::new(AtomicBool::new(false));
    let answering = Arc::clone(&working);
    let functions = Functions::start(move |_| {
        Answer::Http(if answering.load(Ordering::SeqCst) { 200 } else { 500 }, String::new())
    })
    .await;
    let url = server.database();
    let mut stopping = Program::spawn(command(&url, "60s"));
    set_up(&stopping, &functions).await;
    let other = Program::spawn(command(&url, "60s"));
    for id in 0..20 {
        stopping.api.emit("e", &id.to_string()).await;
    }
    stopping.terminate();
    assert_eq!(stopping.wait().code(), Some(0));
    assert_eq!(gateways(server, &url), 1);
    working.store(true, Ordering::SeqCst);
    let stopped = Instant::now();
    other.api.wait_for_books("delivered", 20).await;
    assert!(stopped.elapsed() < PATIENCE, "{:?}", stopped.elapsed());
    // One that waits for its database stops when it is told to.
    let waiting = command("postgres://nobody@127.0.0.1:1/nothing", "60s").spawn().unwrap();
    let mut waiting = crate::process::Running(waiting);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut log = std::io::BufReader::new(waiting.0.stderr.take().unwrap());
            let mut line = String::new();
            while !line.contains("trying again") {
                line.clear();
                assert_ne!(std::io::BufRead::read_line(&mut log, &mut line).unwrap(), 0, "it does not wait");
            }
        });
    });
    signal(waiting.0.id(), "TERM");
    let ended = waiting.0.wait().unwrap();
    assert_eq!((ended.code(), ended.signal()), (Some(0), None));
}

/// Each accepts, delivers, and answers about everything.
#[tokio::test]
async fn all_gateways_are_equal() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let mut functions = Functions::start(|call| match call.json()["id"] == "bad" {
        true => Answer::Http(400, "no".to_owned()),
        false => Answer::Http(200, String::new()),
    })
    .await;
    let programs: Vec<Program> = (0..3).map(|_| Program::spawn(command(&url, "8s"))).collect();
    let api = |number: usize| &programs[number % programs.len()].api;
    const FUNCTIONS: usize = 12;
    // What one of them has answered is in force at the others.
    api(0).event_type("e").await;
    let mut subscriptions = Vec::new();
    for function in 0..FUNCTIONS {
        let id = format!("f{function}");
        api(function).http_function(&id, &functions.url(&format!("/{id}"))).await;
        subscriptions.push(api(function + 1).subscribe("e", &id).await);
    }
    let emitted = (0..60).map(|number| async move {
        let id = if number == 59 { "bad".to_owned() } else { number.to_string() };
        api(number).emit("e", &id).await;
    });
    futures_util::future::join_all(emitted).await;
    // The same event again, at another gateway.
    assert_eq!(api(1).try_emit("e", "0").await.unwrap().status(), 202);
    for program in &programs {
        program.api.wait_for_books("delivered", 59 * FUNCTIONS as u64).await;
        assert_eq!(program.api.wait_for_dead_letters(FUNCTIONS).await.len(), FUNCTIONS);
    }
    let mut calls = 0;
    while functions.try_call().is_some() {
        calls += 1;
    }
    assert_eq!(calls, 60 * FUNCTIONS, "each delivery is attempted once");
    // Each made some of the calls.
    let owners = server.sql(&url, "SELECT count(DISTINCT owner) FROM deliveries");
    assert_eq!(owners, "3");
    let metrics = api(1).client.get(format!("{}/v1/metrics", api(1).config)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let value = |name: &str| -> f64 {
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{name} is not in {metrics}")).parse().unwrap()
    };
    assert_eq!(value("eventgateway_gateways"), 3.0);
    assert!(value("eventgateway_store_behind_seconds") < 10.0);
    let connections =
        ["busy", "idle"].map(|state| value(&format!("eventgateway_store_connections{{state=\"{state}\"}}")));
    assert!((1.0..=6.0).contains(&connections.iter().sum()), "{connections:?}");
    assert_eq!(value("eventgateway_store_queries_waiting"), 0.0);
    // A job that one of them begins, whichever runs it.
    let (status, body) = api(2).config(Method::POST, "default/dead-letters/redrive", "").await;
    assert_eq!((status, body.as_str()), (202, "{\"redriven\":12,\"skipped\":0}\n"));
    for _ in 0..FUNCTIONS {
        assert_eq!(functions.next_call().await.json()["id"], "bad");
    }
    api(1).wait_for_dead_letters(FUNCTIONS).await;
    // Nobody is called any more by a subscription whose deletion was answered.
    for id in &subscriptions {
        let (status, body) = api(1).config(Method::DELETE, &format!("default/subscriptions/{id}"), "").await;
        assert_eq!(status, 204, "{body}");
    }
    for number in 0..9 {
        api(number).emit("e", &format!("nobody {number}")).await;
    }
    let accepted = api(0).accounting().await["accepted"].clone();
    assert_eq!(accepted, 60 * FUNCTIONS);
}

fn signal(process: u32, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status().unwrap();
    assert!(status.success());
}

/// A gateway that was away for longer than its lease must not believe that it still works.
#[tokio::test]
async fn a_gateway_that_was_paused_stores_nothing_any_more() {
    let Some(server) = Postgres::shared() else { return };
    let functions = Functions::accepting().await;
    let url = server.database();
    let mut paused = Program::spawn(command(&url, "1s"));
    set_up(&paused, &functions).await;
    let active = Program::spawn(command(&url, "1s"));
    signal(paused.id(), "STOP");
    until_gateways(server, &url, 1);
    active.api.emit("e", "a").await;
    // It is sent while the gateway is paused, which reads it as soon as it goes on.
    let late = tokio::spawn({
        let api = paused.api.clone();
        async move { api.try_emit("e", "late").await.map(|answer| answer.status().as_u16()) }
    });
    signal(paused.id(), "CONT");
    let late = late.await.unwrap();
    assert!(!matches!(late, Ok(202)), "{late:?}");
    assert_eq!(paused.wait().code(), Some(8));
    active.api.wait_for_books("delivered", 1).await;
    assert_eq!(active.api.accounting().await["accepted"], 1);
}

/// Another gateway makes its calls by then.
#[tokio::test]
async fn a_gateway_that_was_paused_begins_no_calls() {
    let Some(server) = Postgres::shared() else { return };
    let works = Arc::new(AtomicBool::new(false));
    let working = Arc::clone(&works);
    let mut functions = Functions::start(move |_| {
        let status = if working.load(Ordering::SeqCst) { 200 } else { 500 };
        Answer::Http(status, "{}".to_owned())
    })
    .await;
    let url = server.database();
    let mut paused = Program::spawn(command(&url, "1s"));
    set_up(&paused, &functions).await;
    paused.api.event_type("http.request").await;
    let route = serde_json::json!({
        "type": "sync", "eventType": "http.request", "functionId": "f", "path": "/asked", "method": "POST"
    });
    paused.api.create("subscriptions", route).await;
    // Their next attempts are due while it is paused.
    for id in ["a", "b", "c"] {
        paused.api.emit("e", id).await;
        functions.next_call().await;
    }
    let active = Program::spawn(command(&url, "1s"));
    signal(paused.id(), "STOP");
    until_gateways(server, &url, 1);
    works.store(true, Ordering::SeqCst);
    active.api.wait_for_books("delivered", 3).await;
    while functions.try_call().is_some() {}
    // It reads the request as soon as it goes on.
    let asked = tokio::spawn({
        let asked = format!("{}/asked", paused.api.events.trim_end_matches('/'));
        let request = paused.api.client.post(asked);
        async move { request.send().await.map(|answer| answer.status().as_u16()) }
    });
    signal(paused.id(), "CONT");
    let asked = asked.await.unwrap();
    assert!(!matches!(asked, Ok(200)), "{asked:?}");
    assert_eq!(paused.wait().code(), Some(8));
    let call = functions.try_call();
    assert!(call.is_none(), "it called a function: {:?}", call.map(|call| call.path));
}

/// Somebody who names a directory means it, whatever the environment says.
#[tokio::test]
async fn a_directory_counts_more_than_the_variable() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut command = command("postgres://nobody@localhost:1/nothing", "8s");
    command.arg("--embed-data-dir").arg(&data);
    let program = Program::spawn(command);
    program.api.event_type("e").await;
    assert!(data.exists());
}

/// Its row kept changes of the configuration waiting until its lease had run out.
#[tokio::test]
async fn a_start_that_fails_keeps_nothing() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(&dir);
    options.store = Some(url.parse().unwrap());
    options.store_lease = Duration::from_secs(60);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut refused = options.clone();
    refused.events_addr = taken.local_addr().unwrap().into();
    let error = Gateway::start(refused).await.err().unwrap();
    assert!(matches!(error, eg_gateway::StartError::PortInUse { .. }), "{error}");
    let gateway = tokio::time::timeout(PATIENCE, Gateway::start(options)).await.expect("in time").unwrap();
    gateway.shutdown().await;
}

/// The history, the jobs and the configuration of one gateway are those of the next.
#[tokio::test]
async fn a_gateway_in_this_process_continues_with_the_store() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let change = |options: &mut Options| options.store = Some(url.parse().unwrap());
    let functions = Functions::start(|_| Answer::Http(400, "no".to_owned())).await;
    let gateway = TestGateway::with(change).await;
    gateway.api.event_type("e").await;
    gateway.api.http_function("f", &functions.url("/")).await;
    gateway.api.subscribe("e", "f").await;
    gateway.api.emit("e", "a").await;
    assert_eq!(gateway.api.wait_for_dead_letters(1).await[0]["eventId"], "a");
    let backup = gateway.api.client.post(format!("{}/v1/backup", gateway.api.config)).send().await.unwrap();
    let (status, body) = (backup.status().as_u16(), backup.text().await.unwrap());
    assert!(crate::support::error(status, &body).message.contains("pg_dump"), "{body}");
    let gateway = gateway.restart_with(change).await;
    assert_eq!(gateway.api.dead_letters().await.len(), 1);
    assert!(!gateway.dir.path().join("data").exists(), "nothing is left on this machine's disk");
    gateway.gateway.shutdown().await;
}

/// A pool gives each transaction another connection to the database, so nothing may be left in one.
#[tokio::test]
async fn a_pool_between_gateway_and_database_changes_nothing() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database();
    let Some((_pool, url)) = server.pooled(&database) else { return };
    let functions = Functions::start(|call| match call.json()["id"] == "bad" {
        true => Answer::Http(400, "no".to_owned()),
        false => Answer::Http(200, String::new()),
    })
    .await;
    let mut active = Program::spawn(command(&url, "1s"));
    set_up(&active, &functions).await;
    let ids: Vec<String> = (0..200).map(|id| format!("good-{id}")).collect();
    let emitted = ids.iter().map(|id| active.api.emit("e", id));
    futures_util::future::join_all(emitted).await;
    active.api.emit("e", "bad").await;
    active.api.wait_for_books("delivered", 200).await;
    assert_eq!(active.api.wait_for_dead_letters(1).await[0]["eventId"], "bad");
    // Its transactions come through other connections of the pool; the lease is a row all the same.
    let other = Program::spawn(command(&database, "1s"));
    assert_eq!(gateways(server, &database), 2);
    active.kill();
    other.api.emit("e", "after").await;
    other.api.wait_for_books("delivered", 201).await;
    assert_eq!(other.api.dead_letters().await.len(), 1);
    until_gateways(server, &database, 1);
}

/// Somebody between the gateway and the database sees nothing, and cannot take the place of the database.
#[tokio::test]
async fn connections_are_encrypted_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (root, wrong) = (dir.path().join("root.pem"), dir.path().join("wrong.pem"));
    std::fs::write(&root, cert.pem()).unwrap();
    std::fs::write(&wrong, other.cert.pem()).unwrap();
    let Some(server) = Postgres::start() else { return };
    server.use_tls(&cert.pem(), &signing_key.serialize_pem());
    let url = server.over_tcp(&server.database());
    let start = async |parameters: String| {
        let mut options = options(&dir);
        options.store = Some(format!("{url}?{parameters}").parse().unwrap());
        let started = tokio::time::timeout(Duration::from_secs(4), Gateway::start(options)).await;
        started.map(|started| started.map_err(|error| error.to_string()))
    };
    let with = |file: &std::path::Path| format!("sslmode=verify-full&sslrootcert={}", file.display());
    let gateway = start(with(&root)).await.expect("in time").unwrap();
    let encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name = 'event-gateway'";
    assert_eq!(server.sql("postgres", encrypted), "t");
    gateway.shutdown().await;
    let refused = start(with(&wrong)).await.expect("in time").unwrap_err();
    assert!(refused.contains("certificate"), "{refused}");
    let refused = start(String::from("sslmode=disable&password=wrong")).await.expect("in time").unwrap_err();
    assert!(refused.contains("password authentication failed"), "{refused}");
}
