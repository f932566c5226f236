//! Recent calls of functions: what they answered, and what they printed. A gateway keeps some of them in memory; what became of
//! a delivery for good is in `deliveries`.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// A call of a function that ended: a synchronous request, one attempt of a delivery, or, locally, a call of a queue, a schedule,
/// a stream or a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The number of the call. Later calls have larger ones, until the gateway restarts.
    pub call_id: i64,
    /// The function.
    pub function_id: String,
    /// What called it: the `type` of an event, a request such as `POST /users`, or, locally, something like `queue orders` or
    /// `rate(5 minutes)`.
    pub trigger: String,
    /// The `id` of the event. Absent if no event called it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// The id of the delivery. Absent if an emitter waited for the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_id: Option<i64>,
    /// The number of the delivery's attempt. Absent if an emitter waited for the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// When the call began.
    #[serde(with = "super::moment")]
    #[cfg_attr(feature = "derive", schema(format = "date-time"))]
    pub started_at: OffsetDateTime,
    /// The duration of the call.
    #[serde(rename = "durationMs", with = "super::millis")]
    #[cfg_attr(feature = "derive", schema(as = u64))]
    pub duration: Duration,
    /// What went wrong. Absent after a success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The HTTP status of the answer. Absent if the function answered without one, as Lambda functions answer events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The beginning of the answer's body: 2,048 bytes at most. Absent if it is empty, is no text, or was streamed; and for
    /// clients whose access key only reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The end of what the function printed during the call: 4,096 bytes at most. Absent if the function is not a Lambda
    /// function, and for clients whose access key only reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

impl Call {
    /// Returns the lines of the log that the function itself printed: without those of Lambda, such as `REPORT`. `None` if
    /// there are none.
    #[must_use]
    pub fn printed(&self) -> Option<String> {
        let own = |line: &&str| !OF_LAMBDA.iter().any(|start| line.starts_with(start));
        let lines: Vec<&str> = self.log.as_deref()?.lines().filter(own).collect();
        let text = lines.join("\n");
        (!text.trim().is_empty()).then_some(text)
    }
}

/// How the lines begin that Lambda adds to a function's log.
const OF_LAMBDA: [&str; 5] =
    ["START RequestId: ", "END RequestId: ", "REPORT RequestId: ", "XRAY TraceId: ", "INIT_START "];

/// A page of calls, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
pub struct CallPage {
    /// The number of calls of all spaces that the gateway keeps; 0 if it keeps none.
    pub kept: usize,
    /// The calls.
    pub calls: Vec<Call>,
    /// The cursor (`before`) of the next page. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// Which calls a list contains.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallFilter {
    /// Only calls of this function.
    pub function: Option<String>,
    /// Only calls with the event that has this id.
    pub event: Option<String>,
    /// Only calls whose log, answer or error contains this text, regardless of case.
    pub text: Option<String>,
}

impl CallFilter {
    /// Returns the query parameters of the filter.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        let given = [("function", &self.function), ("event", &self.event), ("text", &self.text)];
        given.into_iter().filter_map(|(name, value)| Some((name, Cow::Borrowed(value.as_deref()?))))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_of_lambda_are_not_printed_by_the_function() {
        for (log, expected) in [
            (None, None),
            (
                Some(
                    "START RequestId: 1 Version: $LATEST\nEND RequestId: 1\nREPORT RequestId: 1\tDuration: 1 ms\n",
                ),
                None,
            ),
            (
                Some("START RequestId: 1\nTo: a\n\nSTART of it\nEND RequestId: 1\n"),
                Some("To: a\n\nSTART of it"),
            ),
            (Some("cut off\nXRAY TraceId: 1-2\n"), Some("cut off")),
        ] {
            let call = json!({"callId": 1, "functionId": "f", "trigger": "a", "startedAt": "2026-01-31T12:00:00Z",
                "durationMs": 1, "log": log});
            let call: Call = serde_json::from_value(call).unwrap();
            assert_eq!(call.printed().as_deref(), expected, "{log:?}");
        }
    }
}
