//! Measures the store: the size of the database, and how much of it each space holds. `room` decides what follows.

use std::collections::HashMap;

use rusqlite::Connection;

use crate::store::room::{ROW, samples};

/// Returns the bytes in use, without freed pages.
pub(super) fn used(connection: &Connection) -> rusqlite::Result<u64> {
    let ask = |pragma| {
        let number = connection.prepare_cached(pragma)?.query_row([], |row| row.get::<_, i64>(0));
        number.map(|number| u64::try_from(number).unwrap_or_default())
    };
    let pages = ask("PRAGMA page_count")?.saturating_sub(ask("PRAGMA freelist_count")?);
    Ok(pages.saturating_mul(ask("PRAGMA page_size")?))
}

/// Returns how many bytes each space holds in a sample of the events.
pub(super) fn shares(connection: &Connection) -> rusqlite::Result<HashMap<String, u64>> {
    let range = "SELECT coalesce(min(seq), 0), coalesce(max(seq), -1) FROM events";
    let (first, last): (i64, i64) = connection.query_row(range, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut next = connection
        .prepare_cached("SELECT space, length(event) FROM events WHERE seq >= ?1 ORDER BY seq LIMIT 1")?;
    let mut spaces = HashMap::<String, u64>::new();
    for at in samples(first, last) {
        let (space, bytes): (String, i64) = next.query_row([at], |row| Ok((row.get(0)?, row.get(1)?)))?;
        *spaces.entry(space).or_default() += u64::try_from(bytes).unwrap_or_default() + 2 * ROW;
    }
    Ok(spaces)
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn the_share_of_a_space_is_estimated() {
        let dir = tempfile::tempdir().unwrap();
        let connection = schema::open(&dir.path().join("db")).unwrap();
        assert!(shares(&connection).unwrap().is_empty());
        let insert = "INSERT INTO events (space, id, type, source, method, path, accepted_at, event)
            VALUES (?1, 'a', 'e', '/s', 'POST', '/', 1000, zeroblob(?2))";
        for n in 0..5_000 {
            let space = if n % 4 == 0 { "quiet" } else { "noisy" };
            connection.execute(insert, rusqlite::params![space, 200]).unwrap();
        }
        let shares = shares(&connection).unwrap();
        let percent = 100 * shares["noisy"] / (shares["noisy"] + shares["quiet"]);
        assert!((70..=80).contains(&percent), "{shares:?}");
    }
}
