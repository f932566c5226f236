//! Tests answers that a function sends while it makes them, on every way to a client: from its HTTP server, and through the
//! gateway from a function on Lambda and from one over HTTP. The function waits for files, so no test depends on time.

use std::path::Path;
use std::time::SystemTime;

use eg_sdk::config::{EventType, Function, Provider, Subscription};
use eg_sdk::{EventGateway, Settings};
use eg_tests::app::App;
use eg_tests::program::Program;
use eg_tests::{http, until};
use reqwest::Response;
use tempfile::TempDir;
use tokio::process::Command;

const MIB: usize = 1024 * 1024;

/// A gateway with a service on Lambda, and the same service over HTTP.
struct Ways {
    app: App,
    server: Program,
    /// The names of the ways, and the URLs at which they begin.
    urls: [(&'static str, String); 3],
    _state: TempDir,
}

impl Ways {
    async fn start() -> Self {
        let state = tempfile::tempdir().unwrap();
        let app = App::start(state.path(), &["tests"]).await;
        let mut command = Command::new(env!("CARGO_BIN_EXE_misbehaving"));
        command.env("PORT", "0").env_remove("AWS_LAMBDA_RUNTIME_API").env_remove("RUST_BACKTRACE");
        let server = Program::start("misbehaving", command);
        let plain = server.line("its address", |line| Some(line.split_once("serves ")?.1.to_owned())).await;

        let mut settings = Settings::default();
        settings.url.clone_from(&app.events);
        settings.config_url = Some(app.config.clone());
        "remote".clone_into(&mut settings.space);
        let gateway = EventGateway::with_settings(settings).unwrap();
        let url = format!("{plain}/functions/parts");
        let mut function = Function::new("parts", Provider::Http { url });
        function.stream = true;
        gateway.functions().create(&function).await.unwrap();
        gateway.event_types().create(&EventType::new("http.request")).await.unwrap();
        gateway.subscriptions().create(&Subscription::http("GET", "/parts/:how", "parts")).await.unwrap();

        let remote = format!("{}/spaces/remote", app.events);
        let urls = [
            ("the HTTP server", plain),
            ("a gateway and Lambda", app.events.clone()),
            ("a gateway and HTTP", remote),
        ];
        Self { app, server, urls, _state: state }
    }
}

async fn get(url: &str, how: &str, folder: &Path) -> Response {
    let folder = folder.display().to_string();
    http().get(format!("{url}/parts/{how}")).query(&[("folder", folder)]).send().await.unwrap()
}

/// Returns the first part of an answer, which the function has sent before its second.
async fn first(response: &mut Response) -> String {
    let mut read = String::new();
    while read.len() < "first ".len() {
        read += std::str::from_utf8(&response.chunk().await.unwrap().expect("a first part")).unwrap();
    }
    read
}

/// Returns the rest of an answer, and whether it is complete.
async fn rest(mut response: Response) -> (String, bool) {
    let mut read = String::new();
    loop {
        match response.chunk().await {
            Ok(Some(part)) => read += std::str::from_utf8(&part).unwrap(),
            Ok(None) => return (read, true),
            Err(_) => return (read, false),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_each_part_when_the_function_sends_it() {
    let ways = Ways::start().await;
    for (way, url) in &ways.urls {
        for (how, expected) in [("well", ("second", true)), ("fails", ("", false)), ("panics", ("", false))] {
            let folder = tempfile::tempdir().unwrap();
            let mut response = get(url, how, folder.path()).await;
            assert_eq!(response.status(), 200, "{way}");
            assert_eq!(response.headers()["x-parts"], "2", "{way}");
            assert_eq!(response.headers()["set-cookie"], "a=1", "{way}");
            assert_eq!(first(&mut response).await, "first ", "{way}");
            std::fs::write(folder.path().join("go"), "").unwrap();
            let (read, complete) = rest(response).await;
            assert_eq!((read.as_str(), complete), expected, "{how}, {way}");
        }
    }
    // Its own log has the reason of each failure.
    for program in [&ways.server, &ways.app.program] {
        program.line("the error", |line| line.contains("broke off: the disk is full").then_some(())).await;
        program.line("the panic", |line| line.contains("in the middle").then_some(())).await;
    }
    let events = http().get(format!("{}/events", ways.app.events)).send().await.unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    assert_eq!(events.text().await.unwrap(), "data: first\n\ndata: second\n\n");
    let head = http().head(format!("{}/events", ways.app.events)).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.text().await.unwrap()), (200, String::new()));
    assert_eq!(ways.app.program.interrupt().await, 0);
}

/// Nobody keeps what a client has not read: the function waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_function_waits_for_a_slow_client_and_ends_with_it() {
    let ways = Ways::start().await;
    for (way, url) in &ways.urls {
        let folder = tempfile::tempdir().unwrap();
        let mut response = get(url, "flood", folder.path()).await;
        response.chunk().await.unwrap().expect("a first part");
        let made =
            || -> Option<usize> { std::fs::read_to_string(folder.path().join("made")).ok()?.parse().ok() };
        let (mut last, mut times) = (0, 0);
        until("the function to wait", || {
            let now = made().unwrap_or(last);
            times = if now == last { times + 1 } else { 0 };
            last = now;
            times == 25
        })
        .await;
        assert!(last > 0, "the function has made nothing, {way}");
        assert!(last * 64 * 1024 < 64 * MIB, "{last} parts of 64 KiB, {way}");
        drop(response);
        if *way != "a gateway and Lambda" {
            until("the function to notice", || folder.path().join("left").exists()).await;
        }
    }
    assert_eq!(ways.app.program.interrupt().await, 0);
}

/// Measures how long the first part of an answer takes from the function to the client. `EG_TESTS_STREAMS=1000` measures as
/// many streams.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test -p eg-tests --test it -- --ignored --nocapture how_long_the_first_part_takes"]
async fn how_long_the_first_part_takes() {
    let streams: usize = std::env::var("EG_TESTS_STREAMS").map_or(200, |number| number.parse().unwrap());
    let ways = Ways::start().await;
    println!("| way | p50 µs | p99 µs |\n|---|--:|--:|");
    for (way, url) in &ways.urls {
        let mut took = Vec::new();
        for _ in 0..streams {
            let folder = tempfile::tempdir().unwrap();
            let mut response = get(url, "now", folder.path()).await;
            let part = response.chunk().await.unwrap().expect("a first part");
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros();
            let sent: u128 = std::str::from_utf8(&part).unwrap().parse().unwrap();
            took.push(now.saturating_sub(sent));
            std::fs::write(folder.path().join("go"), "").unwrap();
            rest(response).await;
        }
        took.sort_unstable();
        let (median, late) = (took[took.len() / 2], took[took.len() * 99 / 100]);
        println!("| {way} | {median} | {late} |");
        assert!(median <= 5_000, "{way}: {median} µs");
    }
}
