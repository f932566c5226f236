//! Serializes values as text, through `Display` and `FromStr`.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};

pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// Serializes paths of routes in the gateway's spelling. Both spellings can be read.
pub(super) mod gateway {
    use eg_grammar::{Path, Spelling};
    use serde::{Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&path.spelled(Spelling::Gateway))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Path, D::Error> {
        super::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::manifest::{EventTrigger, Trigger};

    #[test]
    fn a_schedule_in_a_manifest_is_valid() {
        let read = |schedule: &str| {
            let json = json!({ "schedule": schedule });
            (
                serde_json::from_value::<Trigger>(json.clone())
                    .map(|trigger| serde_json::to_value(trigger).unwrap()),
                json,
            )
        };
        let (found, json) = read("rate(5 minutes)");
        assert_eq!(found.unwrap(), json);
        for invalid in ["hourly", "rate(+5 minutes)", "cron(0 0 ? * 3#1,6#3 *)"] {
            assert!(read(invalid).0.is_err(), "{invalid}");
        }
    }

    #[test]
    fn so_are_a_queue_and_a_route() {
        let queue = |name: &str| serde_json::from_value::<Trigger>(json!({ "queue": name }));
        assert_eq!(
            serde_json::to_value(queue("orders.fifo").unwrap()).unwrap(),
            json!({ "queue": "orders.fifo" })
        );
        assert!(queue("a b").is_err());
        let route = |method: &str, path: &str| {
            let json = json!({ "eventType": "http.request", "mode": "sync", "method": method, "path": path });
            serde_json::from_value::<EventTrigger>(json)
        };
        let json =
            json!({ "eventType": "http.request", "mode": "sync", "method": "GET", "path": "/a/:id/*rest" });
        for path in ["/a/:id/*rest", "/a/{id}/{*rest}"] {
            let route = route("GET", path).unwrap();
            assert_eq!(route.path.to_string(), "/a/{id}/{*rest}");
            assert_eq!(serde_json::to_value(route).unwrap(), json);
        }
        for (method, path, message) in [
            ("get", "/", "unknown HTTP method `get`; did you mean `GET`?"),
            ("GET", "a", "a path starts with `/`"),
            ("GET", "/{id}.json", "`{id}.json`: a parameter is a whole segment"),
        ] {
            let error = route(method, path).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
