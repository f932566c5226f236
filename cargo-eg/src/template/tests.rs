//! The resources for each kind of trigger, the limits, and what AWS cannot do.
//! `goldens/template.yaml` is a complete template, which `tests/it/template.rs` also checks with AWS's own tools.

use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::project::deploy::Deploy;
use crate::run::plan::tests::manifest;

/// Returns the template of services for a stage of this `[deploy]` section, or why there is none.
fn of(manifests: &[Manifest], deploy: &str) -> Result<(Value, Vec<String>), Vec<String>> {
    let deploy = Deploy::read(deploy, Path::new("/app/shop/eg.toml")).unwrap();
    let code = |service: &str| format!("{service}.zip");
    let stage = deploy.stage(None).unwrap();
    let made = template(&Application { manifests, stage, architecture: "arm64", code: &code });
    made.map(|made| (serde_json::to_value(made.tree).unwrap(), made.notes))
        .map_err(|Refused(problems)| problems)
}

/// Returns a service `shop` with one function, whose record has further members.
fn shop(triggers: &str, more: &Value) -> Manifest {
    let mut functions =
        serde_json::to_value(manifest("shop", &[("shop-ship_it", "a.rs:1", triggers)])).unwrap();
    for (key, value) in more.as_object().unwrap() {
        functions["functions"][0][key] = value.clone();
    }
    serde_json::from_value(functions).unwrap()
}

/// Returns the template of one function as JSON, and its notes.
fn made(triggers: &str, more: &Value) -> (Value, Vec<String>) {
    of(&[shop(triggers, more)], "").unwrap()
}

/// Returns the resources of a type, by their logical ids.
fn all<'a>(made: &'a Value, ty: &str) -> Vec<(&'a str, &'a Value)> {
    let resources = made["Resources"].as_object().unwrap();
    let of_type = resources.iter().filter(|(_, resource)| resource["Type"] == ty);
    of_type.map(|(id, resource)| (id.as_str(), &resource["Properties"])).collect()
}

fn on(retry: &str) -> String {
    format!(r#"[{{"eventType":"order.paid","mode":"async","method":"POST","path":"/"{retry}}}]"#)
}

fn route(path: &str, more: &str) -> String {
    format!(r#"{{"eventType":"http.request","mode":"sync","method":"GET","path":"{path}"{more}}}"#)
}

#[test]
fn retries_within_what_lambda_offers() {
    let check = |retry: &str, attempts: u32, age: u32, rule_age: u32, notes: &[&str]| {
        let (made, said) = made(&on(retry), &json!({}));
        let config = &made["Resources"]["ShopShipItRetries"]["Properties"];
        assert_eq!(config["MaximumRetryAttempts"], attempts, "{retry}");
        assert_eq!(config["MaximumEventAgeInSeconds"], age, "{retry}");
        let rules = all(&made, "AWS::Events::Rule");
        let policy = &rules[0].1["Targets"][0]["RetryPolicy"];
        assert_eq!((rules.len(), &policy["MaximumEventAgeInSeconds"]), (1, &json!(rule_age)), "{retry}");
        assert_eq!(said, notes, "{retry}");
    };
    check("", 2, 21_600, 86_400, &[]);
    check(r#","retry":{"attempts":1}"#, 0, 21_600, 86_400, &[]);
    check(r#","retry":{"attempts":3,"maxAge":120}"#, 2, 120, 120, &[]);
    check(
        r#","retry":{"attempts":5,"maxAge":30,"minBackoff":1}"#,
        2,
        60,
        60,
        &[
            "shop-ship_it: Lambda attempts an event at most 3 times, not 5 times",
            "shop-ship_it: Lambda keeps an event for 60 seconds, not for 30",
            "shop-ship_it: Lambda determines the pauses between attempts",
        ],
    );
}

/// An account has room for 300 rules on a bus.
#[test]
fn events_that_are_retried_alike_share_a_rule() {
    let event = |ty: &str, retry: &str| {
        format!(r#"{{"eventType":"{ty}","mode":"async","method":"POST","path":"/"{retry}}}"#)
    };
    let (hour, minute) = (r#","retry":{"maxAge":3600}"#, r#","retry":{"maxAge":60,"attempts":2}"#);
    let triggers = [
        event("a", ""),
        event("b", hour),
        event("c", ""),
        event("d", r#","retry":{"attempts":1}"#),
        event("e", minute),
    ];
    let (made, _) = made(&format!("[{}]", triggers.join(",")), &json!({}));
    let rules: Vec<_> = all(&made, "AWS::Events::Rule")
        .into_iter()
        .map(|(id, rule)| (id, rule["EventPattern"]["detail-type"].clone()))
        .collect();
    assert_eq!(
        rules,
        [
            ("ShopShipItRule", json!(["a", "c", "d"])),
            ("ShopShipItRule3600", json!(["b"])),
            ("ShopShipItRule60", json!(["e"])),
        ]
    );
    for (permission, properties) in all(&made, "AWS::Lambda::Permission") {
        let rule = permission.strip_suffix("Permission").unwrap();
        assert_eq!(properties["SourceArn"], json!({"Fn::GetAtt": [rule, "Arn"]}));
    }
}

#[test]
fn events_of_aws_come_from_the_default_bus() {
    let detail = json!({"bucket": {"name": ["pictures"]}, "object": {"size": [{"numeric": [">", 0]}]}});
    let rule = |source: &str| {
        let pattern = json!({"source": [source], "detail-type": ["Object Created"], "detail": detail});
        let (made, notes) = made(&json!([{ "eventBridge": pattern }]).to_string(), &json!({ "emits": [] }));
        assert_eq!(notes, [""; 0]);
        let rule = &made["Resources"]["ShopShipItOnObjectCreated"]["Properties"];
        assert_eq!(rule["EventPattern"], pattern);
        assert!(made["Resources"]["ShopFailuresPolicy"].is_object());
        (rule.get("EventBusName").cloned(), made["Resources"].get("EventBus").is_some())
    };
    assert_eq!(rule("aws.s3"), (None, false));
    assert_eq!(rule("/services/pictures"), (Some(json!({"Ref": "EventBus"})), true));
}

#[test]
fn streams_report_failures_and_give_up_in_the_end() {
    let retry = r#"{"stream":"clicks","source":"kinesis","batchSize":100,"window":5,"retry":{"attempts":3,"maxAge":30}}"#;
    let triggers = format!(
        r#"[{{"stream":"orders","source":"dynamodb"}},{retry},{{"stream":"visits","source":"kafka"}}]"#
    );
    let (made, notes) = made(&triggers, &json!({}));
    assert_eq!(
        notes,
        [
            "shop-ship_it: Lambda keeps a record of a stream for 60 seconds, not for 30",
            "shop-ship_it: the function must reach the cluster of topic visits: add a `VpcConfig` and the permissions for it",
        ]
    );
    let parameters: Vec<_> = made["Parameters"].as_object().unwrap().keys().collect();
    assert_eq!(parameters, ["AlarmTopicArn", "ClicksStreamArn", "KafkaClusterArn", "OrdersTableStreamArn"]);
    let mappings = all(&made, "AWS::Lambda::EventSourceMapping");
    let failures = json!({"OnFailure": {"Destination": {"Fn::GetAtt": ["ShopFailures", "Arn"]}}});
    let mapping = |id: &str| mappings.iter().find(|(found, _)| *found == id).unwrap().1;
    assert_eq!(
        *mapping("ShopShipItReadsDynamodbOrders"),
        json!({
            "FunctionName": {"Ref": "ShopShipIt"}, "EventSourceArn": {"Ref": "OrdersTableStreamArn"},
            "StartingPosition": "TRIM_HORIZON", "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "BisectBatchOnFunctionError": true, "MaximumRetryAttempts": 4, "DestinationConfig": failures,
        })
    );
    let clicks = mapping("ShopShipItReadsKinesisClicks");
    assert_eq!(
        [&clicks["MaximumRetryAttempts"], &clicks["MaximumRecordAgeInSeconds"], &clicks["BatchSize"]],
        [&json!(2), &json!(60), &json!(100)]
    );
    assert_eq!(mapping("ShopShipItReadsKafkaVisits")["Topics"], json!(["visits"]));
    // Nobody but the mapping sends to the queue, with the function's own role.
    assert_eq!(made["Resources"].get("ShopFailuresPolicy"), None);
    assert!(rights(&made).iter().any(|right| right["Resource"] == json!({"Ref": "ClicksStreamArn"})));
}

/// Returns the statements of the function's role, without the one for its traces.
fn rights(made: &Value) -> Vec<Value> {
    let policies = &made["Resources"]["ShopShipItRole"]["Properties"]["Policies"];
    assert_eq!(policies.as_array().unwrap().len(), 1);
    let mut statements = policies[0]["PolicyDocument"]["Statement"].as_array().unwrap().clone();
    assert_eq!(statements.pop().unwrap()["Sid"], "ItsCallsAreTraced");
    statements
}

#[test]
fn what_is_invoked_by_others_has_an_output() {
    let (made, notes) = made(r#"[{"invoke":true}]"#, &json!({}));
    assert_eq!(notes, [""; 0]);
    assert_eq!(made["Outputs"]["ShopShipItArn"]["Value"], json!({"Fn::GetAtt": ["ShopShipIt", "Arn"]}));
    assert_eq!(all(&made, "AWS::Lambda::Permission"), []);
}

#[test]
fn what_aws_does_differently_is_said() {
    let check = |trigger: &str, more: &Value, expected: &str| {
        let (_, notes) = made(&format!("[{trigger}]"), more);
        assert_eq!(notes, [expected]);
    };
    check(
        r#"{"eventType":"a","mode":"async","method":"PUT","path":"/x"}"#,
        &json!({}),
        "shop-ship_it: an event bus has no paths, so it gets every a, not only PUT /x",
    );
    check(
        r#"{"eventType":"http.request","mode":"async","method":"POST","path":"/bulk"}"#,
        &json!({}),
        "shop-ship_it: an HTTP API waits for the answer, also of POST /bulk",
    );
    check(
        &route("/slow", ""),
        &json!({"timeout": 60}),
        "shop-ship_it: an HTTP API waits 30 seconds for an answer, so its callers get a 503 before its timeout of 60 seconds",
    );
    let queues =
        [("shop-a", "a.rs:1", r#"[{"queue":"jobs"}]"#), ("shop-b", "a.rs:2", r#"[{"queue":"jobs"}]"#)];
    let (_, notes) = of(&[manifest("shop", &queues)], "").unwrap();
    assert_eq!(
        notes,
        ["queue jobs: `shop-a` and `shop-b` share its messages, each message goes to one of them"]
    );
}

#[test]
fn what_would_never_run_is_refused() {
    const EXCLUDE: &str = "leave the function out with `exclude` in [deploy] of eg.toml";
    let check = |trigger: &str, expected: &str| {
        let refused = of(&[shop(&format!("[{trigger}]"), &json!({}))], "").unwrap_err();
        assert_eq!(refused, [format!("shop-ship_it (a.rs:1): {expected}; {EXCLUDE}")]);
    };
    check(
        r#"{"eventType":"ask","mode":"sync","method":"POST","path":"/"}"#,
        "an event bus returns no answers, so nothing there asks for ask; with a `path`, the subscription would be a route of the \
         HTTP API",
    );
    check(
        r#"{"eventType":"websocket.connect","mode":"async","method":"POST","path":"/"}"#,
        "websocket.connect comes from a service of AWS, which must be connected by hand",
    );
    let dead =
        r#"{"eventType":"eventgateway.delivery.deadLettered","mode":"async","method":"POST","path":"/"}"#;
    let why = "eventgateway.delivery.deadLettered comes from the event gateway, and there is none on AWS";
    check(dead, why);
    // A function that is called by others, too, is worth deploying.
    let (_, notes) = made(&on("").replace(']', &format!(",{dead}]")), &json!({}));
    assert_eq!(notes, [format!("shop-ship_it: {why}")]);
}

/// Somebody who waits for the answer of an event can ask by HTTP.
#[test]
fn a_synchronous_subscription_with_a_path_is_a_route() {
    let (made, notes) = made(
        r#"[{"eventType":"quote.wanted","mode":"sync","method":"PUT","path":"/quotes/:id"}]"#,
        &json!({"emits": []}),
    );
    assert_eq!(notes, [""; 0]);
    let routes = all(&made, "AWS::ApiGatewayV2::Route");
    assert_eq!(routes[0].1["RouteKey"], "PUT /quotes/{id}");
    assert_eq!((routes.len(), made["Resources"].get("EventBus")), (1, None));
}

/// Regression test: the route was lost, because each of the two triggers took it for the other's.
#[test]
fn a_request_and_an_event_may_have_one_route() {
    let event = r#"{"eventType":"user.clicked","mode":"sync","method":"POST","path":"/clicks"}"#;
    let cors = r#","cors":{"origins":[],"methods":[],"headers":[],"credentials":false}"#;
    let request = route("/clicks", cors).replace("GET", "POST");
    for triggers in [[event, &request], [&request, event]] {
        let (made, notes) = made(&format!("[{}]", triggers.join(",")), &json!({"emits": []}));
        assert_eq!(notes, [""; 0]);
        let routes = all(&made, "AWS::ApiGatewayV2::Route");
        assert_eq!((routes.len(), &routes[0].1["RouteKey"]), (1, &json!("POST /clicks")));
        assert!(made["Resources"]["HttpApi"]["Properties"]["CorsConfiguration"].is_object());
    }
}

/// The API gives up after 30 seconds; a function that ends before can say why.
#[test]
fn a_function_ends_before_its_caller_stops_waiting() {
    let timeout = |triggers: &str, deploy: &str| {
        let (made, _) = of(&[shop(triggers, &json!({}))], deploy).unwrap();
        made["Resources"]["ShopShipIt"]["Properties"]["Timeout"].clone()
    };
    assert_eq!(timeout(&format!("[{}]", route("/", "")), ""), 29);
    assert_eq!(timeout(&on(""), ""), 30);
    assert_eq!(timeout(&on(""), "[deploy.function.shop-ship_it]\ntimeout = \"2m\""), 120);
}

/// Without a gateway that reports each event, the function gets each event itself.
#[test]
fn a_function_that_hears_of_every_event_gets_every_event() {
    let trigger =
        r#"[{"eventType":"eventgateway.event.received","mode":"async","method":"POST","path":"/"}]"#;
    let (made, notes) = made(trigger, &json!({}));
    let rule = &made["Resources"]["ShopShipItRuleOfEveryEvent"]["Properties"];
    assert_eq!(rule["EventPattern"], json!({"source": [{"prefix": ""}]}));
    assert_eq!(notes, [""; 0]);
}

#[test]
fn a_function_may_emit_what_its_signature_says_and_nothing_else() {
    let log = json!({
        "Sid": "EveryFunctionWritesItsLog", "Effect": "Allow",
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": {"Fn::GetAtt": ["ShopShipItLog", "Arn"]},
    });
    let (silent, _) = made("[]", &json!({"emits": []}));
    assert_eq!(rights(&silent), std::slice::from_ref(&log));
    assert_eq!(silent["Resources"]["ShopShipIt"]["Properties"].get("Environment"), None);
    let emits = json!({"emits": ["a", "b", "c"], "sources": {"b": "/web"}});
    let (emitting, _) = made("[]", &emits);
    let mut emit = json!({
        "Sid": "ItEmitsABAndC", "Effect": "Allow", "Action": ["events:PutEvents"],
        "Resource": {"Fn::GetAtt": ["EventBus", "Arn"]},
        "Condition": {"StringEquals": {
            "events:detail-type": ["a", "b", "c"], "events:source": ["/services/shop", "/web"]}},
    });
    assert_eq!(rights(&emitting), [log.clone(), emit.clone()]);
    let variables =
        |made: &Value| made["Resources"]["ShopShipIt"]["Properties"]["Environment"]["Variables"].clone();
    assert_eq!(variables(&emitting), json!({"EVENT_BUS": {"Ref": "EventBus"}}));

    // A bus that exists is neither made nor removed.
    let (existing, _) = of(&[shop("[]", &emits)], "[deploy]\nbus = \"existing:company\"").unwrap();
    emit["Resource"] =
        json!({"Fn::Sub": "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/company"});
    assert_eq!(rights(&existing), [log, emit]);
    assert_eq!(variables(&existing), json!({"EVENT_BUS": "company"}));
    assert_eq!(existing["Resources"].get("EventBus"), None);
}

/// Renaming or removing a function must not take its dead letters with it.
#[test]
fn everything_asynchronous_has_a_place_for_what_fails() {
    for (triggers, rules) in [
        (on(""), 1),
        (r#"[{"schedule":"rate(1 day)"},{"schedule":"rate(2 days)"}]"#.to_owned(), 2),
        (on("").replace(']', r#",{"schedule":"rate(1 day)"}]"#), 2),
    ] {
        let (made, _) = made(&triggers, &json!({}));
        let failures = json!({"Fn::GetAtt": ["ShopFailures", "Arn"]});
        let config = &made["Resources"]["ShopShipItRetries"]["Properties"];
        assert_eq!(config["DestinationConfig"]["OnFailure"]["Destination"], failures);
        let variables = &made["Resources"]["ShopShipIt"]["Properties"]["Environment"]["Variables"];
        assert_eq!(variables["EVENT_FAILURES_QUEUE"], json!({"Ref": "ShopFailures"}), "what is rejected");
        let queue = &made["Resources"]["ShopFailures"];
        assert_eq!(
            (&queue["DeletionPolicy"], &queue["UpdateReplacePolicy"]),
            (&json!("Retain"), &json!("Retain"))
        );
        let made_rules = all(&made, "AWS::Events::Rule");
        assert!(made_rules.iter().all(|(_, rule)| rule["Targets"][0]["DeadLetterConfig"]["Arn"] == failures));
        let policy = &made["Resources"]["ShopFailuresPolicy"]["Properties"]["PolicyDocument"]["Statement"][0];
        let allowed: Vec<Value> =
            made_rules.iter().map(|(name, _)| json!({"Fn::GetAtt": [name, "Arn"]})).collect();
        let named = policy["Condition"]["ArnEquals"]["aws:SourceArn"].as_array().unwrap();
        assert!(allowed.iter().all(|rule| named.contains(rule)) && named.len() == rules, "{policy}");
        assert_eq!(made["Outputs"]["ShopFailuresUrl"]["Value"], json!({"Ref": "ShopFailures"}));
    }
    let (made, _) = made(&format!("[{}]", route("/", "")), &json!({}));
    assert_eq!(made["Resources"]["ShopFailures"], Value::Null, "whoever asks gets the failure");
}

#[test]
fn queues_keep_what_cannot_be_handled() {
    let triggers = r#"[{"queue":"jobs","batchSize":100,"window":5},{"queue":"moves.fifo"}]"#;
    let settings = "[deploy.function.shop-ship_it]\nconcurrency = 4";
    let (made, _) = of(&[shop(triggers, &json!({"timeout": 60}))], settings).unwrap();
    let resources = &made["Resources"];
    assert_eq!(resources["JobsQueue"]["Properties"]["VisibilityTimeout"], 6 * 65);
    assert_eq!(
        resources["JobsQueue"]["Properties"]["RedrivePolicy"]["deadLetterTargetArn"],
        json!({"Fn::GetAtt": ["JobsQueueFailures", "Arn"]})
    );
    for queue in ["MovesFifoQueue", "MovesFifoQueueFailures"] {
        assert_eq!(resources[queue]["Properties"]["FifoQueue"], true);
        assert_eq!(resources[queue]["UpdateReplacePolicy"], "Retain");
    }
    assert_eq!(resources["ShopShipIt"]["Properties"]["ReservedConcurrentExecutions"], 4);
    let variables = &resources["ShopShipIt"]["Properties"]["Environment"]["Variables"];
    assert_eq!(variables["EVENT_FAILURES_QUEUE"], json!({"Ref": "ShopFailures"}), "what is rejected");
    assert_eq!(resources.get("ShopFailuresPolicy"), None, "only the function sends to it");
    assert_eq!(
        resources["ShopShipItReadsJobs"]["Properties"],
        json!({
            "FunctionName": {"Ref": "ShopShipIt"}, "EventSourceArn": {"Fn::GetAtt": ["JobsQueue", "Arn"]},
            "FunctionResponseTypes": ["ReportBatchItemFailures"], "BatchSize": 100,
            "MaximumBatchingWindowInSeconds": 5, "ScalingConfig": {"MaximumConcurrency": 4},
        })
    );
    assert_eq!(made["Outputs"]["JobsQueueUrl"]["Value"], json!({"Ref": "JobsQueue"}));
}

/// A stack has one alarm for all failures, because one per function would cost more than the application.
#[test]
fn a_stack_has_two_alarms() {
    let names: Vec<String> = (0..12).map(|number| format!("s{number}")).collect();
    let manifests: Vec<Manifest> = names
        .iter()
        .map(|name| {
            let id = format!("{name}-f");
            let trigger = on("").replace(']', &format!(",{}]", route(&format!("/{name}"), "")));
            manifest(name, &[(&id, "a.rs:1", &trigger)])
        })
        .collect();
    let (made, _) = of(&manifests, "").unwrap();
    let alarms = all(&made, "AWS::CloudWatch::Alarm");
    let metrics = |id: &str| {
        let (_, alarm) = alarms.iter().find(|(found, _)| *found == id).unwrap();
        alarm["Metrics"].as_array().map_or(0, Vec::len)
    };
    // One alarm takes ten metrics, and the expression that sums them up.
    let counts = ["FailuresAlarm", "FailuresAlarm2", "ErrorsAlarm"].map(metrics);
    assert_eq!((alarms.len(), counts), (3, [11, 3, 0]));
    let queue = json!([{"Name": "QueueName", "Value": {"Fn::GetAtt": ["S0Failures", "QueueName"]}}]);
    let (_, first) = alarms.iter().find(|(id, _)| *id == "FailuresAlarm").unwrap();
    assert_eq!(first["Metrics"][0]["MetricStat"]["Metric"]["Dimensions"], queue);
    let (made, _) = of(&[shop("[{\"invoke\":true}]", &json!({}))], "").unwrap();
    assert_eq!((all(&made, "AWS::CloudWatch::Alarm").len(), made.get("Parameters")), (0, None));
}

const TABLES: &str = r#"
[deploy]
environment = { LOG = "info" }
tags = { team = "shop" }
[deploy.service.shop]
environment = { PARTNER = "https://partner.example" }
[deploy.tables.orders]
variable = "ORDERS_TABLE"
services = ["shop"]
partition_key = "customer"
sort_key = "number:N"
ttl = "expires"
actions = ["GetItem", "PutItem"]
[deploy.tables.old]
variable = "OLD_TABLE"
services = ["shop", "other"]
existing = "customers"
[deploy.tables.others]
variable = "OTHERS_TABLE"
services = ["other"]
partition_key = "id"
"#;

#[test]
fn a_service_gets_its_tables_and_variables() {
    let (made, _) =
        of(&[shop("[]", &json!({"emits": []})), manifest("other", &[("other-f", "a.rs:1", "[]")])], TABLES)
            .unwrap();
    let table = &made["Resources"]["OrdersTable"];
    assert_eq!(
        *table,
        json!({
            "Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain",
            "Properties": {
                "TableName": {"Fn::Sub": "${AWS::StackName}-orders"}, "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [
                    {"AttributeName": "customer", "AttributeType": "S"}, {"AttributeName": "number", "AttributeType": "N"}],
                "KeySchema": [
                    {"AttributeName": "customer", "KeyType": "HASH"}, {"AttributeName": "number", "KeyType": "RANGE"}],
                "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": true},
                "Tags": [{"Key": "team", "Value": "shop"}],
            },
        })
    );
    let names: Vec<_> = all(&made, "AWS::DynamoDB::Table").into_iter().map(|(id, _)| id).collect();
    assert_eq!(names, ["OrdersTable", "OthersTable"], "the others exist");
    assert_eq!(
        made["Resources"]["ShopShipIt"]["Properties"]["Environment"]["Variables"],
        json!({
            "LOG": "info", "PARTNER": "https://partner.example",
            "ORDERS_TABLE": {"Ref": "OrdersTable"}, "OLD_TABLE": "customers",
        })
    );
    let rights = rights(&made);
    let right = |sid: &str| rights.iter().find(|right| right["Sid"] == sid).unwrap();
    let orders = right("ItsServiceUsesTableOrders");
    assert_eq!(orders["Action"], json!(["dynamodb:GetItem", "dynamodb:PutItem"]));
    assert_eq!(orders["Resource"], json!({"Fn::GetAtt": ["OrdersTable", "Arn"]}));
    let old = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/customers";
    assert_eq!(right("ItsServiceUsesTableOld")["Resource"], json!({ "Fn::Sub": old }));
    assert_eq!(rights.len(), 3);
    assert_eq!(made["Outputs"]["OrdersTableName"]["Value"], json!({"Ref": "OrdersTable"}));
}

#[test]
fn functions_can_be_found_by_name_source_and_tags() {
    let (made, _) =
        of(&[shop("[]", &json!({"emits": []}))], TABLES.replace("\"other\"", "\"shop\"").as_str()).unwrap();
    let function = &made["Resources"]["ShopShipIt"];
    assert_eq!(function["Metadata"], json!({"Source": "a.rs:1"}));
    assert_eq!(function["Properties"]["FunctionName"], json!({"Fn::Sub": "${AWS::StackName}-shop-ship_it"}));
    let tags = json!([
        {"Key": "team", "Value": "shop"}, {"Key": "eg:service", "Value": "shop"}, {"Key": "eg:function", "Value": "shop-ship_it"}]);
    assert_eq!(function["Properties"]["Tags"], tags);
    let log = &made["Resources"]["ShopShipItLog"]["Properties"];
    assert_eq!(log["LogGroupName"], json!({"Fn::Sub": "/aws/lambda/${AWS::StackName}-shop-ship_it"}));
}

#[test]
fn limits_are_numbers() {
    let check = |manifests: &[Manifest], deploy: &str, expected: &[&str]| {
        let problems = of(manifests, deploy).unwrap_err();
        assert!(
            problems.len() == expected.len()
                && problems.iter().zip(expected).all(|(found, expected)| found.starts_with(expected)),
            "{problems:#?}"
        );
    };
    let ids: Vec<String> = (0..301).map(|number| format!("s-f{number}")).collect();
    let triggers: Vec<String> =
        (0..301).map(|number| format!("[{}]", route(&format!("/{number}"), ""))).collect();
    let many: Vec<_> =
        ids.iter().zip(&triggers).map(|(id, triggers)| (id.as_str(), "a.rs:1", triggers.as_str())).collect();
    check(
        &[manifest("s", &many)],
        "",
        &[
            "the template has 1810 resources, and AWS allows 500: divide the application",
            "the template has 301 routes in one HTTP API, and AWS allows 300: ",
        ],
    );
    let long = "f".repeat(54);
    check(
        &[manifest("s", &[(&format!("s-{long}"), "a.rs:1", "[]")])],
        "",
        &[&format!(
            "shop-dev-s-{long} has 65 characters, and names of functions have at most 64: shorten `stack`"
        )],
    );
    let large = format!("[deploy]\nenvironment = {{ LARGE = \"{}\" }}", "x".repeat(4092));
    check(
        &[shop("[]", &json!({"emits": []}))],
        &large,
        &["shop-ship_it: its variables have 4097 bytes, and Lambda allows 4096"],
    );
    let schedules: Vec<String> =
        (1..=51).map(|hours| format!(r#"{{"schedule":"rate({hours} minutes)"}}"#)).collect();
    let schedules = format!("[{}]", schedules.join(",")).replace("(1 minutes)", "(1 minute)");
    check(
        &[shop(&schedules, &json!({}))],
        "",
        &["shop-ship_it: it has 51 triggers, and a function's policy has room for 50"],
    );
    let functions = [("shop-ship_it", "a.rs:1", "[]"), ("shop-ship-it", "a.rs:9", "[]")];
    let clash = "shop-ship_it and shop-ship-it would both be `ShopShipIt";
    check(&[manifest("shop", &functions)], "", &[clash, clash, clash]);
}

/// They would be in the template, which people read and share.
#[test]
fn a_secret_is_refused() {
    let problems =
        of(&[shop("[]", &json!({"emits": []}))], "[deploy]\nsecrets = { KEY = \"ssm:/shop/key\" }")
            .unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].starts_with("shop-ship_it: functions on AWS cannot read the secret `KEY` yet"),
        "{problems:?}"
    );
}

#[test]
fn origins_that_an_api_does_not_know_are_left_out() {
    let cors = |origins: &str| {
        format!(r#","cors":{{"origins":[{origins}],"methods":[],"headers":[],"credentials":false}}"#)
    };
    let check = |origins: &str, expected: Option<Value>, notes: usize| {
        let (made, said) = made(&format!("[{}]", route("/", &cors(origins))), &json!({}));
        let found = made["Resources"]["HttpApi"]["Properties"]
            .get("CorsConfiguration")
            .map(|cors| cors["AllowOrigins"].clone());
        assert_eq!((found, said.len()), (expected, notes), "{origins} {said:?}");
    };
    check("", Some(json!(["*"])), 0);
    check(r#""https://a.example","https://*""#, Some(json!(["https://*", "https://a.example"])), 0);
    check(r#""https://a.example","http://localhost:*""#, Some(json!(["https://a.example"])), 1);
    check(r#""https://*.example""#, None, 1);
}

/// An HTTP API has one CORS configuration, so the origins of one route would get the credentials of another.
#[test]
fn credentials_of_a_route_are_for_its_own_origins() {
    let cors = |path: &str, origins: &str, credentials: bool| {
        route(
            path,
            &format!(
                r#","cors":{{"origins":[{origins}],"methods":[],"headers":[],"credentials":{credentials}}}"#
            ),
        )
    };
    let prices = |origins: &str| cors("/prices", origins, true);
    let check = |first: &str, second: &str, expected: &[&str]| {
        for triggers in [[first, second], [second, first]] {
            let triggers = format!("[{}]", triggers.join(","));
            let problems = of(&[shop(&triggers, &json!({}))], "").err().unwrap_or_default();
            assert_eq!(problems, expected, "{triggers}");
        }
    };
    let ours = r#""https://shop.example""#;
    let partner = cors("/feed", r#""https://partner.example""#, false);
    check(
        &prices(ours),
        &partner,
        &[
            "`GET /prices` would let https://partner.example send credentials, because an HTTP API has one CORS configuration: \
           give `GET /feed` only origins of `GET /prices`, or remove `credentials` from `GET /prices`",
        ],
    );
    check(&prices(ours), &cors("/feed", ours, false), &[]);
    check(&prices(r#""https://*""#), &partner, &[]);
    // Nobody sends credentials then, which is a note.
    check(&prices(ours), &cors("/feed", "", false), &[]);
}

#[test]
fn a_function_that_streams_has_a_url() {
    let (plain, notes) = made(&format!("[{}]", route("/chat", "")), &json!({}));
    assert_eq!(all(&plain, "AWS::Lambda::Url").len(), 0);
    assert_eq!((&plain["Outputs"]["ShopShipItUrl"], notes.len()), (&Value::Null, 0));

    let cors = r#","stream":true,"cors":{"origins":["https://a.example"],"methods":[],"headers":[],"credentials":true}"#;
    let (streams, notes) = made(&format!("[{}]", route("/chat", cors)), &json!({}));
    let url = &streams["Resources"]["ShopShipItUrl"]["Properties"];
    assert_eq!((&url["AuthType"], &url["InvokeMode"]), (&json!("NONE"), &json!("RESPONSE_STREAM")));
    assert_eq!(url["Cors"]["AllowOrigins"], json!(["https://a.example"]));
    assert!(!url["Cors"]["AllowMethods"].as_array().unwrap().contains(&json!("OPTIONS")), "{url}");
    assert_eq!(
        streams["Outputs"]["ShopShipItUrl"]["Value"],
        json!({"Fn::GetAtt": ["ShopShipItUrl", "FunctionUrl"]})
    );
    assert_eq!(
        notes,
        [
            "shop-ship_it: an HTTP API sends answers whole; GET /chat streams at the function's URL, which is in the outputs"
        ]
    );
}

/// Only an authorizer that a route names is one of the API. A route that names none stays open.
#[test]
fn routes_name_their_authorizers() {
    let route = |path: &str, authorizer: Value| json!({"eventType": "http.request", "mode": "sync", "method": "GET", "path": path, "authorizer": authorizer});
    let function = |name: &str, triggers: Value| json!({"name": name, "id": format!("shop-{name}"), "source": "a.rs:1", "triggers": triggers});
    let manifest = json!({"service": "shop", "version": "1.0.0", "functions": [
        function("orders", json!([route("/orders", json!("check_token"))])),
        function("admin", json!([route("/admin", json!("check_admin"))])),
        function("open", json!([route("/open", Value::Null)])),
        function("check_token", json!([{"authorizer": true}])),
        function("check_admin", json!([{"authorizer": true, "iam": true}])),
        function("unused", json!([{"authorizer": true}])),
    ]});
    let (made, notes) = of(&[serde_json::from_value(manifest.clone()).unwrap()], "").unwrap();
    assert_eq!(notes, [""; 0]);
    let authorizers = all(&made, "AWS::ApiGatewayV2::Authorizer");
    let simple: Vec<_> = authorizers.iter().map(|(id, one)| (*id, &one["EnableSimpleResponses"])).collect();
    assert_eq!(
        simple,
        [("ShopCheckAdminAuthorizer", &json!(false)), ("ShopCheckTokenAuthorizer", &json!(true))]
    );
    let uri = authorizers[1].1["AuthorizerUri"]["Fn::Sub"].as_str().unwrap();
    assert!(uri.ends_with(":lambda:path/2015-03-31/functions/${ShopCheckToken.Arn}/invocations"), "{uri}");
    let auth = |route: &str| {
        let properties = &made["Resources"][route]["Properties"];
        (properties["AuthorizationType"].clone(), properties["AuthorizerId"].clone())
    };
    let named = |authorizer: &str| (json!("CUSTOM"), json!({ "Ref": authorizer }));
    assert_eq!(auth("ShopOrdersGetOrders"), named("ShopCheckTokenAuthorizer"));
    assert_eq!(auth("ShopAdminGetAdmin"), named("ShopCheckAdminAuthorizer"));
    assert_eq!(auth("ShopOpenGetOpen"), (Value::Null, Value::Null));

    // A route must not become public because its authorizer is left out.
    let deploy =
        Deploy::read("[deploy]\nexclude = [\"shop-check_admin\"]", Path::new("/app/shop/eg.toml")).unwrap();
    let manifest = deploy.stage(None).unwrap().deployed(serde_json::from_value(manifest).unwrap()).unwrap();
    let problems = of(&[manifest], "").unwrap_err();
    assert_eq!(
        problems,
        [
            "shop-admin (a.rs:1): GET /admin names the authorizer `check_admin`, which is not deployed: remove shop-check_admin from \
          `exclude`"
        ]
    );
}
