//! Tests `cargo eg template` for a shop: compares the template with a file and checks it with AWS's own tools.
//! `UPDATE_GOLDENS=1 cargo test -p cargo-eg --test it template` updates the file.

use std::path::Path;

use crate::support::app::{App, Main};
use eg_tests::templates::complaints;
use serde_json::{Value, json};

/// Returns a function record in the format of `eg-runtime`.
fn record(service: &str, name: &str, more: &Value) -> String {
    let mut record = json!({
        "package": service, "version": "1.0.0", "name": name, "source": format!("src/main.rs:{}", name.len()),
        "triggers": [], "emits": [],
    });
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record.to_string() + "\n"
}

fn http(method: &str, path: &str) -> Value {
    json!({"eventType": "http.request", "mode": "sync", "method": method, "path": path})
}

fn on(event: &str) -> Value {
    json!({"eventType": event, "mode": "async", "method": "POST", "path": "/"})
}

/// Returns a shop in which orders come over HTTP and lead to events, with a schedule and two queues.
fn shop() -> App {
    let app = App::new();
    let cors =
        json!({"origins": ["https://shop.example"], "methods": [], "headers": [], "credentials": true});
    let mut place = http("POST", "/orders");
    place["cors"] = cors.clone();
    let mut show = http("GET", "/orders/:id");
    show["cors"] = cors;
    let mut charge = on("order.placed");
    charge["retry"] = json!({"attempts": 5, "maxAge": 3600});
    let order = [
        record(
            "order",
            "place",
            &json!({
                "doc": "Takes an order.", "triggers": [place], "emits": ["order.placed", "order.refused"],
                "sources": {"order.refused": "/shop/order"}, "timeout": 10, "memory": 512,
            }),
        ),
        record("order", "show", &json!({"triggers": [show]})),
        record("order", "close", &json!({"triggers": [on("payment.made"), on("payment.failed")]})),
        record(
            "order",
            "clean_up",
            &json!({
                "doc": "Forgets old carts.", "triggers": [{"schedule": "rate(1 day)"}, {"schedule": "cron(0 12 * * ? *)"}],
            }),
        ),
    ];
    let payment = [
        record(
            "payment",
            "charge",
            &json!({
                "doc": "Charges the customer's card.", "triggers": [charge], "emits": ["payment.made", "payment.failed"],
            }),
        ),
        record(
            "payment",
            "book",
            &json!({
                "triggers": [{"queue": "bookings", "batchSize": 100, "window": 5}, {"queue": "refunds.fifo", "batchSize": 10}],
            }),
        ),
    ];
    let created = json!({
        "source": ["aws.s3"], "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": ["pictures"]}, "object": {"size": [{"numeric": [">", 0]}]}},
    });
    let stock = [
        record(
            "stock",
            "watch",
            &json!({"triggers": [
                {"stream": "orders", "source": "dynamodb", "batchSize": 100, "window": 5},
                {"stream": "clicks", "source": "kinesis", "retry": {"attempts": 10, "maxAge": 3600}},
                {"stream": "visits", "source": "kafka"},
            ]}),
        ),
        record("stock", "resize", &json!({"triggers": [{ "eventBridge": created }]})),
        record("stock", "approve", &json!({"triggers": [{"invoke": true}]})),
    ];
    app.service("order", &order, &Main::Serves).service("payment", &payment, &Main::Serves);
    app.service("stock", &stock, &Main::Serves);
    app
}

const NOTES: &str =
    "warning: stock-watch: the function must reach the cluster of topic visits: set its `vpc` in eg.toml\n";

#[test]
fn a_shop() {
    let app = shop();
    let yaml = app.eg(&["template", "--architecture", "arm64"]);
    assert_eq!((yaml.code, yaml.stderr.ends_with(NOTES)), (Some(0), true), "{}", yaml.stderr);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/template.yaml");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
        std::fs::write(&golden, &yaml.stdout).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(yaml.stdout, expected, "{} differs; is that meant?", golden.display());

    let written = app.eg(&["template", "--architecture", "arm64", "--output", "template.yaml"]);
    assert_eq!((written.code, written.stdout.as_str()), (Some(0), ""));
    assert_eq!(std::fs::read_to_string(app.path().join("template.yaml")).unwrap(), yaml.stdout);
    let json = app.eg(&["template", "--json", "--architecture", "x86_64"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["Resources"]["OrderShow"]["Properties"]["Architectures"], json!(["x86_64"]));
    let app = app.eg(&["template", "--output", "no/such/folder.yaml"]);
    assert_eq!(app.code, Some(1));
    assert!(app.stderr.contains("error: cannot write no/such/folder.yaml: "), "{}", app.stderr);
}

/// AWS's tools look for the code from the folder of the template, wherever the command runs.
#[test]
fn the_code_is_where_it_was_built_as_seen_from_the_template() {
    let app = shop();
    std::fs::create_dir(app.path().join("deploy")).unwrap();
    let code = |folder: &str, arguments: &[&str]| {
        let arguments = [&["template", "--json", "--architecture", "arm64"], arguments].concat();
        let made = app.eg_in(folder, &arguments);
        assert_eq!(made.code, Some(0), "{made:?}");
        let written = std::fs::read_to_string(app.path().join("deploy/t.json")).unwrap_or(made.stdout);
        let template: Value = serde_json::from_str(&written).unwrap();
        template["Resources"]["OrderShow"]["Properties"]["Code"].as_str().unwrap().to_owned()
    };
    assert_eq!(code("", &[]), "target/eg/order/bootstrap.zip");
    assert_eq!(code("services/order", &[]), "../../target/eg/order/bootstrap.zip");
    assert_eq!(
        code("services/order", &["--output", "../../deploy/t.json"]),
        "../target/eg/order/bootstrap.zip"
    );
    assert_eq!(code("", &["--output", "deploy/t.json"]), "../target/eg/order/bootstrap.zip");
    let elsewhere = ["--output", "../../deploy/t.json", "--artifacts", "../../deploy/zips"];
    assert_eq!(code("services/order", &elsewhere), "zips/order/bootstrap.zip");
}

/// Their programs and environments are not those of `provided.al2023`.
#[test]
fn functions_of_an_eg_toml_are_left_out_aloud() {
    let app = shop();
    let declared = "[[function]]\nname = \"resize\"\ncommand = [\"python3\", \"resize.py\"]\ntriggers = [{ event = \"order.placed\" }]\n";
    app.write("pictures/eg.toml", declared);
    let made = app.eg(&["template", "services", "pictures"]);
    assert!(
        made.stderr.contains("warning: pictures is left out: eg.toml says how to run its functions here"),
        "{made:?}"
    );
    assert!(!made.stdout.contains("Pictures") && made.stdout.contains("OrderShow:"), "{}", made.stdout);
    app.eg(&["template", "pictures"]).fails(6, "error: no template: no service here is a program in Rust\n");
}

const DEPLOY: &str = r#"
[deploy]
stack = "shop"
exclude = ["stock", "payment-book"]
environment = { LOG = "info" }
tags = { team = "shop" }

[deploy.tables.orders]
variable = "ORDER_TABLE"
services = ["order"]
partition_key = "customer"
sort_key = "number:N"
ttl = "expires"

[deploy.stages.prod]
bus = "existing:company"
domain = { name = "shop.example.com", certificate = "arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012" }
environment = { LOG = "warn" }
tables.orders = { variable = "ORDER_TABLE", services = ["order"], existing = "orders" }
"#;

#[test]
fn a_stage_of_an_eg_toml() {
    let app = shop();
    app.write("services/eg.toml", DEPLOY);
    let resources = |arguments: &[&str]| {
        let made = app.eg(&[&["template", "--json", "--architecture", "arm64"], arguments].concat());
        assert_eq!(made.code, Some(0), "{made:?}");
        let template: Value = serde_json::from_str(&made.stdout).unwrap();
        template["Resources"].clone()
    };
    let variables =
        |resources: &Value| resources["OrderPlace"]["Properties"]["Environment"]["Variables"].clone();
    let dev = resources(&[]);
    let expected =
        json!({"EVENT_BUS": {"Ref": "EventBus"}, "LOG": "info", "ORDER_TABLE": {"Ref": "OrdersTable"}});
    assert_eq!(variables(&dev), expected);
    assert!(
        dev.get("StockWatch").is_none()
            && dev.get("PaymentBook").is_none()
            && dev.get("PaymentCharge").is_some()
    );
    let prod = resources(&["--stage", "prod"]);
    assert_eq!(variables(&prod), json!({"EVENT_BUS": "company", "LOG": "warn", "ORDER_TABLE": "orders"}));
    assert!(prod.get("EventBus").is_none() && prod.get("OrdersTable").is_none());

    let file = app.path().canonicalize().unwrap().join("services/eg.toml");
    app.eg(&["template", "--stage", "prd"]).fails(
        2,
        &format!(
            "error: no stage `prd`; did you mean `prod`?; the stages are `dev` and `prod`\n\
             hint: to add it, write [deploy.stages.prd] into {}\n",
            file.display()
        ),
    );
    app.write("services/eg.toml", &DEPLOY.replace("\"payment-book\"", "\"payment-bok\""));
    let misspelt = app.eg(&["template"]);
    let message = format!(
        "error: {}:4:21: no service or function `payment-bok`; did you mean `payment-book`?",
        file.display()
    );
    assert!(misspelt.code == Some(2) && misspelt.stderr.contains(&message), "{misspelt:?}");
    app.write("services/order/eg.toml", "[deploy]\nstack = \"order\"\n");
    let two = app.eg(&["template"]);
    assert!(
        two.code == Some(2) && two.stderr.contains("services/eg.toml describe two applications"),
        "{two:?}"
    );
}

/// What would never run on AWS is an error, with the place in the code.
#[test]
fn a_function_without_a_trigger_on_aws_is_refused() {
    let app = App::new();
    let records = [record(
        "ask",
        "answer",
        &json!({"triggers": [
        {"eventType": "ask", "mode": "sync", "method": "POST", "path": "/"}]}),
    )];
    app.service("ask", &records, &Main::Serves);
    let refused = app.eg(&["template"]);
    assert!(
        refused.code == Some(7)
            && refused.stderr.contains("error: ask-answer (src/main.rs:6): an event bus returns no answers"),
        "{refused:?}"
    );
}

/// Secrets, queues to send to, and resources of a file.
const MORE: &str = r#"
[deploy.service.order]
secrets = { API_KEY = "ssm:/shop/api-key", BANK = "secretsmanager:shop/bank#password" }

[deploy.queues.bookings]
variable = "BOOKING_QUEUE"
services = ["order"]

[deploy.queues.letters]
variable = "LETTER_QUEUE"
services = ["order"]
existing = "arn:aws:sqs:eu-central-1:123456789012:letters"

[deploy.function.order-place]
environment = { PICTURES = { Ref = "Pictures" } }
policies = [{ Action = ["s3:PutObject"], Resource = { "Fn::Sub" = "${Pictures.Arn}/*" } }]

[deploy.stages.dev]
resources = "extra.yaml"
domain = { name = "dev.example.com", certificate = { Ref = "Certificate" } }
archive = "30d"

[deploy.stages.gateway]
gateway = { url = "https://gateway.example", config_url = "https://gateway.example:4001", space = "shop" }

[deploy.stages.gateway.function.order-place]
environment = { PICTURES = "none" }
policies = []

[deploy.stages.prod.function.order-place]
environment = { PICTURES = "none" }
policies = []
"#;

const EXTRA: &str = r#"
Resources:
  Pictures:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      BucketName: !Sub "${AWS::StackName}-pictures"
  Certificate:
    Type: AWS::CertificateManager::Certificate
    Properties:
      DomainName: dev.example.com
      ValidationMethod: DNS
Outputs:
  PicturesName:
    Value: !Ref Pictures
"#;

#[test]
fn what_aws_says_about_it() {
    let app = shop();
    app.write("services/extra.yaml", EXTRA);
    let templates = ["plain.yaml", "dev.yaml", "prod.yaml", "gateway.yaml"].map(|name| app.path().join(name));
    for (template, stage) in templates.iter().zip([None, Some("dev"), Some("prod"), Some("gateway")]) {
        if stage.is_some() {
            app.write("services/eg.toml", &(DEPLOY.replace("\"stock\", ", "") + MORE));
        }
        let mut arguments =
            vec!["template", "--architecture", "arm64", "--output", template.to_str().unwrap()];
        arguments.extend(stage.iter().flat_map(|stage| ["--stage", stage]));
        assert_eq!(app.eg(&arguments).code, Some(0));
    }
    let dev = std::fs::read_to_string(&templates[1]).unwrap();
    for expected in [
        "EG_SECRETS",
        "secret:shop/bank-??????",
        "parameter/shop/api-key",
        "Type: AWS::S3::Bucket",
        "Type: AWS::Events::Archive",
        "Type: AWS::ApiGatewayV2::DomainName",
    ] {
        assert!(dev.contains(expected), "{expected}: {dev}");
    }
    assert_eq!(complaints(&templates).unwrap_or_default(), "");
}
