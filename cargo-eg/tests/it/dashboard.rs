//! Tests `cargo eg dashboard` with a gateway that has an access key.

use std::os::unix::fs::PermissionsExt as _;

use eg_sdk::config::Secret;
use eg_tests::app::cargo_eg;
use eg_tests::program::Program;
use eg_tests::{eventually, http_with};
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

/// Other users of the machine see the arguments of programs, also those of the one that opens the browser.
#[tokio::test(flavor = "multi_thread")]
async fn the_browser_is_opened_without_the_ticket() {
    let running = Running::with(|options| options.access_keys.all = Some(Secret::from("the key"))).await;
    let folder = tempfile::tempdir().unwrap();
    let (opener, opened) = (folder.path().join("xdg-open"), folder.path().join("opened"));
    std::fs::write(&opener, format!("#!/bin/sh\necho \"$@\" > {}\n", opened.display())).unwrap();
    std::fs::set_permissions(&opener, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = cargo_eg();
    command.args(["dashboard", "--open", "--url", running.gateway.events_url()]);
    command.args(["--config-url", running.gateway.config_url()]);
    command.env("EVENT_GATEWAY_ACCESS_KEY", "the key").env("PATH", folder.path());
    let program = Program::start("cargo eg dashboard", command);
    let address = program
        .line("its address", |line| Some(line.to_owned()).filter(|line| line.starts_with("http")))
        .await;
    let (pages, _) = address.split_once("/login?ticket=").unwrap();
    let argument = eventually("the browser to be opened", async || {
        std::fs::read_to_string(&opened).ok().filter(|text| text.ends_with('\n'))
    })
    .await;
    assert_eq!(argument.trim(), pages);
    assert_eq!(program.interrupt().await, 0);
}

#[tokio::test]
async fn both_addresses_are_of_one_gateway() {
    let mut command = cargo_eg();
    command.args(["dashboard", "--config-url", "http://localhost:1"]);
    command.env_remove("EVENT_GATEWAY_URL");
    let refused = command.output().await.unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&refused.stderr),
        "error: --config-url alone would show one gateway and send events to another\n\
         hint: name the Events API of the same gateway with --url\n"
    );
}
