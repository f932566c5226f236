//! Keeps configuration, accepted events and their deliveries. `sqlite` does so in one SQLite database.

pub(crate) mod sqlite;

pub(crate) use self::sqlite::{
    Accepted, Backlog, Claimed, DeadLetterQuery, EventQuery, Finish, Limits, Losses, Lost, Notices, PAGE,
    Redrive, RunningJob, Store, StoreState, StoredEvent, Sweeps, Work,
};
pub use self::sqlite::{CheckReport, RepairReport, StoreError, check, repair, restore};
