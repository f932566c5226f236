//! Applications with more resources than one stack may have.

use std::process::Command;

use serde_json::{Value, json};

use super::{ARCHITECTURE, Shop, on, order, place, stage};
use crate::support::app::Transcript;
use crate::support::aws::{Fault, isolate};
use crate::support::http;
use eg_tests::templates::complaints;

/// Returns so many functions that answer requests, besides one that gets events.
fn functions(number: usize) -> Vec<Value> {
    let answer = |at: usize| {
        let route =
            json!({"eventType": "http.request", "mode": "sync", "method": "GET", "path": format!("/{at}")});
        json!({"name": format!("answer{at}"), "triggers": [route], "emits": ["order.placed"]})
    };
    (0..number).map(answer).chain([on("bill", "order.placed")]).collect()
}

/// Returns the nested stacks of a template on record, each with the number of its resources.
fn stacks(shop: &Shop) -> Vec<(String, usize)> {
    let template = &shop.lock()["stacks"]["shop-dev"]["template"];
    let resources = template["Resources"].as_object().unwrap();
    let nested = resources.iter().filter(|(_, one)| one["Type"] == "AWS::CloudFormation::Stack");
    let size = |one: &Value| one["Properties"]["TemplateURL"]["Resources"].as_object().unwrap().len();
    nested.map(|(id, one)| (id.clone(), size(one))).collect()
}

#[test]
fn a_stack_above_the_limit_lives_from_its_first_deployment_to_its_removal() {
    let Some(shop) = Shop::open() else { return };
    order(&shop.app, &functions(90), "first");
    shop.app.write(
        "eg.toml",
        "[deploy]\nstack = \"shop\"\n\n[deploy.tables.orders]\nvariable = \"ORDERS\"\nservices = [\"order\"]\npartition_key = \"id\"\n",
    );
    let plan = shop.plan(10);
    assert!(plan.contains("+ function order-answer89\n") && plan.contains("    + route GET /89\n"), "{plan}");
    assert!(!plan.contains("CloudFormation::Stack"), "{plan}");
    shop.deployed();
    let first = stacks(&shop);
    assert!(first.len() > 1 && first[0].0 == "OrderFunctions1", "{first:?}");
    assert!(first.iter().map(|(_, size)| size).sum::<usize>() > 500, "{first:?}");
    assert_eq!(shop.plan(0), "", "the deployment is on record");
    let again = shop.deployed();
    assert!(again.stderr.contains("stack shop-dev is up to date: there is nothing to deploy\n"), "{again:?}");

    // The commands find the functions in the nested stack.
    shop.aws.plan("POST /2015-03-31/functions/", 1, Fault::Answer(200, "{}".to_owned()));
    let invoked = shop.eg(&["invoke", "answer3", "--data", "{}", "--stage", "dev"]);
    assert_eq!(invoked.code, Some(0), "{invoked:?}");
    // Also if another tool has deployed the templates, in YAML.
    let yaml = "<GetTemplateResponse><GetTemplateResult><TemplateBody>Resources: {}</TemplateBody></GetTemplateResult></GetTemplateResponse>";
    shop.aws.plan("GetTemplate", 1, Fault::Answer(200, yaml.to_owned()));
    shop.aws.plan("POST /2015-03-31/functions/", 1, Fault::Answer(200, "{}".to_owned()));
    let invoked = shop.eg(&["invoke", "answer3", "--data", "{}", "--stage", "dev"]);
    assert_eq!(invoked.code, Some(0), "{invoked:?}");
    let logs = shop.eg(&["logs", "--stage", "dev", "--function", "answer3"]);
    assert_eq!(logs.code, Some(0), "{logs:?}");
    stage::fail(&shop, "e1");
    let letters = shop.eg(&["dead-letters", "--stage", "dev", "--json"]);
    let letter: Value = serde_json::from_str(&letters.stdout).unwrap();
    assert_eq!(letter["function"], "order-bill", "{letters:?}");
    let id = letter["id"].as_str().unwrap();
    shop.aws.plan("POST /2015-03-31/functions/", 1, Fault::Answer(202, String::new()));
    let retried = shop.eg(&["dead-letters", "retry", id, "--stage", "dev"]);
    assert_eq!(retried.stdout, "1 dead letter handed in again\n", "{retried:?}");

    // More functions, and a change of one, move none.
    let mut more = functions(100);
    more[3]["memory"] = json!(1024);
    order(&shop.app, &more, "second");
    let plan = shop.plan(10);
    assert!(plan.contains("~ function order-answer3\n"), "{plan}");
    assert!(
        plan.contains("    ~ memory 256 → 1024\n") && plan.contains("+ function order-answer99\n"),
        "{plan}"
    );
    assert!(!plan.lines().any(|line| line.starts_with('-') || line.starts_with('!')), "{plan}");
    shop.deployed();
    let second = stacks(&shop);
    assert!(
        first.iter().all(|one| second.iter().any(|two| one.0 == two.0 && one.1 <= two.1)),
        "{first:?} {second:?}"
    );

    let back = shop.eg(&["rollback", "--yes"]);
    assert_eq!(back.code, Some(0), "{back:?}");
    assert!(back.stderr.contains("    ~ memory 1024 → 256\n"), "{back:?}");
    order(&shop.app, &functions(90), "first");
    assert_eq!(shop.plan(0), "", "what is deployed is what was deployed first");

    let removed = shop.eg(&["remove", "--yes"]);
    assert_eq!(removed.code, Some(0), "{removed:?}");
    assert!(removed.stderr.contains("removed stack shop-dev\n"), "{removed:?}");
    assert_eq!(shop.lock()["stacks"], json!({}));
    let calls = shop.aws.calls();
    let templates = format!("DELETE /{}/shop-dev/templates/", shop.bucket());
    assert!(calls.iter().filter(|call| call.starts_with(&templates)).count() > 3, "{calls:?}");
}

/// The event of the stack says only that a nested one failed.
#[test]
fn the_reason_of_a_failure_is_that_in_the_nested_stack() {
    let Some(shop) = Shop::open() else { return };
    order(&shop.app, &functions(90), "first");
    shop.deployed();
    order(&shop.app, &functions(91), "second");
    let id = shop.aws.block_on(async {
        let call =
            http().post(&shop.aws.url).header("authorization", eg_tests::moto::signature("cloudformation"));
        let call = call.header("content-type", "application/x-www-form-urlencoded");
        let answer =
            call.body("Action=DescribeStacks&Version=2010-05-15&StackName=shop-dev").send().await.unwrap();
        let text = answer.text().await.unwrap();
        text.split("<StackId>").nth(1).unwrap().split('<').next().unwrap().to_owned()
    });
    let inner = id.replace(":stack/shop-dev/", ":stack/shop-dev-OrderFunctions1-A/");
    let event = |number: u32,
                 stack: &str,
                 logical: &str,
                 ty: &str,
                 physical: &str,
                 status: &str,
                 reason: &str| {
        format!(
            "<member><EventId>{stack}{number}</EventId><StackId>{stack}</StackId><StackName>s</StackName>\
             <LogicalResourceId>{logical}</LogicalResourceId><PhysicalResourceId>{physical}</PhysicalResourceId>\
             <ResourceType>{ty}</ResourceType><Timestamp>2030-01-01T00:00:{number:02}.000Z</Timestamp>\
             <ResourceStatus>{status}</ResourceStatus><ResourceStatusReason>{reason}</ResourceStatusReason></member>"
        )
    };
    let answer = |events: &[String]| {
        let events: String = events.iter().rev().cloned().collect();
        Fault::Answer(
            200,
            format!(
                "<DescribeStackEventsResponse><DescribeStackEventsResult><StackEvents>{events}</StackEvents>\
                 </DescribeStackEventsResult></DescribeStackEventsResponse>"
            ),
        )
    };
    let stack = "AWS::CloudFormation::Stack";
    let outer = [
        event(1, &id, "shop-dev", stack, &id, "UPDATE_IN_PROGRESS", ""),
        event(2, &id, "OrderFunctions1", stack, &inner, "UPDATE_IN_PROGRESS", ""),
        event(6, &id, "OrderFunctions1", stack, &inner, "UPDATE_FAILED", "Embedded stack was not updated"),
        event(9, &id, "shop-dev", stack, &id, "UPDATE_ROLLBACK_COMPLETE", ""),
    ];
    let nested = [
        // Of an earlier deployment.
        event(0, &inner, "OrderAnswer1", "AWS::Lambda::Function", "old", "CREATE_FAILED", "long ago"),
        event(3, &inner, "s", stack, &inner, "UPDATE_IN_PROGRESS", ""),
        event(
            4,
            &inner,
            "OrderAnswer90",
            "AWS::Lambda::Function",
            "f",
            "CREATE_FAILED",
            "too many functions",
        ),
        event(5, &inner, "s", stack, &inner, "UPDATE_ROLLBACK_IN_PROGRESS", ""),
    ];
    // The first call finds the newest event, the next ones read those of both stacks.
    shop.aws.plan("DescribeStackEvents", 1, answer(&nested));
    shop.aws.plan_after("DescribeStackEvents", 1, 1, answer(&outer));
    let failed = shop.deploy(&["--yes"]);
    assert_eq!(failed.code, Some(13), "{failed:?}");
    let reason =
        "error: the deployment of stack `shop-dev` has failed: function order-answer90: too many functions\n";
    assert!(failed.stderr.contains(reason), "{failed:?}");
    let then = "  failed nested stack OrderFunctions1: Embedded stack was not updated";
    assert!(failed.stderr.contains(then) && !failed.stderr.contains("long ago"), "{failed:?}");
}

/// Tools of others read the templates from files.
#[test]
fn each_nested_stack_has_a_file() {
    let Some(shop) = Shop::open() else { return };
    order(&shop.app, &[functions(90), vec![place(256)]].concat(), "first");
    let made = shop.app.eg(&["template", "--architecture", ARCHITECTURE]);
    assert_eq!(made.code, Some(2), "{made:?}");
    assert!(made.stderr.contains("write the templates to files with --output FILE"), "{made:?}");
    let written = shop.app.eg(&["template", "--architecture", ARCHITECTURE, "--output", "template.yaml"]);
    assert_eq!((written.code, written.stdout.as_str()), (Some(0), ""), "{written:?}");
    let files = std::fs::read_dir(shop.app.path()).unwrap().map(|file| file.unwrap().path());
    let files: Vec<_> = files
        .filter(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("template.")))
        .collect();
    assert!(files.len() > 2, "{files:?}");
    let root = std::fs::read_to_string(shop.app.path().join("template.yaml")).unwrap();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy();
        assert!(name == "template.yaml" || root.contains(&format!("TemplateURL: ./{name}\n")), "{name}");
    }
    assert_eq!(complaints(&files).unwrap_or_default(), "");
}

#[test]
#[ignore = "installs SAM's command line, 200 MB"]
fn sam_uploads_the_templates_of_nested_stacks() {
    let (Some(shop), Some(sam)) = (Shop::open(), eg_tests::python::sam()) else { return };
    order(&shop.app, &functions(90), "first");
    for command in [&["build"][..], &["template", "--output", "template.yaml"]] {
        let done = shop.app.eg(&[command, &["--architecture", ARCHITECTURE]].concat());
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    let bucket = format!("sam-templates-{}", shop.aws.account);
    let created = shop.aws.block_on(http().put(format!("{}/{bucket}", shop.aws.url)).body("").send());
    assert!(created.unwrap().status().is_success());
    let mut command = Command::new(sam);
    isolate(&mut command);
    command
        .args(["package", "--template-file", "template.yaml", "--output-template-file", "packaged.yaml"])
        .args(["--s3-bucket", &bucket, "--region", "eu-central-1"])
        .current_dir(shop.app.path())
        .env("HOME", shop.app.path())
        .env("SAM_CLI_TELEMETRY", "0")
        .env("AWS_ENDPOINT_URL", &shop.aws.url);
    let done = Transcript::of(command.output().unwrap());
    assert_eq!(done.code, Some(0), "{done:?}");
    let packaged = std::fs::read_to_string(shop.app.path().join("packaged.yaml")).unwrap();
    let urls: Vec<&str> =
        packaged.lines().filter_map(|line| line.trim().strip_prefix("TemplateURL: ")).collect();
    assert!(urls.len() > 1, "{packaged}");
    for url in urls {
        let part = shop.aws.block_on(async {
            http()
                .get(url)
                .header("authorization", eg_tests::moto::signature("s3"))
                .send()
                .await
                .unwrap()
                .text()
                .await
                .unwrap()
        });
        assert!(part.contains("S3Bucket") && !part.contains("bootstrap.zip"), "{url}: {part}");
    }
}
