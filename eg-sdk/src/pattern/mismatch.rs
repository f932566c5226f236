//! Says why an event does not match a pattern.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The clause of a filter that an event does not match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
pub struct Mismatch {
    /// The field that the clause tests, for example `data.address.city`, or `$or`.
    pub clause: String,
    /// The names of that field's path, one by one: a name may contain dots. Empty for `$or`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// The event's value of that field, or an array of several. Absent if the event has none. Secrets are masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// What the filter requires.
    pub expected: Value,
}
