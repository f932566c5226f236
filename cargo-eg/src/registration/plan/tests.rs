//! Registration plans: the results of a second run, a changed route or a removed function.

use serde_json::{Value, json};

use super::*;

/// Returns a manifest in the format of `eg-runtime`, from `(id, source, triggers as JSON)` for each function.
pub(crate) fn manifest(service: &str, functions: &[(&str, &str, &str)]) -> Manifest {
    let functions: Vec<Value> = functions
        .iter()
        .map(|(id, source, triggers)| {
            let triggers: Value = serde_json::from_str(triggers).unwrap();
            json!({"name": id, "id": id, "source": source, "triggers": triggers, "emits": ["emitted"]})
        })
        .collect();
    let manifest = json!({"service": service, "version": "1.0.0", "functions": functions});
    serde_json::from_value(manifest).unwrap()
}

const GET_USERS: &str = r#"[{"eventType":"http.request","mode":"sync","method":"GET","path":"/users"}]"#;
const ON_CREATED: &str = r#"[{"eventType":"user.created","mode":"async","method":"POST","path":"/"}]"#;

fn wanted(functions: &[(&str, &str, &str)]) -> Resources {
    desired(Owner::Run, [manifest("shop", functions)].iter())
}

/// Returns resources as the gateway lists them: with spaces and ids, and with hidden keys.
fn registered(mut resources: Resources) -> Resources {
    for one in &mut resources.event_types {
        one.space = "default".to_owned();
    }
    for one in &mut resources.functions {
        one.space = "default".to_owned();
        if let Provider::AwsLambda { aws, .. } = &mut one.provider {
            aws.aws_access_key_id = Some("*****".into());
            aws.aws_secret_access_key = Some("*****".into());
        }
    }
    for (number, one) in resources.subscriptions.iter_mut().enumerate() {
        one.space = "default".to_owned();
        one.subscription_id = format!("subscription-{number}");
    }
    for one in &mut resources.cors {
        one.space = "default".to_owned();
        one.cors_id = format!("{}%2F", one.method);
    }
    resources
}

fn foreign(mut resources: Resources) -> Resources {
    resources.event_types.iter_mut().for_each(|one| one.metadata.clear());
    resources.functions.iter_mut().for_each(|one| one.metadata.clear());
    resources.subscriptions.iter_mut().for_each(|one| one.metadata.clear());
    resources
}

/// Returns the changes in words.
fn words(plan: Plan) -> Vec<String> {
    fn of<R>(changes: Vec<Change<R>>, name: impl Fn(R) -> String) -> Vec<String> {
        let word = |change| match change {
            Change::Create(one) => format!("create {}", name(one)),
            Change::Update(one) => format!("update {}", name(one)),
            Change::Delete(one) => format!("delete {}", name(one)),
        };
        changes.into_iter().map(word).collect()
    }
    [
        of(plan.event_types, |one| one.name),
        of(plan.functions, |one| one.function_id),
        of(plan.subscriptions, |one| format!("{} {} {}", one.method, one.path, one.function_id)),
        of(plan.cors, |one| format!("cors {} {}", one.method, one.path)),
    ]
    .concat()
}

#[track_caller]
fn check(desired: &Resources, current: &Resources, expected: &[&str]) {
    assert_eq!(words(plan(Owner::Run, desired, current).unwrap()), expected);
}

#[test]
fn the_first_run_creates_everything() {
    let app = wanted(&[("shop-list", "a.rs:1", GET_USERS), ("shop-mail", "a.rs:9", ON_CREATED)]);
    check(
        &app,
        &Resources::default(),
        &[
            "create emitted",
            "create http.request",
            "create user.created",
            "create shop-list",
            "create shop-mail",
            "create GET /users shop-list",
            "create POST / shop-mail",
        ],
    );
    let labels = &app.functions[0].metadata;
    assert_eq!((labels["service"].as_str(), labels["managedBy"].as_str()), ("shop", "cargo-eg"));
}

/// The dashboard shows what a function emits and what else calls it, and the schemas of events.
#[test]
fn what_subscriptions_do_not_say_is_in_the_metadata() {
    let triggers =
        r#"[{"schedule":"rate(5 minutes)"},{"queue":"mails"},{"stream":"users","source":"dynamodb"}]"#;
    let mut manifest = manifest("shop", &[("shop-mail", "a.rs:9", triggers)]);
    let schema = |emitters: &[&str], title: &str| json!({"type": "emitted", "schema": {"title": title}, "emittedBy": emitters, "receivedBy": ["x"]});
    manifest.events =
        serde_json::from_value(json!([schema(&[], "read"), schema(&["shop-mail"], "written")])).unwrap();
    let app = desired(Owner::Run, [manifest].iter());
    let notes = FunctionNotes::of(&app.functions[0]);
    assert_eq!((notes.service.as_deref(), notes.source.as_deref()), (Some("shop"), Some("a.rs:9")));
    assert_eq!(
        (notes.emits, notes.schedules, notes.queues, notes.streams),
        (
            vec!["emitted".to_owned()],
            vec!["rate(5 minutes)".to_owned()],
            vec!["mails".to_owned()],
            vec!["users".to_owned()]
        )
    );
    assert_eq!(app.event_types[0].schema(), Some(r#"{"title":"written"}"#));
    check(&app, &registered(app.clone()), &[]);
}

#[test]
fn a_second_run_changes_nothing() {
    let cors = r#"[{"eventType":"http.request","mode":"sync","method":"PUT","path":"/","cors":{}}]"#;
    let app = wanted(&[("shop-list", "a.rs:1", GET_USERS), ("shop-put", "a.rs:9", cors)]);
    check(&app, &registered(app.clone()), &[]);
    assert_eq!(app.cors[0].allowed_methods, ["HEAD", "GET", "POST", "PUT"]);
}

#[test]
fn what_left_the_code_leaves_the_gateway() {
    let before = wanted(&[("shop-list", "a.rs:1", GET_USERS), ("shop-mail", "a.rs:9", ON_CREATED)]);
    let after = wanted(&[("shop-list", "a.rs:1", GET_USERS)]);
    check(
        &after,
        &registered(before),
        &["delete user.created", "delete shop-mail", "delete POST / shop-mail"],
    );
}

#[test]
fn what_others_registered_stays() {
    let others = wanted(&[("other", "o.rs:1", ON_CREATED)]);
    check(&Resources::default(), &foreign(registered(others)), &[]);
}

#[test]
fn what_others_still_use_stays() {
    let ours = wanted(&[("shop-mail", "a.rs:1", ON_CREATED)]);
    let mut current = registered(ours);
    let mut theirs = current.subscriptions[0].clone();
    theirs.path = "/elsewhere".to_owned();
    theirs.metadata.clear();
    current.subscriptions.push(theirs);
    // The gateway refuses to delete the function or the type while their subscription exists.
    check(&Resources::default(), &current, &["delete emitted", "delete POST / shop-mail"]);
}

#[test]
fn a_route_moves_to_another_function_by_replacement() {
    let before = wanted(&[("shop-list", "a.rs:1", GET_USERS)]);
    let after = wanted(&[("shop-index", "a.rs:1", GET_USERS)]);
    check(
        &after,
        &registered(before),
        &[
            "create shop-index",
            "delete shop-list",
            "create GET /users shop-index",
            "delete GET /users shop-list",
        ],
    );
}

#[test]
fn a_route_of_somebody_else_is_not_taken_over() {
    let theirs = foreign(registered(wanted(&[("other", "o.rs:1", GET_USERS)])));
    let ours = wanted(&[("shop-list", "a.rs:1", GET_USERS)]);
    let taken = plan(Owner::Run, &ours, &theirs).unwrap_err().to_string();
    assert_eq!(
        taken,
        "shop-list cannot have GET /users: subscription subscription-0, which cargo-eg has not made, gives it to other"
    );
}

#[test]
fn labels_follow_a_service_that_was_renamed() {
    let functions = [("shop-list", "a.rs:1", GET_USERS)];
    let before = desired(Owner::Run, [manifest("old", &functions)].iter());
    check(
        &wanted(&functions),
        &registered(before),
        &["update emitted", "update http.request", "update shop-list", "update GET /users shop-list"],
    );
}

#[test]
fn limits_of_retries_follow_the_code() {
    let with = |retry: &str| {
        let triggers = ON_CREATED.replace("}]", &format!("{retry}}}]"));
        wanted(&[("shop-mail", "a.rs:1", &triggers)])
    };
    let limited = with(r#","retry":{"attempts":5,"maxAge":60,"minBackoff":0}"#);
    let mut limits = RetryLimits::new();
    limits.attempts = Some(5);
    limits.min_backoff_ms = Some(0);
    limits.max_age_ms = Some(60_000);
    assert_eq!(limited.subscriptions[0].retry, Some(Retry::Limits(limits)));
    check(&limited, &registered(limited.clone()), &[]);
    check(&limited, &registered(with("")), &["update POST / shop-mail"]);
    check(&with(""), &registered(limited), &["update POST / shop-mail"]);
}

#[test]
fn what_somebody_else_set_on_a_subscription_stays() {
    let app = wanted(&[("shop-mail", "a.rs:1", ON_CREATED)]);
    let mut current = registered(app.clone());
    current.subscriptions[0].filter = Some(json!({"subject": ["x"]}));
    check(&app, &current, &[]);
}

#[test]
fn a_filter_goes_with_the_pattern_that_it_was_made_from() {
    let pattern = r#"[{"eventBridge": {"source": ["aws.s3"], "detail-type": ["Object Created"]}}]"#;
    let filtered = wanted(&[("shop-mail", "a.rs:1", pattern)]);
    assert!(filtered.subscriptions[0].filter.is_some());
    let subscribed = r#"[{"eventType": "Object-Created", "mode": "async", "method": "POST", "path": "/"}]"#;
    let app = wanted(&[("shop-mail", "a.rs:1", subscribed)]);
    let plan = plan(Owner::Run, &app, &registered(filtered)).unwrap();
    let [Change::Update(updated)] = plan.subscriptions.as_slice() else { panic!("{plan:?}") };
    assert_eq!(updated.filter, None);
}

#[test]
fn a_function_at_a_url_is_called_there() {
    let function = json!({
        "name": "keep", "id": "archive-keep", "source": "eg.toml:2", "emits": [], "url": "http://localhost:8080/keep",
        "triggers": serde_json::from_str::<Value>(ON_CREATED).unwrap(),
    });
    let manifest = json!({"service": "archive", "version": "0.0.0", "functions": [function]});
    let manifest: Manifest = serde_json::from_value(manifest).unwrap();
    let app = desired(Owner::Run, [manifest].iter());
    let url = "http://localhost:8080/keep".to_owned();
    assert_eq!(app.functions[0].provider, Provider::Http { url });
    check(&app, &registered(app.clone()), &[]);
}

const STACK: Owner<'_> = stack("shop-dev", "eu-central-1", "123456789012");

const fn stack<'a>(name: &'a str, region: &'a str, account: &'a str) -> Owner<'a> {
    Owner::Stack { name, region, account, gateway: "http://localhost:4001" }
}

/// Returns what a stack has at its gateway.
fn of_stack(functions: &[(&str, &str, &str)]) -> Resources {
    desired(STACK, [manifest("shop", functions)].iter())
}

#[test]
fn functions_of_a_stack_have_its_name_and_their_place_in_aws() {
    let pattern = |source: &str| {
        format!(r#"[{{"eventBridge": {{"source": ["{source}"], "detail-type": ["Object Created"]}}}}]"#)
    };
    let [of_aws, of_partner] = [pattern("aws.s3"), pattern("partner")];
    let app = of_stack(&[
        ("shop-list", "a.rs:1", GET_USERS),
        ("shop-resize", "a.rs:5", &of_aws),
        ("shop-import", "a.rs:9", &of_partner),
    ]);
    let function = &app.functions[0];
    let arn = "arn:aws:lambda:eu-central-1:123456789012:function:shop-dev-shop-list".to_owned();
    assert_eq!(function.provider, Provider::AwsLambda { arn, aws: Aws::new("eu-central-1") });
    assert_eq!(
        (function.function_id.as_str(), &*function.metadata["stack"]),
        ("shop-dev-shop-list", "shop-dev")
    );
    // A rule of the stack hands over the events of AWS's services.
    let subscribed = app.subscriptions.iter().map(|one| (one.event_type.as_str(), one.function_id.as_str()));
    assert_eq!(
        subscribed.collect::<Vec<_>>(),
        [("http.request", "shop-dev-shop-list"), ("Object-Created", "shop-dev-shop-import")]
    );
    assert_eq!(words(plan(STACK, &app, &registered(app.clone())).unwrap()), [""; 0]);
}

#[test]
fn stacks_and_the_local_app_leave_each_other_alone() {
    let functions = [("shop-mail", "a.rs:1", ON_CREATED)];
    let other = stack("shop-prod", "eu-central-1", "123456789012");
    for theirs in [wanted(&functions), desired(other, [manifest("shop", &functions)].iter())] {
        let current = registered(theirs);
        assert_eq!(words(plan(STACK, &Resources::default(), &current).unwrap()), [""; 0]);
        let ours = words(plan(STACK, &of_stack(&functions), &current).unwrap());
        assert_eq!(ours, ["create shop-dev-shop-mail", "create POST / shop-dev-shop-mail"]);
    }
    check(&Resources::default(), &registered(of_stack(&functions)), &[]);
}

#[test]
fn a_route_of_another_stage_is_named() {
    let ours = wanted(&[("shop-list", "a.rs:1", GET_USERS)]);
    let theirs = registered(of_stack(&[("shop-list", "a.rs:1", GET_USERS)]));
    assert_eq!(
        plan(Owner::Run, &ours, &theirs).unwrap_err().to_string(),
        "shop-list cannot have GET /users: subscription subscription-0 of stack `shop-dev` in eu-central-1, account 123456789012, gives it to shop-dev-shop-list"
    );
    let here = plan(STACK, &of_stack(&[("shop-list", "a.rs:1", GET_USERS)]), &registered(ours)).unwrap_err();
    assert!(here.to_string().contains("subscription-0 of `cargo eg run` gives it to shop-list"), "{here}");
}

#[test]
fn stacks_of_one_name_are_told_apart_by_region_and_account() {
    let functions = [("shop-mail", "a.rs:1", ON_CREATED)];
    for (other, place) in [
        (stack("shop-dev", "us-east-1", "123456789012"), "us-east-1, account 123456789012"),
        (stack("shop-dev", "eu-central-1", "210987654321"), "eu-central-1, account 210987654321"),
    ] {
        let current = registered(desired(other, [manifest("shop", &functions)].iter()));
        assert_eq!(words(plan(STACK, &Resources::default(), &current).unwrap()), [""; 0]);
        let taken = plan(STACK, &of_stack(&functions), &current).unwrap_err();
        assert_eq!(
            taken.to_string(),
            format!(
                "function `shop-dev-shop-mail` of stack `shop-dev` in {place}, is already registered at the gateway"
            )
        );
        assert!(taken.hint(STACK).starts_with("use another space of the gateway"));
    }
}

#[test]
fn a_function_of_somebody_else_is_not_taken_over() {
    let theirs = foreign(registered(wanted(&[("shop-list", "a.rs:1", "[]")])));
    let taken = plan(Owner::Run, &wanted(&[("shop-list", "a.rs:1", GET_USERS)]), &theirs).unwrap_err();
    assert_eq!(
        taken.to_string(),
        "function `shop-list`, which cargo-eg has not made, is already registered at the gateway"
    );
}

#[test]
fn what_the_last_registration_covers_stays_at_a_gateway_that_is_left() {
    let Owner::Stack { name, region, account, .. } = STACK else { panic!() };
    let before = Owner::Stack { name, region, account, gateway: "http://127.0.0.1:4001" };
    let old = [("shop-list", "a.rs:1", GET_USERS), ("shop-mail", "a.rs:9", ON_CREATED)];
    let mut current = registered(desired(before, [manifest("shop", &old)].iter()));
    let leaving =
        |current: &Resources| words(plan(STACK, &registered_here(STACK, current), current).unwrap());
    assert_eq!(leaving(&current).len(), 7, "another gateway is left as a whole");
    let new = of_stack(&[("shop-list", "a.rs:1", GET_USERS)]);
    let here = registered(new);
    current.functions[0] = here.functions[0].clone();
    current.subscriptions[0] = here.subscriptions[0].clone();
    current.event_types.retain(|ty| ty.name == "user.created");
    current.event_types.extend(here.event_types);
    assert_eq!(
        leaving(&current),
        ["delete user.created", "delete shop-dev-shop-mail", "delete POST / shop-dev-shop-mail"]
    );
}

/// A filter or an order that the code no longer has is removed; those that somebody else has set stay.
#[test]
fn filters_and_order_follow_the_code() {
    let with = |more: &str| {
        let trigger = ON_CREATED.replace(r#""path":"/""#, &format!(r#""path":"/"{more}"#));
        wanted(&[("shop-mail", "a.rs:9", &trigger)])
    };
    let plain = with("");
    let strict = with(r#","filter":{"data":{"amount":[5]}},"ordered":true"#);
    let made = &strict.subscriptions[0];
    assert_eq!((&made.filter, made.ordered), (&Some(json!({"data": {"amount": [5]}})), true));
    check(&strict, &registered(plain.clone()), &["update POST / shop-mail"]);
    check(&strict, &registered(strict.clone()), &[]);
    check(&plain, &registered(strict), &["update POST / shop-mail"]);
    let mut by_hand = registered(plain.clone());
    by_hand.subscriptions[0].filter = Some(json!({"data": {"amount": [7]}}));
    by_hand.subscriptions[0].ordered = true;
    check(&plain, &by_hand, &[]);
}
