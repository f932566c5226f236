//! A transformation of Firehose: each record is passed on, changed, or marked as failed.

use eg_runtime::aws_lambda_events::firehose::{
    KinesisFirehoseEvent, KinesisFirehoseResponse, KinesisFirehoseResponseRecord,
};
use eg_runtime::invoke;
use serde_json::Value;

/// Removes addresses from records. Firehose keeps records that fail in its bucket for errors.
#[invoke(timeout = "1m")]
async fn mask(event: KinesisFirehoseEvent) -> KinesisFirehoseResponse {
    let mut response = KinesisFirehoseResponse::default();
    for record in event.records {
        let mut answer = KinesisFirehoseResponseRecord::default();
        answer.record_id = record.record_id;
        match serde_json::from_slice::<Value>(&record.data) {
            Ok(mut visit) => {
                if let Some(visit) = visit.as_object_mut() {
                    visit.remove("address");
                }
                // Firehose joins the records, so each needs the end of its line.
                answer.data.0 = format!("{visit}\n").into_bytes();
                answer.result = Some("Ok".to_owned());
            }
            Err(_) => {
                answer.data.0 = record.data.0;
                answer.result = Some("ProcessingFailed".to_owned());
            }
        }
        response.records.push(answer);
    }
    response
}
