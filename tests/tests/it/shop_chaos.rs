//! Tests the shop under failures: orders arrive while processes are killed, payments fail, the partner is unavailable
//! and events are delivered twice. Afterwards every order has exactly one outcome, no piece and no cent is missing,
//! and the history is complete.
//!
//! A small run is part of the test suite. The full one, 10,000 orders and 20 kills:
//!
//! ```sh
//! cargo test --workspace --all-features --test it -- --ignored shop_chaos --nocapture
//! ```
//!
//! Each run prints its seed; set `SHOP_CHAOS_SEED` to repeat its choices. `SHOP_CHAOS_ORDERS` and `SHOP_CHAOS_KILLS`
//! change the size of the full run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use eg_tests::shop::{Record, Shop, type_of};
use futures_util::StreamExt as _;
use futures_util::future::join;
use futures_util::stream;
use serde_json::{Value, json};

/// The size of a run.
#[derive(Debug, Clone, Copy)]
struct Size {
    orders: usize,
    kills: usize,
}

/// The maximum number of orders in progress, so that the shop is busy but not overloaded. A delivery that the partner
/// has not accepted within a minute is cancelled, even if it only waited; this many orders finish in seconds.
const BUSY: usize = 48;

/// The number of orders that are placed at the same time.
const AT_ONCE: usize = 8;

/// One in this many events is delivered twice.
const TWICE: usize = 10;

/// How long the shop may take for an order, including restarts.
const PATIENCE: Duration = Duration::from_secs(180);

const ITEMS: [&str; 3] = ["item-1", "item-2", "item-3"];
const CUSTOMERS: usize = 20;
const VARIABLES: [(&str, &str); 1] = [("PAYMENT_FAIL_PROBABILITY", "0.2")];

/// The events that end an order.
const ENDS: [&str; 4] = ["item.not-available", "item.unreserved", "order.delivered", "payment.canceled"];

#[tokio::test(flavor = "multi_thread")]
async fn orders_survive_kills_refusals_and_duplicates() {
    chaos(Size { orders: 150, kills: 4 }).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: 10,000 orders and 20 kills"]
async fn ten_thousand_orders_survive_twenty_kills() {
    let size = Size { orders: setting("ORDERS").unwrap_or(10_000), kills: setting("KILLS").unwrap_or(20) };
    chaos(size).await;
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(format!("SHOP_CHAOS_{name}")).ok()?.parse().ok()
}

async fn chaos(size: Size) {
    let seed = setting("SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("SHOP_CHAOS_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let state = tempfile::tempdir().unwrap();
    let mut shop = open(state.path(), size).await;
    let started = Instant::now();

    let mut orders: Vec<(String, String)> = Vec::new();
    let mut told = Told::default();
    let mut kills = 0;
    while orders.len() < size.orders {
        let room = BUSY.saturating_sub(told.under_way(&orders)).min(size.orders - orders.len()).min(AT_ONCE);
        if orders.len() * (size.kills + 1) < size.orders * (kills + 1) {
            let (placed, ()) = join(place(&shop, room, &mut random), told.listen(&shop)).await;
            orders.extend(placed);
        } else {
            // One kill in five hits the gateway, and with it everything else.
            kills += 1;
            let whole = kills % 5 == 2;
            let killed = kill(shop.app.program.id(), whole, random.fork());
            let (placed, ()) = join(place(&shop, room, &mut random), killed).await;
            orders.extend(placed);
            if whole {
                drop(shop);
                shop = Shop::start(state.path(), &VARIABLES).await;
            }
        }
    }
    assert_eq!(kills, size.kills);
    told.end(&shop, &orders).await;
    let (took, events) = (started.elapsed(), told.events);
    println!("{} orders and {events} events in {took:.1?}", orders.len());
    println!("{:.1} orders a second", orders.len() as f64 / took.as_secs_f64());
    println!("{} events came twice: {:?}", told.twice.values().sum::<usize>(), told.twice);
    assert_eq!(told.twice.values().sum::<usize>(), events / TWICE);
    audit(&shop, &orders, &told).await;
    assert_eq!(shop.app.program.interrupt().await, 0);
}

/// The events that the gateway has accepted so far. Every tenth event, of any type, is delivered again to all its
/// subscribers.
#[derive(Debug, Default)]
struct Told {
    /// The events that have been read.
    seen: BTreeSet<String>,
    events: usize,
    /// The ids of the shop's own events.
    accepted: BTreeSet<String>,
    /// The gateway's reports of deliveries that it gave up.
    given_up: Vec<Value>,
    /// The number of events of each type that were delivered twice.
    twice: BTreeMap<String, usize>,
    /// The orders that have begun and those that have ended.
    begun: BTreeSet<String>,
    ended: BTreeSet<String>,
}

impl Told {
    async fn listen(&mut self, shop: &Shop) {
        let events = shop.newly_accepted(&mut self.seen).await;
        if events.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut again = Vec::new();
        for event in events {
            self.events += 1;
            let (ty, order) = (type_of(&event), &event["data"]["orderId"]);
            if ty == "eventgateway.delivery.deadLettered" {
                self.given_up.push(event["data"].clone());
            } else if !ty.starts_with("eventgateway.") {
                self.accepted.insert(event["id"].as_str().unwrap().to_owned());
            }
            if let Some(order) = order.as_str() {
                self.begun.insert(order.to_owned());
                if ENDS.contains(&ty) {
                    self.ended.insert(order.to_owned());
                }
            }
            if self.events.is_multiple_of(TWICE) {
                *self.twice.entry(ty.to_owned()).or_default() += 1;
                again.push(event);
            }
        }
        let deliver = async |event| shop.deliver_again_whatever_comes(&event).await;
        stream::iter(again).for_each_concurrent(AT_ONCE, deliver).await;
    }

    /// Returns the number of orders in progress, including unanswered ones.
    fn under_way(&self, orders: &[(String, String)]) -> usize {
        let unheard = orders.iter().filter(|(_, order)| !self.begun.contains(order)).count();
        self.begun.len() - self.ended.len() + unheard
    }

    /// Waits until everything has finished. Does so twice, because only the outbox knows the events in it.
    async fn end(&mut self, shop: &Shop, orders: &[(String, String)]) {
        let deadline = Instant::now() + PATIENCE;
        while self.under_way(orders) > 0 {
            assert!(Instant::now() < deadline, "without an end: {:?}", &self.begun - &self.ended);
            self.listen(shop).await;
        }
        for _ in 0..2 {
            shop.settle().await;
            shop.send_unsent().await;
            shop.settle().await;
            self.listen(shop).await;
        }
    }
}

/// Places `count` orders, several at a time, and returns those that the shop has answered. There may be an order
/// without an answer; it counts, even if its customer does not know it.
async fn place(shop: &Shop, count: usize, random: &mut fastrand::Rng) -> Vec<(String, String)> {
    let wishes: Vec<_> = (0..count)
        .map(|_| (format!("chaos-{}", random.usize(..CUSTOMERS)), ITEMS[random.usize(..ITEMS.len())]))
        .collect();
    let order = |(customer, item): (String, &'static str)| async move {
        let (status, order) = shop.get(&format!("/order/create/{customer}/{item}")).await;
        (status == 200).then(|| (customer, order["orderId"].as_str().unwrap().to_owned()))
    };
    stream::iter(wishes)
        .map(order)
        .buffer_unordered(AT_ONCE)
        .filter_map(async |placed| placed)
        .collect()
        .await
}

/// Starts a shop with pieces and customers.
async fn open(state: &Path, size: Size) -> Shop {
    let shop = Shop::start(state, &VARIABLES).await;
    for item in ITEMS {
        // There are slightly too few pieces of each item, so that some orders come too late.
        let pieces = json!({ "pieces": size.orders * 23 / 100 });
        assert_eq!(shop.post(&format!("/inventory/{item}/restock"), &pieces).await.0, 200);
    }
    let addresses = [
        "London SW1A 1AA, UK",
        "Great Russell St, London WC1B 3DG, UK",
        "St James's Palace, London SW1A 1BS, UK",
    ];
    for n in 0..CUSTOMERS {
        let profile =
            json!({"name": format!("O'Chaos {n}"), "email": "c@example.net", "address": addresses[n % 3]});
        assert_eq!(shop.put(&format!("/customer/chaos-{n}"), &profile).await.0, 200);
    }
    shop.behave(&json!({"outcome": "delivered", "canceled": 0.05, "dead": 0.02})).await;
    shop
}

/// Kills the gateway's program together with its functions, or the process of one function, as `kill -9` does.
async fn kill(program: u32, whole: bool, mut random: fastrand::Rng) {
    tokio::time::sleep(Duration::from_millis(random.u64(..20))).await;
    loop {
        let victim = if whole { None } else { random.choice(children(program)) };
        let (id, name) = victim.unwrap_or_else(|| (program, "cargo eg run".to_owned()));
        let status = std::process::Command::new("kill").args(["-9", &id.to_string()]).status().unwrap();
        if status.success() {
            println!("kill -9 {name}");
            return;
        }
        // It has just ended by itself, so another one is chosen.
    }
}

/// Returns the processes whose parent is `parent`, with their names.
fn children(parent: u32) -> Vec<(u32, String)> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let child = |entry: std::fs::DirEntry| {
        let id: u32 = entry.file_name().to_str()?.parse().ok()?;
        // `id (name) state parent …`
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (before, after) = stat.rsplit_once(')')?;
        let of: u32 = after.split_whitespace().nth(1)?.parse().ok()?;
        (of == parent).then(|| (id, before.split_once('(').map_or("", |(_, name)| name).to_owned()))
    };
    processes.filter_map(child).collect()
}

async fn audit(shop: &Shop, orders: &[(String, String)], told: &Told) {
    // The history contains every accepted event once, and nothing else.
    let mut histories: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    let mut stored: BTreeSet<String> = BTreeSet::new();
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for n in 0..CUSTOMERS {
        let customer = format!("chaos-{n}");
        for record in shop.history_of(&customer).await {
            assert!(stored.insert(record.id.clone()), "stored twice: {record:?}");
            let order = record.detail["orderId"].as_str().unwrap().to_owned();
            owners.insert(order.clone(), customer.clone());
            histories.entry(order).or_default().push(record);
        }
    }
    let missing: Vec<_> = told.accepted.difference(&stored).collect();
    assert!(missing.is_empty(), "accepted, but not in the event store: {missing:?}");
    assert_eq!(stored.len(), told.accepted.len(), "in the event store, but never accepted");
    for (_, order) in orders {
        assert!(histories.contains_key(order), "order {order} was taken, and nothing is known of it");
    }

    // Each order has one outcome, reached in the right order.
    let rows: BTreeMap<String, Value> = stream::iter(&owners)
        .map(|(order, customer)| async move {
            let (status, row) = shop.get(&format!("/order/get/{customer}/{order}")).await;
            assert_eq!(status, 200, "{row}");
            (order.clone(), row)
        })
        .buffer_unordered(8)
        .collect()
        .await;
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    let mut sold: BTreeMap<&str, u64> = BTreeMap::new();
    let mut delivered_cents = 0;
    for (order, row) in &rows {
        let status = row["orderStatus"].as_str().unwrap();
        let types: Vec<&str> = histories[order].iter().map(|record| &*record.ty).collect();
        assert_eq!(types, sequence(status, &types), "order {order} is {status}");
        *ends.entry(status).or_default() += 1;
        if status == "DELIVERED" {
            delivered_cents += row["totalPrice"].as_i64().unwrap();
            *sold.entry(row["itemId"].as_str().unwrap()).or_default() += 1;
        }
    }
    println!("{} orders, {} events: {ends:?}", rows.len(), stored.len());
    // Deliveries were given up because they were refused, not because they waited; a kill fails at most one attempt.
    for report in &told.given_up {
        assert_eq!(report["functionId"], "delivery-call_partner", "{report}");
        assert!(report["attempts"].as_u64() > Some(1), "{report}");
    }

    // The warehouse.
    for item in ITEMS {
        let (_, stock) = shop.get(&format!("/inventory/{item}")).await;
        let count = |name: &str| stock[name].as_u64().unwrap();
        assert_eq!(count("initial"), count("available") + count("reserved") + count("sold"), "{stock}");
        assert_eq!((count("reserved"), count("sold")), (0, sold.get(item).copied().unwrap_or(0)), "{stock}");
    }

    // The money.
    let payments: Vec<(u16, Value)> = stream::iter(rows.keys())
        .map(|order| async move { shop.get(&format!("/payment/{order}")).await })
        .buffer_unordered(8)
        .collect()
        .await;
    let (mut captured, mut refunded) = (0, 0);
    for (_, payment) in payments.iter().filter(|(status, _)| *status == 200) {
        let amount = payment["amount"].as_i64().unwrap();
        match payment["status"].as_str().unwrap() {
            "PAID" => captured += amount,
            "CANCELED" => {
                captured += amount;
                refunded += amount;
            }
            "FAILED" => {}
            other => panic!("a payment is {other}"),
        }
    }
    assert_eq!(captured - refunded, delivered_cents);
    println!("captured {captured}, refunded {refunded}, delivered {delivered_cents}");
}

/// Returns the events that an order with this outcome must have.
fn sequence<'a>(status: &str, types: &[&str]) -> Vec<&'a str> {
    let created = ["order.created"];
    let described = ["item.reserved", "item.described", "customer.described", "delivery.estimated"];
    let started = ["payment.made", "item.removed", "delivery.marked-as-started"];
    let delivered = ["Delivered", "delivery.was-delivered", "order.delivered"];
    let canceled = ["delivery.was-canceled", "order.canceled", "item.returned", "payment.canceled"];
    let by_partner = types.contains(&"DeliveryCanceled");
    let partner: &[&str] = if by_partner { &["DeliveryCanceled"] } else { &[] };
    match status {
        "NOT_AVAILABLE" => [&created[..], &["item.not-available"]].concat(),
        "PAYMENT_FAILED" => [&created[..], &described, &["payment.failed", "item.unreserved"]].concat(),
        "DELIVERED" => [&created[..], &described, &started, &delivered].concat(),
        "PAYMENT_CANCELED" => [&created[..], &described, &started, partner, &canceled].concat(),
        other => panic!("an order ended as {other}: {types:?}"),
    }
}
