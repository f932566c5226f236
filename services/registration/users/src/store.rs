//! Where users are kept: one SQLite file. Knows no events.

use std::env;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eg_runtime::Error;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;

/// A registered user.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
}

/// All users, cheap to clone.
#[derive(Clone)]
pub(crate) struct Users(Arc<Mutex<Connection>>);

impl Users {
    /// Opens the file that `USERS_DB` names; default `users.db` in `EG_DATA_DIR`, which `cargo eg run` sets to
    /// a directory that survives restarts, or in the temporary directory, the one that Lambda can write to.
    pub(crate) fn open() -> Result<Self, Error> {
        let directory = env::var_os("EG_DATA_DIR").map_or_else(env::temp_dir, PathBuf::from);
        let path = env::var_os("USERS_DB").map_or_else(|| directory.join("users.db"), PathBuf::from);
        let open = || {
            let connection = Connection::open(&path)?;
            // Each function is a process of its own, and they share the file.
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.execute_batch(
                "CREATE TABLE IF NOT EXISTS users (
                   id TEXT PRIMARY KEY, first_name TEXT NOT NULL, last_name TEXT NOT NULL, email TEXT NOT NULL
                 ) STRICT",
            )?;
            Ok(connection)
        };
        let connection = open()
            .map_err(|e: rusqlite::Error| Error::retry(format!("users database {}: {e}", path.display())))?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Stores a user; one with the same id is replaced.
    pub(crate) fn put(&self, user: &User) -> Result<(), Error> {
        self.connection().execute(
            "INSERT INTO users (id, first_name, last_name, email) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET first_name = ?2, last_name = ?3, email = ?4",
            params![user.id, user.first_name, user.last_name, user.email],
        )?;
        Ok(())
    }

    /// The user with this id.
    pub(crate) fn get(&self, id: &str) -> Result<Option<User>, Error> {
        let user = self
            .connection()
            .query_row("SELECT id, first_name, last_name, email FROM users WHERE id = ?1", [id], |row| {
                Ok(User {
                    id: row.get(0)?,
                    first_name: row.get(1)?,
                    last_name: row.get(2)?,
                    email: row.get(3)?,
                })
            })
            .optional()?;
        Ok(user)
    }

    fn connection(&self) -> std::sync::MutexGuard<'_, Connection> {
        // A panic while the lock was held left no half-done statement: each call is one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
