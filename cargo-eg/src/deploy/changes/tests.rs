use serde_json::json;

use super::*;

fn plain(changes: &Changes) -> String {
    anstream::adapter::strip_str(&changes.text()).to_string()
}

/// Returns the template of a service with one function that has one trigger of each kind.
fn shop() -> Value {
    let arn = |id: &str| json!({ "Fn::GetAtt": [id, "Arn"] });
    json!({"Resources": {
        "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "shop"}},
        "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "shop", "ProtocolType": "HTTP"}},
        "Place": {"Type": "AWS::Lambda::Function", "Properties": {
            "FunctionName": {"Fn::Sub": "${AWS::StackName}-order-place"}, "Role": arn("PlaceRole"), "MemorySize": 256,
            "Timeout": 29, "Code": {"S3Key": "shop/assets/aaaaaaaaaaaaaaaa.zip"},
            "Environment": {"Variables": {"EVENT_BUS": {"Ref": "Bus"}, "TOKEN": "secret-1"}},
        }},
        "PlaceRole": {"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyName": "own", "PolicyDocument": {
            "Statement": [
                {"Effect": "Allow", "Action": "events:PutEvents", "Resource": arn("Bus"),
                    "Condition": {"StringEquals": {"events:detail-type": ["order.placed"], "events:source": "/order"}}},
                {"Effect": "Allow", "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage"], "Resource": arn("Orders")},
            ]}}]}},
        "Route": {"Type": "AWS::ApiGatewayV2::Route", "Properties": {
            "ApiId": {"Ref": "Api"}, "RouteKey": "POST /orders",
            "Target": {"Fn::Join": ["/", ["integrations", {"Ref": "Integration"}]]}}},
        "Integration": {"Type": "AWS::ApiGatewayV2::Integration", "Properties": {"IntegrationUri": arn("Place")}},
        "On": {"Type": "AWS::Events::Rule", "Properties": {
            "EventPattern": {"detail-type": ["payment.made", "payment.failed"]},
            "Targets": [{"Arn": arn("Place"), "Id": "f", "RetryPolicy": {"MaximumRetryAttempts": 3}}]}},
        "Daily": {"Type": "AWS::Events::Rule", "Properties": {
            "ScheduleExpression": "rate(1 day)", "Targets": [{"Arn": arn("Place"), "Id": "f"}]}},
        "Orders": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Sub": "${AWS::StackName}-orders"}}},
        "Source": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {
            "EventSourceArn": arn("Orders"), "FunctionName": {"Ref": "Place"}}},
    }})
}

#[test]
fn a_first_deployment_lists_everything_in_words() {
    assert_eq!(
        plain(&Changes::between(None, &shop())),
        "+ function order-place\n    \
         + may events:PutEvents on Bus if events:detail-type is order.placed and events:source is /order\n    \
         + may sqs:DeleteMessage on orders\n    \
         + may sqs:ReceiveMessage on orders\n    \
         + queue orders\n    \
         + route POST /orders\n    \
         + schedule rate(1 day)\n    \
         + subscription payment.failed\n    \
         + subscription payment.made\n\
         + HTTP API Api\n\
         + event bus Bus\n\
         + queue orders\n\
         10 resources: 10 created\n"
    );
}

#[test]
fn routes_are_also_read_from_the_description_of_an_api() {
    let template = json!({"Resources": {
        "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Body": {"paths": {"/orders/{id}": {
            "get": {"x-amazon-apigateway-integration": {"uri": {"Fn::Sub": "arn:aws:apigateway:${Show.Arn}/invocations"}}}}}}}},
        "Show": {"Type": "AWS::Lambda::Function", "Properties": {}},
    }});
    assert_eq!(
        plain(&Changes::between(None, &template)),
        "+ function Show\n    + route GET /orders/{id}\n+ HTTP API Api\n2 resources: 2 created\n"
    );
}

#[test]
fn a_queue_between_a_rule_and_a_function_hides_no_subscription() {
    let arn = |id: &str| json!({ "Fn::GetAtt": [id, "Arn"] });
    let template = json!({"Resources": {
        "Bill": {"Type": "AWS::Lambda::Function", "Properties": {}},
        "Events": {"Type": "AWS::SQS::Queue"},
        "On": {"Type": "AWS::Events::Rule", "Properties": {
            "EventPattern": {"detail-type": ["order.placed"]}, "Targets": [{"Arn": arn("Events"), "Id": "queue"}]}},
        "Reads": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {
            "EventSourceArn": arn("Events"), "FunctionName": {"Ref": "Bill"}}},
    }});
    assert_eq!(
        plain(&Changes::between(None, &template)),
        "+ function Bill\n    + queue Events\n    + subscription order.placed\n+ queue Events\n4 resources: 4 created\n"
    );
}

#[test]
fn the_same_template_has_no_changes() {
    let changes = Changes::between(Some(&shop()), &shop());
    assert!(changes.is_empty());
    assert_eq!(plain(&changes), "");
}

#[test]
fn each_change_is_a_line() {
    let check = |change: &dyn Fn(&mut Value), expected: &str| {
        let mut new = shop();
        change(&mut new["Resources"]);
        assert_eq!(plain(&Changes::between(Some(&shop()), &new)), expected);
    };
    let place = |details: &str, numbers: &str| format!("~ function order-place\n{details}{numbers}\n");
    check(
        &|all| all["Place"]["Properties"]["Code"]["S3Key"] = json!("shop/assets/bbbbbbbbbbbbbbbb.zip"),
        &place("    ~ code aaaaaaaaaaaa → bbbbbbbbbbbb\n", "1 resource: 1 changed"),
    );
    check(
        &|all| all["Place"]["Properties"]["MemorySize"] = json!(512),
        &place("    ~ memory 256 → 512\n", "1 resource: 1 changed"),
    );
    // Values of variables are never shown.
    check(
        &|all| all["Place"]["Properties"]["Environment"]["Variables"]["TOKEN"] = json!("secret-2"),
        &place("    ~ variable TOKEN\n", "1 resource: 1 changed"),
    );
    check(
        &|all| {
            all["PlaceRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][1]["Action"] =
                json!("sqs:*");
        },
        &place(
            "    - may sqs:DeleteMessage on orders\n    - may sqs:ReceiveMessage on orders\n    + may sqs:* on orders\n",
            "1 resource: 1 changed",
        ),
    );
    check(
        &|all| all["Route"]["Properties"]["RouteKey"] = json!("PUT /orders"),
        &place("    - route POST /orders\n    + route PUT /orders\n", "1 resource: 1 changed"),
    );
    check(
        &|all| drop(all.as_object_mut().unwrap().remove("On")),
        &place(
            "    - subscription payment.failed\n    - subscription payment.made\n",
            "1 resource: 1 deleted",
        ),
    );
    check(
        &|all| all["Orders"]["Properties"]["QueueName"] = json!("other"),
        "~ function order-place\n    - may sqs:DeleteMessage on orders\n    - may sqs:ReceiveMessage on orders\n    \
         - queue orders\n    + may sqs:DeleteMessage on other\n    + may sqs:ReceiveMessage on other\n    + queue other\n\
         ! queue other is deleted and created again\n    ~ QueueName ${AWS::StackName}-orders → other\n\
         2 resources: 1 created, 1 deleted\n",
    );
    // What belongs to a function and is in no description is named.
    check(
        &|all| all["Source"]["Properties"]["BatchSize"] = json!(5),
        "~ AWS::Lambda::EventSourceMapping Source\n    ~ BatchSize\n1 resource: 1 changed\n",
    );
}

#[test]
fn a_change_outside_of_the_resources_is_a_change() {
    let mut new = shop();
    new["Description"] = json!("new");
    assert_eq!(
        plain(&Changes::between(Some(&shop()), &new)),
        "~ template outputs, descriptions or policies\n"
    );
}
