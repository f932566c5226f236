//! The HTTP headers that the gateway adds to its answers. Leaves those of CloudEvents to `extension`.

/// On a `202`: how many events of the request had been accepted before and were not stored again. Absent if none.
pub const DUPLICATES: &str = "eg-duplicates";
