//! Events, schedules and streams: rules, retries, and the permission to emit.

use super::*;

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
    let short = "shop-ship_it: Lambda keeps an event for 60 seconds, not for 30";
    check(r#","retry":{"attempts":2,"maxAge":30}"#, 1, 60, 60, &[short]);
}

/// A filter is the pattern for the event in the detail, in a rule of its own.
#[test]
fn filters_become_patterns() {
    let filter = json!({"data": {"amount": [{"numeric": [">", 500]}]}});
    let (made, said) = made(&on(&format!(r#","filter":{filter}"#)), &json!({}));
    let rules = all(&made, "AWS::Events::Rule");
    let pattern = json!({"detail-type": ["order.paid"], "detail": filter});
    assert_eq!((rules.len(), &rules[0].1["EventPattern"]), (1, &pattern));
    assert!(said.is_empty(), "{said:?}");
}

/// Lambda attempts an event at most three times within six hours, and determines the pauses.
#[test]
fn retries_beyond_lambda_go_through_a_queue() {
    let check = |retry: &str, attempts: u32, pause: u32, notes: &[&str]| {
        let (made, said) = made(&on(&format!(r#","retry":{{{retry}}}"#)), &json!({}));
        let queue = &made["Resources"]["ShopShipItOnOrderPaidQueue"]["Properties"];
        assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"], attempts, "{retry}");
        assert_eq!(queue["VisibilityTimeout"], pause, "{retry}");
        // SQS deletes what becomes older, and moves it nowhere.
        assert_eq!(queue["MessageRetentionPeriod"], 14 * 24 * 60 * 60, "{retry}");
        assert_eq!(said, notes, "{retry}");
    };
    check(r#""attempts":5"#, 5, 30, &[]);
    check(r#""attempts":12"#, 12, 300, &[]);
    check(r#""attempts":1000"#, 289, 300, &[]);
    check(r#""maxAge":86400"#, 16, 300, &[]);
    check(r#""attempts":4,"minBackoff":600,"maxBackoff":600"#, 4, 600, &[]);
    let one_pause = "shop-ship_it: SQS has one pause between attempts, so each of the 5 begins 80 seconds after the one before";
    check(r#""attempts":5,"minBackoff":10,"maxBackoff":3600"#, 5, 80, &[one_pause]);
    check(r#""attempts":500,"minBackoff":60,"maxBackoff":60,"maxAge":600"#, 11, 60, &[]);
    // Ten days of attempts leave the dead letter four.
    check(r#""attempts":20,"minBackoff":43200,"maxBackoff":43200,"maxAge":1209600"#, 20, 43_200, &[]);

    let (made, _) = made(&on(r#","retry":{"attempts":5}"#), &json!({}));
    let resource = |id: &str| made["Resources"][id]["Properties"].clone();
    let arn = |id: &str| json!({"Fn::GetAtt": [id, "Arn"]});
    assert_eq!(
        resource("ShopShipItOnOrderPaidQueue")["RedrivePolicy"]["deadLetterTargetArn"],
        arn("ShopShipItOnOrderPaidQueueFailures")
    );
    let target = &resource("ShopShipItOnOrderPaid")["Targets"][0];
    assert_eq!(
        (&target["Arn"], &target["DeadLetterConfig"]["Arn"]),
        (&arn("ShopShipItOnOrderPaidQueue"), &arn("ShopFailures"))
    );
    let sent = &resource("ShopShipItOnOrderPaidQueuePolicy")["PolicyDocument"]["Statement"][0];
    assert_eq!(sent["Condition"]["ArnEquals"]["aws:SourceArn"], json!([arn("ShopShipItOnOrderPaid")]));
    assert_eq!(
        resource("ShopShipItReadsShopShipItOnOrderPaidQueue"),
        json!({
            "FunctionName": {"Ref": "ShopShipIt"}, "EventSourceArn": arn("ShopShipItOnOrderPaidQueue"),
            "FunctionResponseTypes": ["ReportBatchItemFailures"], "BatchSize": 1,
        })
    );
    assert!(rights(&made).iter().any(|right| {
        right["Resource"] == json!([arn("ShopShipItOnOrderPaidQueue")])
            && right["Action"][0] == "sqs:ReceiveMessage"
    }));
    // Nothing invokes the function asynchronously.
    assert_eq!(
        (resource("ShopShipItRetries"), all(&made, "AWS::Lambda::Permission").len()),
        (Value::Null, 0)
    );
    let alarm = resource("FailuresAlarm").to_string();
    assert!(alarm.contains("ShopShipItOnOrderPaidQueueFailures"), "{alarm}");
}

#[test]
fn retries_beyond_a_queue_are_refused() {
    let check = |retry: &str, expected: &str| {
        let problems = of(&[shop(&on(&format!(r#","retry":{{{retry}}}"#)), &json!({}))], "").unwrap_err();
        assert_eq!(problems, [format!("shop-ship_it (a.rs:1): {expected}")]);
    };
    check(
        r#""attempts":5000,"maxAge":1000000,"minBackoff":30,"maxBackoff":30"#,
        "SQS delivers an event at most 1000 times, not 5000 times: lower `attempts` of `retry`",
    );
    check(
        r#""attempts":4,"minBackoff":86400"#,
        "SQS allows pauses of 43200 seconds between attempts, not of 86400: lower `max_backoff` of `retry`",
    );
    check(
        r#""attempts":21,"maxAge":1209600,"minBackoff":43200,"maxBackoff":43200"#,
        "21 attempts take 11 days, and SQS keeps an event and its dead letter for 14 days in all: lower `attempts`, `max_age` or \
         `max_backoff` of `retry`, so that the attempts take at most 10 days",
    );
}

/// A function has room for one asynchronous setting, but for several queues.
#[test]
fn subscriptions_are_retried_as_each_says() {
    let event = |ty: &str, retry: &str| {
        format!(r#"{{"eventType":"{ty}","mode":"async","method":"POST","path":"/"{retry}}}"#)
    };
    let (four, ten) = (r#","retry":{"attempts":4}"#, r#","retry":{"attempts":10}"#);
    let triggers = [event("a", ""), event("b", four), event("c", ten), event("d", ten)];
    let (made, _) = made(&format!("[{}]", triggers.join(",")), &json!({}));
    let rules: Vec<_> = all(&made, "AWS::Events::Rule")
        .into_iter()
        .map(|(_, rule)| {
            (rule["EventPattern"]["detail-type"].clone(), rule["Targets"][0]["Arn"]["Fn::GetAtt"][0].clone())
        })
        .collect();
    assert_eq!(
        rules,
        [
            (json!(["b"]), json!("ShopShipItOnBQueue")),
            (json!(["c"]), json!("ShopShipItOnCQueue")),
            (json!(["d"]), json!("ShopShipItOnDQueue")),
            (json!(["a"]), json!("ShopShipIt")),
        ]
    );
    assert!(made["Resources"]["ShopShipItRetries"].is_object());
}

/// Nobody would read the events in a queue with another name.
#[test]
fn a_queue_keeps_its_name_whatever_else_changes() {
    let event = |ty: &str, attempts: u32| {
        format!(
            r#"{{"eventType":"{ty}","mode":"async","method":"POST","path":"/","retry":{{"attempts":{attempts}}}}}"#
        )
    };
    let of_aws =
        r#"{"eventBridge":{"source":["aws.s3"],"detail-type":["Object Created"]},"retry":{"attempts":7}}"#;
    let queues = |triggers: &[&str]| {
        let (made, _) = made(&format!("[{}]", triggers.join(",")), &json!({}));
        let queues = all(&made, "AWS::SQS::Queue").into_iter();
        let retried = queues.filter(|(id, _)| !id.ends_with("Failures"));
        retried
            .map(|(id, queue)| format!("{id} {}", queue["RedrivePolicy"]["maxReceiveCount"]))
            .collect::<Vec<_>>()
    };
    let (paid, placed) = (event("order.paid", 5), event("order.placed", 4));
    let [of_paid, of_placed] = ["ShopShipItOnOrderPaidQueue 5", "ShopShipItOnOrderPlacedQueue 4"];
    assert_eq!(queues(&[&paid]), [of_paid]);
    assert_eq!(queues(&[&paid, &placed]), [of_paid, of_placed]);
    assert_eq!(queues(&[&placed, of_aws, &paid]), ["ShopShipItOnObjectCreatedQueue 7", of_paid, of_placed]);
    assert_eq!(queues(&[&event("order.paid", 9)]), ["ShopShipItOnOrderPaidQueue 9"]);

    let alike = [event("order.paid", 5), event("order_paid", 5)];
    assert_eq!(queues(&[&alike[0], &alike[1]]), [of_paid]);
    let problems = of(&[shop(&format!("[{paid},{}]", event("order_paid", 6)), &json!({}))], "").unwrap_err();
    assert_eq!(
        problems,
        [
            "shop-ship_it (a.rs:1): two of its subscriptions share the queue `ShopShipItOnOrderPaidQueue`, so they need the same `retry`"
        ]
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
            // Lambda has one setting for a function: it would attempt these as often and as long as the others.
            ("ShopShipItOnB", json!(["b"])),
            ("ShopShipItOnD", json!(["d"])),
            ("ShopShipItOnE", json!(["e"])),
            ("ShopShipItRule", json!(["a", "c"])),
        ]
    );
    let config = &made["Resources"]["ShopShipItRetries"]["Properties"];
    assert_eq!([&config["MaximumRetryAttempts"], &config["MaximumEventAgeInSeconds"]], [2, 21_600]);
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
            "shop-ship_it: the function must reach the cluster of topic visits: set its `vpc` in eg.toml",
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

/// Each function would read the stream of the other.
#[test]
fn streams_whose_names_become_one_are_refused() {
    let triggers =
        r#"[{"stream":"order-items","source":"dynamodb"},{"stream":"order_items","source":"dynamodb"}]"#;
    let problems = of(&[shop(triggers, &json!({}))], "").unwrap_err();
    let clash = "dynamodb order-items and dynamodb order_items would both be `OrderItemsTableStreamArn`";
    assert!(problems.iter().any(|problem| problem.contains(clash)), "{problems:#?}");
}

/// Without a gateway that reports each event, the function gets each event itself.
#[test]
fn a_function_that_hears_of_every_event_gets_every_event() {
    let trigger =
        r#"[{"eventType":"eventgateway.event.received","mode":"async","method":"POST","path":"/"}]"#;
    let (made, notes) = made(trigger, &json!({}));
    let rule = &made["Resources"]["ShopShipItOnEventgatewayEventReceived"]["Properties"];
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

#[test]
fn an_archive_belongs_to_the_bus_of_the_stack() {
    let archived = |deploy: &str| {
        of(&[shop(&on(""), &json!({}))], &format!("[deploy]\narchive = \"30d\"\n{deploy}")).unwrap()
    };
    let (made, notes) = archived("");
    assert_eq!(notes, [""; 0]);
    let archive = &made["Resources"]["EventArchive"]["Properties"];
    assert_eq!(
        (&archive["RetentionDays"], &archive["SourceArn"]),
        (&json!(30), &json!({"Fn::GetAtt": ["EventBus", "Arn"]}))
    );
    let rule = &made["Resources"]["ArchivedEventsRule"]["Properties"];
    assert_eq!(rule["EventPattern"], json!({"replay-name": [{"prefix": "cargo-eg-events-"}]}));
    for output in ["EventArchiveArn", "ArchivedEventsRuleArn", "ArchivedEventsUrl"] {
        assert!(made["Outputs"][output].is_object(), "{output}");
    }
    for (deploy, note) in [
        ("bus = \"existing:company\"", "`archive` has no effect: the bus `company` is not the stack's"),
        (
            "gateway = \"https://gateway.example\"",
            "`archive` has no effect: the gateway keeps its own history",
        ),
    ] {
        let (made, notes) = archived(deploy);
        assert!(notes.len() == 1 && notes[0].starts_with(note), "{notes:?}");
        assert_eq!(made["Resources"].get("EventArchive"), None);
        assert_eq!(made["Outputs"].get("EventArchiveArn"), None);
    }
}
