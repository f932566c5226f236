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

const SECRETS: &str = r#"
[deploy.function.shop-ship_it]
secrets = { API_KEY = "ssm:/shop/api-key:3", OLD_KEY = "ssm:/shop/api-key:2", BANK = "secretsmanager:bank" }
[deploy.service.shop]
secrets = { PASSWORD = "secretsmanager:bank#password", FAR = "secretsmanager:arn:aws:secretsmanager:us-west-2:123456789012:secret:far-AbCdEf" }
[deploy.service.other]
secrets = { NEAR = "secretsmanager:arn:aws:secretsmanager:us-west-2:123456789012:secret:near", KEY = "secretsmanager:arn:aws:secretsmanager:us-west-2:123456789012:secret:api-secret" }
"#;

/// The template has references to secrets and the right to read exactly these, and no way to a value.
#[test]
fn a_function_may_read_its_own_secrets() {
    let manifests = [shop("[]", &json!({"emits": []})), manifest("other", &[("other-f", "a.rs:1", "[]")])];
    let (made, _) = of(&manifests, SECRETS).unwrap();
    let variables = &made["Resources"]["ShopShipIt"]["Properties"]["Environment"]["Variables"];
    let references: Value = serde_json::from_str(variables["EG_SECRETS"].as_str().unwrap()).unwrap();
    let far = "arn:aws:secretsmanager:us-west-2:123456789012:secret:far-AbCdEf";
    let expected = json!({
        "API_KEY": "ssm:/shop/api-key:3", "OLD_KEY": "ssm:/shop/api-key:2", "BANK": "secretsmanager:bank",
        "PASSWORD": "secretsmanager:bank#password", "FAR": format!("secretsmanager:{far}"),
    });
    assert_eq!((references, variables.as_object().unwrap().len()), (expected, 1));
    let here = |service: &str, rest: &str| json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{rest}")});
    let right = |sid: &str, action: &str, on: Value| json!({"Sid": sid, "Effect": "Allow", "Action": [action], "Resource": on});
    let read = "secretsmanager:GetSecretValue";
    assert_eq!(
        rights(&made)[1..],
        [
            right(
                "ItReadsAPIKEYAndOLDKEYWhenItStarts",
                "ssm:GetParameters",
                here("ssm", "parameter/shop/api-key")
            ),
            right("ItReadsFARWhenItStarts", read, json!([far, format!("{far}-??????")])),
            right("ItReadsBANKAndPASSWORDWhenItStarts", read, here("secretsmanager", "secret:bank-??????")),
        ]
    );
    let statements =
        &made["Resources"]["OtherFRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
    let of_secrets = statements.as_array().unwrap().iter().filter(|one| one["Action"] == json!([read]));
    let on: Vec<&Value> = of_secrets.map(|one| &one["Resource"]).collect();
    // `api-secret` may be a name without what AWS adds, or one of six letters with it.
    let begin = "arn:aws:secretsmanager:us-west-2:123456789012:secret";
    let key = json!([format!("{begin}:api-secret"), format!("{begin}:api-secret-??????")]);
    assert_eq!(on, [&key, &json!(format!("{begin}:near-??????"))]);
}

const QUEUES: &str = r#"
[deploy.queues.jobs]
variable = "JOB_QUEUE"
services = ["other"]
[deploy.queues."parcels.fifo"]
variable = "PARCEL_QUEUE"
services = ["other"]
[deploy.queues.letters]
variable = "LETTER_QUEUE"
services = ["shop", "other"]
existing = "https://sqs.us-west-2.amazonaws.com/123456789012/company-letters"
"#;

#[test]
fn a_service_sends_to_its_queues() {
    let manifests =
        [shop(r#"[{"queue":"jobs"}]"#, &json!({})), manifest("other", &[("other-f", "a.rs:1", "[]")])];
    let (made, notes) = of(&manifests, QUEUES).unwrap();
    assert_eq!(notes, ["queue parcels.fifo: no function of this application reads its messages"]);
    let resources = &made["Resources"];
    assert_eq!(
        resources["OtherF"]["Properties"]["Environment"]["Variables"],
        json!({
            "EVENT_BUS": {"Ref": "EventBus"}, "JOB_QUEUE": {"Ref": "JobsQueue"}, "PARCEL_QUEUE": {"Ref": "ParcelsFifoQueue"},
            "LETTER_QUEUE": "https://sqs.us-west-2.amazonaws.com/123456789012/company-letters",
        })
    );
    let queue = &resources["ParcelsFifoQueue"]["Properties"];
    assert_eq!((&queue["FifoQueue"], &queue["VisibilityTimeout"]), (&json!(true), &json!(180)));
    assert!(resources.get("LettersQueue").is_none());
    let statements = &resources["OtherFRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
    let sends =
        statements.as_array().unwrap().iter().filter(|one| one["Action"] == json!(["sqs:SendMessage"]));
    let on: Vec<_> = sends.map(|one| (one["Sid"].as_str().unwrap(), &one["Resource"])).collect();
    assert_eq!(
        on,
        [
            ("ItsServiceSendsToQueueJobs", &json!({"Fn::GetAtt": ["JobsQueue", "Arn"]})),
            ("ItsServiceSendsToQueueLetters", &json!("arn:aws:sqs:us-west-2:123456789012:company-letters")),
            ("ItsServiceSendsToQueueParcelsFifo", &json!({"Fn::GetAtt": ["ParcelsFifoQueue", "Arn"]})),
        ]
    );
    assert_eq!(made["Outputs"]["ParcelsFifoQueueUrl"]["Value"], json!({"Ref": "ParcelsFifoQueue"}));

    let read = [shop(r#"[{"queue":"letters"}]"#, &json!({}))];
    let refused =
        of(&read, &QUEUES.replace(", \"other\"", "").replace("[\"other\"]", "[\"shop\"]")).unwrap_err();
    assert_eq!(
        refused,
        [
            "queue letters: `shop-ship_it` of this application reads it, so the stack makes it: remove `existing` in eg.toml"
        ]
    );
}

const EXTRA: &str = r#"
[deploy]
environment = { PICTURES = { Ref = "Pictures" } }
[deploy.function.shop-ship_it]
policies = [{ Action = ["s3:PutObject"], Resource = { "Fn::Sub" = "${Pictures.Arn}/*" } }]
"#;

const PICTURES: &str = "Resources:\n  Pictures:\n    Type: AWS::S3::Bucket\n\
                        Outputs:\n  PicturesName:\n    Value: !Ref Pictures\n";

#[test]
fn resources_of_a_file_belong_to_the_stack() {
    let services = [shop("[]", &json!({"emits": []}))];
    let (made, _) = with(&services, EXTRA, PICTURES).unwrap();
    assert_eq!(made["Resources"]["Pictures"], json!({"Type": "AWS::S3::Bucket"}));
    assert_eq!(made["Outputs"]["PicturesName"], json!({"Value": {"Ref": "Pictures"}}));
    let variables = &made["Resources"]["ShopShipIt"]["Properties"]["Environment"]["Variables"];
    assert_eq!(*variables, json!({"PICTURES": {"Ref": "Pictures"}}));
    let right = json!({
        "Effect": "Allow", "Action": ["s3:PutObject"], "Resource": {"Fn::Sub": "${Pictures.Arn}/*"}});
    assert_eq!(rights(&made)[1..], [right]);

    let refused = |deploy: &str, extra: &str| with(&services, deploy, extra).unwrap_err();
    let clash = "Resources:\n  ShopShipIt:\n    Type: AWS::S3::Bucket\nOutputs:\n  A: { Value: !Ref B }\n";
    assert_eq!(
        refused("", clash),
        [
            "/app/shop/extra.yaml:2: the template makes `ShopShipIt` for shop-ship_it (a.rs:1): rename it in the file",
            "/app/shop/extra.yaml:5: `A` refers to `B`, which is not in the template",
        ]
    );
    let refers = "refers to `Pictures`, which is not in the template";
    assert_eq!(
        refused(EXTRA, ""),
        [
            format!("shop-ship_it: a statement of `policies` {refers}"),
            format!("shop-ship_it: the variable `PICTURES` {refers}"),
        ]
    );
    let queue = [shop(r#"[{"queue":"jobs"}]"#, &json!({}))];
    let topic = "Resources:\n  AlarmTopicArn: { Type: AWS::SNS::Topic }\n";
    assert_eq!(
        with(&queue, "", topic).unwrap_err(),
        [
            "/app/shop/extra.yaml:2: the template makes `AlarmTopicArn` for the topic of alarms: rename it in the file"
        ]
    );
    let stream = [shop(r#"[{"stream":"clicks","source":"kinesis"}]"#, &json!({}))];
    assert_eq!(
        with(&stream, "", "Resources:\n  ClicksStreamArn: { Type: AWS::SNS::Topic }\n").unwrap_err(),
        [
            "/app/shop/extra.yaml:2: the template makes `ClicksStreamArn` for kinesis clicks: rename it in the file"
        ]
    );
    let output = "Outputs:\n  JobsQueueUrl: { Value: x }\n";
    assert_eq!(
        with(&queue, "", output).unwrap_err(),
        ["/app/shop/extra.yaml:2: the template has the output `JobsQueueUrl` already: rename it in the file"]
    );
}

/// CloudFormation would refuse these references, and a file cannot declare conditions and mappings.
#[test]
fn conditions_and_mappings_that_do_not_exist_are_named() {
    let services = [shop(r#"[{"queue":"jobs"}]"#, &json!({}))];
    let extra = "Resources:
  A:
    Type: AWS::ECS::TaskDefinition
    Condition: HasAlarmTopic
    Properties:
      ContainerDefinitions: [{ DependsOn: [{ ContainerName: b, Condition: START }] }]
      Family: !If [HasAlarmTopic, a, b]
  B:
    Type: AWS::S3::Bucket
    Condition: IsProd
    Properties:
      BucketName: !If [IsTest, !Ref Names, !FindInMap [Regions, !Ref AWS::Region, name]]
Outputs:
  C: { Condition: IsDev, Value: x }
";
    let missing = |place: &str, what: &str| {
        format!("/app/shop/extra.yaml:{place} refers to {what}, which is not in the template")
    };
    assert_eq!(
        with(&services, "", extra).unwrap_err(),
        [
            missing("8: `B`", "`Names`"),
            missing("8: `B`", "the condition `IsTest`"),
            missing("8: `B`", "the mapping `Regions`"),
            missing("8: `B`", "the condition `IsProd`"),
            missing("14: `C`", "the condition `IsDev`"),
        ]
    );
}

#[test]
fn statements_with_the_same_id_are_refused() {
    let check = |ids: &[&str], expected: &[&str]| {
        let statements: Vec<String> = ids
            .iter()
            .map(|id| format!("{{ Sid = \"{id}\", Action = \"s3:GetObject\", Resource = \"*\" }}"))
            .collect();
        let deploy = format!("[deploy.function.shop-ship_it]\npolicies = [{}]", statements.join(", "));
        let made = of(&[shop("[]", &json!({"emits": []}))], &deploy);
        let problem = |id: &&str| {
            format!(
                "shop-ship_it: two statements of its role have the `Sid` `{id}`: rename the one in `policies`"
            )
        };
        let expected: Vec<String> = expected.iter().map(problem).collect();
        assert_eq!(made.err().unwrap_or_default(), expected);
    };
    check(&["ReadPictures", "ReadLetters"], &[]);
    check(&["ReadPictures", "ReadPictures"], &["ReadPictures"]);
    check(
        &["EveryFunctionWritesItsLog", "ItsCallsAreTraced"],
        &["EveryFunctionWritesItsLog", "ItsCallsAreTraced"],
    );
}

const NETWORK: &str = r#"
[deploy]
vpc = { subnets = ["subnet-1", "subnet-2"], security_groups = ["sg-1"] }
[deploy.function.other-f]
vpc = { subnets = [{ Ref = "Subnet" }], security_groups = [{ "Fn::GetAtt" = ["Group", "GroupId"] }] }
"#;

#[test]
fn functions_may_be_in_a_vpc() {
    let manifests = [shop("[]", &json!({"emits": []})), manifest("other", &[("other-f", "a.rs:1", "[]")])];
    let network =
        "Resources:\n  Subnet: { Type: AWS::EC2::Subnet }\n  Group: { Type: AWS::EC2::SecurityGroup }\n";
    let (made, _) = with(&manifests, NETWORK, network).unwrap();
    let config = |id: &str| made["Resources"][id]["Properties"]["VpcConfig"].clone();
    assert_eq!(
        config("ShopShipIt"),
        json!({"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]})
    );
    let own = json!({
        "SubnetIds": [{"Ref": "Subnet"}], "SecurityGroupIds": [{"Fn::GetAtt": ["Group", "GroupId"]}]});
    assert_eq!(config("OtherF"), own);
    let right = &rights(&made)[1];
    assert_eq!((&right["Sid"], &right["Resource"]), (&json!("ItsNetworkInterfacesAreInAVPC"), &json!("*")));
    assert!(right["Action"].as_array().unwrap().contains(&json!("ec2:CreateNetworkInterface")));
    let refused = with(&manifests, NETWORK, "").unwrap_err();
    let refers = "other-f: its `vpc` refers to `";
    assert!(refused.len() == 2 && refused.iter().all(|problem| problem.starts_with(refers)), "{refused:?}");
    let (without, _) = super::made("[]", &json!({"emits": []}));
    assert!(without["Resources"]["ShopShipIt"]["Properties"].get("VpcConfig").is_none());
}
