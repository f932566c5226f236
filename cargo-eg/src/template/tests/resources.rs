//! What a stack has besides functions and routes: queues, alarms, tables, names and outputs.

use super::*;

#[test]
fn what_is_invoked_by_others_has_an_output() {
    let (made, notes) = made(r#"[{"invoke":true}]"#, &json!({}));
    assert_eq!(notes, [""; 0]);
    assert_eq!(made["Outputs"]["ShopShipItArn"]["Value"], json!({"Fn::GetAtt": ["ShopShipIt", "Arn"]}));
    assert_eq!(all(&made, "AWS::Lambda::Permission"), []);
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
