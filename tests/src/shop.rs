//! Runs the shop of `services/shop` and offers what a customer, the partner and an auditor can do with it. The
//! scenarios are in the tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::app::App;
use crate::{PATIENCE, eventually_within, http};

/// How long a test waits for many orders.
const PATIENCE_FOR_MANY: std::time::Duration = std::time::Duration::from_secs(1800);

/// The number of events per page.
const PAGE: usize = 100;

/// A running shop.
#[derive(Debug)]
pub struct Shop {
    /// The programs.
    pub app: App,
    /// The event types and the functions that subscribe to them.
    functions: BTreeMap<String, Vec<String>>,
    client: reqwest::Client,
}

/// An event in the shop's event store.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its position in the history of its customer.
    pub time_what: String,
    /// The event's id.
    pub id: String,
    /// The event's type.
    pub ty: String,
    /// The event's payload.
    pub detail: Value,
    /// The whole event.
    pub event: Value,
}

impl Shop {
    /// Runs the shop with these environment variables and waits until it is ready.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn start(state: &Path, variables: &[(&str, &str)]) -> Self {
        let app = App::start_with(state, &["services/shop"], variables).await;
        let client = http();
        let list: Value =
            answer(client.get(format!("{}/v1/spaces/default/subscriptions", app.config))).await.1;
        let mut functions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for subscription in list["subscriptions"].as_array().expect("subscriptions") {
            let of = |name: &str| subscription[name].as_str().unwrap_or_default().to_owned();
            functions.entry(of("eventType")).or_default().push(of("functionId"));
        }
        Self { app, functions, client }
    }

    /// Returns the functions that subscribe to an event type.
    #[must_use]
    pub fn functions_on(&self, ty: &str) -> Vec<&str> {
        self.functions.get(ty).into_iter().flatten().map(String::as_str).collect()
    }

    /// Sends a GET request to the shop. Returns the status and the JSON of the answer.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, path)).await
    }

    /// Like [`get`](Self::get), with another method and a body.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.request(Method::POST, path).json(body)).await
    }

    /// Like [`get`](Self::get), with another method and a body.
    pub async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.request(Method::PUT, path).json(body)).await
    }

    /// Orders an item and returns the id of the order.
    ///
    /// # Panics
    /// If the shop does not accept the order.
    pub async fn create(&self, customer: &str, item: &str) -> String {
        let (status, order) = self.get(&format!("/order/create/{customer}/{item}")).await;
        assert_eq!(status, 200, "{order}");
        order["orderId"].as_str().expect("an id").to_owned()
    }

    /// Returns the history of an order so far, in order.
    pub async fn history(&self, customer: &str, order: &str) -> Vec<Record> {
        let of_order = |record: &Record| record.detail["orderId"] == order;
        self.history_of(customer).await.into_iter().filter(of_order).collect()
    }

    /// Returns the history of all orders of a customer so far, in order.
    ///
    /// # Panics
    /// If the event store does not answer.
    pub async fn history_of(&self, customer: &str) -> Vec<Record> {
        let mut records: Vec<Record> = Vec::new();
        loop {
            let mut url = reqwest::Url::parse(&self.app.events).expect("an address");
            url.path_segments_mut().expect("a path").pop_if_empty().extend(["event-store", customer]);
            let after = records.last().map(|record| ("after", record.time_what.clone()));
            let (status, page) = answer(self.client.get(url).query(&Vec::from_iter(after))).await;
            assert_eq!(status, 200, "{page}");
            let page = page.as_array().expect("a page of records");
            if page.is_empty() {
                return records;
            }
            records.extend(page.iter().map(|record| {
                let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
                let (time_what, id, ty) = (text("timeWhat"), text("eventId"), text("eventType"));
                let event: Value = serde_json::from_str(&text("eventDetail")).expect("an event");
                Record { time_what, id, ty, detail: event["data"].clone(), event }
            }));
        }
    }

    /// Waits until the history of an order contains an event of type `ty`, and returns the history.
    ///
    /// # Panics
    /// If that does not happen.
    pub async fn history_until(&self, customer: &str, order: &str, ty: &str) -> Vec<Record> {
        let what = format!("{ty} of order {order} of {customer}");
        let told = async || {
            let history = self.history(customer, order).await;
            history.iter().any(|record| record.ty == ty).then_some(history)
        };
        // A partner that hangs delays an order.
        let history = eventually_within(2 * PATIENCE, &what, told).await;
        // Earlier events may be stored after it.
        let complete = async || {
            let history = self.history(customer, order).await;
            (history.len() == self.accepted(customer, order).await.len()).then_some(history)
        };
        eventually_within(PATIENCE, &format!("all events before {ty}: {history:#?}"), complete).await
    }

    /// Returns the events of an order that the gateway has accepted, the newest first.
    ///
    /// # Panics
    /// If the gateway does not answer.
    pub async fn accepted(&self, customer: &str, order: &str) -> Vec<Value> {
        let subject = format!("{}/{order}", customer.replace('/', "%2F"));
        let url = format!("{}/v1/spaces/default/events", self.app.config);
        let (status, list) =
            answer(self.client.get(url).query(&[("subject", &*subject), ("limit", "100")])).await;
        assert_eq!(status, 200, "{list}");
        let events = list["events"].as_array().expect("events").iter();
        events.map(|event| event["event"].clone()).collect()
    }

    /// Returns the events that the gateway has accepted since the last call with the same `seen`, the oldest first:
    /// those of the shop and system events.
    ///
    /// # Panics
    /// If the gateway does not answer.
    pub async fn newly_accepted(&self, seen: &mut BTreeSet<String>) -> Vec<Value> {
        let url = format!("{}/v1/spaces/default/events", self.app.config);
        let mut events = Vec::new();
        let mut before: Option<i64> = None;
        loop {
            let mut query = vec![("limit", PAGE.to_string())];
            query.extend(before.map(|before| ("before", before.to_string())));
            let (status, mut list) = answer(self.client.get(&url).query(&query)).await;
            assert_eq!(status, 200, "{list}");
            before = list["next"].as_i64();
            // They are listed newest first, in the order in which they were accepted, so everything after a seen
            // event was seen, too.
            for view in list["events"].as_array_mut().expect("events") {
                let id = format!("{} {}", view["eventId"], view["source"]);
                if seen.contains(&id) {
                    before = None;
                    break;
                }
                events.push((id, view["event"].take()));
            }
            if before.is_none() {
                break;
            }
        }
        seen.extend(events.iter().map(|(id, _)| id.clone()));
        events.into_iter().rev().map(|(_, event)| event).collect()
    }

    /// Delivers an event again to each subscribed function, bypassing the gateway. Returns the number of functions.
    ///
    /// # Panics
    /// If a function fails.
    pub async fn deliver_again(&self, event: &Value) -> usize {
        let subscribers = self.subscribers(event);
        for (function, payload) in &subscribers {
            let answer = self.invoke(function, payload).await;
            let failed = answer.headers().get("x-amz-function-error").cloned();
            let body = answer.text().await.unwrap_or_default();
            assert!(failed.is_none(), "{function} failed with {event}: {body}");
        }
        subscribers.len()
    }

    /// Like [`deliver_again`](Self::deliver_again), but functions may fail, because their processes may be killed
    /// meanwhile.
    ///
    /// # Panics
    /// If the local Lambda does not answer.
    pub async fn deliver_again_whatever_comes(&self, event: &Value) {
        for (function, payload) in self.subscribers(event) {
            self.invoke(function, &payload).await;
        }
    }

    /// Returns the functions that get an event when the gateway accepts it, each with its payload: the event, or the
    /// gateway's event about it.
    fn subscribers(&self, event: &Value) -> Vec<(&str, Value)> {
        const RECEIVED: &str = "eventgateway.event.received";
        let of = |ty: &str| self.functions_on(ty).into_iter();
        let direct = of(type_of(event)).map(|function| (function, event.clone()));
        if type_of(event).starts_with("eventgateway.") {
            return direct.collect();
        }
        let about = serde_json::json!({
            "specversion": "1.0", "id": format!("about {}", event["id"]), "type": RECEIVED, "source": "/tests",
            "data": {"path": "/", "event": event, "headers": {}},
        });
        direct.chain(of(RECEIVED).map(|function| (function, about.clone()))).collect()
    }

    async fn invoke(&self, function: &str, payload: &Value) -> reqwest::Response {
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.app.lambda);
        self.client.post(url).json(payload).send().await.expect("the local Lambda answers")
    }

    /// Runs the scheduled functions that emit the events that a crash has left in the outboxes.
    ///
    /// # Panics
    /// If one fails.
    pub async fn send_unsent(&self) {
        let (_, list) =
            answer(self.client.get(format!("{}/v1/spaces/default/functions", self.app.config))).await;
        let functions = list["functions"].as_array().expect("functions").iter();
        let sweeps: Vec<&str> = functions
            .filter_map(|function| function["functionId"].as_str())
            .filter(|id| id.ends_with("-send_unsent"))
            .collect();
        assert!(!sweeps.is_empty(), "{list}");
        let schedule = serde_json::json!({
            "version": "0", "id": "7c4e9b1a-0000-4000-8000-000000000000", "detail-type": "Scheduled Event",
            "source": "aws.events", "account": "000000000000", "time": "2026-01-01T00:00:00Z",
            "region": "local", "resources": [], "detail": {},
        });
        for function in sweeps {
            let answer = self.invoke(function, &schedule).await;
            let failed = answer.headers().contains_key("x-amz-function-error");
            assert!(!failed, "{function}: {:?}", answer.text().await);
        }
    }

    /// Sets the behaviour of the partner.
    ///
    /// # Panics
    /// If the partner does not accept it.
    pub async fn behave(&self, behaviour: &Value) {
        let (status, answer) = self.put("/logistics", behaviour).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Delivers every dead letter again, as `cargo eg dead-letters retry --all` does, and returns their number.
    ///
    /// # Panics
    /// If the gateway refuses.
    pub async fn retry_dead_letters(&self) -> u64 {
        let url = format!("{}/v1/spaces/default/dead-letters/redrive", self.app.config);
        let (status, redriven) = answer(self.client.post(url)).await;
        assert_eq!(status, 202, "{redriven}");
        redriven["redriven"].as_u64().expect("a number")
    }

    /// Makes the partner report the outcome of a delivery: `delivered` or `canceled`.
    ///
    /// # Panics
    /// If the partner does not report it.
    pub async fn outcome(&self, outcome: &str, customer: &str, order: &str) {
        let body = serde_json::json!({"customerId": customer, "orderId": order});
        let (status, answer) = self.post(&format!("/logistics/{outcome}"), &body).await;
        assert_eq!(status, 202, "{answer}");
    }

    /// Returns the gateway's dead letters.
    ///
    /// # Panics
    /// If the gateway does not answer.
    pub async fn dead_letters(&self) -> Vec<Value> {
        let url = format!("{}/v1/spaces/default/dead-letters?limit=500", self.app.config);
        let (status, list) = answer(self.client.get(url)).await;
        assert_eq!(status, 200, "{list}");
        list["deadLetters"].as_array().expect("dead letters").clone()
    }

    /// Returns the number of pending deliveries; `None` while the gateway does not answer.
    pub async fn pending(&self) -> Option<u64> {
        let books = self.client.get(format!("{}/v1/accounting", self.app.config)).send().await.ok()?;
        books.json::<Value>().await.ok()?["pending"].as_u64()
    }

    /// Waits until nothing is in progress.
    ///
    /// # Panics
    /// If that does not happen.
    pub async fn settle(&self) {
        eventually_within(PATIENCE_FOR_MANY, "all events to be delivered", async || {
            (self.pending().await == Some(0)).then_some(())
        })
        .await;
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        // Ids in tests may contain characters that must be escaped; the URL type escapes them.
        self.client.request(method, format!("{}{path}", self.app.events))
    }
}

/// Returns the type of an event. System events are in CloudEvents 0.1, whose attribute has another name.
#[must_use]
pub fn type_of(event: &Value) -> &str {
    event["type"].as_str().or(event["eventType"].as_str()).unwrap_or_default()
}

/// Returns the status and the JSON of an answer; status 0 if there is no answer.
async fn answer(request: RequestBuilder) -> (u16, Value) {
    match request.send().await {
        Ok(response) => (response.status().as_u16(), response.json().await.unwrap_or_default()),
        Err(error) => (0, Value::String(error.to_string())),
    }
}
