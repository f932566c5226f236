//! The rules of stock and reservations as plain functions. Stores nothing.

use serde::{Deserialize, Serialize};
use shop_events::{Cents, Item};

/// An item and its stock. Invariant: `initial = available + reserved + sold`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stock {
    #[serde(flatten)]
    pub(crate) item: Item,
    /// Pieces that were ever added to the warehouse.
    pub(crate) initial: u32,
    /// Pieces that are delivered or under way.
    pub(crate) sold: u32,
}

/// The status of an order's piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Reservation {
    Reserved,
    /// There was none.
    #[serde(rename = "NOT_AVAILABLE")]
    NotAvailable,
    Unreserved,
    Removed,
    Returned,
}

/// A change of an order's piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// The piece leaves the warehouse.
    Remove,
    /// The piece is for sale again.
    Unreserve,
    /// The piece is returned.
    Return,
}

impl Move {
    /// The place before and after the change.
    fn states(self) -> (Reservation, Reservation) {
        match self {
            Self::Remove => (Reservation::Reserved, Reservation::Removed),
            Self::Unreserve => (Reservation::Reserved, Reservation::Unreserved),
            Self::Return => (Reservation::Removed, Reservation::Returned),
        }
    }
}

impl Reservation {
    /// Returns the status after the change; `None` if the change is not possible.
    pub(crate) fn after(self, change: Move) -> Option<Self> {
        let (from, to) = change.states();
        (self == from).then_some(to)
    }
}

/// An item in the file of sample items.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sample {
    item_id: String,
    description: String,
    image: String,
    price: Cents,
    pieces: u32,
}

impl From<Sample> for Stock {
    fn from(Sample { item_id, description, image, price, pieces }: Sample) -> Self {
        let item = Item { item_id, description, image, price, available: pieces, reserved: 0 };
        Self { item, initial: pieces, sold: 0 }
    }
}

impl Stock {
    /// Returns the sample items.
    pub(crate) fn samples() -> Vec<Self> {
        let samples: Vec<Sample> = serde_json::from_str(include_str!("../../data/items.json"))
            .expect("a test reads the file of sample items");
        samples.into_iter().map(Self::from).collect()
    }

    /// Reserves one piece; `None` if none is available.
    pub(crate) fn reserve(&self) -> Option<Self> {
        let item = Item {
            available: self.item.available.checked_sub(1)?,
            reserved: self.item.reserved.checked_add(1)?,
            ..self.item.clone()
        };
        Some(Self { item, ..*self })
    }

    /// Moves one piece between two places; `None` if the first has none.
    pub(crate) fn after(&self, change: Move) -> Option<Self> {
        let (mut item, mut sold) = (self.item.clone(), self.sold);
        match change {
            Move::Remove => {
                item.reserved = item.reserved.checked_sub(1)?;
                sold = sold.checked_add(1)?;
            }
            Move::Unreserve => {
                item.reserved = item.reserved.checked_sub(1)?;
                item.available = item.available.checked_add(1)?;
            }
            Move::Return => {
                sold = sold.checked_sub(1)?;
                item.available = item.available.checked_add(1)?;
            }
        }
        Some(Self { item, sold, ..*self })
    }

    /// Adds pieces; `None` if the sum overflows.
    pub(crate) fn restock(&self, pieces: u32) -> Option<Self> {
        let item = Item { available: self.item.available.checked_add(pieces)?, ..self.item.clone() };
        Some(Self { item, initial: self.initial.checked_add(pieces)?, ..*self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(stock: &Stock) -> (u32, u32, u32, u32) {
        assert_eq!(stock.initial, stock.item.available + stock.item.reserved + stock.sold);
        (stock.initial, stock.item.available, stock.item.reserved, stock.sold)
    }

    #[test]
    fn pieces_move_and_none_is_lost() {
        let [mut stock, ..] = <[Stock; 3]>::try_from(Stock::samples()).unwrap();
        assert_eq!(
            (&*stock.item.description, stock.item.price, stock.initial),
            ("Big Smartphone", Cents(39_999), 10)
        );
        (stock.item.available, stock.initial) = (1, 1);
        let reserved = stock.reserve().unwrap();
        assert_eq!(places(&reserved), (1, 0, 1, 0));
        assert_eq!(reserved.reserve(), None);
        let sold = reserved.after(Move::Remove).unwrap();
        assert_eq!(places(&sold), (1, 0, 0, 1));
        assert_eq!(places(&sold.after(Move::Return).unwrap()), (1, 1, 0, 0));
        assert_eq!(places(&reserved.after(Move::Unreserve).unwrap()), (1, 1, 0, 0));
        assert_eq!(places(&sold.restock(4).unwrap()), (5, 4, 0, 1));
        assert_eq!(stock.restock(u32::MAX), None);
        for change in [Move::Remove, Move::Unreserve, Move::Return] {
            assert_eq!(stock.after(change), None, "{change:?}: nothing is reserved or sold");
        }
    }

    #[test]
    fn a_reservation_ends_once() {
        use Reservation::{NotAvailable, Removed, Reserved, Returned, Unreserved};
        for (is, change, expected) in [
            (Reserved, Move::Remove, Some(Removed)),
            (Reserved, Move::Unreserve, Some(Unreserved)),
            (Reserved, Move::Return, None),
            (Removed, Move::Return, Some(Returned)),
            (Removed, Move::Remove, None),
            (Removed, Move::Unreserve, None),
            (Unreserved, Move::Remove, None),
            (Unreserved, Move::Unreserve, None),
            (Returned, Move::Return, None),
            (Returned, Move::Remove, None),
            (NotAvailable, Move::Remove, None),
            (NotAvailable, Move::Unreserve, None),
            (NotAvailable, Move::Return, None),
        ] {
            assert_eq!(is.after(change), expected, "{is:?} {change:?}");
        }
    }
}
