//! Who may see the pages and change something with them, and where the pages are.

use std::future::ready;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::StatusCode;
use eg_dashboard::{Options, Ticket};
use eg_grammar::OwnNames;
use eg_sdk::config::{EventType, Function, Provider, Retry, RetryLimits, Secret, Subscription};
use eg_sdk::{CloudEvent, EventGateway, RetryPolicy, Settings};
use eg_tests::{eventually, http_with, visits};
use reqwest::header::{ACCEPT, CONTENT_SECURITY_POLICY, COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Method, Response};
use serde_json::json;
use tokio::net::TcpListener;

use crate::site::Site;

const EVENTS: &str = "/dashboard/spaces/default/events";

fn header(response: &Response, name: impl reqwest::header::AsHeaderName) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_find_the_pages_and_programs_find_what_they_did_before() {
    let site = Site::start().await;
    let root = site.client.get(site.page("/"));
    let browser = root.try_clone().unwrap().header(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8");
    let browser = browser.send().await.unwrap();
    assert_eq!((browser.status().as_u16(), header(&browser, LOCATION)), (303, "/dashboard".to_owned()));
    for accept in ["*/*", "application/json"] {
        let program = root.try_clone().unwrap().header(ACCEPT, accept).send().await.unwrap();
        assert_eq!(program.status(), 404, "{accept}");
    }
    assert_eq!(header(&site.get("/dashboard").await, LOCATION), EVENTS);
    let page = site.get(EVENTS).await;
    assert_eq!(page.status(), 200);
    assert!(
        header(&page, CONTENT_SECURITY_POLICY)
            .starts_with("default-src 'none'; script-src 'self'; style-src 'self'")
    );
    let page = page.text().await.unwrap();
    assert!(!page.contains(" style=") && !page.contains("<style") && !page.contains(" onclick="), "{page}");
    for file in page.split('"').filter(|part| part.starts_with("/dashboard/assets/")) {
        assert_eq!(site.get(file).await.status(), 200, "{file}");
    }
    for missing in
        ["/dashboard/nothing", "/dashboard/assets/0/style.css", "/dashboard/spaces/default/events/none"]
    {
        assert_eq!(site.get(missing).await.status(), 404, "{missing}");
    }
    assert_eq!(site.get("/dashboards").await.status(), 404);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_from_elsewhere_sees_or_changes_anything() {
    let site = Site::start().await;
    site.register().await;
    let token = site.token().await;
    let port = visits::port(site.gateway.config_url());
    let url = site.page("/dashboard/spaces/default/events");
    let form = [("token", &*token), ("type", "user.created"), ("source", "/x"), ("data", "{}")];
    for visit in visits::all(port).iter().filter(|visit| matches!(visit.method, Method::GET | Method::POST)) {
        let mut request = visit.request(&site.client, &url);
        if visit.method == Method::POST {
            request = request.form(&form);
        }
        let status = request.send().await.unwrap().status().as_u16();
        let served = if visit.method == Method::GET { 200 } else { 303 };
        assert_eq!(status, if visit.is_foreign { 403 } else { served }, "{visit:?}");
    }
    // A link from elsewhere opens a page, which that page cannot read. It changes nothing.
    let link =
        site.client.get(&url).header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "navigate");
    assert_eq!(link.send().await.unwrap().status(), 200);
    let own = site.post("/dashboard/spaces/default/events", &form[1..]).await;
    assert_eq!(own.status(), 403, "a form without the token");
    let guess =
        site.post("/dashboard/spaces/default/events", &[("token", "guess"), form[1], form[2], form[3]]).await;
    assert_eq!(guess.status(), 403);
    site.stop().await;
}

/// A gateway that was down for a moment used up the address that logs in.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_used_up_by_a_session_only() {
    let was_down = Arc::new(AtomicBool::new(false));
    let gateway = Router::new().fallback(move || {
        // Older gateways have no answer about a key.
        let was_down = was_down.swap(true, Ordering::SeqCst);
        ready(if was_down { StatusCode::NOT_FOUND } else { StatusCode::SERVICE_UNAVAILABLE })
    });
    let gateway = serve(gateway).await;
    let ticket = Ticket::new(Secret::from("the key"));
    let path = ticket.path();
    let mut settings = Settings::default();
    settings.config_url = Some(gateway.clone());
    let pages = eg_dashboard::router(Options {
        gateway: EventGateway::with_settings(settings).unwrap().with_retry(RetryPolicy::none()),
        events_url: gateway,
        names: OwnNames::new(Ipv4Addr::LOCALHOST.into()),
        any_host: false,
        secure: false,
        ticket: Some(ticket),
    });
    let url = serve(pages).await + &path;
    let client = http_with(Policy::none());
    let visit = async || client.get(&url).send().await.unwrap();
    let failed = visit().await;
    assert!(failed.status().is_server_error(), "{}", failed.status());
    let opened = visit().await;
    assert_eq!((opened.status().as_u16(), header(&opened, LOCATION)), (303, EVENTS.to_owned()));
    let again = visit().await;
    assert_eq!(again.status(), 401);
    assert!(again.text().await.unwrap().contains("This address has been used"));
}

/// Serves on a free port until the test ends, and returns the URL.
async fn serve(router: Router) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_a_session_and_never_leaves_the_gateway() {
    let site = Site::with(|options| options.access_keys.all = Some(Secret::from("the key"))).await;
    site.register().await;
    for path in [EVENTS, "/dashboard/spaces/default/dead-letters", "/dashboard/spaces/default/health"] {
        let page = site.get(path).await;
        assert_eq!(page.status(), 401, "{path}");
        assert!(page.text().await.unwrap().contains("Access key"), "{path}");
    }
    let wrong = site.post("/dashboard/login", &[("key", "guess"), ("space", "default")]).await;
    assert_eq!((wrong.status().as_u16(), header(&wrong, SET_COOKIE)), (401, String::new()));
    let right = site.post("/dashboard/login", &[("key", "the key"), ("space", "default")]).await;
    assert_eq!((right.status().as_u16(), header(&right, LOCATION)), (303, EVENTS.to_owned()));
    let cookie = header(&right, SET_COOKIE);
    assert!(
        cookie.contains("HttpOnly")
            && cookie.contains("SameSite=Strict")
            && cookie.contains("Path=/dashboard"),
        "{cookie}"
    );
    assert!(!cookie.contains("the key") && !cookie.contains("the%20key"), "{cookie}");
    let session = cookie.split(';').next().unwrap().to_owned();

    let get = |path: &str| site.client.get(site.page(path)).header(COOKIE, &session).send();
    let page = get("/dashboard/spaces/default/send").await.unwrap();
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(page.contains("Log out") && !page.contains("the key"));
    let token = page.split_once("name=\"token\" value=\"").unwrap().1.split_once('"').unwrap().0;
    let send = |token: String| {
        let form =
            [("token", token), ("type", "email.sent".into()), ("source", "/x".into()), ("data", "1".into())];
        site.client.post(site.page(EVENTS)).header(COOKIE, &session).form(&form).send()
    };
    assert_eq!(send("guess".to_owned()).await.unwrap().status(), 403);
    assert_eq!(send(token.to_owned()).await.unwrap().status(), 303);
    let out =
        site.client.post(site.page("/dashboard/logout")).header(COOKIE, &session).form(&[("token", token)]);
    assert_eq!(out.send().await.unwrap().status(), 303);
    assert_eq!(get(EVENTS).await.unwrap().status(), 401, "the session has ended");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_only_reads_changes_nothing() {
    let site = Site::with(|options| {
        options.access_keys.all = Some(Secret::from("the key"));
        options.access_keys.reading = Some(Secret::from("look"));
    })
    .await;
    site.register().await;
    site.emit("1", "user.created", &json!({"amount": 5})).await;
    let entered = site.post("/dashboard/login", &[("key", "look"), ("space", "default")]).await;
    let session = header(&entered, SET_COOKIE).split(';').next().unwrap().to_owned();
    let get = async |path: &str| {
        let page = site.client.get(site.page(path)).header(COOKIE, &session).send().await.unwrap();
        assert_eq!(page.status(), 200, "{path}");
        page.text().await.unwrap()
    };
    let page = get("/dashboard/spaces/default/events/1").await;
    assert!(page.contains("read-only") && page.contains("class=\"reads-only\""), "{page}");
    let token = page.split_once("name=\"token\" value=\"").unwrap().1.split_once('"').unwrap().0;
    for path in ["/events", "/events/1/replay", "/events/1/resend", "/dead-letters/1/discard"] {
        let request = site.client.post(site.page(&format!("/dashboard/spaces/default{path}")));
        let form = [("token", token), ("type", "a"), ("source", "/s")];
        let answer = request.header(COOKIE, &session).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{path}");
        assert!(answer.text().await.unwrap().contains("only reads"), "{path}");
    }
    assert!(get("/dashboard/spaces/default/health").await.contains("Every delivery is accounted for"));
    let out = site.client.post(site.page("/dashboard/logout")).header(COOKIE, &session);
    assert_eq!(out.form(&[("token", token)]).send().await.unwrap().status(), 303);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_one_space_opens_no_other() {
    let site = Site::with(|options| {
        options.access_keys.spaces =
            ["one", "two"].map(|space| (space.to_owned(), Secret::from(format!("key of {space}")))).into();
    })
    .await;
    let right = site.post("/dashboard/login", &[("key", "key of one"), ("space", "one")]).await;
    let session = header(&right, SET_COOKIE).split(';').next().unwrap().to_owned();
    let get = |path: &str| site.client.get(site.page(path)).header(COOKIE, &session).send();
    assert_eq!(get("/dashboard/spaces/one/events").await.unwrap().status(), 200);
    let other = get("/dashboard/spaces/two/events").await.unwrap();
    assert_eq!(other.status(), 403);
    assert!(other.text().await.unwrap().contains("Your key does not open this space."));
    site.stop().await;
}

/// `.` and `..` in a path are steps to a browser, and an id may look like an escaped one.
#[tokio::test(flavor = "multi_thread")]
async fn every_event_in_the_list_can_be_opened() {
    let site = Site::start().await;
    site.register().await;
    let ids = [".", "..", "%2E", "~", "~.", "a/b", "a?b#c", "ä"];
    for id in ids {
        let event = CloudEvent::of_type("email.sent", "..", json!({"id": id})).with_id(id);
        site.api.emit(event).await.unwrap();
    }
    let list = site.text(EVENTS).await;
    let links: Vec<String> = list
        .split("href=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"))
        .collect();
    let links: Vec<&String> = links.iter().filter(|link| link.contains("/events/")).collect();
    assert_eq!(links.len(), ids.len(), "{links:?}");
    for (link, id) in links.into_iter().zip(ids.iter().rev()) {
        let (path, query) = link.split_once('?').unwrap();
        assert_eq!(site.text(&format!("{path}/raw?{query}")).await, {
            site.api.history().event(id, None, None).await.unwrap().unwrap().event.event.get().to_owned()
        });
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistyped_addresses_get_a_page_that_says_so() {
    let site = Site::start().await;
    for (path, status, title) in [
        ("/events?state=lost", 400, "This address cannot be read"),
        ("/events?before=abc", 400, "This address cannot be read"),
        ("/dead-letters?state=lost", 400, "This address cannot be read"),
        ("/dead-letters?before=abc", 400, "This address cannot be read"),
        ("/dead-letters/abc", 404, "No such page"),
        ("/dead-letters/7", 404, "Not found"),
        ("/events/%FF", 404, "No such page"),
        ("/nothing", 404, "No such page"),
    ] {
        let answer = site.get(&format!("/dashboard/spaces/default{path}")).await;
        assert_eq!(answer.status(), status, "{path}");
        let page = answer.text().await.unwrap();
        assert!(page.contains(&format!("<h1>{title}</h1>")), "{path}: {page}");
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_own_events_are_listed_on_request() {
    let site = Site::start().await;
    site.register().await;
    let received = "eventgateway.event.received";
    site.api.event_types().create(&EventType::new(received)).await.unwrap();
    site.api.subscriptions().create(&Subscription::asynchronous(received, "archive")).await.unwrap();
    site.emit("1", "email.sent", &json!({})).await;
    for (query, is_listed) in [
        ("", false),
        ("&text=email.sent", false),
        ("&system=1", true),
        ("&type=eventgateway.event.received", true),
        ("&function=archive", true),
    ] {
        let list = site.text(&format!("{EVENTS}?fragment=1{query}")).await;
        assert_eq!(list.contains(&format!(">{received}</a>")), is_listed, "{query}: {list}");
    }
    site.stop().await;
}

/// After a repair, nobody wants to wait for the next attempt.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_retried_now() {
    let site = Site::start().await;
    site.register().await;
    let token = &*site.token().await;
    let mut retry = RetryLimits::new();
    (retry.min_backoff_ms, retry.max_backoff_ms) = (Some(3_600_000), Some(3_600_000));
    let mut patient = Subscription::asynchronous("user.left", "busy");
    patient.retry = Some(Retry::Limits(retry));
    let url = site.function("busy");
    site.api.functions().create(&Function::new("busy", Provider::Http { url })).await.unwrap();
    site.api.event_types().create(&EventType::new("user.left")).await.unwrap();
    site.api.subscriptions().create(&patient).await.unwrap();
    site.api
        .emit(CloudEvent::of_type("user.left", "/s", json!({"name": "Donald"})).with_id("1"))
        .await
        .unwrap();
    let page = eventually("the delivery to wait", async || {
        let page = site.text("/dashboard/spaces/default/events/1").await;
        page.contains("Retry now").then_some(page)
    })
    .await;
    assert!(page.contains("async fn user_left_is_handled()"), "{page}");
    let (_, rest) = page.split_once("/deliveries/").unwrap();
    let (delivery, _) = rest.split_once("/retry").unwrap();
    let path = format!("/dashboard/spaces/default/deliveries/{delivery}/retry");
    assert_eq!(site.post(&path, &[("event", "1")]).await.status(), 403, "without a token");
    site.fix_crm();
    let form = [("token", token), ("event", "1"), ("source", "/s"), ("type", "user.left")];
    for notice in ["done=hastened", ""] {
        let answer = site.post(&path, &form).await;
        let location = answer.headers()["location"].to_str().unwrap();
        let event = "/dashboard/spaces/default/events/1?source=%2Fs&type=user.left";
        assert!(location.starts_with(event) && location.contains(notice), "{location}");
        site.ended("1").await;
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_do_what_the_api_does() {
    let site = Site::start().await;
    site.register().await;
    let token = &*site.token().await;
    let detail = site.emit("1", "user.created", &json!({"amount": 5})).await;
    let letter = detail.deliveries.iter().find(|delivery| delivery.function_id == "crm").unwrap().delivery_id;

    let raw = site.text("/dashboard/spaces/default/events/1/raw").await;
    assert_eq!(raw, detail.event.event.get());
    let export = site.text("/dashboard/spaces/default/dead-letters/export").await;
    assert_eq!(export.lines().count(), 1);
    let exported: serde_json::Value = serde_json::from_str(export.trim()).unwrap();
    assert_eq!(exported["eventId"], "1");

    for (ty, source, reason) in
        [("user.created", "not a uri", "is not a URI reference"), ("http.request", "/s", "is reserved")]
    {
        let form = [("token", token), ("type", ty), ("source", source), ("data", "{}")];
        let answer = site.post(EVENTS, &form).await;
        assert_eq!(answer.status(), 422, "{ty} {source}");
        let page = answer.text().await.unwrap();
        assert!(page.contains(reason) && !page.contains("does not answer"), "{page}");
    }

    // What is wrong is explained, and changes nothing.
    for (path, field, text, reason) in [
        ("/events/1/resend", "event", "{", "not a JSON object"),
        ("/events/1/resend", "event", r#"{"specversion":"1.0"}"#, "not an event"),
        (&format!("/dead-letters/{letter}/retry"), "edited", "{", "not JSON"),
    ] {
        let answer =
            site.post(&format!("/dashboard/spaces/default{path}"), &[("token", token), (field, text)]).await;
        assert_eq!(answer.status(), 422, "{path} {text}");
        let page = answer.text().await.unwrap();
        assert!(page.contains(reason), "{path} {text}: {page}");
    }

    site.fix_crm();
    let edited = raw.replace("\"amount\":5", "\"amount\":6");
    assert_ne!(edited, raw);
    let path = format!("/dashboard/spaces/default/dead-letters/{letter}/retry");
    let retried = site.post(&path, &[("token", token), ("edited", &edited)]).await;
    assert_eq!(retried.status(), 303, "{}", retried.text().await.unwrap());
    let detail = site.ended("1").await;
    let crm = detail.deliveries.iter().find(|delivery| delivery.function_id == "crm").unwrap();
    assert_eq!((crm.state.as_str(), crm.edited), ("delivered", true));
    site.stop().await;
}
