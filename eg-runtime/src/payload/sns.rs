//! Notifications of SNS topics. Sources: AWS's description of SNS as a Lambda trigger, and the CloudEvents
//! adapter for SNS, for what a message is that is no event by itself.

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

/// The events of all records. SNS sends one at a time, but has a list for them.
pub(super) fn read(json: &str) -> Result<Vec<CloudEvent<Data>>, PayloadError> {
    let invalid = |reason: String| PayloadError::Family { family: "SNS notification", reason };
    let event: Event = serde_json::from_str(json).map_err(|e| invalid(e.to_string()))?;
    event.records.into_iter().map(|record| of_notification(record.sns)).collect()
}
