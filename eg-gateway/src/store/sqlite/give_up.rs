//! Gives up the deliveries that waited for a subscription when it was deleted or disabled, slice by slice. `jobs` keeps
//! the progress, and `config` creates the job.

use eg_sdk::history::Loss;
use rusqlite::{Connection, params};

use super::jobs::Step;
use super::{SqliteStore, StoreError};
use crate::store::jobs::RunningJob;
use crate::store::notices::{GivingUp, Losses, Notices};
use crate::store::ration::{ROWS, Ration};
use crate::timestamp::Timestamp;

// Those that are given up leave the index, so each slice begins with the oldest.
const WAITING: &str = "
    SELECT seq FROM deliveries
    WHERE state = 'pending' AND space = ?1 AND subscription_id = ?2 AND seq > ?5 AND seq <= ?3
    ORDER BY since LIMIT ?4";

impl SqliteStore {
    pub(in crate::store) async fn give_up_slice(
        &self,
        job: &RunningJob,
        subscription_id: String,
        reason: String,
        now: Timestamp,
        notices: Notices,
    ) -> Result<Option<Losses>, StoreError> {
        let (space, cursor) = (job.space.clone(), job.cursor);
        let slice = move |connection: &Connection, last: i64| {
            let mut waiting = connection.prepare_cached(WAITING)?;
            let limit = i64::try_from(ROWS).unwrap_or(i64::MAX);
            let waiting =
                waiting.query_map(params![space, subscription_id, last, limit, cursor], |row| row.get(0))?;
            let waiting = waiting.collect::<rusqlite::Result<Vec<i64>>>()?;
            let (mut ration, mut losses) = (Ration::new(), Losses::default());
            let done = waiting.is_empty();
            for delivery in waiting {
                let written = losses.notices.len();
                let one = GivingUp { delivery, loss: Loss::Dead, reason: &reason, attempted: false, now };
                notices.give_up(connection, &one, &mut losses)?;
                ration.take(1 + losses.notices.len() - written);
                if ration.is_used_up() {
                    break;
                }
            }
            let deliveries = losses.lost.len();
            let cursor = if done { last } else { cursor };
            Ok((Step { cursor, deliveries, done, ..Step::default() }, losses))
        };
        self.slice(job, now, slice).await
    }
}
