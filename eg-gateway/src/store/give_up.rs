//! Gives up the deliveries that waited for a subscription when it was deleted or disabled, slice by slice. `jobs` keeps
//! the progress, and `config` creates the job.

use eg_sdk::history::Loss;
use rusqlite::{Connection, Row, params};

use super::deliveries::{Ended, end};
use super::jobs::{RunningJob, Step};
use super::notices::Notices;
use super::ration::{ROWS, Ration};
use super::{Store, StoreError};
use crate::decide::arrival::NewEvent;
use crate::timestamp::Timestamp;

// Those that are given up leave the index, so each slice begins with the oldest.
const WAITING: &str = "
    SELECT d.seq, d.order_key IS NOT NULL AS ordered, e.id, e.type, d.function_id
    FROM deliveries d JOIN events e ON e.seq = d.event
    WHERE d.state = 'pending' AND d.space = ?1 AND d.subscription_id = ?2 AND d.seq <= ?3
    ORDER BY d.since LIMIT ?4";

impl Store {
    /// Runs a slice of a job that gives up deliveries. Returns those that ended, with the events that report them, or
    /// `None` if the job does not run any more.
    pub(crate) async fn give_up_slice(
        &self,
        job: &RunningJob,
        subscription_id: String,
        reason: String,
        now: Timestamp,
        notices: Notices,
    ) -> Result<Option<(Vec<Ended>, Vec<NewEvent>)>, StoreError> {
        let (space, cursor) = (job.space.clone(), job.cursor);
        let slice = move |connection: &Connection, last: i64| {
            let ended = |row: &Row<'_>| {
                let ended = Ended {
                    delivery: row.get("seq")?,
                    event_id: row.get("id")?,
                    event_type: row.get("type")?,
                    function: row.get("function_id")?,
                    loss: Loss::Dead,
                    reason: reason.clone(),
                };
                Ok((row.get("ordered")?, ended))
            };
            let mut waiting = connection.prepare_cached(WAITING)?;
            let limit = i64::try_from(ROWS).unwrap_or(i64::MAX);
            let waiting = waiting.query_map(params![space, subscription_id, last, limit], ended)?;
            let waiting = waiting.collect::<rusqlite::Result<Vec<(bool, Ended)>>>()?;
            let (mut ration, mut given_up, mut written) = (Ration::new(), Vec::new(), Vec::new());
            let done = waiting.is_empty();
            for (ordered, one) in waiting {
                end(connection, one.delivery, ordered, one.loss, &reason, now)?;
                let reports = notices.write(connection, one.delivery)?;
                ration.take(1 + reports.len());
                written.extend(reports);
                given_up.push(one);
                if ration.is_used_up() {
                    break;
                }
            }
            let deliveries = given_up.len();
            let cursor = if done { last } else { cursor };
            Ok((Step { cursor, deliveries, done, ..Step::default() }, (given_up, written)))
        };
        self.slice(job, now, slice).await
    }
}
