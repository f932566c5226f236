//! The shop under fire: orders while processes are killed, payments fail, the partner is away and events come twice.
//! Afterwards every order has come to exactly one end, no piece and no cent is missing, and the history is complete.
//!
//! A small run is part of the test suite. The full one, 10,000 orders and 20 kills:
//!
//! ```sh
//! cargo test -p eg-tests --test shop_chaos -- --ignored --nocapture
//! ```
//!
//! `SHOP_CHAOS_SEED` repeats the choices of a run; its seed is printed.

#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use eg_tests::eventually;
use eg_tests::shop::{Record, Shop};
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Value, json};

/// How hard.
#[derive(Debug, Clone, Copy)]
struct Size {
    orders: usize,
    kills: usize,
}

/// Deliveries under way beyond which no new orders come: the shop is to be busy, not buried.
const BUSY: u64 = 150;

const ITEMS: [&str; 3] = ["item-1", "item-2", "item-3"];
const CUSTOMERS: usize = 20;
const VARIABLES: [(&str, &str); 1] = [("PAYMENT_FAIL_PROBABILITY", "0.2")];

#[tokio::test(flavor = "multi_thread")]
async fn orders_survive_kills_refusals_and_duplicates() {
    chaos(Size { orders: 150, kills: 4 }).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: 10,000 orders and 20 kills"]
async fn ten_thousand_orders_survive_twenty_kills() {
    chaos(Size { orders: 10_000, kills: 20 }).await;
}

async fn chaos(size: Size) {
    let seed = std::env::var("SHOP_CHAOS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("SHOP_CHAOS_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let state = tempfile::tempdir().unwrap();
    let mut shop = open(state.path(), size).await;

    let mut orders: Vec<(String, String)> = Vec::new();
    let mut kills = 0;
    while orders.len() < size.orders {
        let customer = format!("chaos-{}", random.usize(..CUSTOMERS));
        let path = format!("/order/create/{customer}/{}", ITEMS[random.usize(..ITEMS.len())]);
        // Without an answer there may be an order all the same; it counts, whether its customer knows or not.
        let (status, order) = shop.get(&path).await;
        if status == 200 {
            orders.push((customer, order["orderId"].as_str().unwrap().to_owned()));
        }
        if random.u8(..100) < 10 && !orders.is_empty() {
            let (customer, order) = &orders[random.usize(orders.len().saturating_sub(20)..orders.len())];
            let events = shop.accepted(customer, order).await;
            if let Some(event) = random.choice(&events) {
                shop.deliver_again_whatever_comes(event).await;
            }
        }
        if orders.len() * (size.kills + 1) > size.orders * (kills + 1) {
            kills += 1;
            // One in five hits the gateway, and with it everything else.
            shop =
                if kills % 5 == 2 { restart(shop, state.path()).await } else { kill_one(shop, &mut random) };
        }
        eventually("room for more orders", async || {
            shop.pending().await.is_some_and(|pending| pending < BUSY).then_some(())
        })
        .await;
    }
    assert_eq!(kills, size.kills);
    settle(&shop).await;
    audit(&shop, &orders).await;
    assert_eq!(shop.app.program.interrupt().await, 0);
}

/// A shop with enough pieces, and customers.
async fn open(state: &Path, size: Size) -> Shop {
    let shop = Shop::start(state, &VARIABLES).await;
    for item in ITEMS {
        // Not quite enough of each: some orders come too late.
        let pieces = json!({ "pieces": size.orders * 3 / 10 });
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

/// Kills the gateway's program; its functions end with it. Then everything starts again.
async fn restart(shop: Shop, state: &Path) -> Shop {
    println!("kill -9 cargo eg run");
    shop.app.program.kill().await;
    Shop::start(state, &VARIABLES).await
}

/// Kills the process of one function: a child of the program that this test has started.
fn kill_one(shop: Shop, random: &mut fastrand::Rng) -> Shop {
    let children = children(shop.app.program.id());
    if let Some((id, name)) = random.choice(children) {
        println!("kill -9 {name}");
        let _ = std::process::Command::new("kill").args(["-9", &id.to_string()]).status();
    }
    shop
}

/// The processes whose parent is `parent`, and their names.
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

/// Everything comes to its end; for what a kill has left in the outbox of the orders, this test is the clock.
async fn settle(shop: &Shop) {
    shop.settle().await;
    shop.send_unsent_orders().await;
    shop.settle().await;
}

async fn audit(shop: &Shop, orders: &[(String, String)]) {
    // The history: all that was accepted, once, and nothing else.
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
    let accepted: BTreeSet<String> = shop.all_accepted().await.into_iter().map(|(_, id, _)| id).collect();
    let missing: Vec<_> = accepted.difference(&stored).collect();
    assert!(missing.is_empty(), "accepted, but not in the event store: {missing:?}");
    assert_eq!(stored.len(), accepted.len(), "in the event store, but never accepted");
    for (_, order) in orders {
        assert!(histories.contains_key(order), "order {order} was taken, and nothing is known of it");
    }

    // Each order: one end, reached in order.
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

/// What must have happened to an order that ended so.
fn sequence<'a>(status: &str, types: &[&str]) -> Vec<&'a str> {
    let created = ["order.created"];
    let described = ["item.reserved", "item.described", "customer.described", "delivery.estimated"];
    let started = ["payment.made", "item.removed", "delivery.marked-as-started"];
    let delivered = ["logistics.delivered", "delivery.was-delivered", "order.delivered"];
    let canceled = ["delivery.was-canceled", "order.canceled", "item.returned", "payment.canceled"];
    let by_partner = types.contains(&"logistics.delivery-canceled");
    let partner: &[&str] = if by_partner { &["logistics.delivery-canceled"] } else { &[] };
    match status {
        "NOT_AVAILABLE" => [&created[..], &["item.not-available"]].concat(),
        "PAYMENT_FAILED" => [&created[..], &described, &["payment.failed", "item.unreserved"]].concat(),
        "DELIVERED" => [&created[..], &described, &started, &delivered].concat(),
        "PAYMENT_CANCELED" => [&created[..], &described, &started, partner, &canceled].concat(),
        other => panic!("an order ended as {other}: {types:?}"),
    }
}
