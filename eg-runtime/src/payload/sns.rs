//! Reads notifications of SNS topics. Sources: AWS's description of SNS as a Lambda trigger, and the CloudEvents
//! adapter for SNS for messages that are not events themselves.

use eg_sdk::{CloudEvent, Data};
use serde::Deserialize;

use super::PayloadError;
use super::message::{Notification, of_notification};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    sns: Notification,
}

/// Returns the events of all records. SNS sends one per payload, although the format is a list.
pub(super) fn read(json: &str) -> Result<Vec<CloudEvent<Data>>, PayloadError> {
    let invalid = |reason: String| PayloadError::Family { family: "SNS notification", reason };
    let event: Event = serde_json::from_str(json).map_err(|e| invalid(e.to_string()))?;
    event.records.into_iter().map(|record| of_notification(record.sns)).collect()
}
