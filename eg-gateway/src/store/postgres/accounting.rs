//! Reads the accounts: how many accepted deliveries of each space are in which state. Counters remember the rows that
//! retention has deleted; existing rows are counted on request. Also counts what waits.

use std::collections::BTreeMap;

use eg_sdk::history::{DeliveryState, Tally};

use super::faults::Failure;
use super::values::{get, name, optional_time, values};
use super::{PostgresStore, StoreError};
use crate::store::accounting::Counter;
use crate::store::state::Backlog;

// One statement, so that all of it is of the same moment.
const TALLIES: &str = "
    SELECT space, value, name, NULL AS state FROM counters
    UNION ALL
    SELECT space, count(*), NULL, state FROM deliveries GROUP BY space, state
    UNION ALL
    SELECT space, count(*), NULL, 'discarded' FROM deliveries WHERE state = 'dead' AND discarded_at IS NOT NULL
    GROUP BY space";

const WAITING: &str = "
    SELECT (SELECT count(*) FROM deliveries WHERE state = 'pending') AS pending,
           (SELECT count(*) FROM deliveries WHERE state = 'in_flight') AS in_flight,
           (SELECT min(since) FROM deliveries WHERE state = 'pending') AS oldest,
           (SELECT bytes FROM writer) + (SELECT coalesce(sum(octet_length(body)), 0)::int8 FROM config) AS bytes";

const DEAD: &str = "SELECT space, count(*) AS dead FROM deliveries
    WHERE state = 'dead' AND discarded_at IS NULL GROUP BY space ORDER BY space";

impl PostgresStore {
    pub(in crate::store) async fn tallies(&self) -> Result<BTreeMap<String, Tally>, StoreError> {
        let mut tallies = BTreeMap::<String, Tally>::new();
        for row in self.readers.scan(TALLIES, values![]).await? {
            let counter = match get::<Option<&str>>(&row, "state")? {
                Some("discarded") => Counter::RetiredDiscarded,
                Some(_) => Counter::Retired(name::<DeliveryState>(&row, "state")?),
                None => name(&row, "name")?,
            };
            let value: i64 = get(&row, "value")?;
            let tally = tallies.entry(get(&row, "space")?).or_default();
            *counter.of(tally) += u64::try_from(value).unwrap_or_default();
        }
        Ok(tallies)
    }

    pub(in crate::store) async fn backlog(&self) -> Result<Backlog, StoreError> {
        let mut session = self.readers.search().await?;
        let waiting = session.one(WAITING, values![]).await?;
        let dead = session.query(DEAD, values![]).await?;
        session.end().await?;
        let deliveries = get::<i64>(&waiting, "pending")? + get::<i64>(&waiting, "in_flight")?;
        let dead = dead.iter().map(|row| Ok((get(row, "space")?, get(row, "dead")?)));
        let dead = dead.collect::<Result<_, Failure>>()?;
        let bytes = u64::try_from(get::<i64>(&waiting, "bytes")?).unwrap_or_default();
        Ok(Backlog { deliveries, oldest: optional_time(&waiting, "oldest")?, dead, bytes })
    }
}
