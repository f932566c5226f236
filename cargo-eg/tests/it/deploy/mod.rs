//! Tests `cargo eg deploy`, `rollback` and `remove` with moto, which implements the APIs of AWS, behind a proxy that adds what
//! moto lacks.

mod faults;
mod gateway;
mod nested;
mod rights;
mod settings;
mod stage;

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::app::{App, Main, Transcript};
use crate::support::aws::{Aws, Fault, replaced};
use crate::support::http;

/// The processor of this machine in the words of Lambda.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };

/// An application that can be deployed.
struct Shop {
    app: App,
    aws: Aws,
}

/// Returns the service `order` with these functions. `word` is part of its program.
fn order(app: &App, functions: &[Value], word: &'static str) {
    let record = |function: &Value| {
        let mut record = json!({
            "package": "order", "version": "1.0.0", "sinks": ["gateway", "eventbridge"], "panic": "unwind",
            "source": "services/order/src/main.rs:7", "triggers": [], "emits": [],
        });
        record.as_object_mut().unwrap().extend(function.as_object().unwrap().clone());
        format!("{record}\n")
    };
    app.service("order", &functions.iter().map(record).collect::<Vec<_>>(), &Main::Says(word));
}

fn place(memory: u32) -> Value {
    let route = json!({"eventType": "http.request", "mode": "sync", "method": "POST", "path": "/orders"});
    json!({"name": "place", "triggers": [route], "emits": ["order.placed"], "memory": memory})
}

fn on(name: &str, event: &str) -> Value {
    json!({"name": name, "triggers": [{"eventType": event, "mode": "async", "method": "POST", "path": "/"}]})
}

impl Shop {
    /// Returns `None` if this machine has no Python.
    fn open() -> Option<Self> {
        let aws = Aws::start()?;
        let app = App::new();
        app.write("eg.toml", "[deploy]\nstack = \"shop\"\n");
        order(&app, &[place(256), on("bill", "order.placed")], "first");
        Some(Self { app, aws })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let aws = ["--region", "eu-central-1", "--endpoint-url", &self.aws.url];
        let mut command = self.app.command(&[arguments, &aws].concat());
        for (name, value) in [
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ] {
            command.env(name, value);
        }
        command.stdin(Stdio::null());
        command
    }

    fn eg(&self, arguments: &[&str]) -> Transcript {
        Transcript::of(self.command(arguments).output().unwrap())
    }

    fn deploy(&self, more: &[&str]) -> Transcript {
        self.eg(&[&["deploy", "--architecture", ARCHITECTURE], more].concat())
    }

    #[track_caller]
    fn deployed(&self) -> Transcript {
        let done = self.deploy(&["--yes"]);
        assert_eq!(done.code, Some(0), "{done:?}");
        self.aws.calls();
        done
    }

    /// What `--plan` prints, without the numbers of resources.
    #[track_caller]
    fn plan(&self, code: i32) -> String {
        let plan = self.deploy(&["--plan"]);
        assert_eq!(plan.code, Some(code), "{plan:?}");
        assert!(!plan.stderr.contains("error"), "{plan:?}");
        plan.stdout
            .lines()
            .filter(|line| !line.contains(" resource"))
            .map(|line| format!("{line}\n"))
            .collect()
    }

    /// The bucket that `deploy` makes.
    fn bucket(&self) -> String {
        format!("eg-deploy-{}-eu-central-1", self.aws.account)
    }

    fn lock(&self) -> Value {
        let text = std::fs::read_to_string(self.app.path().join("eg.lock.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

#[test]
fn a_stack_lives_from_its_first_deployment_to_its_removal() {
    let Some(shop) = Shop::open() else { return };

    // Without an account, everything is new.
    let plan = shop.plan(10);
    for line in
        ["+ function order-place\n", "    + route POST /orders\n", "    + subscription order.placed\n"]
    {
        assert!(plan.contains(line), "{plan}");
    }
    assert_eq!(shop.aws.calls(), Vec::<String>::new());

    let first = shop.deploy(&["--yes"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    let into = format!("new stack shop-dev in eu-central-1, account {}\n", shop.aws.account);
    for line in [into.as_str(), "deployed stack shop-dev in "] {
        assert!(first.stderr.contains(line), "{first:?}");
    }
    let (calls, bucket) = (shop.aws.calls(), shop.bucket());
    for call in [
        format!("PUT /{bucket}/"),
        format!("PUT /{bucket}/?publicAccessBlock="),
        format!("PUT /{bucket}/?versioning="),
    ] {
        assert!(calls.contains(&call), "{call}: {calls:?}");
    }
    assert_eq!(shop.plan(0), "", "the deployment is on record");

    // Nothing to do.
    let again = shop.deployed();
    assert!(again.stderr.contains("stack shop-dev is up to date: there is nothing to deploy\n"), "{again:?}");

    // A change needs a confirmation, which nobody can give here.
    order(&shop.app, &[place(512), on("ship", "order.placed")], "second");
    let plan = shop.plan(10);
    for line in [
        "~ function order-place\n",
        "    ~ memory 256 → 512\n",
        "    ~ code ",
        "+ function order-ship\n",
        "- function order-bill\n",
    ] {
        assert!(plan.contains(line), "{line}: {plan}");
    }
    order(&shop.app, &[place(512), on("bill", "order.placed"), on("ship", "order.placed")], "second");
    shop.aws.calls();
    let refused = shop.deploy(&[]);
    refused.fails(
        2,
        "error: the deployment must be confirmed, and standard input is no terminal\nhint: pass --yes to go on without a question\n",
    );
    let calls = shop.aws.calls();
    assert!(!calls.iter().any(|call| call.contains("ChangeSet") && call != "ListChangeSets"), "{calls:?}");
    assert!(!calls.iter().any(|call| call.starts_with("PUT")), "{calls:?}");
    let second = shop.deploy(&["--yes"]);
    assert_eq!(second.code, Some(0), "{second:?}");
    assert!(second.stderr.contains("uploaded 1 program"), "{second:?}");

    // Back to the first version, and not further.
    let back = shop.eg(&["rollback", "--yes"]);
    assert_eq!(back.code, Some(0), "{back:?}");
    assert!(back.stderr.contains("    ~ memory 512 → 256\n"), "{back:?}");
    order(&shop.app, &[place(256), on("bill", "order.placed")], "first");
    assert_eq!(shop.plan(0), "", "what is deployed is what was deployed first");
    let further = shop.eg(&["rollback", "--yes"]);
    assert_eq!(further.code, Some(6), "{further:?}");
    assert!(
        further.stderr.contains("error: stack `shop-dev` has no earlier version in the bucket"),
        "{further:?}"
    );

    shop.eg(&["remove"]).fails(
        2,
        "error: the removal must be confirmed, and standard input is no terminal\nhint: pass --yes to go on without a question\n",
    );
    let removed = shop.eg(&["remove", "--yes"]);
    assert_eq!(removed.code, Some(0), "{removed:?}");
    assert!(removed.stderr.contains("removed stack shop-dev\n"), "{removed:?}");
    assert_eq!(shop.lock()["stacks"], json!({}));
    shop.eg(&["remove", "--yes"]).fails(
        6,
        "error: there is no stack `shop-dev`\nhint: check the region and the account, or deploy it with `cargo eg deploy`\n",
    );
    let calls = shop.aws.calls();
    assert!(
        calls.iter().any(|call| call.starts_with(&format!("DELETE /{bucket}/shop-dev/assets/"))),
        "{calls:?}"
    );
    assert_eq!(shop.aws.without_token(), [""; 0]);
}

/// Deploys three versions, with 256, 512 and 1024 MB. The third is not recorded, because the bucket refuses it.
#[track_caller]
fn without_a_record_of_the_third(shop: &Shop) {
    shop.deployed();
    order(&shop.app, &[place(512)], "second");
    shop.deployed();
    order(&shop.app, &[place(1024)], "third");
    let history = format!("PUT /{}/shop-dev/history/", shop.bucket());
    shop.aws.plan(&history, usize::MAX, Fault::Answer(403, String::new()));
    let unrecorded = shop.deploy(&["--yes"]);
    assert_eq!(unrecorded.code, Some(8), "{unrecorded:?}");
    shop.aws.calm();
}

#[test]
fn a_deployment_that_was_not_recorded_is_rolled_back_by_one_version() {
    let Some(shop) = Shop::open() else { return };
    without_a_record_of_the_third(&shop);
    // The next deployment brings it into the history.
    order(&shop.app, &[place(2048)], "fourth");
    shop.deployed();
    let no_further = "error: stack `shop-dev` has no earlier version in the bucket";
    for (change, code) in [
        ("    ~ memory 2048 → 1024\n", 0),
        ("    ~ memory 1024 → 512\n", 0),
        ("    ~ memory 512 → 256\n", 0),
        (no_further, 6),
    ] {
        let back = shop.eg(&["rollback", "--yes"]);
        assert_eq!(back.code, Some(code), "{back:?}");
        assert!(back.stderr.contains(change), "{back:?}");
    }
}

#[test]
fn a_rollback_of_a_deployment_that_was_not_recorded_leaves_no_trace_of_it() {
    let Some(shop) = Shop::open() else { return };
    without_a_record_of_the_third(&shop);
    let back = |change: &str| {
        let back = shop.eg(&["rollback", "--yes"]);
        assert!(back.code == Some(0) && back.stderr.contains(change), "{change}: {back:?}");
    };
    back("    ~ memory 1024 → 512\n");
    order(&shop.app, &[place(2048)], "fourth");
    shop.deployed();
    back("    ~ memory 2048 → 512\n");
    back("    ~ memory 512 → 256\n");
}

#[test]
fn a_removal_that_was_interrupted_is_completed() {
    let Some(shop) = Shop::open() else { return };
    shop.deployed();
    let bucket = shop.bucket();
    shop.aws.plan(&format!("GET /{bucket}/?prefix="), 1, Fault::Answer(403, String::new()));
    let interrupted = shop.eg(&["remove", "--yes"]);
    assert_eq!(interrupted.code, Some(8), "{interrupted:?}");
    assert_ne!(shop.lock()["stacks"], json!({}));
    let completed = shop.eg(&["remove", "--yes"]);
    assert_eq!(completed.code, Some(0), "{completed:?}");
    assert!(completed.stderr.contains(&format!("of it from the bucket {bucket}\n")), "{completed:?}");
    assert_eq!(shop.lock()["stacks"], json!({}));
    assert_eq!(shop.eg(&["remove", "--yes"]).code, Some(6));
}

#[test]
fn a_bucket_that_was_made_halfway_is_completed() {
    let Some(shop) = Shop::open() else { return };
    let bucket = shop.bucket();
    let closing = format!("PUT /{bucket}/?publicAccessBlock=");
    shop.aws.plan(&closing, 1, Fault::Answer(403, String::new()));
    let interrupted = shop.deploy(&["--yes"]);
    assert_eq!(interrupted.code, Some(8), "{interrupted:?}");
    let made = |shop: &Shop| {
        let calls = shop.aws.calls();
        [closing.clone(), format!("PUT /{bucket}/?versioning=")].map(|call| calls.contains(&call))
    };
    assert_eq!(made(&shop), [true, false]);
    assert_eq!(shop.deploy(&["--yes"]).code, Some(0));
    assert_eq!(made(&shop), [true, true]);
    order(&shop.app, &[place(512)], "second");
    assert_eq!(shop.deploy(&["--yes"]).code, Some(0));
    assert_eq!(made(&shop), [false, false]);
}

#[test]
fn a_queue_with_messages_does_not_leave_the_stack_unnoticed() {
    let Some(shop) = Shop::open() else { return };
    shop.deployed();
    stage::fail(&shop, "e1");
    order(&shop.app, &[place(256)], "second");
    let refused = shop.deploy(&["--yes"]);
    assert_eq!(refused.code, Some(12), "{refused:?}");
    let expected = "` would leave the stack with 1 message that nobody reads\n\
                    hint: handle the messages first, or keep the queue in the code; --allow-delete goes on without them\n";
    assert!(refused.stderr.ends_with(expected), "{refused:?}");
    assert_eq!(shop.eg(&["remove", "--yes"]).code, Some(12));
    let allowed = shop.deploy(&["--yes", "--allow-delete"]);
    assert_eq!(allowed.code, Some(0), "{allowed:?}");
    let warned = "` leaves the stack with 1 message that nobody reads\n";
    assert!(allowed.stderr.contains(warned), "{allowed:?}");
}

#[test]
fn a_stack_with_messages_is_removed_only_if_that_is_wanted() {
    let Some(shop) = Shop::open() else { return };
    shop.deployed();
    stage::fail(&shop, "e1");
    let refused = shop.eg(&["remove", "--yes"]);
    assert_eq!(refused.code, Some(12), "{refused:?}");
    assert!(!shop.aws.calls().contains(&"DeleteStack".to_owned()));
    let removed = shop.eg(&["remove", "--yes", "--allow-delete"]);
    assert_eq!(removed.code, Some(0), "{removed:?}");
    assert!(removed.stderr.contains(" with 1 message"), "{removed:?}");
    assert!(shop.aws.calls().contains(&"DeleteStack".to_owned()));
}

/// Streams of Kinesis are named by a parameter, because their ARN is not in the code.
#[test]
fn parameters_and_a_bucket_of_the_user_stay_with_the_stack() {
    let Some(shop) = Shop::open() else { return };
    let stream = json!({"stream": "clicks", "source": "kinesis"});
    order(&shop.app, &[place(256), json!({"name": "count", "triggers": [stream]})], "first");
    let plan = shop.deploy(&["--plan", "--json"]);
    assert_eq!(plan.code, Some(10), "{plan:?}");
    let changes: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert!(changes.to_string().contains("order-count"), "{changes}");

    shop.aws.block_on(async {
        // The scope of a signature tells moto which service is called.
        let scope = "Credential=test/20260101/eu-central-1/kinesis/aws4_request";
        let made = http()
            .post(&shop.aws.url)
            .header("authorization", format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"))
            .header("x-amz-target", "Kinesis_20131202.CreateStream")
            .header("content-type", "application/x-amz-json-1.1")
            .body("{\"StreamName\":\"clicks\",\"ShardCount\":1}");
        assert_eq!(made.send().await.unwrap().status(), 200);
        let place = "<CreateBucketConfiguration><LocationConstraint>eu-central-1</LocationConstraint></CreateBucketConfiguration>";
        let made = http().put(format!("{}/ours", shop.aws.url)).body(place).send().await.unwrap();
        assert_eq!(made.status(), 200);
    });
    let missing = shop.deploy(&["--yes", "--bucket", "ours"]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    let hint = missing.stderr.split("--parameter ").nth(1).unwrap();
    let parameter = hint.split('=').next().unwrap();
    let given = format!("{parameter}=arn:aws:kinesis:eu-central-1:{}:stream/clicks", shop.aws.account);
    let deployed = shop.deploy(&["--yes", "--bucket", "ours", "--parameter", &given]);
    assert_eq!(deployed.code, Some(0), "{deployed:?}");
    order(&shop.app, &[place(512), json!({"name": "count", "triggers": [stream]})], "second");
    let again = shop.deploy(&["--yes", "--bucket", "ours"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    let change_sets = shop.aws.sent("CreateChangeSet");
    let [first, second] = change_sets.as_slice() else { panic!("{change_sets:?}") };
    assert!(first.contains("stream%2Fclicks"), "{first}");
    assert!(second.contains("UsePreviousValue=true") && !second.contains("stream%2Fclicks"), "{second}");

    let back = shop.eg(&["rollback", "--yes", "--bucket", "ours"]);
    assert_eq!(back.code, Some(0), "{back:?}");
    let removed = shop.eg(&["remove", "--yes", "--bucket", "ours"]);
    assert_eq!(removed.code, Some(0), "{removed:?}");
    let calls = shop.aws.calls();
    assert!(calls.iter().any(|call| call.starts_with("DELETE /ours/shop-dev/assets/")), "{calls:?}");
    assert!(!calls.iter().any(|call| call.contains(&shop.bucket())), "{calls:?}");
}

#[test]
fn the_key_of_a_table_is_not_changed() {
    let Some(shop) = Shop::open() else { return };
    let table = |key: &str| {
        let table = format!("variable = \"ORDERS\"\nservices = [\"order\"]\npartition_key = \"{key}\"\n");
        shop.app.write("eg.toml", &format!("[deploy]\nstack = \"shop\"\n\n[deploy.tables.orders]\n{table}"));
    };
    table("id");
    shop.deployed();
    table("number:N");
    shop.deploy(&["--yes"]).fails(
        8,
        "error: AWS cannot change the key of table `orders`\n\
         hint: declare a table with another name, and copy the items\n",
    );
    let calls = shop.aws.calls();
    assert!(!calls.iter().any(|call| call.starts_with("PUT") || call == "CreateChangeSet"), "{calls:?}");
}

#[test]
fn a_queue_with_messages_is_deleted_only_if_that_is_wanted() {
    let Some(shop) = Shop::open() else { return };
    shop.deployed();
    stage::fail(&shop, "e1");
    order(&shop.app, &[place(256)], "second");
    shop.aws.plan("GetTemplate", usize::MAX, replaced("Retain", "Delete"));
    let refused = shop.deploy(&["--yes"]);
    assert_eq!(refused.code, Some(12), "{refused:?}");
    assert!(refused.stderr.contains("error: this would delete queue `"), "{refused:?}");
    let hint = "` with 1 message\nhint: keep it in the code or in eg.toml; --allow-delete deletes it\n";
    assert!(refused.stderr.ends_with(hint), "{refused:?}");
    assert!(!shop.aws.calls().contains(&"CreateChangeSet".to_owned()));
    let allowed = shop.deploy(&["--yes", "--allow-delete"]);
    assert_eq!(allowed.code, Some(0), "{allowed:?}");
    assert!(allowed.stderr.contains("warning: this deletes queue `"), "{allowed:?}");
}

#[test]
fn a_protected_stage_is_not_removed() {
    let Some(shop) = Shop::open() else { return };
    shop.app.write("eg.toml", "[deploy]\nstack = \"shop\"\n\n[deploy.stages.production]\nprotect = true\n");
    let plan = shop.deploy(&["--plan", "--stage", "production"]);
    assert_eq!(plan.code, Some(10), "{plan:?}");
    shop.eg(&["remove", "--stage", "production", "--yes"]).fails(
        12,
        "error: stage `production` is protected\n\
         hint: remove `protect = true` from it in eg.toml and deploy it, then remove it\n",
    );
    assert_eq!(shop.aws.calls(), Vec::<String>::new());

    let termination = |shop: &Shop| shop.aws.sent("UpdateTerminationProtection");
    // moto protects nothing.
    let done = "<UpdateTerminationProtectionResponse><UpdateTerminationProtectionResult/></UpdateTerminationProtectionResponse>";
    shop.aws.plan("UpdateTerminationProtection", 2, Fault::Answer(200, done.to_owned()));
    let deployed = shop.deploy(&["--yes", "--stage", "production"]);
    assert_eq!(deployed.code, Some(0), "{deployed:?}");
    assert!(termination(&shop)[0].contains("EnableTerminationProtection=true"));
    // Whoever removes the line only from eg.toml is refused by the stack.
    shop.app.write("eg.toml", "[deploy]\nstack = \"shop\"\n\n[deploy.stages.production]\n");
    let is_protected = replaced("TerminationProtection>false", "TerminationProtection>true");
    shop.aws.plan("DescribeStacks", usize::MAX, is_protected);
    let refused = shop.eg(&["remove", "--stage", "production", "--yes"]);
    assert_eq!(refused.code, Some(12), "{refused:?}");
    assert!(refused.stderr.starts_with("error: stack `shop-production` is protected\n"), "{refused:?}");
    assert_eq!(shop.deploy(&["--yes", "--stage", "production"]).code, Some(0));
    assert!(termination(&shop)[1].contains("EnableTerminationProtection=false"));
    shop.aws.calm();
    assert_eq!(shop.eg(&["remove", "--stage", "production", "--yes"]).code, Some(0));
}
