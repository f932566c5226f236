//! Checks the templates of both applications: AWS would take them, and each service finds its table there.

use std::path::PathBuf;

use eg_tests::app::cargo_eg;
use eg_tests::templates::complaints;
use serde_json::{Value, json};

/// Returns the template of an application, and the file with it.
async fn template(application: &str, folder: &tempfile::TempDir) -> (Value, PathBuf) {
    let services = format!("services/{application}");
    let file = folder.path().join(format!("{application}.json"));
    let arguments = ["template", &services, "--architecture", "arm64", "--json", "--output"];
    let output = cargo_eg().args(arguments).arg(&file).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    (serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap(), file)
}

/// Regression test: the functions of both applications did not start on AWS, because they had no tables.
#[tokio::test(flavor = "multi_thread")]
async fn both_applications_have_what_they_need_on_aws() {
    let folder = tempfile::tempdir().unwrap();
    let (registration, first) = template("registration", &folder).await;
    let (shop, second) = template("shop", &folder).await;
    let table = |template: &Value, function: &str, variable: &str, table: &str| {
        let function = &template["Resources"][function]["Properties"];
        let given = &function["Environment"]["Variables"][variable];
        assert_eq!(*given, json!({ "Ref": table }), "{variable} of {function}");
        assert_eq!(template["Resources"][table]["DeletionPolicy"], "Retain");
    };
    table(&registration, "UsersCreateUser", "USERS_TABLE", "UsersTable");
    table(&registration, "EmailsSendWelcomeEmail", "EMAILS_TABLE", "EmailsTable");
    table(&registration, "CrmAddUserToCrm", "CRM_TABLE", "ContactsTable");
    table(&shop, "InventoryReserveItem", "INVENTORY_TABLE", "StockTable");
    table(&shop, "EventStoreStoreEvent", "STORE_TABLE", "HistoryTable");
    table(&shop, "PaymentMakePayment", "PAYMENT_TABLE", "PaymentsTable");

    // Replacements for partners are for the laptop.
    for (template, left_out) in [(&registration, "FakeVision"), (&shop, "LogisticsSim")] {
        let resources = template["Resources"].as_object().unwrap();
        assert!(resources.keys().all(|id| !id.starts_with(left_out)), "{left_out}");
    }
    let click = registration["Resources"].as_object().unwrap().values();
    let mut routes = click.filter_map(|resource| resource["Properties"]["RouteKey"].as_str());
    assert!(routes.any(|route| route == "POST /clicks"), "a synchronous subscription is a route");
    assert_eq!(complaints(&[first, second]).unwrap_or_default(), "");
}
