//! `Change`: what happened to an item of a DynamoDB table, as the payload of a `#[stream]` function. Leaves reading the
//! records to `payload`.

use serde::{Deserialize, Serialize};

/// A change of an item in a DynamoDB table, as the payload of a function with
/// [`#[stream(dynamodb("…"))]`](macro@crate::stream). `T` is the item, and `K` its key; their attributes are plain JSON:
/// numbers keep their digits, sets are lists, and bytes are base64.
///
/// ```
/// use eg_runtime::{Change, Error, Json, stream};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Order { id: String, paid: bool }
///
/// /// Ships orders when they are paid.
/// #[stream(dynamodb("orders"))]
/// async fn ship(Json(change): Json<Change<Order>>) -> Result<(), Error> {
///     if let Change { old: Some(Order { paid: false, .. }), new: Some(order @ Order { paid: true, .. }), .. } = change {
///         println!("ship {}", order.id);
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Change<T, K = serde_json::Value> {
    /// What happened.
    pub kind: ChangeKind,
    /// The key attributes of the item. As a [`Value`](serde_json::Value), numbers beyond 2⁵³ lose digits: for such keys, name
    /// a type of your own, as in `Change<Order, OrderKey>`.
    pub keys: K,
    /// The item before; `None` if it is new, or if the stream has no old images.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub old: Option<T>,
    /// The item now; `None` if it was removed, or if the stream has no new images.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub new: Option<T>,
}

/// What happened to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ChangeKind {
    /// It was added.
    Insert,
    /// It was changed.
    Modify,
    /// It was removed.
    Remove,
}

fn none<T>() -> Option<T> {
    None
}
