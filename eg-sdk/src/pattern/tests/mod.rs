use serde_json::json;

use super::*;

mod reference;
mod ruler;

fn event() -> Value {
    json!({
        "type": "order.paid", "source": "/shop", "subject": "orders/7", "partitionkey": "k",
        "data": {
            "amount": 12.5, "count": 3, "big": 9_007_199_254_740_993_i64, "state": "paid", "note": null, "gift": true,
            "tags": ["red", "large"], "none": [], "lines": [{ "sku": "a", "n": 1 }, { "sku": "b", "n": 9 }],
        },
    })
}

#[test]
fn patterns_match() {
    for (pattern, matches) in [
        (json!({ "type": ["order.paid"] }), true),
        (json!({ "type": ["order.sent", "order.paid"] }), true),
        (json!({ "type": ["order"] }), false),
        (json!({ "type": [{ "prefix": "order." }] }), true),
        (json!({ "type": [{ "suffix": ".sent" }] }), false),
        (json!({ "subject": [{ "prefix": "orders/" }], "source": ["/shop"] }), true),
        (json!({ "subject": [{ "prefix": "orders/" }], "source": ["/other"] }), false),
        (json!({ "data": { "amount": [{ "numeric": [">", 12, "<=", 12.5] }] } }), true),
        (json!({ "data": { "amount": [{ "numeric": ["<", 12.5] }] } }), false),
        (json!({ "data": { "count": [3.0] } }), true),
        (json!({ "data": { "count": [{ "numeric": ["=", 3] }] } }), true),
        (json!({ "data": { "big": [9_007_199_254_740_992_i64] } }), false),
        (json!({ "data": { "big": [9_007_199_254_740_993_i64] } }), true),
        (json!({ "data": { "state": [{ "numeric": [">", 0] }] } }), false),
        (json!({ "data": { "count": ["3"] } }), false),
        (json!({ "data": { "note": [null] } }), true),
        (json!({ "data": { "absent": [null] } }), false),
        (json!({ "data": { "gift": [true] } }), true),
        (json!({ "data": { "tags": ["large"] } }), true),
        (json!({ "data": { "tags": ["small"] } }), false),
        (json!({ "data": { "lines": { "sku": ["b"] } } }), true),
        (json!({ "data": { "lines": { "n": [{ "numeric": [">", 9] }] } } }), false),
        (json!({ "data": { "absent": [{ "exists": false }] } }), true),
        (json!({ "data": { "state": [{ "exists": false }] } }), false),
        (json!({ "data": { "none": [{ "exists": true }] } }), true),
        (json!({ "absent": { "deep": [{ "exists": false }] } }), true),
        (json!({ "data": { "state": [{ "anything-but": "open" }] } }), true),
        (json!({ "data": { "state": [{ "anything-but": ["open", "paid"] }] } }), false),
        (json!({ "data": { "state": [{ "anything-but": { "prefix": "pa" } }] } }), false),
        (json!({ "data": { "absent": [{ "anything-but": "open" }] } }), false),
        (json!({ "$or": [{ "source": ["/x"] }, { "data": { "count": [3] } }] }), true),
        (json!({ "type": ["order.paid"], "$or": [{ "source": ["/x"] }, { "subject": ["y"] }] }), false),
        (json!({ "data": { "$or": [{ "count": [4] }, { "state": ["paid"] }] } }), true),
    ] {
        let found = Pattern::read(&pattern).unwrap().check(&Json::from(&event()));
        assert_eq!(found.is_ok(), matches, "{pattern}: {found:?}");
    }
}

#[test]
fn a_mismatch_names_clause_and_value() {
    for (pattern, clause, value) in [
        (json!({ "type": ["order.paid"], "data": { "count": [4] } }), "data.count", Some(json!(3))),
        (json!({ "data": { "absent": ["x"] } }), "data.absent", None),
        (json!({ "data": { "tags": ["x"] } }), "data.tags", Some(json!(["red", "large"]))),
        (json!({ "$or": [{ "type": ["a"] }, { "type": ["b"] }] }), "$or", None),
    ] {
        let (event, pattern) = (event(), Pattern::read(&pattern).unwrap());
        let event = Json::from(&event);
        let mismatch = pattern.check(&event).unwrap_err();
        let found = value_at(&event, &mismatch.path);
        assert_eq!((mismatch.clause.as_str(), mismatch.value, found), (clause, None, value), "{pattern:?}");
    }
}

#[test]
fn the_value_of_a_mismatch_stays_small() {
    let event = json!({ "data": { "text": "x".repeat(100_000) } });
    let value = value_at(&Json::from(&event), &["data".to_owned(), "text".to_owned()]).unwrap();
    assert_eq!(value.as_str().unwrap().chars().count(), 501);
}

#[test]
fn faults_are_named() {
    for (pattern, error) in [
        (json!([]), "filter must be an object"),
        (json!({}), "filter is empty: name an attribute, or leave the filter out"),
        (json!({ "type": "a" }), "filter.type is \"a\": values stand in an array, as in [\"a\"]"),
        (json!({ "type": [] }), "filter.type is empty: it could never match"),
        (json!({ "data": {} }), "filter.data is empty: write what its members must be"),
        (json!({ "type": [["a"]] }), "filter.type: [\"a\"] is an array within an array"),
        (
            json!({ "type": [{ "glob": "a" }] }),
            "filter.type: operator `glob` is unknown: use prefix, suffix, wildcard, equals-ignore-case, anything-but, numeric, cidr and exists",
        ),
        (
            json!({ "type": [{}] }),
            "filter.type: {} must have exactly one member: one of prefix, suffix, wildcard, equals-ignore-case, anything-but, numeric, cidr and exists",
        ),
        (json!({ "type": [{ "prefix": 1 }] }), "filter.type: prefix is 1: it must be a string"),
        (json!({ "type": [{ "exists": "no" }] }), "filter.type: exists is \"no\": it must be true or false"),
        (
            json!({ "data": { "n": [{ "numeric": [">"] }] } }),
            "filter.data.n: numeric is [\">\"]: write one or two comparisons, such as [\">\", 0, \"<=\", 5]",
        ),
        (
            json!({ "data": { "n": [{ "numeric": ["!=", 1] }] } }),
            "filter.data.n: numeric is [\"!=\",1]: write one or two comparisons, such as [\">\", 0, \"<=\", 5]",
        ),
        (
            json!({ "type": [{ "anything-but": { "exists": true } }] }),
            "filter.type: anything-but takes values, prefix, suffix, wildcard and equals-ignore-case, and not {\"exists\":true}",
        ),
        (json!({ "$or": [{ "type": ["a"] }] }), "filter.$or must be an array of at least two patterns"),
        (json!({ "data": { "$or": [{ "a": ["b"] }, 1] } }), "filter.data.$or holds 1, which is no pattern"),
    ] {
        assert_eq!(Pattern::read(&pattern), Err(error.to_owned()), "{pattern}");
    }
}

#[test]
fn alternatives_are_bounded() {
    let mut pattern = json!({ "type": ["a"] });
    for _ in 0..9 {
        pattern = json!({ "$or": [pattern, { "source": ["b"] }] });
    }
    assert!(Pattern::read(&pattern).unwrap_err().ends_with("is nested more than 8 levels deep"));
}

#[test]
fn numbers_that_have_lost_digits_are_refused() {
    let large = "write numbers beyond 2^53 as whole numbers from -9223372036854775808 to 18446744073709551615, without \
                 fraction and exponent";
    for (filter, problem) in [
        ("[18446744073709551615, -9223372036854775808, 9007199254740992.0, 1e-9]", None),
        (r#"{"data":{"n":[12345678901234567890123]}}"#, Some("1.2345678901234568e+22")),
        (r#"{"data":{"n":[{"numeric":[">",-9223372036854775809]}]}}"#, Some("-9.223372036854776e+18")),
        ("[9007199254740993.5]", Some("9007199254740994.0")),
    ] {
        let expected =
            problem.map_or(Ok(()), |number| Err(format!("filter compares with {number}: {large}")));
        assert_eq!(Pattern::check_numbers(&serde_json::from_str(filter).unwrap()), expected, "{filter}");
    }
}

/// One odd value used to hide all of `data` from filters.
#[test]
fn odd_values_hide_nothing() {
    for odd in [r#""cut \ud83d""#, "1e400", "-1e400", "12345678901234567890123"] {
        let event = format!(
            r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{{"state":"ok","kind":"internal","odd":{odd}}}}}"#
        );
        let event = crate::CloudEvent::from_json(event.as_bytes()).unwrap();
        for (pattern, matches) in [
            (json!({ "data": { "state": ["ok"] } }), true),
            (json!({ "data": { "kind": [{ "exists": false }] } }), false),
            (json!({ "data": { "state": [{ "anything-but": "closed" }] } }), true),
            (json!({ "data": { "odd": [{ "exists": true }] } }), true),
            (json!({ "data": { "odd": [{ "prefix": "cut " }] } }), odd.starts_with('"')),
            (json!({ "data": { "odd": [{ "numeric": [">", u64::MAX] }] } }), odd.starts_with('1')),
            (json!({ "data": { "odd": [{ "numeric": ["<", i64::MIN] }] } }), odd.starts_with('-')),
        ] {
            let found = Pattern::read(&pattern).unwrap().check(&filterable(&event));
            assert_eq!(found.is_ok(), matches, "{odd} {pattern}: {found:?}");
        }
    }
}
