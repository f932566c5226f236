//! Tests the shop with the real programs: `cargo eg run` builds and serves its services, and each scenario leads to
//! the documented sequence of events in the shop's own event store.

mod requests;

use eg_tests::eventually;
use eg_tests::moto::Moto;
use eg_tests::python::python;
use eg_tests::shop::Shop;
use serde_json::{Value, json};

/// The variables that name the services' tables.
const TABLES: [&str; 7] = [
    "ORDER_TABLE",
    "INVENTORY_TABLE",
    "CUSTOMER_TABLE",
    "DELIVERY_TABLE",
    "PAYMENT_TABLE",
    "STORE_TABLE",
    "LOGISTICS_TABLE",
];

/// The commands from the README of `service-storage`, in the region of the local Lambda.
const MAKE_TABLES: &str = r#"
import boto3, sys
client = boto3.client("dynamodb", endpoint_url=sys.argv[1], region_name="us-east-1",
                      aws_access_key_id="local", aws_secret_access_key="local")
for table in sys.argv[2:]:
    client.create_table(
        TableName=table, BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("partition", "sort")],
        KeySchema=[{"AttributeName": "partition", "KeyType": "HASH"}, {"AttributeName": "sort", "KeyType": "RANGE"}])
    client.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"})
"#;
const REFUSALS: (&str, &str) = ("PAYMENT_FAIL_PROBABILITY", "0.4");

/// From the order to the payment.
const UNTIL_ESTIMATED: [&str; 5] =
    ["order.created", "item.reserved", "item.described", "customer.described", "delivery.estimated"];
const PAID: [&str; 3] = ["payment.made", "item.removed", "delivery.marked-as-started"];
const CANCELED: [&str; 4] = ["delivery.was-canceled", "order.canceled", "item.returned", "payment.canceled"];

fn sequence<'a>(parts: &[&[&'a str]]) -> Vec<&'a str> {
    parts.concat()
}

async fn pieces(shop: &Shop, item: &str) -> (u64, u64, u64) {
    let (status, stock) = shop.get(&format!("/inventory/{item}")).await;
    assert_eq!(status, 200, "{stock}");
    let count = |name: &str| stock[name].as_u64().unwrap();
    assert_eq!(count("initial"), count("available") + count("reserved") + count("sold"));
    (count("available"), count("reserved"), count("sold"))
}

async fn status(shop: &Shop, customer: &str, order: &str) -> String {
    let (_, row) = shop.get(&format!("/order/get/{customer}/{order}")).await;
    row["orderStatus"].as_str().unwrap_or_default().to_owned()
}

/// Places orders until the payment of one succeeds or fails, as `event` requires.
async fn order_whose_payment(shop: &Shop, event: &str, customer: &str, item: &str) -> String {
    loop {
        let order = shop.create(customer, item).await;
        let told = eventually("the payment of an order", async || {
            let history = shop.history(customer, &order).await;
            history.into_iter().find(|record| record.ty.starts_with("payment."))
        })
        .await;
        if told.ty == event {
            return order;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_leads_to_its_documented_sequence() {
    let state = tempfile::tempdir().unwrap();
    let shop = Shop::start(state.path(), &[REFUSALS]).await;
    every_scenario(&shop).await;
    assert_eq!(shop.app.program.interrupt().await, 0);
}

/// The same, with one table for each service instead of a file.
#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_does_so_on_dynamodb() {
    let Some(moto) = Moto::start_serial() else { return };
    let made = python(MAKE_TABLES, &[&[moto.url.as_str()], &TABLES[..]].concat()).unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut variables = vec![REFUSALS, ("AWS_ENDPOINT_URL_DYNAMODB", moto.url.as_str())];
    variables.extend(TABLES.map(|table| (table, table)));
    let state = tempfile::tempdir().unwrap();
    let shop = Shop::start(state.path(), &variables).await;
    every_scenario(&shop).await;
    assert_eq!(shop.app.program.interrupt().await, 0);
    for service in std::fs::read_dir(state.path().join("data")).unwrap() {
        let files: Vec<_> = std::fs::read_dir(service.unwrap().path()).unwrap().collect();
        assert!(files.is_empty(), "nothing is kept in files: {files:?}");
    }
}

async fn every_scenario(shop: &Shop) {
    let sample = shop.get("/inventory/item-1").await.1;
    assert_eq!(
        (&sample["description"], &sample["price"], &sample["available"]),
        (&json!("Big Smartphone"), &json!(39_999), &json!(10))
    );
    the_event_table_is_true(shop);
    happy_and_delivered(shop).await;
    payment_failed(shop).await;
    canceled_by_the_partner(shop).await;
    dead_partner(shop).await;
    partner_that_returns_after_the_refund(shop).await;
    partner_that_dies_in_the_middle(shop).await;
    nothing_left(shop).await;
    unknown_customer_and_address(shop).await;
    requests::two_orders_in_one_second(shop).await;
    requests::apostrophes_and_statements_in_names(shop).await;
    requests::slashes_in_names(shop).await;
    requests::a_request_that_is_repeated(shop).await;
    requests::events_that_no_service_knows(shop).await;
    requests::requests_that_are_refused(shop).await;
    events_that_come_twice(shop).await;
    shop.settle().await;
}

async fn happy_and_delivered(shop: &Shop) {
    let order = order_whose_payment(shop, "payment.made", "customer-1", "item-1").await;
    let started = sequence(&[&UNTIL_ESTIMATED, &PAID]);
    let history = shop.history_until("customer-1", &order, "delivery.marked-as-started").await;
    assert_eq!(types(&history), started);
    let last = &history[7].detail;
    assert_eq!(last["payment"]["amount"], 39_999 + 560);
    assert_eq!(
        (&last["payment"]["status"], &last["payment"]["paymentMethod"]),
        (&json!("PAID"), &json!("CREDIT_CARD"))
    );
    assert_eq!(
        last["delivery"],
        json!({"customerId": "customer-1", "orderId": order, "address": "London SW1A 1AA, UK", "deliveryStatus": "DELIVERING"})
    );
    assert_eq!(last["customer"]["name"], "Buckingham Palace");
    assert!(last.get("").is_none(), "no part of the document is without a name");
    eventually("the order to be on its way", async || {
        (status(shop, "customer-1", &order).await == "DELIVERING").then_some(())
    })
    .await;

    shop.outcome("delivered", "customer-1", &order).await;
    let history = shop.history_until("customer-1", &order, "order.delivered").await;
    let end = ["Delivered", "delivery.was-delivered", "order.delivered"];
    assert_eq!(types(&history), sequence(&[&started, &end]));
    assert_eq!(history[10].detail["delivery"], json!({"deliveryStatus": "DELIVERED"}));
    let (_, row) = shop.get(&format!("/order/get/customer-1/{order}")).await;
    assert_eq!((&row["orderStatus"], &row["totalPrice"]), (&json!("DELIVERED"), &json!(40_559)));
    assert_eq!((&row["itemPrice"], &row["deliveryPrice"]), (&json!(39_999), &json!(560)));

    // A finished order stays finished, whatever the partner reports.
    shop.outcome("canceled", "customer-1", &order).await;
    let history = shop.history_until("customer-1", &order, "delivery.error-was-canceled").await;
    assert_eq!(history.len(), 13);
    assert_eq!(status(shop, "customer-1", &order).await, "DELIVERED");
}

async fn payment_failed(shop: &Shop) {
    shop.settle().await;
    let before = pieces(shop, "item-3").await;
    let order = order_whose_payment(shop, "payment.failed", "customer-2", "item-3").await;
    let history = shop.history_until("customer-2", &order, "item.unreserved").await;
    assert_eq!(types(&history), sequence(&[&UNTIL_ESTIMATED, &["payment.failed", "item.unreserved"]]));
    assert_eq!(history[6].detail["payment"]["status"], "FAILED");
    shop.settle().await;
    assert_eq!(status(shop, "customer-2", &order).await, "PAYMENT_FAILED");
    let after = pieces(shop, "item-3").await;
    assert_eq!(after.1, 0);
    // Orders paid before the wanted one are sold.
    assert_eq!(before.0 - after.0, after.2 - before.2);
}

async fn canceled_by_the_partner(shop: &Shop) {
    let order = order_whose_payment(shop, "payment.made", "customer-3", "item-3").await;
    shop.history_until("customer-3", &order, "delivery.marked-as-started").await;
    shop.settle().await;
    let before = pieces(shop, "item-3").await;
    shop.outcome("canceled", "customer-3", &order).await;
    let history = shop.history_until("customer-3", &order, "payment.canceled").await;
    assert_eq!(types(&history), sequence(&[&UNTIL_ESTIMATED, &PAID, &["DeliveryCanceled"], &CANCELED]));
    assert_eq!(history[12].detail["order"]["orderStatus"], "DELIVERY_CANCELED");
    assert_eq!(history[12].detail["payment"]["status"], "CANCELED");
    shop.settle().await;
    assert_eq!(status(shop, "customer-3", &order).await, "PAYMENT_CANCELED");
    let after = pieces(shop, "item-3").await;
    assert_eq!(after, (before.0 + 1, before.1, before.2 - 1));
    let (_, payment) = shop.get(&format!("/payment/{order}")).await;
    assert_eq!(payment["status"], "CANCELED");
}

/// There are four more attempts if they make sense; then the dead letter triggers the function that cancels the
/// delivery.
async fn dead_partner(shop: &Shop) {
    for (answer, attempts, error) in [
        ("reject", 5, "the partner answered 503"),
        // It accepts the call and never answers.
        ("hang", 5, "the partner does not answer"),
        // After a final refusal, there is no retry.
        ("refuse", 1, "the partner answered 422"),
    ] {
        shop.behave(&json!({ "answer": answer })).await;
        let order = order_whose_payment(shop, "payment.made", "customer-1", "item-3").await;
        let history = shop.history_until("customer-1", &order, "payment.canceled").await;
        assert_eq!(types(&history), sequence(&[&UNTIL_ESTIMATED, &PAID, &CANCELED]), "{answer}");
        shop.settle().await;
        assert_eq!(status(shop, "customer-1", &order).await, "PAYMENT_CANCELED");
        let letters = shop.dead_letters().await;
        let of_order = |letter: &&Value| letter["event"]["data"]["orderId"] == order.as_str();
        let letter = letters.iter().find(of_order).unwrap();
        assert_eq!(letter["functionId"], "delivery-call_partner");
        let made = letter["attempts"].as_array().unwrap();
        assert_eq!(made.len(), attempts, "{letter}");
        for attempt in made {
            assert!(attempt["error"].as_str().unwrap().contains(error), "{attempt}");
        }
    }
    shop.behave(&json!({})).await;
}

/// The dead letters are still there when the partner works again. Their orders are refunded: nothing is shipped.
async fn partner_that_returns_after_the_refund(shop: &Shop) {
    shop.behave(&json!({"answer": "reject"})).await;
    let order = order_whose_payment(shop, "payment.made", "customer-3", "item-3").await;
    let refunded = shop.history_until("customer-3", &order, "payment.canceled").await;
    shop.behave(&json!({"outcome": "delivered"})).await;
    shop.settle().await;
    let before = pieces(shop, "item-3").await;
    assert!(shop.retry_dead_letters().await > 0);
    shop.settle().await;
    let (status, answer) = shop.get(&format!("/logistics/{order}")).await;
    assert_eq!(status, 404, "the partner has the goods of a refunded order: {answer}");
    assert_eq!(shop.history("customer-3", &order).await, refunded, "nothing happened");
    assert_eq!(pieces(shop, "item-3").await, before);
    let (_, delivery) = shop.get(&format!("/delivery/customer-3/{order}")).await;
    assert_eq!(delivery["deliveryStatus"], "CANCELED");
    // The dead letter stays one, with the reason.
    let of_order = |letter: &&Value| letter["event"]["data"]["orderId"] == order.as_str();
    let letters = shop.dead_letters().await;
    let letter = letters.iter().find(of_order).unwrap();
    let last = letter["attempts"].as_array().unwrap().last().unwrap();
    assert!(last["error"].as_str().unwrap().contains("is CANCELED: the partner is not called"), "{letter}");
    shop.behave(&json!({})).await;
}

/// The next call succeeds.
async fn partner_that_dies_in_the_middle(shop: &Shop) {
    shop.behave(&json!({"answer": "drop"})).await;
    let order = order_whose_payment(shop, "payment.made", "customer-2", "item-3").await;
    shop.history_until("customer-2", &order, "delivery.marked-as-started").await;
    shop.app
        .program
        .line("the partner to die", |line| {
            let died = line.contains("POST /logistics") && line.contains(" 50") && !line.contains(" 503 ");
            died.then_some(())
        })
        .await;
    shop.behave(&json!({"outcome": "delivered"})).await;
    shop.history_until("customer-2", &order, "order.delivered").await;
    shop.behave(&json!({})).await;
}

async fn nothing_left(shop: &Shop) {
    // Pieces whose payment fails are returned, so it takes more orders than there are pieces.
    while pieces(shop, "item-2").await.0 > 0 {
        order_whose_payment(shop, "payment.made", "customer-1", "item-2").await;
        shop.settle().await;
    }
    for item in ["item-0", "item-2"] {
        let order = shop.create("customer-1", item).await;
        let history = shop.history_until("customer-1", &order, "item.not-available").await;
        assert_eq!(types(&history), ["order.created", "item.not-available"], "{item}");
        eventually("the order to be over", async || {
            (status(shop, "customer-1", &order).await == "NOT_AVAILABLE").then_some(())
        })
        .await;
    }
}

async fn unknown_customer_and_address(shop: &Shop) {
    shop.settle().await;
    let before = pieces(shop, "item-3").await;
    let order = shop.create("customer-0", "item-3").await;
    let history = shop.history_until("customer-0", &order, "item.unreserved").await;
    assert_eq!(
        types(&history),
        ["order.created", "item.reserved", "item.described", "customer.error-described", "item.unreserved"]
    );
    let nowhere = json!({"name": "Nobody", "email": "nobody@example.net", "address": "Nowhere"});
    assert_eq!(shop.put("/customer/customer-9", &nowhere).await.0, 200);
    let order_to_nowhere = shop.create("customer-9", "item-3").await;
    let history = shop.history_until("customer-9", &order_to_nowhere, "item.unreserved").await;
    let expected = sequence(&[&UNTIL_ESTIMATED[..4], &["delivery.error-estimated", "item.unreserved"]]);
    assert_eq!(types(&history), expected);
    shop.settle().await;
    assert_eq!(status(shop, "customer-0", &order).await, "CANCELED");
    assert_eq!(status(shop, "customer-9", &order_to_nowhere).await, "CANCELED");
    assert_eq!(pieces(shop, "item-3").await, before, "nothing stays reserved");
}

/// Delivers each event of an order again to each subscribed function: nothing changes.
async fn events_that_come_twice(shop: &Shop) {
    shop.behave(&json!({"outcome": "delivered"})).await;
    let order = order_whose_payment(shop, "payment.made", "customer-3", "item-3").await;
    let history = shop.history_until("customer-3", &order, "order.delivered").await;
    shop.settle().await;
    let before = (pieces(shop, "item-3").await, shop.get(&format!("/payment/{order}")).await);
    let events = shop.accepted("customer-3", &order).await;
    assert_eq!(events.len(), history.len());
    for event in &events {
        let calls = shop.deliver_again(event).await;
        assert!(calls > 0, "nobody takes {event}");
    }
    shop.settle().await;
    assert_eq!((pieces(shop, "item-3").await, shop.get(&format!("/payment/{order}")).await), before);
    assert_eq!(shop.history("customer-3", &order).await, history);
    assert_eq!(shop.accepted("customer-3", &order).await.len(), events.len(), "nothing new was emitted");
    assert_eq!(status(shop, "customer-3", &order).await, "DELIVERED");
    let ids: std::collections::BTreeSet<&str> = history.iter().map(|record| &*record.id).collect();
    assert_eq!(ids.len(), history.len());
}

fn types(history: &[eg_tests::shop::Record]) -> Vec<&str> {
    history.iter().map(|record| &*record.ty).collect()
}

/// Each row of `event-table.md` names an event, its type, and the functions that it triggers.
fn the_event_table_is_true(shop: &Shop) {
    let table = include_str!("../../../../services/shop/event-table.md");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), shop_events::NAMES.len());
    for (name, ty) in shop_events::NAMES {
        let row = rows.iter().find(|row| row[0] == format!("`{name}`")).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(row[1], format!("`{ty}`"));
        let mut functions = shop.functions_on(ty);
        functions.sort_unstable();
        let functions = if functions.is_empty() { "none".to_owned() } else { functions.join(", ") };
        assert_eq!(row[4], functions, "{name}");
        for follower in row[5].split('`').skip(1).step_by(2) {
            assert!(shop_events::NAMES.iter().any(|(name, _)| *name == follower), "{name}: {follower}");
        }
    }
}
