//! The live feed of several gateways.

use eg_tests::postgres::Postgres;
use reqwest::Response;

use super::{command, set_up};
use crate::process::Program;
use crate::support::{Api, Functions};

async fn watch(api: &Api, after: Option<&str>) -> Response {
    let mut request = api.client.get(format!("{}/v1/feed", api.config));
    if let Some(after) = after {
        request = request.header("last-event-id", after);
    }
    request.send().await.unwrap()
}

/// Reads the feed until it contains all of these texts.
async fn read_until(feed: &mut Response, texts: &[&str]) -> String {
    let mut read = String::new();
    while !texts.iter().all(|text| read.contains(text)) {
        read.push_str(std::str::from_utf8(&feed.chunk().await.unwrap().unwrap()).unwrap());
    }
    read
}

/// Returns the ids of the entries of a feed.
fn ids(read: &str) -> Vec<&str> {
    read.lines().filter_map(|line| line.strip_prefix("id: ")).collect()
}

#[tokio::test]
async fn watchers_see_what_happens_at_all_gateways() {
    let Some(server) = Postgres::shared() else { return };
    let functions = Functions::accepting().await;
    let url = server.database();
    let mut programs: Vec<Program> = (0..3).map(|_| Program::spawn(command(&url, "8s"))).collect();
    set_up(&programs[0], &functions).await;
    let stored = || server.sql(&url, "SELECT count(*) FROM feed");
    programs[0].api.emit("e", "unwatched").await;
    programs[0].api.wait_for_books("delivered", 1).await;
    assert_eq!(stored(), "0", "nobody watches");

    let mut here = watch(&programs[1].api, None).await;
    let mut there = watch(&programs[2].api, None).await;
    let emitted = ["one", "two", "three"];
    for (program, id) in programs.iter().zip(emitted) {
        program.api.emit("e", id).await;
    }
    let received = emitted.map(|id| format!("\"kind\":\"received\",\"eventId\":\"{id}\""));
    let delivered = emitted.map(|id| format!("\"kind\":\"delivery\",\"eventId\":\"{id}\""));
    let all: Vec<&str> = received.iter().chain(&delivered).map(String::as_str).collect();
    let (seen, seen_there) = (read_until(&mut here, &all).await, read_until(&mut there, &all).await);
    assert!(!seen.contains("unwatched") && !seen.contains("gap"), "{seen}");
    let numbers = ids(&seen);
    // The same entries have the same numbers everywhere.
    assert_eq!(numbers, ids(&seen_there));

    // A watcher continues at another gateway, also if its own one has died.
    let first = numbers[0].to_owned();
    drop(here);
    programs[1].kill();
    programs[0].api.emit("e", "four").await;
    let rest = read_until(&mut watch(&programs[0].api, Some(&first)).await, &["\"eventId\":\"four\""]).await;
    assert!(!rest.contains("gap"), "{rest}");
    assert_eq!(ids(&rest)[..numbers.len() - 1], numbers[1..]);
    // So does one at a gateway that joins.
    let joined = Program::spawn(command(&url, "8s"));
    let rest = read_until(&mut watch(&joined.api, Some(&first)).await, &["\"eventId\":\"four\""]).await;
    assert!(!rest.contains("gap"), "{rest}");
    assert_eq!(ids(&rest)[..numbers.len() - 1], numbers[1..]);
    // An id of another feed shows that something may be missing.
    read_until(&mut watch(&joined.api, Some("1-0")).await, &["event: gap"]).await;
}
