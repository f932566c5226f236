//! Tests `cargo eg dashboard` with a gateway that has an access key.

use eg_sdk::config::Secret;
use eg_tests::app::cargo_eg;
use eg_tests::http_with;
use eg_tests::program::Program;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;

use crate::support::gateway::Running;

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_address_opens_the_pages_once_and_others_need_the_key() {
    let key = "the key";
    let running = Running::with(|options| options.access_keys.all = Some(Secret::from(key))).await;
    let mut command = cargo_eg();
    command.args([
        "dashboard",
        "--url",
        running.gateway.events_url(),
        "--config-url",
        running.gateway.config_url(),
    ]);
    command.env("EVENT_GATEWAY_ACCESS_KEY", key);
    let program = Program::start("cargo eg dashboard", command);
    let address = program
        .line("its address", |line| Some(line.to_owned()).filter(|line| line.starts_with("http")))
        .await;
    let (base, _) = address.split_once("/dashboard/").unwrap();

    let client = http_with(Policy::none());
    let get = async |url: &str| client.get(url).send().await.unwrap();
    let pages = format!("{base}/dashboard/spaces/default/events");
    assert_eq!(get(&pages).await.status(), 401, "for other users of this machine");
    let entered = get(&address).await;
    assert_eq!(
        (entered.status().as_u16(), &entered.headers()[LOCATION]),
        (303, &"/dashboard/spaces/default/events".parse().unwrap())
    );
    let cookie = entered.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    let page = client.get(&pages).header(COOKIE, cookie).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("No events yet"));
    assert_eq!(get(&address).await.status(), 401, "it works once");
    assert!(!address.contains("key"), "{address}");
    assert_eq!(program.interrupt().await, 0);
}
