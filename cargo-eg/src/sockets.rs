//! Finds the functions of the application's WebSocket API: one for each of its events, because an API has one. Serving the API is
//! left to the local cloud, and its resources to `template`.

use std::collections::BTreeMap;

use eg_grammar::websocket::{self, CONNECT, DISCONNECT, MESSAGE};
use eg_local::SocketFunctions;
use eg_sdk::config::SubscriptionType;
use eg_sdk::manifest::{EventTrigger, Function};

/// Whether a trigger is an event of the WebSocket API.
pub(crate) fn is_socket(event: &EventTrigger) -> bool {
    websocket::is_event(&event.event_type)
}

/// Returns the functions of each event, in the order of the services.
pub(crate) fn by_event<'a>(
    functions: impl Iterator<Item = &'a Function>,
) -> BTreeMap<&'a str, Vec<(&'a Function, &'a EventTrigger)>> {
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for function in functions {
        for event in function.events().filter(|event| is_socket(event)) {
            found.entry(event.event_type.as_str()).or_default().push((function, event));
        }
    }
    found
}

/// Returns the functions that the local API calls.
///
/// # Errors
/// Names two functions that have the same event.
pub(crate) fn local<'a>(functions: impl Iterator<Item = &'a Function>) -> Result<SocketFunctions, String> {
    let found = by_event(functions);
    if let Some(shared) = found.iter().find_map(|(event, functions)| shared(event, functions)) {
        return Err(shared);
    }
    let first = |ty| found.get(ty).and_then(|all| all.first()).copied();
    let id = |ty| first(ty).map(|(function, _)| function.id.clone());
    Ok(SocketFunctions {
        connect: id(CONNECT),
        message: id(MESSAGE),
        answers: first(MESSAGE).is_some_and(|(_, event)| event.mode == SubscriptionType::Sync),
        disconnect: id(DISCONNECT),
    })
}

/// Returns what is wrong if several functions have one event.
pub(crate) fn shared(event: &str, functions: &[(&Function, &EventTrigger)]) -> Option<String> {
    match functions {
        [(first, _), (second, _), ..] => Some(format!(
            "{} ({}) and {} ({}) both subscribe to {event}, but a WebSocket API has one function for it: subscribe only one",
            first.id, first.source, second.id, second.source
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use eg_sdk::manifest::{Method, RoutePath, Trigger};

    use super::*;

    fn function(name: &str, events: &[(&str, SubscriptionType)]) -> Function {
        let mut function = Function::new("chat", name, format!("src/{name}.rs:1"));
        let event = |(ty, mode): &(&str, SubscriptionType)| {
            Trigger::Event(EventTrigger::new(*ty, *mode, Method::Post, RoutePath::root()))
        };
        function.triggers = events.iter().map(event).collect();
        function
    }

    #[test]
    fn each_event_has_one_function() {
        use SubscriptionType::{Async, Sync};

        let room = function("room", &[(CONNECT, Async), (DISCONNECT, Async), ("user.created", Async)]);
        let say = function("say", &[(MESSAGE, Sync)]);
        let found = local([&room, &say].into_iter()).unwrap();
        let id = |name: &str| Some(format!("chat-{name}"));
        assert_eq!((found.connect, found.disconnect), (id("room"), id("room")));
        assert_eq!((found.message, found.answers), (id("say"), true));
        assert_eq!(
            local([&function("log", &[("user.created", Async)])].into_iter()),
            Ok(SocketFunctions::default())
        );

        let other = function("other", &[(MESSAGE, Async)]);
        assert_eq!(
            local([&say, &room, &other].into_iter()).unwrap_err(),
            "chat-say (src/say.rs:1) and chat-other (src/other.rs:1) both subscribe to websocket.message, but a WebSocket API has one \
             function for it: subscribe only one"
        );
    }
}
