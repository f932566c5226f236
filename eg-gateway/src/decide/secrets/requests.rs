//! The secrets in stored HTTP requests: headers with credentials, also where a system event contains the request.

use std::collections::BTreeMap;

use eg_grammar::{HTTP_REQUEST, SYSTEM_PREFIX};
use serde_json::value::{RawValue, to_raw_value};

use super::members::{Member, Members};
use super::{MASK, is_mask};

/// The headers with credentials.
const SECRET: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// A header in an event: how many events it is inside of, and its name in lower case.
type Place = (usize, String);

/// Returns the event with the mask in place of the credentials of HTTP requests; `None` if it has none.
pub(super) fn hidden(event: &RawValue) -> Option<Box<RawValue>> {
    rewrite(event, event, 0, &mut |_, _| to_raw_value(MASK).ok())
}

/// Returns an event that a client has edited, with the credentials of the stored one in place of masks; `None` if it has
/// no masks that stand for any.
///
/// # Errors
/// Returns the path to a mask that stands for no stored value.
pub(super) fn restored(edited: &RawValue, stored: &RawValue) -> Result<Option<Box<RawValue>>, String> {
    let mut secrets = BTreeMap::new();
    rewrite(stored, stored, 0, &mut |place, value| {
        secrets.insert(place, value.to_owned());
        None
    });
    let mut unknown = None;
    let restored = rewrite(edited, stored, 0, &mut |place, value| {
        if !is_mask(value) {
            return None;
        }
        let known = secrets.get(&place).cloned();
        if known.is_none() {
            unknown = Some(format!("{}.data.headers.{}", ".data.event".repeat(place.0), place.1));
        }
        known
    });
    unknown.map_or(Ok(restored), Err)
}

/// Returns the event with other values of the headers for which `change` has one; `None` if that is none. The type of the
/// `stored` event decides what is a request, because it decided what the client has read as a mask.
fn rewrite(
    event: &RawValue,
    stored: &RawValue,
    depth: usize,
    change: &mut impl FnMut(Place, &RawValue) -> Option<Box<RawValue>>,
) -> Option<Box<RawValue>> {
    let mut members = Members::read(event)?;
    let ty = Members::read(stored)?.event_type()?;
    let is_request = ty == HTTP_REQUEST;
    if !is_request && !ty.starts_with(SYSTEM_PREFIX) {
        return None;
    }
    let mut data = Members::read(&members.get("data")?.value)?;
    let mut changed = false;
    if let Some(headers) = data.get("headers") {
        let mut read = Members::read(&headers.value)?;
        for Member { name, value } in &mut read.0 {
            let name = name.to_ascii_lowercase();
            if SECRET.contains(&name.as_str())
                && let Some(new) = change((depth, name), value)
            {
                *value = new;
                changed = true;
            }
        }
        headers.value = read.write()?;
    }
    // A system event about an event.
    if !is_request
        && let Some(event) = data.get("event")
        && let Some(stored) = part(stored, "data").and_then(|data| part(&data, "event"))
        && let Some(new) = rewrite(&event.value.clone(), &stored, depth + 1, change)
    {
        event.value = new;
        changed = true;
    }
    if !changed {
        return None;
    }
    members.get("data")?.value = data.write()?;
    members.write()
}

fn part(object: &RawValue, name: &str) -> Option<Box<RawValue>> {
    Members::read(object)?.value(name).map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    const REQUEST: &str = r#"{"eventType":"http.request","cloudEventsVersion":"0.1","data":{"headers":{"Accept":"*/*","Authorization":"Bearer key","COOKIE":"a=b","Proxy-Authorization":"x"},"query":{"n":["1"]},"body":{"n":12345678901234567890,"Authorization":"of the body"},"path":"/"}}"#;

    fn shown(json: &str) -> String {
        let json = raw(json);
        hidden(&json).unwrap_or(json).get().to_owned()
    }

    #[test]
    fn credentials_are_hidden_and_nothing_else() {
        let masked = REQUEST
            .replace("Bearer key", MASK)
            .replace("a=b", MASK)
            .replace(r#"Authorization":"x""#, r#"Authorization":"*****""#);
        assert_eq!(shown(REQUEST), masked);
        let about = |event: &str, cookie: &str| {
            format!(
                r#"{{"type":"eventgateway.event.received","specversion":"1.0","data":{{"path":"/","event":{event},"headers":{{"Cookie":"{cookie}"}}}}}}"#
            )
        };
        assert_eq!(shown(&about(REQUEST, "c")), about(&masked, MASK));
        for other in [
            r#"{"type":"user.created","data":{"headers":{"Authorization":"of the payload"}}}"#,
            r#"{"type":"eventgateway.event.received","data":{"event":{"type":"a","data":{"headers":{"Cookie":"c"}}}}}"#,
            r#"{"type":"http.request","data":null}"#,
            r#"{"type":"http.request","data":{"headers":{"Accept":"*/*"}}}"#,
            "[]",
        ] {
            assert!(hidden(&raw(other)).is_none(), "{other}");
        }
    }

    #[test]
    fn an_edited_event_gets_its_credentials_back() {
        let stored = raw(REQUEST);
        let edited = hidden(&stored).unwrap().get().replace(r#""path":"/""#, r#""path":"/new""#);
        let restored_to = restored(&raw(&edited), &stored).unwrap().unwrap();
        assert_eq!(restored_to.get(), REQUEST.replace(r#""path":"/""#, r#""path":"/new""#));
        let retyped = edited.replace(HTTP_REQUEST, "user.created");
        let restored_to = restored(&raw(&retyped), &stored).unwrap().unwrap();
        assert!(restored_to.get().contains("Bearer key"), "{restored_to}");
        let replaced = REQUEST.replace("Bearer key", "Bearer other");
        assert!(restored(&raw(&replaced), &stored).unwrap().is_none(), "there is nothing to restore");
        let without = raw(&REQUEST.replace(r#""COOKIE":"a=b","#, ""));
        assert_eq!(restored(&raw(&edited), &without).unwrap_err(), ".data.headers.cookie");
    }
}
