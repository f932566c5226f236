//! Secrets, queues to send to, and further resources of `[deploy]`, as `deploy` shows and creates them.

use serde_json::{Value, json};

use super::{Shop, on, order, place};
use crate::support::http;
use crate::support::stack::Stack;

const SETTINGS: &str = r#"
[deploy]
stack = "shop"
resources = "extra.yaml"
secrets = { API_KEY = "ssm:/shop/api-key", PASSWORD = "secretsmanager:shop/bank#password" }

[deploy.queues.letters]
variable = "LETTER_QUEUE"
services = ["order"]

[deploy.function.order-place]
environment = { PICTURES = { Ref = "Pictures" } }
policies = [{ Action = "s3:PutObject", Resource = { "Fn::Sub" = "${Pictures.Arn}/*" } }]
"#;

const EXTRA: &str = "Resources:\n  Pictures:\n    Type: AWS::S3::Bucket\n    Properties:\n      \
                     BucketName: !Sub \"${AWS::StackName}-pictures\"\n";

/// The service `order`, whose program reads secrets.
fn with_secrets(shop: &Shop) {
    let functions = [place(256), on("bill", "order.placed")].map(|mut function| {
        function["secrets"] = json!(true);
        function
    });
    order(&shop.app, &functions, "first");
}

#[test]
fn what_a_stage_sets_is_shown_and_deployed() {
    let Some(shop) = Shop::open() else { return };
    shop.app.write("eg.toml", SETTINGS);
    shop.app.write("extra.yaml", EXTRA);
    shop.app.write(".env", "API_KEY=hunter2\nPASSWORD=hunter2\n");
    shop.deploy(&["--plan"]).fails(
        3,
        "error: `order` cannot read secrets on AWS, and `bill` has the secret `API_KEY` (services/order/src/main.rs:7)\n\
         hint: make `eg-runtime` a dependency of the package itself, in a version with the feature `secrets`\n",
    );
    with_secrets(&shop);
    let plan = shop.plan(10);
    let here = "${AWS::Region}:${AWS::AccountId}";
    for line in [
        format!("    + may ssm:GetParameters on arn:${{AWS::Partition}}:ssm:{here}:parameter/shop/api-key\n"),
        format!(
            "    + may secretsmanager:GetSecretValue on arn:${{AWS::Partition}}:secretsmanager:{here}:secret:shop/bank-??????\n"
        ),
        "    + may sqs:SendMessage on LettersQueue\n".to_owned(),
        "    + may s3:PutObject on ${Pictures.Arn}/*\n".to_owned(),
        "+ AWS::S3::Bucket Pictures\n".to_owned(),
        "+ queue LettersQueue\n".to_owned(),
    ] {
        assert!(plan.contains(&line), "{line}: {plan}");
    }
    shop.deployed();
    let text = shop.lock().to_string();
    assert!(!text.contains("hunter2") && !plan.contains("hunter2"), "{text}");
    let stack = Stack::read("shop-dev", &shop.aws);
    let [bill, place] = ["shop-dev-order-bill", "shop-dev-order-place"].map(|name| &stack.functions[name]);
    let found: Value = serde_json::from_str(&bill.variables["EG_SECRETS"]).unwrap();
    let references = json!({"API_KEY": "ssm:/shop/api-key", "PASSWORD": "secretsmanager:shop/bank#password"});
    assert_eq!(found, references, "{bill:?}");
    assert_eq!(place.variables["LETTER_QUEUE"], stack.queues["LettersQueue"], "{place:?}");
    assert_eq!(place.variables["PICTURES"], "shop-dev-pictures", "{place:?}");
    let pictures = "arn:aws:s3:::shop-dev-pictures/*";
    assert!(place.allows("s3:PutObject", pictures) && !bill.allows("s3:PutObject", pictures), "{stack:#?}");
    let bucket = shop.aws.block_on(async {
        http().get(format!("{}/shop-dev-pictures?list-type=2", shop.aws.url)).send().await.unwrap().status()
    });
    assert_eq!(bucket, 200, "the stack has made the bucket of the file");

    // Somebody adds a resource that the template has already.
    shop.app.write("extra.yaml", &EXTRA.replace("Pictures:", "OrderBill:"));
    let clash = shop.deploy(&["--plan"]);
    let message = "extra.yaml:2: the template makes `OrderBill` for order-bill (services/order/src/main.rs:7): rename it in the file";
    assert!(clash.code == Some(7) && clash.stderr.contains(message), "{clash:?}");
    shop.app.write("extra.yaml", "Resources: [");
    let broken = shop.deploy(&["--plan"]);
    assert!(broken.code == Some(2) && broken.stderr.contains("extra.yaml:1:"), "{broken:?}");
    std::fs::remove_file(shop.app.path().join("extra.yaml")).unwrap();
    let missing = shop.deploy(&["--plan"]);
    assert!(
        missing.code == Some(2) && missing.stderr.contains("eg.toml:4:13: cannot read `resources`: "),
        "{missing:?}"
    );
}
