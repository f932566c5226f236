//! Who may see the pages and change something with them, and where the pages are.

use eg_sdk::config::Secret;
use eg_tests::visits;
use reqwest::header::{ACCEPT, CONTENT_SECURITY_POLICY, COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Method, Response};
use serde_json::json;

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
