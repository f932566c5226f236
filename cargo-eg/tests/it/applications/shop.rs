//! The functions of services/shop on AWS: orders that are delivered, canceled, and not paid.

use serde_json::{Value, json};

use super::functions::Functions;
use super::{namespace, needs};

#[test]
#[ignore = "takes minutes"]
fn the_shop_works_on_aws_from_its_zip_files() {
    if !namespace::is_inside() {
        return namespace::enter("applications::shop::the_shop_works_on_aws_from_its_zip_files");
    }
    let app = Functions::start("shop", &["DeliveryServiceURL"]);
    let order = |key: &str| {
        let headers = [("idempotency-key", key)];
        let (status, order) = app.request("GET", "/order/create/customer-1/item-1", &headers, None);
        assert_eq!(status, 200, "{order}");
        app.settle();
        order["orderId"].as_str().unwrap().to_owned()
    };
    let status = |order: &str| {
        let found = app.ask("GET", &format!("/order/get/customer-1/{order}"), None);
        found["orderStatus"].as_str().unwrap().to_owned()
    };
    // One payment in five fails, which depends on the order's id.
    let orders: Vec<(String, String)> = (0..8)
        .map(|number| {
            let id = order(&number.to_string());
            let status = status(&id);
            (id, status)
        })
        .collect();
    let of = |wanted: &str| {
        let found = orders.iter().filter(|(_, status)| status == wanted).map(|(id, _)| id.as_str());
        found.collect::<Vec<_>>()
    };
    let paid = of("DELIVERING");
    let [delivered, canceled, ..] = paid.as_slice() else { panic!("{orders:?}") };
    assert!(!of("PAYMENT_FAILED").is_empty(), "{orders:?}");
    let partner_says = |ty: &str, order: &str| {
        let data = json!({"customerId": "customer-1", "orderId": order}).to_string();
        let emit = ["emit", "--event", ty, "--data", &data, "--source", "Logistics", "--stage", "dev"];
        let emitted = app.application.eg_on_aws(&emit);
        assert_eq!(emitted.code, Some(0), "{emitted:?}");
        app.settle();
    };
    partner_says("Delivered", delivered);
    assert_eq!(status(delivered), "DELIVERED");
    partner_says("DeliveryCanceled", canceled);
    assert_eq!(status(canceled), "PAYMENT_CANCELED");

    app.ask("POST", "/order/get", Some(&json!({"customerId": "customer-1", "orderId": delivered})));
    app.ask("GET", &format!("/delivery/customer-1/{delivered}"), None);
    app.ask("GET", &format!("/payment/{delivered}"), None);
    app.ask("POST", "/inventory/item-1/restock", Some(&json!({"pieces": 5})));
    let stock = app.ask("GET", "/inventory/item-1", None);
    assert_eq!(stock["reserved"], 0, "{stock}");
    let holmes = json!({"name": "Sherlock Holmes", "email": "holmes@example.net", "address": "221B Baker Street, London NW1 6XE"});
    app.ask("PUT", "/customer/holmes", Some(&holmes));
    app.ask("GET", "/customer/holmes", None);
    let history = app.ask("GET", "/event-store/customer-1", None);
    let types: Vec<&Value> = history.as_array().unwrap().iter().map(|record| &record["eventType"]).collect();
    assert!(types.contains(&&json!("order.created")), "{history}");
    app.run_schedules();
    app.settle();
    app.check_all_ran();
    needs::check(&app.stack, &app.application.aws);
}
