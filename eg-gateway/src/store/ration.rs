//! Limits what one transaction of long work may do. The callers continue in another transaction, so that other writes
//! never wait long.

use std::time::Duration;

use tokio::time::Instant;

/// Maximum number of rows that one transaction of a job changes.
pub(in crate::store) const ROWS: usize = 500;

/// How long the statements of one transaction of a job may take. What they changed is synced after that.
const TIME: Duration = Duration::from_millis(5);

/// The rest of what a transaction may do.
#[derive(Debug)]
pub(in crate::store) struct Ration {
    rows: usize,
    until: Instant,
}

impl Ration {
    /// Returns the ration of a transaction that begins now.
    pub(in crate::store) fn new() -> Self {
        // tokio's clock is the machine's, and stands still in a simulation.
        Self { rows: ROWS, until: Instant::now() + TIME }
    }

    /// Uses up some rows.
    pub(in crate::store) fn take(&mut self, rows: usize) {
        self.rows = self.rows.saturating_sub(rows);
    }

    /// Returns whether the transaction should end.
    pub(in crate::store) fn is_used_up(&self) -> bool {
        self.rows == 0 || Instant::now() >= self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_ration_ends_with_its_rows_or_its_time() {
        let mut ration = Ration::new();
        ration.take(ROWS - 1);
        assert!(!ration.is_used_up());
        ration.take(2);
        assert!(ration.is_used_up());
        let ration = Ration::new();
        tokio::time::advance(TIME).await;
        assert!(ration.is_used_up());
    }
}
