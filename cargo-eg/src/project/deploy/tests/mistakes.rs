//! Mistakes in `[deploy]`: what the messages say, and where they point.

use super::*;

#[test]
fn a_stage_that_is_not_there() {
    let deploy = read(EVERYTHING).unwrap();
    let check = |name: &str, expected: &str| {
        let refused = format!("{:?}", deploy.stage(Some(name)).unwrap_err());
        assert!(refused.contains(expected), "{refused}");
    };
    check("prd", "no stage `prd`; did you mean `prod`?; the stages are `dev` and `prod`");
    check("local", "stage `local` is this machine: `cargo eg run` starts it");
}

#[test]
fn names_that_nothing_has() {
    let manifests = [crate::registration::plan::tests::manifest("order", &[("order-place", "a.rs:1", "[]")])];
    let check = |text: &str, expected: Option<(&str, &str)>| {
        let deploy = read(text).unwrap();
        let found = deploy.stage(None).unwrap().check_names(manifests.iter()).err();
        let found = found.as_ref().map(|unknown| (unknown.at.as_str(), unknown.text.as_str()));
        assert_eq!(found, expected, "{text}");
    };
    check("[deploy]\nexclude = [\"order\"]", None);
    check(
        "[deploy]\nexclude = [\"oder\"]",
        Some((
            "2:12",
            "no service or function `oder`; did you mean `order`?; here are `order` and `order-place`",
        )),
    );
    check("[deploy.service.shipping]", Some(("1:17", "no service `shipping`; here are `order`")));
    check(
        "[deploy.function.order-plaec]",
        Some(("1:18", "no function `order-plaec`; did you mean `order-place`?; here are `order-place`")),
    );
    let table = "[deploy.tables.t]\nvariable = \"TT\"\npartition_key = \"id\"\nservices = [\"order\", \"x\"]";
    check(table, Some(("4:22", "no service `x`; here are `order`")));
    check(
        "[deploy.function.order-place]\nexclude = [\"order.placed\"]",
        Some(("2:12", "`order-place` does not subscribe to `order.placed`")),
    );
}

#[test]
fn mistakes_have_a_place() {
    let check = |text: &str, place: &str, message: &str| {
        let Wrong { at, text: found, .. } = read(text).expect_err(text);
        assert!(
            at.as_deref() == Some(place) && found.starts_with(message),
            "{text}\nexpected: {place} {message}\nfound:    {at:?} {found}"
        );
    };
    let value = |line: &str, column: usize, message: &str| {
        check(&format!("[deploy]\n{line}"), &format!("2:{column}"), message);
    };
    value("stak = \"x\"", 1, "unknown key `stak`; did you mean `stack`?");
    value("stack = \"my_shop\"", 9, "`stack`: \"my_shop\" cannot name a stack: use letters, digits and `-`");
    value(&format!("stack = \"{}\"", "a".repeat(125)), 9, "`stack`: `aaa");
    value("region = \"Frankfurt\"", 10, "`region`: \"Frankfurt\" is not a region: write one, as in");
    value("protect = 1", 11, "`protect`: invalid type: integer `1`, expected a boolean");
    value("bus = \"mine\"", 7, "`bus`: \"mine\" is not a bus: write \"own\", or \"existing:NAME\"");
    value("environment = { A-B = \"1\" }", 17, "\"A-B\" cannot name a variable: use two or more letters");
    value("environment = { AWS_REGION = \"1\" }", 17, "`AWS_REGION` belongs to Lambda");
    value("environment = { AWS_EXECUTION_ENV = \"1\" }", 17, "`AWS_EXECUTION_ENV` belongs to Lambda");
    value(
        "environment = { EVENT_FAILURES_QUEUE = \"1\" }",
        17,
        "`EVENT_FAILURES_QUEUE` is set by `cargo eg deploy`",
    );
    value("environment = { EG_SECRETS = \"1\" }", 17, "`EG_SECRETS` follows from `secrets`");
    value(
        "environment = { AA = { Rfe = \"X\" } }",
        22,
        "`environment`: a value is a string or one function of",
    );
    value("environment = { EVENT_BUS = \"1\" }", 17, "`EVENT_BUS` follows from `bus`");
    value("environment = { AA = 1 }", 22, "`environment`: invalid type: integer `1`, expected a string");
    let both = "environment = { KEY = \"1\" }\nsecrets = { KEY = \"ssm:/k\" }";
    check(&format!("[deploy]\n{both}"), "3:13", "`KEY` is in `environment` and in `secrets`: remove one");
    check("[deploy.stages.Prod]", "1:16", "\"Prod\" cannot name a stage: use lower-case letters");
    check("[deploy.stages.a.stages.b]", "1:16", "stage `a` has `stages` of its own: remove them");
    check(
        "[deploy.function.f]\nmemory = 64",
        "2:10",
        "`memory` must be a whole number of megabytes from 128",
    );
    check(
        "[deploy.function.f]\nconcurrency = 0",
        "2:15",
        "`concurrency` must be a whole number of environments from 1 to 1000, not 0",
    );
    let table = |lines: &str, place: &str, message: &str| {
        check(&format!("[deploy.tables.t]\nvariable = \"TT\"\n{lines}"), place, message);
    };
    table("", "1:1", "missing key `services`");
    table("services = []", "1:1", "table `t`: `services` is empty, so no function may use the table");
    table("services = [\"a\"]", "1:1", "table `t`: it needs a `partition_key`, as in");
    table("services = [\"a\"]\nexisting = \"t\"\nttl = \"x\"", "1:1", "table `t`: `existing` says that");
    table(
        "services = [\"a\"]\npartition_key = \"id:X\"",
        "4:17",
        "`partition_key`: \"id:X\" is not an attribute",
    );
    let keys = "services = [\"a\"]\npartition_key = \"id\"\n";
    table(
        &format!("{keys}sort_key = \"id:N\""),
        "1:1",
        "table `t`: `partition_key` and `sort_key` are the same",
    );
    table(&format!("{keys}actions = []"), "1:1", "table `t`: `actions` allows nothing");
    table(
        &format!("{keys}actions = [\"Getitem\"]"),
        "5:11",
        "`actions`: unknown action `Getitem`; did you mean `GetItem`?",
    );
    let two = format!("{keys}[deploy.tables.u]\nvariable = \"TT\"\n{keys}");
    table(&two, "5:16", "table `t` and table `u` have the same variable `TT`: give each its own");
    table(
        &format!("{keys}[deploy]\nenvironment = {{ TT = \"1\" }}"),
        "6:17",
        "`TT` is the variable of table `t`",
    );
    let queue = |lines: &str, place: &str, message: &str| {
        check(&format!("[deploy.queues.q]\nvariable = \"QQ\"\n{lines}"), place, message);
    };
    queue("services = []", "1:1", "queue `q`: `services` is empty, so no function may send to the queue");
    for existing in [
        "orders",
        "arn:aws:sns:eu-central-1:123456789012:orders",
        "arn:aws:sqs:eu-central-1:123:orders",
        "http://sqs.eu-central-1.amazonaws.com/123456789012/orders",
        "https://sqs.eu-central-1.amazonaws.com/orders",
        "https://sqs.eu-central-1.amazonaws.com.example/123456789012/orders",
    ] {
        let expected = format!("`existing`: {existing:?} is not a queue of SQS: write its ARN, as in");
        queue(&format!("services = [\"a\"]\nexisting = {existing:?}"), "4:12", &expected);
    }
    let table = "[deploy.tables.t]\nvariable = \"QQ\"\nservices = [\"a\"]\npartition_key = \"id\"";
    queue(
        &format!("services = [\"a\"]\n{table}"),
        "1:16",
        "table `t` and queue `q` have the same variable `QQ`",
    );
    check(
        "[deploy.queues.\"a b\"]\nvariable = \"QQ\"\nservices = [\"a\"]",
        "1:16",
        "\"a b\" cannot name a queue",
    );
    let statement = |members: &str, message: &str| {
        check(&format!("[deploy.function.f]\npolicies = [{{ {members} }}]"), "2:12", message);
    };
    value("vpc = { subnets = [\"subnet-1\"] }", 7, "missing key `security_groups`");
    value(
        "vpc = { subnets = [], security_groups = [\"sg-1\"] }",
        7,
        "`vpc`: `subnets` is empty: name at least one",
    );
    value(
        "vpc = { subnets = [\"subnet-1\"], security_groups = [\"web\"] }",
        7,
        "`vpc`: \"web\" cannot be in `security_groups`: an id begins with `sg-`",
    );
    statement("Action = \"a:b\"", "`policies`: a statement needs `Resource` or `NotResource`, and not both");
    statement("Resource = \"*\"", "`policies`: a statement needs `Action` or `NotAction`, and not both");
    statement(
        "Acton = \"a:b\", Resource = \"*\"",
        "`policies`: a statement has no `Acton` (its keys are `Sid`",
    );
    let all = "Action = \"a:b\", Resource = \"*\"";
    for (member, message) in [
        ("Sid = \"Read-It\"", "`policies`: \"Read-It\" cannot be a `Sid`: use letters and digits only"),
        ("Sid = 7", "`policies`: 7 cannot be a `Sid`"),
        ("Effect = \"allow\"", "`policies`: \"allow\" is not an `Effect`: write \"Allow\" or \"Deny\""),
    ] {
        statement(&format!("{member}, {all}"), message);
    }
    check(
        "[deploy.tables.\"a b\"]\nvariable = \"TT\"\nservices = [\"a\"]\npartition_key = \"id\"",
        "1:16",
        "\"a b\" cannot name a table",
    );
}

/// Regression test of a rule: a secret that somebody writes into the file is not repeated on the terminal.
#[test]
fn a_secret_in_the_file_is_not_shown() {
    let mistake = read("[deploy]\nsecrets = { API_KEY = \"hunter2\" }").unwrap_err();
    assert_eq!(mistake.at.as_deref(), Some("2:23"));
    assert!(mistake.text.starts_with("`secrets`: write where the secret is kept, as in"), "{mistake:?}");
    assert!(!mistake.text.contains("hunter2"), "{mistake:?}");
}
