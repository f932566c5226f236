//! The samples of the documentation of AWS's event-ruler (<https://github.com/aws/event-ruler>), which EventBridge uses, and
//! variations of them that it describes.

use serde_json::{Value, json};

use super::super::*;

fn matches(pattern: &Value, event: &Value) -> bool {
    Pattern::read(pattern).unwrap().check(&Json::from(event)).is_ok()
}

fn instance() -> Value {
    json!({
        "version": "0", "id": "ddddd4-aaaa-7777-4444-345dd43cc333",
        "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2", "account": "012345679012",
        "time": "2017-10-02T16:24:49Z", "region": "us-east-1",
        "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-000000aaaaaa00000"],
        "detail": {
            "c-count": 5, "d-count": 3, "x-limit": 301.8, "source-ip": "10.0.0.33",
            "instance-id": "i-000000aaaaaa00000", "state": "running",
        },
    })
}

#[test]
fn operators_match_as_documented() {
    let instance = instance();
    for (pattern, expected) in [
        (
            json!({
                "detail-type": ["EC2 Instance State-change Notification"],
                "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-000000aaaaaa00000"],
                "detail": { "state": ["initializing", "running"] },
            }),
            true,
        ),
        (json!({ "time": [{ "prefix": "2017-10-02" }] }), true),
        (json!({ "time": [{ "prefix": "2017-10-03" }] }), false),
        (json!({ "source": [{ "prefix": { "equals-ignore-case": "AWS.E" } }] }), true),
        (json!({ "source": [{ "prefix": "AWS.E" }] }), false),
        (json!({ "source": [{ "suffix": "ec2" }] }), true),
        (json!({ "source": [{ "suffix": { "equals-ignore-case": "EC2" } }] }), true),
        (json!({ "source": [{ "suffix": { "equals-ignore-case": "S3" } }] }), false),
        (json!({ "source": [{ "equals-ignore-case": "AWS.EC2" }] }), true),
        (json!({ "source": [{ "equals-ignore-case": "EC2" }] }), false),
        (json!({ "source": [{ "wildcard": "aws.*" }] }), true),
        (json!({ "source": [{ "wildcard": "*.e*2" }] }), true),
        (json!({ "source": [{ "wildcard": "ec*" }] }), false),
        (json!({ "detail": { "state": [{ "anything-but": "initializing" }] } }), true),
        (json!({ "detail": { "state": [{ "anything-but": ["stopped", "overloaded"] }] } }), true),
        (json!({ "detail": { "state": [{ "anything-but": ["stopped", "running"] }] } }), false),
        (json!({ "detail": { "x-limit": [{ "anything-but": 123 }] } }), true),
        (json!({ "detail": { "x-limit": [{ "anything-but": [100, 200, 301.8] }] } }), false),
        (json!({ "detail": { "state": [{ "anything-but": { "prefix": "init" } }] } }), true),
        (json!({ "detail": { "state": [{ "anything-but": { "prefix": ["init", "run"] } }] } }), false),
        (json!({ "detail": { "instance-id": [{ "anything-but": { "suffix": "1234" } }] } }), true),
        (json!({ "detail": { "instance-id": [{ "anything-but": { "suffix": ["1234", "0000"] } }] } }), false),
        (json!({ "detail": { "state": [{ "anything-but": { "equals-ignore-case": "RUNNING" } }] } }), false),
        (
            json!({ "detail": { "state": [{ "anything-but": { "equals-ignore-case": ["Stopped", "OverLoaded"] } }] } }),
            true,
        ),
        (json!({ "detail": { "state": [{ "anything-but": { "wildcard": "*/bin/*.jar" } }] } }), true),
        (
            json!({ "detail": { "state": [{ "anything-but": { "wildcard": ["*/bin/*.jar", "run*"] } }] } }),
            false,
        ),
        (
            json!({
                "detail": {
                    "c-count": [{ "numeric": [">", 0, "<=", 5] }], "d-count": [{ "numeric": ["<", 10] }],
                    "x-limit": [{ "numeric": ["=", 3.018e2] }],
                },
            }),
            true,
        ),
        (json!({ "detail": { "c-count": [{ "numeric": [">", 5] }] } }), false),
        (json!({ "detail": { "source-ip": [{ "cidr": "10.0.0.0/24" }] } }), true),
        (json!({ "detail": { "source-ip": [{ "cidr": "10.0.1.0/24" }] } }), false),
        (json!({ "detail": { "state": [{ "cidr": "10.0.0.0/24" }] } }), false),
        (json!({ "detail": { "c-count": [{ "exists": true }] } }), true),
        (json!({ "detail": { "c-count": [{ "exists": false }] } }), false),
        (json!({ "detail": { "x": { "y": [{ "exists": false }] } } }), true),
        (
            json!({
                "time": [{ "prefix": "2017-10-02" }],
                "detail": {
                    "state": [{ "anything-but": "initializing" }], "c-count": [{ "numeric": [">", 0, "<=", 5] }],
                    "d-count": [{ "numeric": ["<", 10] }], "x-limit": [{ "anything-but": [100, 200, 300] }],
                    "source-ip": [{ "cidr": "10.0.0.0/8" }],
                },
            }),
            true,
        ),
    ] {
        assert_eq!(matches(&pattern, &instance), expected, "{pattern}");
    }
}

#[test]
fn alternatives_match_as_documented() {
    let metric = |name: &str, namespace: &str, unit: &str| json!({ "source": "aws.cloudwatch", "metricName": name, "namespace": namespace, "detail": { "unit": unit } });
    let either = json!({
        "source": ["aws.cloudwatch"],
        "$or": [{ "metricName": ["CPUUtilization", "ReadLatency"] }, { "namespace": ["AWS/EC2", "AWS/ES"] }],
    });
    let nested = json!({
        "source": ["aws.cloudwatch"],
        "$or": [
            { "metricName": [{ "prefix": "CPU" }], "$or": [{ "namespace": ["AWS/EC2"] }, { "detail": { "unit": ["Count"] } }] },
            { "detail": { "$or": [{ "unit": ["Bytes"] }, { "unit": [{ "wildcard": "*/Second" }] }] } },
        ],
    });
    for (event, in_either, in_nested) in [
        (metric("CPUUtilization", "AWS/RDS", "Percent"), true, false),
        (metric("CPUUtilization", "AWS/EC2", "Percent"), true, true),
        (metric("CPUUtilization", "AWS/RDS", "Count"), true, true),
        (metric("WriteLatency", "AWS/ES", "Count"), true, false),
        (metric("WriteLatency", "AWS/RDS", "Bytes"), false, true),
        (metric("WriteLatency", "AWS/RDS", "Bytes/Second"), false, true),
        (metric("WriteLatency", "AWS/RDS", "Count"), false, false),
    ] {
        assert_eq!(matches(&either, &event), in_either, "{either} {event}");
        assert_eq!(matches(&nested, &event), in_nested, "{nested} {event}");
    }
}

/// The clauses below an array must be met by one element. Each of them used to be met by any element.
#[test]
fn arrays_are_consistent() {
    let event = json!({
        "employees": [
            { "firstName": "John", "lastName": "Doe", "ids": [1, 2] },
            { "firstName": "Anna", "lastName": "Smith", "ids": [3] },
            { "firstName": "Peter", "lastName": "Jones" },
        ],
    });
    for (pattern, expected) in [
        (json!({ "employees": { "firstName": ["Anna"] } }), true),
        (json!({ "employees": { "firstName": ["Anna"], "lastName": ["Smith"] } }), true),
        (json!({ "employees": { "firstName": ["Anna"], "lastName": ["Jones"] } }), false),
        (json!({ "employees": { "firstName": ["John"], "ids": [2] } }), true),
        (json!({ "employees": { "firstName": ["Anna"], "ids": [2] } }), false),
        (
            json!({ "employees": { "$or": [{ "firstName": ["Anna"], "ids": [1] }, { "lastName": ["Doe"], "ids": [2] }] } }),
            true,
        ),
        // Absent means absent from the event.
        (json!({ "employees": { "ids": [{ "exists": false }] } }), false),
        (json!({ "employees": { "salary": [{ "exists": false }] } }), true),
    ] {
        assert_eq!(matches(&pattern, &event), expected, "{pattern}");
    }
    let pattern =
        Pattern::read(&json!({ "employees": { "firstName": ["Anna"], "lastName": ["Jones"] } })).unwrap();
    let mismatch = pattern.check(&Json::from(&event)).unwrap_err();
    let expected = json!({ "firstName": ["Anna"], "lastName": ["Jones"] });
    assert_eq!(
        (mismatch.clause.as_str(), mismatch.path.len(), mismatch.expected),
        ("employees", 1, expected)
    );
}

#[test]
fn faults_of_the_operators_are_named() {
    for (condition, error) in [
        (
            json!({ "wildcard": "a**" }),
            "filter.a: wildcard \"a**\" has `**`: one `*` stands for any number of characters",
        ),
        (json!({ "wildcard": 1 }), "filter.a: wildcard is 1: it must be a string"),
        (
            json!({ "cidr": "10.0.0.0" }),
            "filter.a: cidr \"10.0.0.0\" is no range of IP addresses: write one such as \"10.0.0.0/24\" or \"2001:db8::/32\"",
        ),
        (
            json!({ "equals-ignore-case": ["a"] }),
            "filter.a: equals-ignore-case is [\"a\"]: it must be a string",
        ),
        (
            json!({ "prefix": { "suffix": "a" } }),
            "filter.a: prefix is {\"suffix\":\"a\"}: it must be a string, or {\"equals-ignore-case\": \"…\"}",
        ),
        (json!({ "anything-but": { "wildcard": [] } }), "filter.a: wildcard is empty: name a text"),
    ] {
        assert_eq!(Pattern::read(&json!({ "a": [condition] })), Err(error.to_owned()), "{condition}");
    }
}
