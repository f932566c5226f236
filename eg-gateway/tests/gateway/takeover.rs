//! Functions that take over from others while requests keep coming.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{Answer, Api, Functions, TestGateway};

/// How often the route changes hands, and how many clients ask all the time.
const TAKEOVERS: usize = 100;
const CLIENTS: usize = 8;

fn get(path: &str, function: &str) -> Value {
    json!({ "type": "sync", "eventType": "http.request", "functionId": function, "path": path, "method": "GET" })
}

async fn replace(api: &Api, delete: &[&str], create: &[Value]) -> (u16, Value) {
    let body = json!({ "delete": delete, "create": create }).to_string();
    let (status, body) = api.config(Method::POST, "default/subscriptions/replace", body).await;
    (status, serde_json::from_str(&body).unwrap())
}

/// A gateway with the functions `f` and `g`, which answer with their names.
async fn two_functions() -> (TestGateway, Functions) {
    let functions = Functions::start(|call| {
        Answer::Http(200, json!({ "statusCode": 200, "body": call.path }).to_string())
    })
    .await;
    let gateway = TestGateway::start().await;
    for ty in ["http.request", "e"] {
        gateway.api.event_type(ty).await;
    }
    for id in ["f", "g"] {
        gateway.api.http_function(id, &functions.url(&format!("/{id}"))).await;
    }
    (gateway, functions)
}

#[tokio::test]
async fn no_request_comes_between() {
    let (gateway, functions) = two_functions().await;
    let api = &gateway.api;
    let id = api.create("subscriptions", get("/users", "f")).await["subscriptionId"].clone();
    let id = id.as_str().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (over, client, url) =
                (Arc::clone(&over), api.client.clone(), format!("{}/users", api.events));
            tokio::spawn(async move {
                let mut answers = BTreeMap::<(u16, String), usize>::new();
                while !over.load(Ordering::Relaxed) {
                    let answer = client.get(&url).send().await.unwrap();
                    let answer = (answer.status().as_u16(), answer.text().await.unwrap());
                    *answers.entry(answer).or_default() += 1;
                }
                answers
            })
        })
        .collect();
    for n in 0..TAKEOVERS {
        let (from, to) = if n % 2 == 0 { ("f", "g") } else { ("g", "f") };
        let (status, answer) = replace(api, &[id], &[get("/users", to)]).await;
        assert_eq!((status, &answer["subscriptions"][0]["functionId"]), (200, &json!(to)), "{answer}");
        // From here on the other function has nothing to do with it.
        let (status, body) = api.config(Method::DELETE, &format!("default/functions/{from}"), "").await;
        assert_eq!(status, 204, "{body}");
        api.http_function(from, &functions.url(&format!("/{from}"))).await;
        let answer = api.client.get(format!("{}/users", api.events)).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), format!("/{to}"));
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        let answers = client.await.unwrap();
        let whose: Vec<_> = answers.keys().map(|(status, body)| (*status, body.as_str())).collect();
        assert!(whose.iter().all(|answer| [(200, "/f"), (200, "/g")].contains(answer)), "{answers:?}");
    }
}

#[tokio::test]
async fn all_or_nothing() {
    let (gateway, _functions) = two_functions().await;
    let api = &gateway.api;
    let id = api.create("subscriptions", get("/users/:id", "f")).await["subscriptionId"].clone();
    let id = id.as_str().unwrap();
    let list = || async { api.config(Method::GET, "default/subscriptions", "").await };
    let before = list().await;
    for (delete, create, status, text) in [
        (&[id, "none"][..], vec![], 404, "Subscription \"none\" not found."),
        (&[id, id], vec![], 404, "not found."),
        (&[], vec![get("/users/:id", "g")], 409, "already exists."),
        (&[id], vec![get("/a", "g"), get("/a", "f")], 409, "already exists."),
        (&[id], vec![get("/a", "g"), get("/b", "none")], 400, "Function \"none\" not found."),
        (&[], vec![get("/users/:name", "g")], 400, "Subscription path conflict: "),
        (&[id], vec![get("/a/:b", "g"), get("/a/:c", "g")], 400, "Subscription path conflict: "),
        (&[id], vec![json!({ "type": "sync" })], 400, "Subscription doesn't validate."),
    ] {
        let (found, answer) = replace(api, delete, &create).await;
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(found == status && message.contains(text), "{delete:?} {create:?}: {found} {answer}");
        assert_eq!(list().await, before, "{delete:?} {create:?}");
    }
    for body in ["", "null", r#"{"update":[]}"#, r#"{"delete":"x"}"#] {
        assert_eq!(api.config(Method::POST, "default/subscriptions/replace", body).await.0, 400, "{body}");
    }

    // Beside the old one the new name of the parameter would be a conflict.
    let (status, answer) = replace(api, &[id], &[get("/users/:name", "g"), get("/", "f")]).await;
    assert_eq!(status, 200, "{answer}");
    let paths: Vec<_> =
        answer["subscriptions"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/users/:name", "/"]);
    let gateway = gateway.restart().await;
    let answer = gateway.api.client.get(format!("{}/users/1", gateway.api.events)).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "/g");
}

/// What waits for a subscription that goes becomes dead letters with it, and what waits for one that is there again stays.
#[tokio::test]
async fn what_waits_stays_with_its_subscription() {
    let released = Arc::new(Notify::new());
    let held = Arc::clone(&released);
    let mut functions = Functions::start(move |_| Answer::When(Arc::clone(&held))).await;
    let gateway = TestGateway::with(|options| options.workers = 1).await;
    let api = &gateway.api;
    api.event_type("e").await;
    let subscription = |function: &str| json!({ "type": "async", "eventType": "e", "functionId": function });
    let mut ids = Vec::new();
    for id in ["f", "g"] {
        api.http_function(id, &functions.url(&format!("/{id}"))).await;
        ids.push(api.subscribe("e", id).await);
    }
    // One worker is busy with one of them; the other one waits.
    api.emit("e", "1").await;
    let busy = functions.next_call().await.path;
    let waiting = if busy == "/f" { 1 } else { 0 };
    let (status, answer) = replace(api, &[&ids[waiting]], &[subscription(["f", "g"][waiting])]).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(api.accounting().await["pending"], 2);
    let (status, answer) = replace(api, &[&ids[waiting]], &[]).await;
    assert_eq!((status, &answer["subscriptions"]), (200, &json!([])), "{answer}");
    assert_eq!(api.wait_for_dead_letters(1).await.len(), 1);
    released.notify_one();
    api.wait_for_books("delivered", 1).await;
}
