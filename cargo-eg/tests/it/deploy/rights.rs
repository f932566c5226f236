//! `deploy --print-iam`: the policy allows every call of a stack's life and everything that AWS's schemas say CloudFormation does,
//! and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use eg_tests::python::python;
use serde_json::{Value, json};

use super::{Shop, on, order, place, stage};
use crate::support::app::App;
use crate::support::aws::{Fault, replaced};

/// Prints the permissions of the handlers in AWS's schemas of types, which cfn-lint contains.
const SCHEMAS: &str = r#"
import json, os, sys
import cfnlint
folder = os.path.join(os.path.dirname(cfnlint.__file__), "data/schemas")
files = json.load(open(f"{folder}/providers/us-east-1.json"))
types = {}
for ty in sys.argv[1:]:
    schema = json.load(open(f"{folder}/resources/{files[ty]}.json"))
    handlers = {name: handler["permissions"] for name, handler in schema["handlers"].items() if handler}
    handlers["tag"] = schema.get("tagging", {}).get("permissions", [])
    types[ty] = handlers
print(json.dumps(types))
"#;

/// Services whose rights belong to properties that no template of ours has: keys of the customer, networks, file systems, copies of
/// other data. What CloudFormation reads in S3 is in the bucket.
const FOREIGN: [&str; 7] = ["ec2:", "elasticfilesystem:", "firehose:", "kinesis:", "kms:", "s3:", "s3files:"];

/// Rights to create and to change what our templates do not have.
const UNUSED: [&str; 49] = [
    "apigateway:TagResource",
    "apigateway:UntagResource",
    "dynamodb:AssociateTableReplica",
    "dynamodb:BatchWriteItem",
    "dynamodb:CreateTableReplica",
    "dynamodb:DeleteItem",
    "dynamodb:DeleteResourcePolicy",
    "dynamodb:DescribeImport",
    "dynamodb:DisableKinesisStreamingDestination",
    "dynamodb:EnableKinesisStreamingDestination",
    "dynamodb:GetItem",
    "dynamodb:ImportTable",
    "dynamodb:PutItem",
    "dynamodb:PutResourcePolicy",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:UpdateContinuousBackups",
    "dynamodb:UpdateContributorInsights",
    "dynamodb:UpdateItem",
    "dynamodb:UpdateKinesisStreamingDestination",
    "events:PutPermission",
    "iam:AttachRolePolicy",
    "iam:CreateServiceLinkedRole",
    "iam:DeleteRolePermissionsBoundary",
    "iam:PutRolePermissionsBoundary",
    "lambda:AssociateRuntimeAlias",
    "lambda:DeleteFunctionCodeSigningConfig",
    "lambda:GetCodeSigningConfig",
    "lambda:GetLayerVersion",
    "lambda:PassCapacityProvider",
    "lambda:PublishVersion",
    "lambda:PutFunctionCodeSigningConfig",
    "lambda:PutFunctionRecursionConfig",
    "lambda:PutFunctionScalingConfig",
    "lambda:PutRuntimeManagementConfig",
    "logs:AssociateKmsKey",
    "logs:CreateLogDelivery",
    "logs:CreateLogStream",
    "logs:DeleteIndexPolicy",
    "logs:DeleteResourcePolicy",
    "logs:DescribeLogStreams",
    "logs:DisassociateKmsKey",
    "logs:PutBearerTokenAuthentication",
    "logs:PutDataProtectionPolicy",
    "logs:PutIndexPolicy",
    "logs:PutLogEvents",
    "logs:PutLogGroupDeletionProtection",
    "logs:PutResourcePolicy",
    // Rules and authorizers of templates have no roles; functions have, and their type grants it.
    "iam:PassRole",
];

/// Rights for calls that depend on the state of a stack, or that CloudFormation derives from those of the commands: tags of a
/// stack belong to its change sets.
const RARE: [&str; 6] = [
    "cloudformation:CancelUpdateStack",
    "cloudformation:ContinueUpdateRollback",
    "cloudformation:DescribeEvents",
    "cloudformation:TagResource",
    "cloudformation:UntagResource",
    "cloudformation:UpdateTerminationProtection",
];

/// An application with a resource of every type that templates have.
fn everything(app: &App) {
    let http = |path: &str, more: Value| {
        let mut route = json!({"eventType": "http.request", "mode": "sync", "method": "GET", "path": path});
        route.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        route
    };
    app.write(
        "eg.toml",
        "[deploy]\nstack = \"shop\"\narchive = \"1d\"\ndomain = { name = \"api.example.com\", certificate = \"arn:aws:acm:eu-central-1:123456789012:certificate/1\" }\n\n[deploy.tables.orders]\nvariable = \"ORDERS\"\nservices = [\"order\"]\npartition_key = \"id\"\n",
    );
    let functions = [
        place(256),
        on("bill", "order.placed"),
        json!({"name": "check", "triggers": [{"authorizer": true}]}),
        json!({"name": "list", "triggers": [http("/orders", json!({"authorizer": "check"}))]}),
        json!({"name": "watch", "triggers": [http("/feed", json!({"stream": true}))]}),
        json!({"name": "pack", "triggers": [{"queue": "parcels"}]}),
        json!({"name": "tidy", "triggers": [{"schedule": "rate(1 day)"}]}),
    ];
    order(app, &functions, "first");
}

#[track_caller]
fn printed(app: &App, more: &[&str]) -> Value {
    let printed = app.eg(&[&["deploy", "--print-iam"], more].concat());
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert!(!printed.stderr.contains("warning"), "{printed:?}");
    serde_json::from_str(&printed.stdout).unwrap()
}

fn statements(policy: &Value) -> &[Value] {
    policy["Statement"].as_array().unwrap()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// Whether a pattern with `*` matches a text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((begin, rest)) => text.strip_prefix(begin).is_some_and(|text| {
            (0..=text.len()).any(|at| text.is_char_boundary(at) && matches(rest, &text[at..]))
        }),
    }
}

/// Whether a policy allows an action on a resource.
fn allows(policy: &Value, action: &str, on: &str) -> bool {
    statements(policy).iter().any(|statement| {
        texts(&statement["Action"]).contains(&action)
            && texts(&statement["Resource"]).iter().any(|pattern| matches(pattern, on))
    })
}

/// Returns the action and the resource of a recorded call. `None`: everybody may do it.
fn action(call: &str) -> Option<(String, String)> {
    let of_stack = || "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop-dev/11111111".to_owned();
    let Some((method, path)) = call.split_once(" /") else {
        return match call {
            "GetCallerIdentity" => None,
            "GetQueueAttributes" => {
                let queue = "arn:aws:sqs:eu-central-1:123456789012:shop-dev-OrderFailures-ABCDEFGHIJKL";
                Some(("sqs:GetQueueAttributes".to_owned(), queue.to_owned()))
            }
            stack => Some((format!("cloudformation:{stack}"), of_stack())),
        };
    };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (bucket, key) = path.split_once('/').unwrap();
    let is_set = |name: &str| query.split('&').any(|pair| pair.starts_with(name));
    let action = match (method, key) {
        ("HEAD", "") => "ListBucket",
        ("GET", "") if is_set("versions=") => "ListBucketVersions",
        ("GET", "") if is_set("versioning=") => "GetBucketVersioning",
        ("GET", "") => "ListBucket",
        ("PUT", "") if is_set("publicAccessBlock=") => "PutBucketPublicAccessBlock",
        ("PUT", "") if is_set("versioning=") => "PutBucketVersioning",
        ("PUT", "") => "CreateBucket",
        ("HEAD" | "GET", _) => "GetObject",
        ("PUT", _) => "PutObject",
        ("DELETE", _) if is_set("versionId=") => "DeleteObjectVersion",
        ("DELETE", _) => "DeleteObject",
        _ => panic!("{call}"),
    };
    let on = if key.is_empty() {
        format!("arn:aws:s3:::{bucket}")
    } else {
        format!("arn:aws:s3:::{bucket}/{key}")
    };
    Some((format!("s3:{action}"), on))
}

#[test]
fn the_deployer_may_do_what_a_stack_needs_and_nothing_else() {
    let Some(shop) = Shop::open() else { return };
    let policy = printed(&shop.app, &["--region", "eu-central-1"]);
    assert_eq!(shop.aws.calls(), [""; 0], "no account is needed");
    for text in [&policy.to_string(), &printed(&shop.app, &[]).to_string()] {
        assert!(!text.contains("\"Action\":\"*\"") && !text.contains(":*\""), "{text}");
    }

    // The whole life of a stack, also with a change that is refused and one that cannot be made.
    assert_eq!(shop.deploy(&["--yes"]).code, Some(0));
    order(&shop.app, &[place(512), on("bill", "order.placed")], "second");
    assert_eq!(shop.deploy(&["--yes"]).code, Some(0));
    assert_eq!(shop.deploy(&["--yes"]).code, Some(0));
    stage::fail(&shop, "e1");
    order(&shop.app, &[place(256)], "third");
    assert_eq!(shop.deploy(&["--yes"]).code, Some(12));
    assert_eq!(shop.eg(&["rollback", "--yes"]).code, Some(0));
    let failed = replaced("<Status>CREATE_COMPLETE</Status>", "<Status>FAILED</Status>");
    shop.aws.plan("DescribeChangeSet", 1, failed);
    order(&shop.app, &[place(1024), on("bill", "order.placed")], "fourth");
    assert_ne!(shop.deploy(&["--yes"]).code, Some(0));
    shop.aws.calm();
    shop.aws.plan(&format!("PUT /{}/shop-dev/history/", shop.bucket()), 1, Fault::Answer(403, String::new()));
    assert_eq!(shop.deploy(&["--yes"]).code, Some(8));
    shop.aws.calm();
    assert_eq!(shop.eg(&["remove", "--yes", "--allow-delete"]).code, Some(0));
    let made: BTreeSet<(String, String)> = shop.aws.calls().iter().filter_map(|call| action(call)).collect();
    for (action, on) in &made {
        // A test puts the message into the queue.
        if !["cloudformation:ListQueues", "cloudformation:SendMessage"].contains(&action.as_str()) {
            assert!(allows(&policy, action, on), "{action} on {on}");
        }
    }
    for (action, on) in [
        ("s3:GetObject", "arn:aws:s3:::eg-deploy-123456789012-eu-central-1/other-dev/assets/a.zip"),
        ("cloudformation:DeleteStack", "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop/1"),
        ("lambda:UpdateFunctionCode", "arn:aws:lambda:eu-central-1:123456789012:function:shop-order"),
        ("lambda:UpdateFunctionCode", "arn:aws:lambda:us-east-1:123456789012:function:shop-dev-order"),
        ("iam:PutRolePolicy", "arn:aws:iam::123456789012:role/Administrator"),
    ] {
        assert!(!allows(&policy, action, on), "{action} on {on}");
    }
    let used: BTreeSet<&str> = made.iter().map(|(action, _)| action.as_str()).collect();
    for action in statements(&policy).iter().flat_map(|statement| texts(&statement["Action"])) {
        let of_commands = ["cloudformation:", "s3:"].iter().any(|service| action.starts_with(service));
        assert!(!of_commands || used.contains(action) || RARE.contains(&action), "nothing calls {action}");
    }
}

#[test]
fn cloudformation_may_do_what_the_types_of_resources_need() {
    let app = App::new();
    everything(&app);
    let made = app.eg(&["template", "--json", "--architecture", "arm64"]);
    let template: Value = serde_json::from_str(&made.stdout).expect(&made.stderr);
    let resources = template["Resources"].as_object().unwrap().values();
    let types: BTreeSet<&str> = resources.map(|resource| resource["Type"].as_str().unwrap()).collect();
    assert_eq!(types.len(), 21, "{types:?}");
    let Some(output) = python(SCHEMAS, &types.iter().copied().collect::<Vec<_>>()) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let schemas: BTreeMap<String, BTreeMap<String, Vec<String>>> =
        serde_json::from_slice(&output.stdout).unwrap();
    let policy = printed(&app, &["--region", "eu-central-1"]);
    let allowed: BTreeSet<&str> =
        statements(&policy).iter().flat_map(|statement| texts(&statement["Action"])).collect();
    let mut needed = BTreeSet::new();
    for (ty, handlers) in &schemas {
        for (handler, actions) in handlers {
            for action in actions {
                needed.insert(action.as_str());
                let is_foreign = FOREIGN.iter().any(|service| action.starts_with(service));
                let may_lack = matches!(handler.as_str(), "create" | "update" | "list" | "tag")
                    && (UNUSED.contains(&action.as_str()) || handler == "list");
                assert!(
                    is_foreign || may_lack || allowed.contains(action.as_str()),
                    "{ty} cannot {handler} without {action}"
                );
            }
        }
    }
    for action in allowed {
        let of_commands = ["cloudformation:", "s3:"].iter().any(|service| action.starts_with(service));
        assert!(of_commands || needed.contains(action), "no type of resource needs {action}");
    }
    let stale: Vec<_> = UNUSED.iter().filter(|action| !needed.contains(*action)).collect();
    assert!(stale.is_empty(), "{stale:?}");
}

#[test]
fn nested_stacks_need_rights_of_their_own() {
    let Some(shop) = Shop::open() else { return };
    let nested = "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop-dev-OrderFunctions-ABC/1";
    let policy = || printed(&shop.app, &["--region", "eu-central-1"]);
    assert!(!allows(&policy(), "cloudformation:CreateStack", nested));
    let route = |at: usize| json!({"eventType": "http.request", "mode": "sync", "method": "GET", "path": format!("/{at}")});
    let functions: Vec<Value> =
        (0..90).map(|at| json!({"name": format!("f{at}"), "triggers": [route(at)]})).collect();
    order(&shop.app, &functions, "first");
    let policy = policy();
    let needed = python(SCHEMAS, &["AWS::CloudFormation::Stack"]).expect("moto runs, so Python is there");
    let schemas: BTreeMap<String, BTreeMap<String, Vec<String>>> =
        serde_json::from_slice(&needed.stdout).unwrap();
    // No template gives a nested stack a policy, a role or protection from its removal, and nothing lists all stacks.
    let unused = [
        "iam:PassRole",
        "cloudformation:GetStackPolicy",
        "cloudformation:SetStackPolicy",
        "cloudformation:UpdateTerminationProtection",
        "cloudformation:ListStacks",
    ];
    let handlers = schemas["AWS::CloudFormation::Stack"].values().flatten();
    for action in handlers.map(String::as_str).filter(|action| !unused.contains(action)) {
        assert!(allows(&policy, action, nested), "{action}");
    }
    for action in ["ListStackResources", "DescribeStackEvents"] {
        assert!(allows(&policy, &format!("cloudformation:{action}"), nested), "{action}");
    }
    assert!(allows(
        &policy,
        "lambda:CreateFunction",
        "arn:aws:lambda:eu-central-1:123456789012:function:shop-dev-order-f1"
    ));
    assert!(!allows(&policy, "cloudformation:DeleteStack", &nested.replace("shop-dev", "shop-prod")));
}

#[test]
fn names_narrow_the_rights() {
    let app = App::new();
    order(&app, &[place(256)], "first");
    app.write("eg.toml", "[deploy]\nstack = \"a-shop-with-a-very-long-name\"\nregion = \"cn-north-1\"\n");
    let policy = printed(&app, &["--bucket", "company"]);
    let on = |sid: &str| {
        let found = statements(&policy).iter().find(|statement| statement["Sid"] == sid);
        found.map(|statement| texts(&statement["Resource"]))
    };
    let stack = "a-shop-with-a-very-long-name-dev";
    assert_eq!(on("UseTheBucket"), Some(vec!["arn:aws-cn:s3:::company"]));
    assert_eq!(on("StoreProgramsAndTemplates"), Some(vec![&*format!("arn:aws-cn:s3:::company/{stack}/*")]));
    assert_eq!(on("DeployRoles"), Some(vec!["arn:aws-cn:iam::*:role/a-shop-with-a-very-long-*"]));
    assert_eq!(on("DeployTables"), None);
    let bucket = statements(&policy).iter().find(|statement| statement["Sid"] == "UseTheBucket").unwrap();
    assert_eq!(texts(&bucket["Action"]), ["s3:ListBucket", "s3:ListBucketVersions"], "it exists");

    app.write("eg.toml", "[deploy]\nresources = \"extra.yaml\"\n");
    app.write("extra.yaml", "Resources:\n  Pictures:\n    Type: AWS::S3::Bucket\n");
    let printed = app.eg(&["deploy", "--print-iam"]);
    let warning =
        "warning: the rights for AWS::S3::Bucket are not known: add those for `Pictures` yourself\n";
    assert!(printed.code == Some(0) && printed.stderr.ends_with(warning), "{printed:?}");

    // Nor are the names and properties of resources of a known type.
    app.write(
        "extra.yaml",
        "Resources:\n  Jobs:\n    Type: AWS::SQS::Queue\n    Properties: { QueueName: jobs }\n",
    );
    let printed = app.eg(&["deploy", "--print-iam"]);
    let warning = "warning: the rights for AWS::SQS::Queue are not known: add those for `Jobs` yourself\n";
    assert!(printed.code == Some(0) && printed.stderr.ends_with(warning), "{printed:?}");
    let profile = app.eg(&["deploy", "--print-iam", "--cargo-profile", "dev"]);
    assert_eq!(profile.code, Some(2), "{profile:?}");
}

#[test]
fn what_is_deployed_may_be_deleted() {
    let app = App::new();
    order(&app, &[place(256)], "first");
    app.write("eg.toml", "[deploy]\nstack = \"shop\"\n");
    let table = "arn:aws:dynamodb:eu-central-1:123456789012:table/shop-dev-orders";
    let policy = || printed(&app, &["--region", "eu-central-1"]);
    assert!(!allows(&policy(), "dynamodb:DeleteTable", table));
    // The last deployment had a table that the code no longer has.
    let template = json!({"Resources": {"OrdersTable": {"Type": "AWS::DynamoDB::Table", "Properties": {}}}});
    let deployed = json!({"region": "eu-central-1", "template": template});
    app.write("eg.lock.json", &json!({"version": 1, "stacks": {"shop-dev": deployed}}).to_string());
    assert!(allows(&policy(), "dynamodb:DeleteTable", table));
}

/// As in a build: functions may depend on the features.
#[test]
fn the_features_of_the_stage_count() {
    let app = App::new();
    order(&app, &[place(256)], "first");
    app.write("eg.toml", "[deploy]\nstack = \"shop\"\n[deploy.stages.prod]\nfeatures = [\"order/quiet\"]\n");
    for command in [&["deploy", "--print-iam"][..], &["template"]] {
        assert_eq!(app.eg(command).code, Some(0));
        let prod = app.eg(&[command, &["--stage", "prod"]].concat());
        assert!(prod.code == Some(3) && prod.stderr.contains("quiet"), "{prod:?}");
    }
    let manifest = app.path().join("services/order/Cargo.toml");
    let features = std::fs::read_to_string(&manifest).unwrap() + "\n[features]\nquiet = []\n";
    std::fs::write(&manifest, features).unwrap();
    for command in [&["deploy", "--print-iam"][..], &["template"]] {
        assert_eq!(app.eg(&[command, &["--stage", "prod"]].concat()).code, Some(0));
    }
}
