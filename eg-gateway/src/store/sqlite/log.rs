//! Mends a write-ahead log whose checksums do not fit: SQLite ignores everything after the first damaged frame, although
//! the frames behind it are usually sound. Knows the format of the log (<https://sqlite.org/fileformat2.html#walformat>)
//! and nothing about its pages; `salvage` checks what they contain.

use std::collections::BTreeSet;

/// Bytes of the header of a log.
const HEADER: usize = 32;

/// Bytes of the header of a frame.
const FRAME: usize = 24;

/// The header's first number, for checksums over numbers in little-endian order.
const MAGIC: u32 = 0x377f_0682;

/// The version of the format.
const VERSION: u32 = 3_007_000;

/// The size of the pages of a store.
pub(super) const PAGE: usize = 4096;

/// Returns the log with checksums that fit: all frames of its last generation, whatever they contain. Returns `None`
/// if there is no frame.
pub(super) fn mend(log: &[u8]) -> Option<Vec<u8>> {
    let (header, frames) = log.split_at_checked(HEADER)?;
    let frames: Vec<&[u8]> = frames.chunks_exact(FRAME + PAGE).collect();
    let salts = salts(header, &frames)?;
    let mut mended = Vec::with_capacity(log.len());
    for number in [MAGIC, VERSION, u32::try_from(PAGE).ok()?] {
        mended.extend(number.to_be_bytes());
    }
    mended.extend(&header[12..16]);
    mended.extend(salts);
    let mut sum = checksum((0, 0), &mended);
    mended.extend(big_endian(sum));
    let belongs = |at: usize| frames.get(at).is_some_and(|frame| frame[8..16] == *salts);
    for (at, frame) in frames.iter().enumerate() {
        // One frame with other salts between two that belong to the log is damaged; two are what earlier generations
        // of the log left behind its end.
        if !belongs(at) && !belongs(at + 1) {
            break;
        }
        sum = checksum(sum, &frame[..8]);
        sum = checksum(sum, &frame[FRAME..]);
        mended.extend(&frame[..8]);
        mended.extend(salts);
        mended.extend(big_endian(sum));
        mended.extend(&frame[FRAME..]);
    }
    (mended.len() > HEADER).then_some(mended)
}

/// Returns the numbers of the pages that the log contains, in its last generation.
pub(super) fn pages(log: &[u8]) -> BTreeSet<u32> {
    let Some((header, frames)) = log.split_at_checked(HEADER) else { return BTreeSet::new() };
    let frames: Vec<&[u8]> = frames.chunks_exact(FRAME + PAGE).collect();
    let Some(salts) = salts(header, &frames) else { return BTreeSet::new() };
    let of_generation = frames.iter().take_while(|frame| frame[8..16] == *salts);
    of_generation.map(|frame| u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]])).collect()
}

/// Returns the salts of the log's last generation: those that two of the header and the first two frames agree on.
fn salts<'a>(header: &'a [u8], frames: &[&'a [u8]]) -> Option<&'a [u8]> {
    let header = &header[16..24];
    let [first, second] = [0, 1].map(|at| frames.get(at).map(|frame| &frame[8..16]));
    let first = first?;
    Some(if Some(first) == second || second.is_none() { first } else { header })
}

/// Continues a checksum over `bytes`, whose length is a multiple of eight.
fn checksum((mut first, mut second): (u32, u32), bytes: &[u8]) -> (u32, u32) {
    for [a, b, c, d, e, f, g, h] in bytes.as_chunks().0 {
        first = first.wrapping_add(u32::from_le_bytes([*a, *b, *c, *d])).wrapping_add(second);
        second = second.wrapping_add(u32::from_le_bytes([*e, *f, *g, *h])).wrapping_add(first);
    }
    (first, second)
}

fn big_endian((first, second): (u32, u32)) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&first.to_be_bytes());
    bytes[4..].copy_from_slice(&second.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::Connection;
    use rusqlite::config::DbConfig;

    use super::*;

    /// Writes a log of twenty transactions and returns it.
    fn log(dir: &std::path::Path) -> Vec<u8> {
        let connection = Connection::open(dir.join("db")).unwrap();
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER)").unwrap();
        for n in 0..20 {
            connection.execute("INSERT INTO t VALUES (?1)", [n]).unwrap();
        }
        fs::read(dir.join("db-wal")).unwrap()
    }

    fn rows(dir: &std::path::Path, log: &[u8]) -> i64 {
        let copy = tempfile::tempdir().unwrap();
        fs::copy(dir.join("db"), copy.path().join("db")).unwrap();
        fs::write(copy.path().join("db-wal"), log).unwrap();
        let connection = Connection::open(copy.path().join("db")).unwrap();
        connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap_or(0)
    }

    #[test]
    fn a_sound_log_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let log = log(dir.path());
        assert!(mend(&log).unwrap() == log);
        let (first, last) = (pages(&log).first().copied(), pages(&log).last().copied());
        assert_eq!((first, last), (Some(1), Some(2)), "the schema and the table");
        assert!(pages(&[]).is_empty());
        assert_eq!(mend(&[]), None);
        assert_eq!(mend(&log[..HEADER]), None);
    }

    #[test]
    fn frames_behind_a_damaged_one_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let log = log(dir.path());
        let third = HEADER + 2 * (FRAME + PAGE);
        // In the magic, the salts of the header, the salts of a frame, its checksum, and an unused part of its page.
        for at in [0, 17, third + 9, third + 17, third + FRAME + 100] {
            let mut damaged = log.clone();
            damaged[at] ^= 4;
            assert!(rows(dir.path(), &damaged) < 20, "{at}");
            assert_eq!(rows(dir.path(), &mend(&damaged).unwrap()), 20, "{at}");
        }
    }

    #[test]
    fn what_an_earlier_generation_left_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let log = log(dir.path());
        let mut longer = log.clone();
        for _ in 0..3 {
            longer.extend(&log[HEADER..][..FRAME + PAGE]);
            let salt = longer.len() - PAGE - FRAME + 8;
            longer[salt] ^= 0xff;
        }
        assert!(mend(&longer).unwrap() == log);
    }
}
