//! Injects failures, to show how events are retried. Counts attempts in the service's own store, because another
//! process may make the next attempt.

use std::env;
use std::str::FromStr;

use service_storage::{Key, Store, Write};

/// The partition of the attempt counters.
const PARTITION: &str = "attempts";

/// Injects the failures of one function.
#[derive(Debug, Clone)]
pub struct Faults {
    mode: Mode,
    store: Store,
}

/// Which attempts fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No attempt.
    Never,
    /// The first attempts for each event, up to this number.
    First(u32),
    /// Every attempt.
    Always,
}

/// The setting is not one of the three forms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name} is `{value}`: set it to `always`, `never`, or `first:N` (the first N attempts for each event)"
)]
pub struct UnknownMode {
    name: String,
    value: String,
}

impl Faults {
    /// Reads the environment variable `name`; unset means `never`.
    ///
    /// # Errors
    /// If the value is not `always`, `never` or `first:N`.
    pub fn from_env(name: &str, store: Store) -> Result<Self, UnknownMode> {
        let value = env::var_os(name).unwrap_or_default();
        let value = value.to_string_lossy();
        let unknown = |()| UnknownMode { name: name.to_owned(), value: value.clone().into_owned() };
        Ok(Self::new(value.parse().map_err(unknown)?, store))
    }

    /// Fails according to `mode`, counting attempts in `store`.
    #[must_use]
    pub fn new(mode: Mode, store: Store) -> Self {
        Self { mode, store }
    }

    /// Returns whether this attempt for `event` must fail. Each call counts as an attempt.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn strike(&self, event: &str) -> Result<bool, service_storage::Error> {
        match self.mode {
            Mode::Never => Ok(false),
            Mode::Always => Ok(true),
            Mode::First(count) => Ok(self.attempt(event).await? <= count),
        }
    }

    /// Counts an attempt and returns its number, starting at 1.
    async fn attempt(&self, event: &str) -> Result<u32, service_storage::Error> {
        let key = Key::new(PARTITION, event);
        loop {
            let (count, write) = match self.store.get(&key).await? {
                None => (1, Write::put(key.clone(), &1_u32)?.if_absent()),
                Some(item) => {
                    let count = item.read::<u32>()?.saturating_add(1);
                    (count, item.update(&count)?)
                }
            };
            match self.store.transact(vec![write]).await {
                // Another attempt was counted in the meantime.
                Err(conflict) if conflict.is_conflict() => {}
                result => return result.map(|()| count),
            }
        }
    }
}

impl FromStr for Mode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "" | "never" => Ok(Self::Never),
            "always" => Ok(Self::Always),
            _ => text.strip_prefix("first:").and_then(|count| count.parse().ok()).map(Self::First).ok_or(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn which_attempts_fail() {
        for (setting, failing) in [
            ("", [false, false, false]),
            ("never", [false, false, false]),
            ("first:0", [false, false, false]),
            ("first:2", [true, true, false]),
            ("always", [true, true, true]),
        ] {
            let faults = Faults::new(setting.parse().unwrap(), Store::in_memory().unwrap());
            for (attempt, expected) in failing.into_iter().enumerate() {
                for event in ["one", "other"] {
                    assert_eq!(faults.strike(event).await.unwrap(), expected, "{setting} {event} {attempt}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        for setting in ["sometimes", "first", "first:", "first:-1", "First:1", "always "] {
            assert_eq!(setting.parse::<Mode>(), Err(()), "{setting}");
        }
        let error = UnknownMode { name: "CRM_FAILURE".to_owned(), value: "now".to_owned() };
        assert_eq!(
            error.to_string(),
            "CRM_FAILURE is `now`: set it to `always`, `never`, or `first:N` (the first N attempts for each event)"
        );
    }
}
