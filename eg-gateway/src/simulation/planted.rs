//! Mistakes that take more than a line to make.

use fastrand::Rng;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::disk::{Commit, Disk};
use crate::store::Finish;
use crate::store::deliveries::finish_attempt;

/// Moves a delivery to the dead letters in two transactions: out, then in.
pub(super) fn bury_in_two_steps(disk: &mut Disk, rng: &mut Rng, finish: &Finish) -> Commit<()> {
    let delivery = finish.delivery;
    let (row, attempts) = {
        let transaction = disk.connection().unchecked_transaction().unwrap();
        finish_attempt(&transaction, finish).unwrap();
        let row = rows(&transaction, &format!("SELECT * FROM deliveries WHERE seq = {delivery}"));
        let attempts = rows(&transaction, &format!("SELECT * FROM attempts WHERE delivery = {delivery}"));
        transaction.rollback().unwrap();
        (row, attempts)
    };
    let out = |connection: &Connection| {
        connection.execute("DELETE FROM attempts WHERE delivery = ?1", [delivery])?;
        connection.execute("DELETE FROM deliveries WHERE seq = ?1", [delivery])
    };
    match disk.commit(rng, out) {
        Commit::Done(_) => {}
        Commit::Failed => return Commit::Failed,
        Commit::Crashed => return Commit::Crashed,
    }
    loop {
        let into = |connection: &Connection| {
            put(connection, "deliveries", &row)?;
            put(connection, "attempts", &attempts)
        };
        match disk.commit(rng, into) {
            Commit::Failed => {}
            commit => return commit,
        }
    }
}

fn rows(connection: &Connection, query: &str) -> Vec<Vec<Value>> {
    let mut statement = connection.prepare(query).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect()).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn put(connection: &Connection, table: &str, rows: &[Vec<Value>]) -> rusqlite::Result<()> {
    for row in rows {
        let places = vec!["?"; row.len()].join(", ");
        connection.execute(&format!("INSERT INTO {table} VALUES ({places})"), params_from_iter(row))?;
    }
    Ok(())
}
