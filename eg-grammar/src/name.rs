//! Checks the names of event types, functions, services and resources. `queue` checks the names of queues.

use std::borrow::Cow;

use crate::Mistake;

/// The type of events that represent plain HTTP requests.
pub const HTTP_REQUEST: &str = "http.request";

/// The prefix of the types of system events, which only the gateway emits.
pub const SYSTEM_PREFIX: &str = "eventgateway.";

/// The type of the events with which the gateway reports each event that it accepts.
pub const EVENT_RECEIVED: &str = "eventgateway.event.received";

/// The type that the original used for failed calls in 2017. The gateway still emits it for old subscribers.
pub const LEGACY_FUNCTION_ERROR: &str = "gateway.info.functionError";

/// Returns whether `name` is valid as a space, a function id or the event type of a subscription: one or more letters,
/// digits, `.`, `-` and `_`.
#[must_use]
pub const fn is_resource_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        if !(bytes[i].is_ascii_alphanumeric() || matches!(bytes[i], b'.' | b'-' | b'_')) {
            return false;
        }
        i += 1;
    }
    !bytes.is_empty()
}

/// Returns whether `name` is valid as the type of an event that the gateway routes; see [`is_resource_name`].
#[must_use]
pub const fn is_event_type(name: &str) -> bool {
    is_resource_name(name)
}

/// Returns the event type under which the gateway routes an event of type `name`: the type itself, or, if nothing could
/// subscribe to that, the type with `-` for each character that is not allowed. So `Object Created`, which S3 emits on
/// EventBridge, reaches the subscriptions to `Object-Created`.
#[must_use]
pub fn routed_type(name: &str) -> Cow<'_, str> {
    if is_event_type(name) {
        return Cow::Borrowed(name);
    }
    name.chars().map(|c| if is_resource_name(c.encode_utf8(&mut [0; 4])) { c } else { '-' }).collect()
}

/// Checks an event type; see [`is_event_type`].
///
/// # Errors
/// If the gateway would refuse a subscription to it.
pub fn check_event_type(name: &str) -> Result<(), Mistake> {
    if is_event_type(name) {
        return Ok(());
    }
    let message = match name.chars().find(|c| !is_resource_name(c.encode_utf8(&mut [0; 4]))) {
        Some(c) => {
            format!("{c:?} is not allowed in an event type: use letters, digits, `.`, `-` and `_`")
        }
        None => "the event type is empty: name what happened, as in `user.created`".to_owned(),
    };
    Err(Mistake::new(message))
}

/// Returns whether this is the type of a system event. System events cause no further system events.
#[must_use]
pub fn is_system_event_type(name: &str) -> bool {
    name.starts_with(SYSTEM_PREFIX) || name == LEGACY_FUNCTION_ERROR
}

/// Returns whether Lambda accepts `name` for a function: one or more letters, digits, `-` and `_`. Its maximum length
/// there is [`limits::LAMBDA_NAME`](crate::limits::LAMBDA_NAME).
#[must_use]
pub fn is_function_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Checks the name of a function in its service; see [`is_function_name`].
///
/// # Errors
/// If a function with this name could not be registered or deployed.
pub fn check_function_name(name: &str) -> Result<(), Mistake> {
    check("function", name)
}

/// Checks the name of a service, with which the ids of its functions begin; see [`is_function_name`].
///
/// # Errors
/// If its functions could not be registered or deployed.
pub fn check_service_name(name: &str) -> Result<(), Mistake> {
    check("service", name)
}

fn check(what: &str, name: &str) -> Result<(), Mistake> {
    if is_function_name(name) {
        return Ok(());
    }
    Err(Mistake::new(format!("{name:?} cannot name a {what}: use letters, digits, `-` and `_`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_types() {
        let refused = |c: &str| {
            Err(format!("{c} is not allowed in an event type: use letters, digits, `.`, `-` and `_`"))
        };
        for (name, expected) in [
            ("user.created", Ok(())),
            ("http.request", Ok(())),
            ("A-b_9", Ok(())),
            ("", Err("the event type is empty: name what happened, as in `user.created`".to_owned())),
            ("user created", refused("' '")),
            ("user/created", refused("'/'")),
            ("user.*", refused("'*'")),
            ("größe", refused("'ö'")),
        ] {
            assert_eq!(check_event_type(name).map_err(String::from), expected, "{name}");
            assert_eq!(is_event_type(name), expected.is_ok(), "{name}");
            assert_eq!(is_resource_name(name), expected.is_ok(), "{name}");
        }
    }

    #[test]
    fn types_that_nothing_can_subscribe_to_are_routed_by_others() {
        for (name, routed) in [
            ("user.created", "user.created"),
            ("Object Created", "Object-Created"),
            ("EC2 Instance State-change Notification", "EC2-Instance-State-change-Notification"),
            ("größe/1", "gr--e-1"),
            ("http request", "http-request"),
            ("", ""),
        ] {
            assert_eq!(routed_type(name), routed);
        }
    }

    #[test]
    fn functions_and_services() {
        for (name, valid) in [
            ("create_user", true),
            ("a-b-9", true),
            ("", false),
            ("a.b", false),
            ("send mail", false),
            ("größe", false),
        ] {
            let mistake =
                |what| Err(format!("{name:?} cannot name a {what}: use letters, digits, `-` and `_`"));
            let expected = |what| if valid { Ok(()) } else { mistake(what) };
            assert_eq!(is_function_name(name), valid, "{name}");
            assert_eq!(check_function_name(name).map_err(String::from), expected("function"), "{name}");
            assert_eq!(check_service_name(name).map_err(String::from), expected("service"), "{name}");
        }
    }

    #[test]
    fn system_events() {
        for (name, system) in [
            ("eventgateway.event.received", true),
            ("gateway.info.functionError", true),
            ("gateway.info.other", false),
            ("gateway.opened", false),
            ("eventgateways.open", false),
            ("user.created", false),
        ] {
            assert_eq!(is_system_event_type(name), system, "{name}");
        }
    }
}
