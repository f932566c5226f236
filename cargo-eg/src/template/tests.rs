//! The resources for each kind of trigger, and the notes on triggers that AWS does not support.
//! `goldens/template.yaml` is a complete template, which `tests/template.rs` also validates with AWS's own tools.

use serde_json::{Value, json};

use super::*;
use crate::run::plan::tests::manifest;

/// Returns the template of one function of service `shop` as JSON, and its notes.
fn made(triggers: &str, more: &Value) -> (Value, Vec<String>) {
    let mut functions =
        serde_json::to_value(manifest("shop", &[("shop-ship_it", "a.rs:1", triggers)])).unwrap();
    for (key, value) in more.as_object().unwrap() {
        functions["functions"][0][key] = value.clone();
    }
    let made =
        template(&[serde_json::from_value(functions).unwrap()], "arm64", |service| format!("{service}.zip"))
            .unwrap();
    (serde_json::to_value(made.tree).unwrap(), made.notes)
}

fn on(retry: &str) -> String {
    format!(r#"[{{"eventType":"order.paid","mode":"async","method":"POST","path":"/"{retry}}}]"#)
}

#[test]
fn retries_within_what_lambda_offers() {
    let check = |retry: &str, attempts: u32, age: u32, rule_age: u32, notes: &[&str]| {
        let (made, said) = made(&on(retry), &json!({}));
        let function = &made["Resources"]["ShopShipIt"]["Properties"];
        let config = &function["EventInvokeConfig"];
        assert_eq!(config["MaximumRetryAttempts"], attempts, "{retry}");
        assert_eq!(config["MaximumEventAgeInSeconds"], age, "{retry}");
        let rule = &function["Events"]["OnOrderPaid"]["Properties"]["RetryPolicy"];
        assert_eq!(rule["MaximumEventAgeInSeconds"], rule_age, "{retry}");
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

#[test]
fn events_of_aws_come_from_the_default_bus() {
    let detail = json!({"bucket": {"name": ["pictures"]}, "object": {"size": [{"numeric": [">", 0]}]}});
    let rule = |source: &str| {
        let pattern = json!({"source": [source], "detail-type": ["Object Created"], "detail": detail});
        let (made, notes) = made(&json!([{ "eventBridge": pattern }]).to_string(), &json!({ "emits": [] }));
        assert_eq!(notes, [""; 0]);
        let rule = &made["Resources"]["ShopShipIt"]["Properties"]["Events"]["OnObjectCreated"];
        assert_eq!((&rule["Type"], &rule["Properties"]["Pattern"]), (&json!("EventBridgeRule"), &pattern));
        assert!(made["Resources"]["ShopShipItFailuresPolicy"].is_object());
        (rule["Properties"].get("EventBusName").cloned(), made["Resources"].get("EventBus").is_some())
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
    assert_eq!(parameters, ["ClicksStreamArn", "KafkaClusterArn", "OrdersTableStreamArn"]);
    let events = &made["Resources"]["ShopShipIt"]["Properties"]["Events"];
    let failures =
        json!({"OnFailure": {"Type": "SQS", "Destination": {"Fn::GetAtt": ["ShopShipItFailures", "Arn"]}}});
    assert_eq!(
        events["DynamodbOrders"],
        json!({"Type": "DynamoDB", "Properties": {
            "Stream": {"Ref": "OrdersTableStreamArn"}, "StartingPosition": "TRIM_HORIZON",
            "FunctionResponseTypes": ["ReportBatchItemFailures"], "BisectBatchOnFunctionError": true,
            "MaximumRetryAttempts": 4, "DestinationConfig": failures,
        }})
    );
    let clicks = &events["KinesisClicks"]["Properties"];
    assert_eq!(
        [&clicks["MaximumRetryAttempts"], &clicks["MaximumRecordAgeInSeconds"], &clicks["BatchSize"]],
        [&json!(2), &json!(60), &json!(100)]
    );
    assert_eq!(events["KafkaVisits"]["Type"], "MSK");
    assert_eq!(events["KafkaVisits"]["Properties"]["Topics"], json!(["visits"]));
    // Nobody but the mapping sends to the queue, with the function's own role.
    assert_eq!(made["Resources"].get("ShopShipItFailuresPolicy"), None);
    let statements =
        made["Resources"]["ShopShipItRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
            .clone();
    let resources: Vec<_> =
        statements.as_array().unwrap().iter().map(|one| one["Resource"].clone()).collect();
    assert!(resources.contains(&json!({"Ref": "ClicksStreamArn"})), "{resources:?}");
}

#[test]
fn what_is_invoked_by_others_has_an_output() {
    let (made, notes) = made(r#"[{"invoke":true}]"#, &json!({}));
    assert_eq!(notes, [""; 0]);
    assert_eq!(made["Outputs"]["ShopShipItArn"]["Value"], json!({"Fn::GetAtt": ["ShopShipIt", "Arn"]}));
    assert_eq!(made["Resources"]["ShopShipIt"]["Properties"].get("Events"), None);
}

#[test]
fn what_has_no_place_on_aws_is_said() {
    let check = |trigger: &str, expected: &str| {
        let (_, notes) = made(&format!("[{trigger}]"), &json!({}));
        assert_eq!(notes, [expected]);
    };
    check(
        r#"{"eventType":"ask","mode":"sync","method":"POST","path":"/"}"#,
        "shop-ship_it: an event bus returns no answers, so it does not receive ask",
    );
    check(
        r#"{"eventType":"a","mode":"async","method":"PUT","path":"/x"}"#,
        "shop-ship_it: an event bus has no paths, so it gets every a, not only PUT /x",
    );
    check(
        r#"{"eventType":"websocket.connect","mode":"async","method":"POST","path":"/"}"#,
        "shop-ship_it: websocket.connect comes from a service of AWS, which must be connected by hand",
    );
    check(
        r#"{"eventType":"eventgateway.delivery.deadLettered","mode":"async","method":"POST","path":"/"}"#,
        "shop-ship_it: eventgateway.delivery.deadLettered comes from the event gateway, and there is none on AWS",
    );
    check(
        r#"{"eventType":"http.request","mode":"async","method":"POST","path":"/bulk"}"#,
        "shop-ship_it: an HTTP API waits for the answer, also of POST /bulk",
    );
}

/// Without a gateway that reports each event, the function gets each event itself.
#[test]
fn a_function_that_hears_of_every_event_gets_every_event() {
    let trigger =
        r#"[{"eventType":"eventgateway.event.received","mode":"async","method":"POST","path":"/"}]"#;
    let (made, notes) = made(trigger, &json!({}));
    let rule = &made["Resources"]["ShopShipIt"]["Properties"]["Events"]["OnEventgatewayEventReceived"];
    assert_eq!(rule["Properties"]["Pattern"], json!({"source": [{"prefix": ""}]}));
    assert_eq!(notes, [""; 0]);
}

#[test]
fn a_function_may_emit_what_its_signature_says_and_nothing_else() {
    let statements = |more: &Value| {
        let (made, _) = made("[]", more);
        let role = &made["Resources"]["ShopShipItRole"]["Properties"]["Policies"];
        assert_eq!(role.as_array().unwrap().len(), 1);
        (
            role[0]["PolicyDocument"]["Statement"].clone(),
            made["Resources"]["ShopShipIt"]["Properties"].clone(),
        )
    };
    let log = json!({
        "Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": {"Fn::GetAtt": ["ShopShipItLog", "Arn"]},
    });
    let (silent, function) = statements(&json!({"emits": []}));
    assert_eq!(silent, json!([log]));
    assert_eq!(function["Environment"], Value::Null);
    let (emitting, function) = statements(&json!({"emits": ["a", "b", "c"], "sources": {"b": "/web"}}));
    assert_eq!(
        emitting,
        json!([log, {
            "Effect": "Allow", "Action": ["events:PutEvents"], "Resource": {"Fn::GetAtt": ["EventBus", "Arn"]},
            "Condition": {"StringEquals": {
                "events:detail-type": ["a", "b", "c"], "events:source": ["/services/shop", "/web"]}},
        }])
    );
    assert_eq!(function["Environment"]["Variables"]["EVENT_BUS"], json!({"Ref": "EventBus"}));
}

#[test]
fn everything_asynchronous_has_a_place_for_what_fails() {
    for (triggers, rules) in [
        (on(""), 1),
        (r#"[{"schedule":"rate(1 day)"},{"schedule":"rate(2 days)"}]"#.to_owned(), 2),
        (on("").replace(']', r#",{"schedule":"rate(1 day)"}]"#), 2),
    ] {
        let (made, _) = made(&triggers, &json!({}));
        let failures = json!({"Fn::GetAtt": ["ShopShipItFailures", "Arn"]});
        let function = &made["Resources"]["ShopShipIt"]["Properties"];
        assert_eq!(function["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Destination"], failures);
        let queue = &function["Environment"]["Variables"]["EVENT_FAILURES_QUEUE"];
        assert_eq!(*queue, json!({"Ref": "ShopShipItFailures"}), "what is rejected");
        let events = function["Events"].as_object().unwrap();
        assert_eq!(events.len(), rules);
        for event in events.values() {
            assert_eq!(event["Properties"]["DeadLetterConfig"]["Arn"], failures);
        }
        let policy =
            &made["Resources"]["ShopShipItFailuresPolicy"]["Properties"]["PolicyDocument"]["Statement"][0];
        let allowed: Vec<Value> =
            events.keys().map(|name| json!({"Fn::GetAtt": [format!("ShopShipIt{name}"), "Arn"]})).collect();
        let named = policy["Condition"]["ArnEquals"]["aws:SourceArn"].as_array().unwrap();
        assert!(allowed.iter().all(|rule| named.contains(rule)) && named.len() == rules, "{policy}");
    }
    let (made, _) =
        made(r#"[{"eventType":"http.request","mode":"sync","method":"GET","path":"/"}]"#, &json!({}));
    assert_eq!(made["Resources"]["ShopShipItFailures"], Value::Null, "whoever asks gets the failure");
}

#[test]
fn queues_keep_what_cannot_be_handled() {
    let triggers = r#"[{"queue":"jobs","batchSize":100,"window":5},{"queue":"moves.fifo"}]"#;
    let (made, _) = made(triggers, &json!({"timeout": 60}));
    let resources = &made["Resources"];
    assert_eq!(resources["JobsQueue"]["Properties"]["VisibilityTimeout"], 6 * 65);
    assert_eq!(
        resources["ShopShipIt"]["Properties"]["Environment"]["Variables"]["EVENT_FAILURES_QUEUE"],
        json!({"Ref": "ShopShipItFailures"}),
        "what is rejected"
    );
    assert_eq!(resources.get("ShopShipItFailuresPolicy"), None, "only the function sends to it");
    assert_eq!(
        resources["JobsQueue"]["Properties"]["RedrivePolicy"]["deadLetterTargetArn"],
        json!({"Fn::GetAtt": ["JobsQueueFailures", "Arn"]})
    );
    for queue in ["MovesFifoQueue", "MovesFifoQueueFailures"] {
        assert_eq!(resources[queue]["Properties"]["FifoQueue"], true);
    }
    let events = &resources["ShopShipIt"]["Properties"]["Events"];
    assert_eq!(
        events["JobsQueue"]["Properties"],
        json!({
            "Queue": {"Fn::GetAtt": ["JobsQueue", "Arn"]}, "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "BatchSize": 100, "MaximumBatchingWindowInSeconds": 5,
        })
    );
}

#[test]
fn names_that_a_template_cannot_tell_apart_are_refused() {
    let functions = [("shop-ship_it", "a.rs:1", "[]"), ("shop-ship-it", "a.rs:9", "[]")];
    let error = template(&[manifest("shop", &functions)], "arm64", str::to_owned).unwrap_err();
    assert_eq!(
        error.to_string(),
        "shop-ship_it and shop-ship-it would both be `ShopShipIt` in the template: rename one"
    );
}

#[test]
fn a_function_that_streams_has_a_url() {
    let route = |more: &str| {
        format!(r#"[{{"eventType":"http.request","mode":"sync","method":"GET","path":"/chat"{more}}}]"#)
    };
    let (plain, notes) = made(&route(""), &json!({}));
    assert_eq!(plain["Resources"]["ShopShipIt"]["Properties"]["FunctionUrlConfig"], Value::Null);
    assert_eq!((&plain["Outputs"]["ShopShipItUrl"], notes.len()), (&Value::Null, 0));

    let cors = r#","stream":true,"cors":{"origins":["https://a.example"],"methods":[],"headers":[],"credentials":true}"#;
    let (streams, notes) = made(&route(cors), &json!({}));
    let url = &streams["Resources"]["ShopShipIt"]["Properties"]["FunctionUrlConfig"];
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
    let made =
        template(&[serde_json::from_value(manifest).unwrap()], "arm64", |_| "a.zip".to_owned()).unwrap();
    assert_eq!(made.notes, [""; 0]);
    let tree = serde_json::to_value(made.tree).unwrap();
    let authorizer = |id: &str, simple: bool| {
        json!({"AuthorizerPayloadFormatVersion": "2.0", "EnableSimpleResponses": simple,
            "EnableFunctionDefaultPermissions": true, "FunctionArn": {"Fn::GetAtt": [id, "Arn"]}})
    };
    assert_eq!(
        tree["Resources"]["HttpApi"]["Properties"]["Auth"],
        json!({"Authorizers": {"ShopCheckToken": authorizer("ShopCheckToken", true),
            "ShopCheckAdmin": authorizer("ShopCheckAdmin", false)}})
    );
    let auth = |function: &str| {
        let events = tree["Resources"][function]["Properties"]["Events"].as_object().unwrap();
        events.values().next().unwrap()["Properties"]["Auth"].clone()
    };
    assert_eq!(auth("ShopOrders"), json!({"Authorizer": "ShopCheckToken"}));
    assert_eq!(auth("ShopAdmin"), json!({"Authorizer": "ShopCheckAdmin"}));
    assert_eq!(auth("ShopOpen"), Value::Null);
    assert_eq!(tree["Resources"]["ShopUnused"]["Properties"]["Events"], Value::Null);
}
