//! Follows events from function to function. Finds events without an emitter, events without a subscriber, and loops.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use eg_grammar::websocket::is_event;
use eg_grammar::{is_system_event_type, nearest};
use eg_sdk::config::SubscriptionType;
use eg_sdk::manifest::{EventPattern, Function, Trigger};

use super::model::{Service, functions, place, subscriptions};
use super::{Class, Finding};

/// The event types with their emitters and subscribers, sorted by name.
struct Flow<'a> {
    emitters: BTreeMap<&'a str, Vec<&'a Function>>,
    subscribers: BTreeMap<&'a str, Vec<&'a Function>>,
}

impl<'a> Flow<'a> {
    fn of(services: &'a [Service]) -> Self {
        let mut flow = Self { emitters: BTreeMap::new(), subscribers: BTreeMap::new() };
        for function in functions(services) {
            let emits: BTreeSet<&str> = function.emits.iter().map(String::as_str).collect();
            let takes: BTreeSet<&str> =
                subscriptions(function).map(|trigger| trigger.event_type.as_str()).collect();
            for ty in emits {
                flow.emitters.entry(ty).or_default().push(function);
            }
            for ty in takes {
                flow.subscribers.entry(ty).or_default().push(function);
            }
        }
        for function in functions(services) {
            for (pattern, ty) in patterns(function) {
                let of_service = |source: &String| source_of_a_service(services, source);
                let emitted = flow.emitters.get(ty).into_iter().flatten();
                let matches = emitted.clone().any(|emitter| pattern.source.contains(&source(emitter, ty)));
                // What other programs emit is not known here.
                if matches || pattern.source.iter().any(of_service) {
                    flow.subscribers.entry(ty).or_default().push(function);
                }
            }
        }
        flow
    }
}

/// Returns the patterns of a function for events on the bus of the services, each with one of its event types.
fn patterns(function: &Function) -> impl Iterator<Item = (&EventPattern, &str)> {
    let patterns = function.triggers.iter().filter_map(|trigger| match trigger {
        Trigger::EventBridge { event_bridge: pattern, .. } if !pattern.is_of_aws() => Some(pattern),
        _ => None,
    });
    patterns.flat_map(|pattern| pattern.detail_type.iter().map(move |ty| (pattern, ty.as_str())))
}

/// Returns the source with which a function emits an event type.
fn source(emitter: &Function, ty: &str) -> String {
    let service = emitter.id.strip_suffix(&emitter.name).unwrap_or(&emitter.id).trim_end_matches('-');
    emitter.sources.get(ty).cloned().unwrap_or_else(|| format!("/services/{service}"))
}

fn source_of_a_service(services: &[Service], source: &str) -> bool {
    source.strip_prefix("/services/").is_some_and(|name| services.iter().any(|service| service.name == name))
}

/// Returns the subscriptions to event types that no service emits.
pub(super) fn never_emitted(services: &[Service]) -> Vec<Finding> {
    let flow = Flow::of(services);
    let missing = flow
        .subscribers
        .iter()
        .filter(|(ty, _)| !flow.emitters.contains_key(*ty) && !is_system_event_type(ty) && !is_event(ty));
    missing
        .map(|(ty, subscribers)| {
            let places = subscribers.iter().map(|function| place(function, format!("on {ty}"))).collect();
            let help = match nearest(ty, flow.emitters.keys().copied()) {
                Some(near) => format!("did you mean `{near}`, which {} emits?", flow.emitters[near][0].id),
                None => "if another program emits it, use --allow never-emitted".to_owned(),
            };
            Finding::new(Class::NeverEmitted, format!("no service emits {ty}"), places).help(help)
        })
        .collect()
}

/// Returns the questions that no service answers: nothing subscribes to them synchronously.
pub(super) fn never_answered(services: &[Service]) -> Vec<Finding> {
    let answers = |ty: &str| {
        let mut events = functions(services).flat_map(Function::events);
        events.any(|trigger| trigger.mode == SubscriptionType::Sync && trigger.event_type == ty)
    };
    let mut asked: BTreeMap<&str, Vec<&Function>> = BTreeMap::new();
    for function in functions(services) {
        for ty in function.asks.iter().filter(|ty| !answers(ty)) {
            asked.entry(ty).or_default().push(function);
        }
    }
    let finding = |(ty, asking): (&str, Vec<&Function>)| {
        let places = asking.iter().map(|function| place(function, format!("asks {ty}"))).collect();
        Finding::new(Class::NeverSubscribed, format!("no service answers {ty}"), places)
            .help(format!("answer it with `#[subscribe(\"{ty}\", mode = \"sync\")]` on a function"))
    };
    asked.into_iter().map(finding).collect()
}

/// Returns the emitted event types that no service subscribes to. Questions are left to `never_answered`.
pub(super) fn never_subscribed(services: &[Service]) -> Vec<Finding> {
    let flow = Flow::of(services);
    let is_asked = |ty: &str, emitters: &[&Function]| {
        emitters.iter().all(|function| function.asks.iter().any(|asked| asked == ty))
    };
    let unread = flow
        .emitters
        .iter()
        .filter(|(ty, emitters)| !flow.subscribers.contains_key(*ty) && !is_asked(ty, emitters));
    unread
        .map(|(ty, emitters)| {
            let places = emitters.iter().map(|function| place(function, format!("emits {ty}"))).collect();
            Finding::new(Class::NeverSubscribed, format!("no service subscribes to {ty}"), places)
        })
        .collect()
}

/// Returns one loop for each group of event types that lead to each other: the shortest path from the first type back
/// to it.
pub(super) fn loops(services: &[Service]) -> Vec<Finding> {
    let flow = Flow::of(services);
    let (mut findings, mut told) = (Vec::new(), BTreeSet::new());
    for &ty in flow.emitters.keys() {
        if told.contains(ty) {
            continue;
        }
        let Some(way) = way_back(&flow, ty) else { continue };
        told.extend(way.iter().map(|(from, _, _)| *from));
        let steps: Vec<String> = way
            .iter()
            .map(|(from, function, to)| format!("{} gets {from} and emits {to}", function.id))
            .collect();
        let places =
            way.iter().map(|(from, function, to)| place(function, format!("{from} → {to}"))).collect();
        let finding =
            Finding::new(Class::Loop, format!("{ty} may lead back to itself: {}", steps.join(", ")), places);
        findings.push(finding.help(
            "if a condition ends it, use --allow loop; the gateway also ends it after its maximum number of hops",
        ));
    }
    findings
}

type Step<'a> = (&'a str, &'a Function, &'a str);

/// Returns the shortest path from `ty` through functions back to `ty`.
fn way_back<'a>(flow: &Flow<'a>, ty: &'a str) -> Option<Vec<Step<'a>>> {
    let mut came_by: BTreeMap<&str, Step<'a>> = BTreeMap::new();
    let mut queue = VecDeque::from([ty]);
    while let Some(from) = queue.pop_front() {
        for &function in flow.subscribers.get(from).into_iter().flatten() {
            for to in function.emits.iter().map(String::as_str) {
                if came_by.contains_key(to) {
                    continue;
                }
                came_by.insert(to, (from, function, to));
                if to == ty {
                    return Some(trace(&came_by, ty));
                }
                queue.push_back(to);
            }
        }
    }
    None
}

fn trace<'a>(came_by: &BTreeMap<&str, Step<'a>>, ty: &str) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    let mut at = ty;
    while let Some(&step) = came_by.get(at) {
        steps.push(step);
        at = step.0;
        if at == ty {
            break;
        }
    }
    steps.reverse();
    steps
}

#[cfg(test)]
mod tests {
    use super::super::model::{FunctionRow, services, texts};
    use super::*;

    #[test]
    fn what_nobody_emits_and_what_nobody_gets() {
        let given = services(&[
            ("users", &[("create", &["POST /users"], &["user.created", "user.counted"])]),
            (
                "mail",
                &[
                    ("send", &["user.create", "gateway.info.functionError"], &[]),
                    ("pay", &["card.charged"], &[]),
                    ("alert", &["eventgateway.delivery.deadLettered"], &[]),
                    ("let_in", &["sync page.left /pages"], &[]),
                    ("chat", &["websocket.message"], &[]),
                ],
            ),
        ]);
        let found = never_emitted(&given);
        assert_eq!(
            texts(&found),
            [
                "no service emits card.charged @ mail.rs:2 mail-pay on card.charged",
                "no service emits user.create @ mail.rs:1 mail-send on user.create"
            ]
        );
        assert_eq!(found[0].help.as_deref(), Some("if another program emits it, use --allow never-emitted"));
        assert_eq!(found[1].help.as_deref(), Some("did you mean `user.created`, which users-create emits?"));
        assert_eq!(
            texts(&never_subscribed(&given)),
            [
                "no service subscribes to user.counted @ users.rs:1 users-create emits user.counted",
                "no service subscribes to user.created @ users.rs:1 users-create emits user.created",
            ]
        );
    }

    #[test]
    fn questions_need_an_answer() {
        let check = |answers: &str, expected: &[&str]| {
            let mut given = services(&[
                ("web", &[("show", &["GET /"], &["price.asked"])]),
                ("shop", &[("quote", &[answers], &[])]),
            ]);
            given[0].functions[0].asks = vec!["price.asked".to_owned()];
            let found = never_answered(&given);
            assert_eq!(texts(&found), expected, "{answers}");
            assert_eq!(never_subscribed(&given), [], "{answers}");
        };
        check("sync price.asked /", &[]);
        check("sync price.asked /eu", &[]);
        let unanswered = "no service answers price.asked @ web.rs:1 web-show asks price.asked";
        check("price.asked", &[unanswered]);
        check("sync prices.asked /", &[unanswered]);
    }

    /// A pattern on the bus is a subscription to what the services emit with one of its sources.
    #[test]
    fn patterns_take_what_services_emit() {
        let check = |source: &str, ty: &str, never_emitted: usize, never_subscribed: usize| {
            let mut given = services(&[
                ("users", &[("create", &["POST /users"], &["user.created"])]),
                ("mail", &[("send", &[], &[])]),
            ]);
            let pattern =
                format!(r#"{{"eventBridge": {{"source": ["{source}"], "detail-type": ["{ty}"]}}}}"#);
            given[1].functions[0].triggers = vec![serde_json::from_str(&pattern).unwrap()];
            let found = (super::never_emitted(&given).len(), super::never_subscribed(&given).len());
            assert_eq!(found, (never_emitted, never_subscribed), "{ty} from {source}");
        };
        check("/services/users", "user.created", 0, 0);
        check("/services/users", "user.creatd", 1, 1);
        check("/elsewhere", "user.created", 0, 1);
        check("aws.s3", "Object Created", 0, 1);
    }

    #[test]
    fn loops_are_told_once_with_their_way() {
        let check = |functions: &[FunctionRow<'_>], expected: &[&str]| {
            let found = loops(&services(&[("s", functions)]));
            let messages: Vec<&str> = found.iter().map(|finding| finding.message.as_str()).collect();
            assert_eq!(messages, expected);
        };
        check(&[("f", &["a"], &["b"]), ("g", &["b"], &["c"])], &[]);
        check(&[("f", &["a"], &["a"])], &["a may lead back to itself: s-f gets a and emits a"]);
        // Services emit at `/`, so what the function emits does not reach its own subscription.
        check(&[("f", &["sync a /clicks"], &["a"])], &[]);
        check(
            &[
                ("start", &["POST /"], &["a"]),
                ("f", &["a"], &["x", "b"]),
                ("g", &["b"], &["c"]),
                ("h", &["c"], &["a"]),
            ],
            &[
                "a may lead back to itself: s-f gets a and emits b, s-g gets b and emits c, s-h gets c and emits a",
            ],
        );
        check(
            &[("f", &["a"], &["b"]), ("g", &["b"], &["a"]), ("h", &["c"], &["c"])],
            &[
                "a may lead back to itself: s-f gets a and emits b, s-g gets b and emits a",
                "c may lead back to itself: s-h gets c and emits c",
            ],
        );
    }
}
