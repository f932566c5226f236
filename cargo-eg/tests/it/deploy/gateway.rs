//! Tests stages whose functions a self-hosted gateway calls: what it is told, what is deployed, and what is left when the stage
//! goes. The gateway's calls of Lambda go to the proxy in front of moto, which answers them.

use std::collections::BTreeMap;

use eg_sdk::config::Provider;
use serde_json::{Value, json};

use super::{Shop, on, order};
use crate::support::app::Transcript;
use crate::support::aws::Fault;
use crate::support::gateway::Running;
use crate::support::{eventually, http};

/// The operation by which the gateway calls a function.
const INVOKING: &str = "POST /2015-03-31/functions/";

/// A shop behind a gateway.
struct Behind {
    shop: Shop,
    gateway: Running,
}

impl Behind {
    fn open() -> Option<Self> {
        let shop = Shop::open()?;
        let lambda = shop.aws.url.clone();
        let gateway = shop.aws.block_on(Running::with(|options| options.local_lambda = Some(lambda)));
        Some(Self { shop, gateway })
    }

    fn url(&self) -> &str {
        self.gateway.gateway.events_url()
    }

    fn deploy(&self, more: &[&str]) -> Transcript {
        let config = self.gateway.gateway.config_url();
        let gateway = ["--gateway", self.url(), "--config-url", config];
        self.shop.deploy(&[&gateway, more].concat())
    }

    #[track_caller]
    fn deployed(&self) -> Transcript {
        let done = self.deploy(&["--yes"]);
        assert_eq!(done.code, Some(0), "{done:?}");
        done
    }

    /// The functions of the gateway with their ARNs.
    fn functions(&self) -> BTreeMap<String, String> {
        let functions =
            self.shop.aws.block_on(async { self.gateway.client.functions().list().await.unwrap() });
        let arn = |provider| match provider {
            Provider::AwsLambda { arn, .. } => arn,
            other => format!("{other:?}"),
        };
        functions.into_iter().map(|one| (one.function_id, arn(one.provider))).collect()
    }

    /// The subscriptions of the gateway in words.
    fn subscriptions(&self) -> Vec<String> {
        let all = self.shop.aws.block_on(async { self.gateway.client.subscriptions().list().await.unwrap() });
        let mut words: Vec<String> = all
            .iter()
            .map(|one| format!("{} {} {} {}", one.event_type, one.method, one.path, one.function_id))
            .collect();
        words.sort();
        words
    }

    fn resources(&self) -> Value {
        self.shop.lock()["stacks"]["shop-dev"]["template"]["Resources"].clone()
    }
}

/// The numbers of resources of a type.
fn count(resources: &Value, ty: &str) -> usize {
    resources.as_object().unwrap().values().filter(|resource| resource["Type"] == ty).count()
}

#[test]
fn a_gateway_calls_the_functions_of_a_stage() {
    let Some(behind) = Behind::open() else { return };
    let shop = &behind.shop;
    let first = behind.deployed();
    let line =
        format!("registered the functions of stack shop-dev at the gateway {}: 6 changes\n", behind.url());
    assert!(first.stderr.contains(&line), "{first:?}");
    assert!(first.stdout.contains(behind.url()), "{first:?}");
    let arn = |name: &str| {
        format!("arn:aws:lambda:eu-central-1:{}:function:shop-dev-order-{name}", shop.aws.account)
    };
    let known =
        |names: &[&str]| names.iter().map(|name| (format!("shop-dev-order-{name}"), arn(name))).collect();
    assert_eq!(behind.functions(), known(&["bill", "place"]));
    let bill = "order.placed POST / shop-dev-order-bill";
    assert_eq!(behind.subscriptions(), ["http.request POST /orders shop-dev-order-place", bill]);
    let resources = behind.resources();
    for ty in ["AWS::Events::EventBus", "AWS::Events::Rule", "AWS::ApiGatewayV2::Api", "AWS::SQS::Queue"] {
        assert_eq!(count(&resources, ty), 0, "{ty}");
    }
    let variables = &resources["OrderPlace"]["Properties"]["Environment"]["Variables"];
    assert_eq!(*variables, json!({"EVENT_GATEWAY_URL": behind.url()}));

    // A request and an event reach their functions.
    let answer = json!({"statusCode": 201, "body": "taken"}).to_string();
    shop.aws.plan(INVOKING, usize::MAX, Fault::Answer(200, answer));
    let status = shop.aws.block_on(async {
        http().post(format!("{}/orders", behind.url())).body("{}").send().await.unwrap().status()
    });
    assert_eq!(status, 201);
    let emitted = shop.eg(&["emit", "--event", "order.placed", "--data", "{}", "--stage", "dev", "--json"]);
    assert_eq!(emitted.code, Some(0), "{emitted:?}");
    let emitted: Value = serde_json::from_str(&emitted.stdout).unwrap();
    assert_eq!(emitted["gateway"], behind.url());
    let called = |name: &str| shop.aws.sent(INVOKING).iter().any(|body| body.contains(name));
    shop.aws.block_on(eventually("the delivery", || called("\"type\":\"order.placed\"")));
    shop.aws.calm();

    // What changes in the code changes at the gateway.
    let route = json!({"eventType": "http.request", "mode": "sync", "method": "PUT", "path": "/orders/:id"});
    let second = json!({"name": "place", "triggers": [route], "emits": ["order.placed"], "memory": 512});
    order(&shop.app, &[second, on("bill", "order.placed"), on("ship", "order.placed")], "second");
    let plan = behind.deploy(&["--plan"]);
    assert_eq!(plan.code, Some(10), "{plan:?}");
    for line in
        ["    - route POST /orders\n", "    + route PUT /orders/{id}\n", "    + subscription order.placed\n"]
    {
        assert!(plan.stdout.contains(line), "{line}: {plan:?}");
    }
    behind.deployed();
    assert_eq!(behind.functions(), known(&["bill", "place", "ship"]));
    let ship = "order.placed POST / shop-dev-order-ship";
    assert_eq!(behind.subscriptions(), ["http.request PUT /orders/:id shop-dev-order-place", bill, ship]);
    let again = behind.deployed();
    assert!(again.stderr.contains(&format!("the gateway at {} is up to date\n", behind.url())), "{again:?}");

    let back = shop.eg(&["rollback", "--yes"]);
    assert_eq!(back.code, Some(0), "{back:?}");
    assert_eq!(behind.functions(), known(&["bill", "place"]));
    assert_eq!(behind.subscriptions(), ["http.request POST /orders shop-dev-order-place", bill]);

    let removed = shop.eg(&["remove", "--yes"]);
    assert_eq!(removed.code, Some(0), "{removed:?}");
    assert!(
        removed.stderr.contains("removed the functions of stack shop-dev from the gateway"),
        "{removed:?}"
    );
    assert_eq!((behind.functions(), behind.subscriptions()), (BTreeMap::new(), Vec::new()));
}

#[test]
fn a_stage_moves_to_a_gateway_and_away() {
    let Some(behind) = Behind::open() else { return };
    let shop = &behind.shop;
    let config = behind.gateway.gateway.config_url();
    let file = format!(
        "[deploy]\nstack = \"shop\"\nbus = \"own\"\n\n[deploy.stages.dev]\ngateway = {{ url = \"{}\", config_url = \"{config}\" }}\n",
        behind.url()
    );
    shop.app.write("eg.toml", &file);
    shop.deployed();
    assert_eq!(behind.functions().len(), 2);
    assert_eq!(count(&behind.resources(), "AWS::Events::Rule"), 0);

    shop.app.write("eg.toml", "[deploy]\nstack = \"shop\"\n");
    let away = shop.deployed();
    assert!(away.stderr.contains("removed the functions of stack shop-dev from the gateway"), "{away:?}");
    assert_eq!((behind.functions(), behind.subscriptions()), (BTreeMap::new(), Vec::new()));
    assert_eq!(count(&behind.resources(), "AWS::Events::Rule"), 1);
}

#[test]
fn a_gateway_that_does_not_answer_changes_nothing() {
    let Some(behind) = Behind::open() else { return };
    let shop = &behind.shop;
    let nowhere = "http://127.0.0.1:1";
    let refused = shop.deploy(&["--yes", "--gateway", nowhere, "--config-url", nowhere]);
    assert_eq!(refused.code, Some(5), "{refused:?}");
    assert!(!shop.aws.calls().contains(&"CreateChangeSet".to_owned()));
    let wrong = shop.deploy(&["--yes", "--gateway", "gateway.example"]);
    assert!(
        wrong.code == Some(2) && wrong.stderr.contains("is not the URL of an event gateway"),
        "{wrong:?}"
    );

    // A route of somebody else is found before the stack changes.
    let route = json!({"eventType": "http.request", "type": "sync", "functionId": "other", "method": "POST", "path": "/orders"});
    shop.aws.block_on(async {
        behind.gateway.event_type("http.request").await;
        behind.gateway.function("other").await;
        let route = serde_json::from_value(route).unwrap();
        behind.gateway.client.subscriptions().create(&route).await.unwrap();
    });
    let taken = behind.deploy(&["--yes"]);
    let message = "error: shop-dev-order-place cannot have POST /orders: subscription ";
    assert!(taken.code == Some(8) && taken.stderr.contains(message), "{taken:?}");
    assert!(!shop.aws.calls().contains(&"CreateChangeSet".to_owned()));
    order(&shop.app, &[on("bill", "order.placed")], "second");
    behind.deployed();

    // The gateway goes before the stage.
    let Behind { shop, gateway } = behind;
    shop.aws.block_on(async { gateway.gateway.shutdown().await });
    let kept = shop.eg(&["remove", "--yes"]);
    assert_eq!(kept.code, Some(5), "{kept:?}");
    let hint =
        "hint: nothing was removed; --without-gateway removes the stack and leaves its registrations there\n";
    assert!(kept.stderr.ends_with(hint), "{kept:?}");
    assert!(!shop.aws.calls().contains(&"DeleteStack".to_owned()));
    let removed = shop.eg(&["remove", "--yes", "--without-gateway"]);
    assert_eq!(removed.code, Some(0), "{removed:?}");
}

#[test]
fn stacks_of_one_name_in_two_accounts_leave_each_other_alone() {
    let Some(behind) = Behind::open() else { return };
    let Some(theirs) = Shop::open() else { return };
    behind.deployed();
    let before = (behind.functions(), behind.subscriptions());
    let config = behind.gateway.gateway.config_url();
    let gateway = ["--gateway", behind.url(), "--config-url", config];
    let refused = theirs.deploy(&[&gateway[..], &["--yes"]].concat());
    let of = format!("of stack `shop-dev` in eu-central-1, account {}", behind.shop.aws.account);
    refused.fails(
        8,
        &format!(
            "error: function `shop-dev-order-place` {of}, is already registered at the gateway\nhint: use another space of the gateway \
             (`gateway = {{ url = \"…\", space = \"…\" }}` in eg.toml) or another `stack`, or delete that function\n"
        ),
    );
    assert!(!theirs.aws.calls().contains(&"CreateChangeSet".to_owned()));
    assert_eq!((behind.functions(), behind.subscriptions()), before);

    // A space of its own is the way out.
    let file = format!(
        "[deploy]\nstack = \"shop\"\ngateway = {{ url = \"{}\", config_url = \"{config}\", space = \"second\" }}\n",
        behind.url()
    );
    theirs.app.write("eg.toml", &file);
    theirs.deployed();
    let removed = theirs.eg(&["remove", "--yes"]);
    assert_eq!(removed.code, Some(0), "{removed:?}");
    assert_eq!((behind.functions(), behind.subscriptions()), before);
}

#[test]
fn another_spelling_of_a_gateways_address_removes_nothing() {
    let Some(behind) = Behind::open() else { return };
    behind.deployed();
    let before = (behind.functions(), behind.subscriptions());
    let respelled = |url: &str| format!("{}/", url.replace("localhost", "127.0.0.1"));
    let url = respelled(behind.url());
    let config = respelled(behind.gateway.gateway.config_url());
    let gateway = ["--gateway", &url, "--config-url", &config];
    let again = behind.shop.deploy(&[&gateway[..], &["--yes"]].concat());
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.stderr.contains("registered the functions of stack shop-dev"), "{again:?}");
    assert!(!again.stderr.contains("removed the functions"), "{again:?}");
    assert_eq!((behind.functions(), behind.subscriptions()), before);

    // What left the code has left the gateway, too.
    order(&behind.shop.app, &[on("bill", "order.placed")], "second");
    behind.deployed();
    assert_eq!(behind.functions().len(), 1);
    let removed = behind.shop.eg(&["remove", "--yes"]);
    assert_eq!(removed.code, Some(0), "{removed:?}");
    assert_eq!((behind.functions(), behind.subscriptions()), (BTreeMap::new(), Vec::new()));
}
