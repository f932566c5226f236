//! The keys of `[deploy]`, and what a stage changes.

mod mistakes;

use std::path::Path;

use super::format::Action;
use super::shared::Queue;
use super::*;

fn read(text: &str) -> Result<Deploy, Wrong> {
    Deploy::read(text, Path::new("/app/shop/eg.toml"))
}

const EVERYTHING: &str = r#"
[deploy]
stack = "books"
region = "eu-central-1"
exclude = ["logistics-sim", "order-alert"]
bus = "existing:company"
features = ["aws"]
tags = { team = "shop", cost = "7" }
environment = { RUST_LOG = "info" }
secrets = { API_KEY = "ssm:/books/api-key" }

[deploy.tables.orders]
variable = "ORDER_TABLE"
services = ["order"]
partition_key = "partition"
sort_key = "sort:N"
ttl = "expires"
actions = ["GetItem", "Query"]

[deploy.tables.customers]
variable = "CUSTOMER_TABLE"
services = ["customer", "order"]
existing = "arn:aws:dynamodb:eu-central-1:123456789012:table/customers"

[deploy.queues.parcels]
variable = "PARCEL_QUEUE"
services = ["order"]

[deploy.queues."letters.fifo"]
variable = "LETTER_QUEUE"
services = ["order"]
existing = "arn:aws:sqs:eu-central-1:123456789012:company-letters.fifo"

[deploy.service.delivery]
environment = { PARTNER = "https://partner.example" }
secrets = { PARTNER_KEY = "secretsmanager:partner" }

[deploy.function.delivery-call_partner]
memory = 512
timeout = "1m"
concurrency = 5
environment = { RUST_LOG = "debug" }
vpc = { subnets = ["subnet-1", { Ref = "Subnet" }], security_groups = ["sg-1"] }
policies = [{ Action = "s3:GetObject", Resource = { "Fn::Sub" = "${Pictures.Arn}/*" } }]

[deploy.stages.prod]
protect = true
region = "us-east-1"
environment = { RUST_LOG = "warn", API_KEY = "none" }
tags = { cost = "8" }
exclude = []

[deploy.stages.local.service.delivery]
environment = { PARTNER_KEY = "", PARTNER = "" }
"#;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn everything_that_can_be_said() {
    let deploy = read(EVERYTHING).unwrap();
    let dev = deploy.stage(None).unwrap();
    assert_eq!((dev.name.as_str(), dev.stack.as_str(), dev.protect), ("dev", "books-dev", false));
    assert_eq!(dev.region.as_deref(), Some("eu-central-1"));
    assert_eq!(dev.bus, format::Bus::Existing("company".to_owned()));
    assert_eq!(dev.features, ["aws"]);
    let deployed = |stage: &Stage, service: &str, ids: &[&str]| {
        let functions: Vec<_> = ids.iter().map(|id| (*id, "a.rs:1", "[]")).collect();
        let kept = stage.deployed(crate::registration::plan::tests::manifest(service, &functions))?;
        Some(kept.functions.into_iter().map(|function| function.id).collect::<Vec<_>>())
    };
    assert_eq!(deployed(dev, "order", &["order-alert", "order-place"]), Some(vec!["order-place".to_owned()]));
    assert_eq!(deployed(dev, "order", &["order-alert"]), None);
    assert_eq!(deployed(dev, "logistics-sim", &["logistics-sim-book"]), None);

    let key = |name: &str, kind| format::KeyAttribute { name: name.to_owned(), kind };
    let named = |name: &str, at: &str| Named { name: name.to_owned(), at: at.to_owned() };
    let orders = Table {
        variable: "ORDER_TABLE".to_owned(),
        services: vec![named("order", "14:13")],
        actions: ["GetItem", "Query"].map(|action| action.parse::<Action>().unwrap()).to_vec(),
        kept: Kept::Here {
            partition_key: key("partition", "S"),
            sort_key: Some(key("sort", "N")),
            ttl: Some("expires".to_owned()),
        },
    };
    let tables: Vec<_> =
        dev.tables("order").map(|(name, table)| (name, dev.table_name(name, table))).collect();
    let customers = "arn:aws:dynamodb:eu-central-1:123456789012:table/customers";
    assert_eq!(tables, [("customers", customers.to_owned()), ("orders", "books-dev-orders".to_owned())]);
    assert_eq!(dev.tables["orders"], orders);
    let usual: Vec<String> = dev.tables["customers"].actions.iter().map(|action| action.in_iam()).collect();
    assert!(usual.contains(&"dynamodb:PutItem".to_owned()) && !usual.contains(&"dynamodb:Scan".to_owned()));

    let queue = |variable: &str, at: &str, existing| Queue {
        variable: variable.to_owned(),
        services: vec![named("order", at)],
        existing,
    };
    let letters = format::ExistingQueue {
        url: "https://sqs.eu-central-1.amazonaws.com/123456789012/company-letters.fifo".to_owned(),
        arn: "arn:aws:sqs:eu-central-1:123456789012:company-letters.fifo".to_owned(),
    };
    let queues: Vec<_> = dev.queues("order").map(|(name, queue)| (name, queue.clone())).collect();
    let expected = [
        ("letters.fifo", queue("LETTER_QUEUE", "31:13", Some(letters))),
        ("parcels", queue("PARCEL_QUEUE", "27:13", None)),
    ];
    assert_eq!(queues, expected);
    assert_eq!(dev.queues("delivery").count(), 0);

    let function = dev.function("delivery-call_partner").unwrap();
    let statement = serde_json::json!({
        "Action": "s3:GetObject", "Effect": "Allow", "Resource": {"Fn::Sub": "${Pictures.Arn}/*"}});
    assert_eq!(function.policies, [statement]);
    let vpc = dev.vpc("delivery-call_partner").unwrap();
    let ids =
        [serde_json::json!("subnet-1"), serde_json::json!({"Ref": "Subnet"}), serde_json::json!("sg-1")];
    assert!(vpc.ids().eq(&ids), "{vpc:?}");
    assert_eq!(dev.vpc("order-place"), None);
    assert_eq!((function.memory, function.timeout, function.concurrency), (Some(512), Some(60), Some(5)));
}

#[test]
fn the_closest_variables_count() {
    let deploy = read(EVERYTHING).unwrap();
    let check = |stage: &Stage, service: &str, function: &str, expected: &[(&str, Value)]| {
        let expected = expected.iter().map(|(name, value)| (*name, value)).collect();
        assert_eq!(stage.variables(service, function), expected, "{} {function}", stage.name);
    };
    let key = Value::Secret("ssm:/books/api-key".parse().unwrap());
    let partner_key = Value::Secret("secretsmanager:partner".parse().unwrap());
    let partner = text("https://partner.example");
    let dev = deploy.stage(None).unwrap();
    check(dev, "order", "order-place", &[("API_KEY", key.clone()), ("RUST_LOG", text("info"))]);
    let mut of_delivery = [
        ("API_KEY", key),
        ("PARTNER", partner.clone()),
        ("PARTNER_KEY", partner_key),
        ("RUST_LOG", text("debug")),
    ];
    check(dev, "delivery", "delivery-call_partner", &of_delivery);
    // A stage may give plainly what others keep secret.
    let prod = deploy.stage(Some("prod")).unwrap();
    check(prod, "order", "order-place", &[("API_KEY", text("none")), ("RUST_LOG", text("warn"))]);
    of_delivery[1].1 = text("");
    of_delivery[2].1 = text("");
    check(deploy.local(), "delivery", "delivery-call_partner", &of_delivery);
}

#[test]
fn a_stage_changes_what_it_names() {
    let deploy = read(EVERYTHING).unwrap();
    let prod = deploy.stage(Some("prod")).unwrap();
    assert_eq!((prod.stack.as_str(), prod.region.as_deref()), ("books-prod", Some("us-east-1")));
    assert!(prod.protect && prod.exclude.is_empty());
    assert_eq!(
        prod.tags,
        [("cost", "8"), ("team", "shop")].map(|(a, b)| (a.to_owned(), b.to_owned())).into()
    );
    assert_eq!(prod.tables, deploy.stage(None).unwrap().tables);
}

#[test]
fn without_a_file_the_folder_names_the_stack() {
    for (folder, stack) in [
        ("/home/me/shop", "shop-dev"),
        ("/home/me/My_Shop 2.0", "My-Shop-2-0-dev"),
        ("/tmp/.tmp0aB", "tmp0aB-dev"),
        ("/home/me/2024", "app-dev"),
        ("/", "app-dev"),
    ] {
        let deploy = Deploy::unsaid(Path::new(folder)).unwrap();
        assert_eq!(deploy.stage(None).unwrap().stack, stack, "{folder}");
        assert!(deploy.stage(Some("prod")).is_err());
    }
}

#[test]
fn a_function_is_deployed_without_a_subscription() {
    let trigger =
        |ty: &str| format!(r#"{{"eventType": "{ty}", "mode": "async", "method": "POST", "path": "/"}}"#);
    let triggers = format!("[{}, {}]", trigger("order.placed"), trigger("eventgateway.function.invoked"));
    let only = format!("[{}]", trigger("order.placed"));
    let functions = [("order-log", "a.rs:1", &*triggers), ("order-tell", "a.rs:2", &only)];
    let manifest = crate::registration::plan::tests::manifest("order", &functions);
    let deploy = read(
        "[deploy.function.order-log]\nexclude = [\"eventgateway.function.invoked\"]\n\n[deploy.stages.prod.function.order-log]\n\
         exclude = []\n\n[deploy.stages.quiet.function.order-tell]\nexclude = [\"order.placed\"]",
    )
    .unwrap();
    let deployed = |stage: Option<&str>| {
        let stage = deploy.stage(stage).unwrap();
        assert_eq!(stage.check_names([manifest.clone()].iter()), Ok(()));
        let kept = stage.deployed(manifest.clone()).unwrap();
        let subscribed = kept.functions.iter().flat_map(|function| {
            function.events().map(|event| format!("{} {}", function.id, event.event_type))
        });
        (kept.functions.len(), subscribed.collect::<Vec<_>>())
    };
    let (placed, invoked, tell) =
        ("order-log order.placed", "order-log eventgateway.function.invoked", "order-tell order.placed");
    let expected = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(deployed(None), (2, expected(&[placed, tell])));
    assert_eq!(deployed(Some("prod")), (2, expected(&[placed, invoked, tell])));
    // Nothing would call the other function.
    assert_eq!(deployed(Some("quiet")), (1, expected(&[placed])));
}

#[test]
fn a_queue_that_exists_has_a_url_and_an_arn() {
    for (region, partition, suffix) in
        [("eu-central-1", "aws", ""), ("cn-north-1", "aws-cn", ".cn"), ("us-gov-west-1", "aws-us-gov", "")]
    {
        let url = format!("https://sqs.{region}.amazonaws.com{suffix}/123456789012/orders");
        let arn = format!("arn:{partition}:sqs:{region}:123456789012:orders");
        for text in [&url, &arn] {
            let queue: format::ExistingQueue = text.parse().unwrap();
            assert_eq!((&queue.url, &queue.arn), (&url, &arn));
        }
    }
}

#[test]
fn a_gateway_replaces_the_bus_of_a_stage_and_the_other_way_round() {
    let text = r#"
[deploy]
gateway = { url = "https://gateway.example/", config_url = "https://gateway.example:4001", space = "shop" }
[deploy.stages.test]
gateway = "http://10.0.0.1:4000"
[deploy.stages.prod]
bus = "existing:company"
"#;
    let deploy = read(text).unwrap();
    let of = |stage: &str| deploy.stage(Some(stage)).unwrap().clone();
    let dev = of("dev").gateway.unwrap();
    let variables: Vec<_> = dev.variables().collect();
    let expected = [("EVENT_GATEWAY_URL", "https://gateway.example"), ("EVENT_GATEWAY_SPACE", "shop")];
    assert_eq!(
        (variables.as_slice(), dev.config_url.as_deref()),
        (&expected[..], Some("https://gateway.example:4001"))
    );
    let test = Gateway::new("http://10.0.0.1:4000", None, Some("default")).unwrap();
    assert_eq!(of("test").gateway, Some(test));
    let prod = of("prod");
    assert_eq!((prod.gateway, prod.bus), (None, Bus::Existing("company".to_owned())));

    let check = |lines: &str, message: &str| {
        let wrong = read(&format!("[deploy]\n{lines}")).unwrap_err();
        assert!(wrong.text.contains(message), "{lines}: {}", wrong.text);
        assert!(wrong.at.is_some_and(|at| at.starts_with("2:")), "{lines}");
    };
    check("gateway = \"gateway.example\"", "`gateway`: `gateway.example` is not the URL of an event gateway");
    check("archive = \"90m\"", "`archive`: \"90m\" is not a number of days: write one, as in \"30d\"");
    check("archive = \"0d\"", "`archive`: \"0d\" is not a number of days");
    check("gateway = 4000", "the URL of a gateway, or a table with `url`, `config_url` and `space`");
    check("gateway = { url = \"http://g\", port = 1 }", "unknown key `port`");
    check(
        "gateway = \"http://g\"\nbus = \"own\"",
        "functions behind a gateway have no event bus: remove `gateway` or `bus`",
    );
}
