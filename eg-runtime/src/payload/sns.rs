//! Notifications of SNS topics. Source: AWS's description of SNS as a Lambda trigger: a notification holds one
//! message; and the CloudEvents adapter for SNS, for what a message is that is no event by itself.

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

pub(super) fn read(json: &str) -> Result<CloudEvent<Data>, PayloadError> {
    let invalid = |reason: String| PayloadError::Family { family: "SNS notification", reason };
    let event: Event = serde_json::from_str(json).map_err(|e| invalid(e.to_string()))?;
    match <[Record; 1]>::try_from(event.records) {
        Ok([record]) => of_notification(record.sns),
        Err(records) => Err(invalid(format!("{} records; SNS sends one at a time", records.len()))),
    }
}
