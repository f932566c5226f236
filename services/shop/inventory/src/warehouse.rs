//! Stores the warehouse: one entry per item, and one per order with a piece.

use eg_runtime::outbox::{Decision, Emitter, Outbox};
use eg_runtime::{CloudEvent, Emit, Error, StatusCode};
use service_storage::{Item, Key, Store, Write};
use shop_events::{
    ErrorItemDescribed, ErrorItemRemoved, ErrorItemReturned, ErrorItemUnreserved, ItemDescribed,
    ItemNotAvailable, ItemRemoved, ItemReserved, ItemReturned, ItemUnreserved, OrderCanceled, OrderCreated,
    PaymentMade, Released, WithItem, caused_by,
};

use crate::stock::{Move, Reservation, Stock};

/// The items and reservations.
#[derive(Debug, Clone)]
pub(crate) struct Warehouse(Outbox<Store>);

const ITEMS: &str = "item";

impl Warehouse {
    pub(crate) async fn open() -> Result<Self, Error> {
        Self::in_store(Store::open("inventory", "INVENTORY_TABLE").await?).await
    }

    /// Opens the warehouse in this store. Fills an empty store with the sample items.
    pub(crate) async fn in_store(store: Store) -> Result<Self, Error> {
        if store.page(ITEMS, None, 1).await?.is_empty() {
            let sample = Stock::samples();
            let put = |stock: &Stock| Write::put(at(&stock.item.item_id), stock).map(Write::if_absent);
            let writes = sample.iter().map(put).collect::<Result<_, _>>()?;
            // If another process of this service was faster, the samples are there already.
            store.transact(writes).await.or_else(|e| if e.is_conflict() { Ok(()) } else { Err(e) })?;
        }
        Ok(Self(Outbox::new(store)))
    }

    pub(crate) async fn find(&self, item_id: &str) -> Result<Option<(Item, Stock)>, Error> {
        if item_id.is_empty() {
            return Ok(None);
        }
        let Some(item) = self.0.store().get(&at(item_id)).await? else { return Ok(None) };
        let stock = item.read()?;
        Ok(Some((item, stock)))
    }

    pub(crate) async fn restock(&self, item_id: &str, pieces: u32) -> Result<Option<Stock>, Error> {
        loop {
            let Some((item, stock)) = self.find(item_id).await? else { return Ok(None) };
            let too_many = || Error::status(StatusCode::BAD_REQUEST, "nobody can count that many pieces");
            let stock = stock.restock(pieces).ok_or_else(too_many)?;
            match self.0.store().transact(vec![item.update(&stock)?]).await {
                Ok(()) => return Ok(Some(stock)),
                Err(e) if e.is_conflict() => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    pub(crate) async fn reserve(
        &self,
        emit: &Emit<(ItemReserved, ItemNotAvailable)>,
        event: &CloudEvent<OrderCreated>,
    ) -> Result<(), Error> {
        let order = &event.data.0;
        let decide = || async {
            if self.reservation(&order.order_id).await?.is_some() {
                return Ok(Decision::new(Vec::new()));
            }
            let found = self.find(&order.item_id).await?;
            let reserved = found.and_then(|(item, stock)| Some((item, stock.reserve()?)));
            let reservation = |is: Reservation| Write::put(of(&order.order_id), &is).map(Write::if_absent);
            let Some((item, stock)) = reserved else {
                // Stored, so that the order gets no piece later, when it has ended.
                let none = vec![reservation(Reservation::NotAvailable)?];
                let not_available = ItemNotAvailable(order.clone());
                return Ok(Decision::new(none).emit(emit.stage_event(caused_by(event, not_available))?));
            };
            Ok::<_, Error>(
                Decision::new(vec![item.update(&stock)?, reservation(Reservation::Reserved)?])
                    .emit(emit.stage_event(caused_by(event, ItemReserved(order.clone())))?),
            )
        };
        self.0.handle(emit, event, decide).await?;
        Ok(())
    }

    /// Describes the item of an order. Does nothing if the order's piece is not reserved any more.
    pub(crate) async fn describe(
        &self,
        emit: &Emit<(ItemDescribed, ErrorItemDescribed)>,
        event: &CloudEvent<ItemReserved>,
    ) -> Result<(), Error> {
        let order = &event.data.0;
        let decide = || async {
            let reservation = self.reservation(&order.order_id).await?;
            if reservation.is_none_or(|(_, is)| is != Reservation::Reserved) {
                return Ok(Decision::new(Vec::new()));
            }
            let outgoing = match self.find(&order.item_id).await? {
                Some((_, stock)) => {
                    let described = WithItem { order: order.clone(), item: stock.item };
                    emit.stage_event(caused_by(event, ItemDescribed(described)))?
                }
                None => emit.stage_event(caused_by(event, ErrorItemDescribed(order.clone())))?,
            };
            Ok::<_, Error>(Decision::new(Vec::new()).emit(outgoing))
        };
        self.0.handle(emit, event, decide).await?;
        Ok(())
    }

    pub(crate) async fn remove(
        &self,
        emit: &Emit<(ItemRemoved, ErrorItemRemoved)>,
        event: &CloudEvent<PaymentMade>,
    ) -> Result<(), Error> {
        let paid = &event.data.0;
        let decide = || async {
            let writes = self.moved(&paid.order.order_id, &paid.order.item_id, Move::Remove).await?;
            let outgoing = match &writes {
                Some(_) => emit.stage_event(caused_by(event, ItemRemoved(paid.clone())))?,
                None => emit.stage_event(caused_by(event, ErrorItemRemoved(paid.clone())))?,
            };
            Ok::<_, Error>(Decision::new(writes.unwrap_or_default()).emit(outgoing))
        };
        self.0.handle(emit, event, decide).await?;
        Ok(())
    }

    pub(crate) async fn unreserve(
        &self,
        emit: &Emit<(ItemUnreserved, ErrorItemUnreserved)>,
        event: &CloudEvent<Released>,
    ) -> Result<(), Error> {
        let released = &event.data;
        let decide = || async {
            let order = &released.order;
            let writes = self.moved(&order.order_id, &order.item_id, Move::Unreserve).await?;
            let outgoing = match &writes {
                Some(_) => emit.stage_event(caused_by(event, ItemUnreserved(released.clone())))?,
                None => emit.stage_event(caused_by(event, ErrorItemUnreserved(released.clone())))?,
            };
            Ok::<_, Error>(Decision::new(writes.unwrap_or_default()).emit(outgoing))
        };
        self.0.handle(emit, event, decide).await?;
        Ok(())
    }

    pub(crate) async fn take_back(
        &self,
        emit: &Emit<(ItemReturned, ErrorItemReturned)>,
        event: &CloudEvent<OrderCanceled>,
    ) -> Result<(), Error> {
        let canceled = &event.data.0;
        let decide = || async {
            let writes = self.moved(&canceled.key.order_id, &canceled.order.item_id, Move::Return).await?;
            let outgoing = match &writes {
                Some(_) => emit.stage_event(caused_by(event, ItemReturned(canceled.clone())))?,
                None => emit.stage_event(caused_by(event, ErrorItemReturned(canceled.clone())))?,
            };
            Ok::<_, Error>(Decision::new(writes.unwrap_or_default()).emit(outgoing))
        };
        self.0.handle(emit, event, decide).await?;
        Ok(())
    }

    /// Emits the stored events that are not emitted yet.
    pub(crate) async fn send_unsent(&self, emitter: &impl Emitter) -> Result<(), Error> {
        self.0.send_unsent(emitter).await?;
        Ok(())
    }

    /// Returns the writes that move the piece of an order; `None` if the piece has another status.
    async fn moved(&self, order_id: &str, item_id: &str, change: Move) -> Result<Option<Vec<Write>>, Error> {
        let Some((reservation, is)) = self.reservation(order_id).await? else { return Ok(None) };
        let Some((item, stock)) = self.find(item_id).await? else { return Ok(None) };
        let Some((to, stock)) = is.after(change).zip(stock.after(change)) else { return Ok(None) };
        Ok(Some(vec![item.update(&stock)?, reservation.update(&to)?]))
    }

    async fn reservation(&self, order_id: &str) -> Result<Option<(Item, Reservation)>, Error> {
        let Some(item) = self.0.store().get(&of(order_id)).await? else { return Ok(None) };
        let reservation = item.read()?;
        Ok(Some((item, reservation)))
    }
}

fn at(item_id: &str) -> Key {
    Key::new(ITEMS, item_id)
}

fn of(order_id: &str) -> Key {
    Key::new(format!("order#{order_id}"), "reservation")
}
