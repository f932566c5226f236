//! What a client may do with its access key.

use serde::{Deserialize, Serialize};

/// What a client may do in a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// Whether it may change something. A key that only reads does not allow it.
    pub may_change: bool,
}
