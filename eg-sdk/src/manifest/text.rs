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

#[cfg(test)]
mod tests {
    use crate::manifest::Trigger;

    #[test]
    fn a_schedule_in_a_manifest_is_valid() {
        let read = |schedule: &str| {
            let json = serde_json::json!({ "schedule": schedule });
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
}
