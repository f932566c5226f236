//! Stores the orders, each change together with its events.

use eg_runtime::outbox::{Decision, Emitter, Handled, Outbox, OutboxError};
use eg_runtime::{CloudEvent, Emit, Error};
use service_storage::{Item, Key, Store, Write};
use shop_events::{
    ErrorOrderCanceled, ErrorOrderDelivered, OfOrder as _, Order, OrderCanceled, OrderCreated,
    OrderDelivered, OrderRef, OrderRow, OrderStatus, Paid, PaymentStatus, Progressed, Returned, caused_by,
    first,
};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::status::{News, Step, step};

/// The orders.
#[derive(Debug, Clone)]
pub(crate) struct Orders(Outbox<Store>);

/// An order and its stored version.
#[derive(Debug)]
pub(crate) struct Place {
    item: Item,
    pub(crate) row: OrderRow,
}

impl Orders {
    pub(crate) async fn open() -> Result<Self, Error> {
        Ok(Self::in_store(Store::open("order", "ORDER_TABLE").await?))
    }

    pub(crate) fn in_store(store: Store) -> Self {
        Self(Outbox::new(store))
    }

    pub(crate) async fn find(&self, order: &OrderRef) -> Result<Option<Place>, Error> {
        let Some(item) = self.0.store().get(&key(order)).await? else { return Ok(None) };
        Ok(Some(Place { row: item.read()?, item }))
    }

    /// Stores a new order and emits its event. If the gateway is unavailable, the order is placed all the same, and
    /// the event is emitted later. Returns the stored order, which is an older one if there is one with this id.
    pub(crate) async fn create(&self, emit: &Emit<OrderCreated>, order: &Order) -> Result<Order, Error> {
        let Order { customer_id, order_id, item_id } = order;
        let at = key(&order.order());
        let decide = || async {
            if self.0.store().get(&at).await.map_err(OutboxError::Store)?.is_some() {
                return Ok(Decision::new(Vec::new()));
            }
            let row = OrderRow {
                customer_id: customer_id.clone(),
                order_id: order_id.clone(),
                item_id: item_id.clone(),
                order_status: OrderStatus::Created,
                reason: None,
                item_price: None,
                delivery_price: None,
                total_price: None,
                payment_id: None,
                delivery_address: None,
                order_date: now(),
                update_date: now(),
            };
            let write = Write::put(at.clone(), &row).map_err(OutboxError::Store)?.if_absent();
            let created = emit.stage_event(first(OrderCreated(order.clone()))).map_err(OutboxError::Event)?;
            Ok::<_, OutboxError<_>>(Decision::new(vec![write]).emit(created))
        };
        match self.0.handle(emit, format!("order {order_id}"), decide).await {
            Ok(Handled::Now) => return Ok(order.clone()),
            Ok(Handled::Before) => {}
            Err(OutboxError::Unsent(error)) => {
                println!("order {order_id} is stored and emitted later: {error}");
            }
            Err(error) => return Err(error.into()),
        }
        let OrderRow { customer_id, order_id, item_id, .. } = self.known(&order.order()).await?.row;
        Ok(Order { customer_id, order_id, item_id })
    }

    /// Records a new status of an order, and the reason for it if there is one.
    pub(crate) async fn track(&self, event: &CloudEvent<OrderRef>, news: News) -> Result<(), Error> {
        let decide = || async {
            let place = self.known(&event.data).await?;
            let fill = |row: &mut OrderRow| row.reason = news.reason.map(str::to_owned);
            Ok::<_, Error>(place.advance(news.status, fill)?.into_iter().collect())
        };
        self.0.record(event, decide).await?;
        Ok(())
    }

    /// Records the payment, the prices and the address of an order.
    pub(crate) async fn record_payment(&self, event: &CloudEvent<Paid>) -> Result<(), Error> {
        let Paid { item, customer, delivery, payment, .. } = &event.data;
        let status = match payment.status {
            PaymentStatus::Paid => OrderStatus::Paid,
            PaymentStatus::Failed => OrderStatus::PaymentFailed,
            PaymentStatus::Canceled => return Err(Error::reject("a new payment cannot be canceled already")),
        };
        let decide = || async {
            let place = self.known(&event.data.order()).await?;
            let fill = |row: &mut OrderRow| {
                row.item_price = Some(item.price);
                row.delivery_price = Some(delivery.price);
                row.total_price = Some(payment.amount);
                row.payment_id = Some(payment.payment_id.clone());
                row.delivery_address = Some(customer.address.clone());
                if status == OrderStatus::PaymentFailed {
                    row.reason = Some("the payment failed".to_owned());
                }
            };
            // The event is late and the delivery has started: keep the status, but record the payment.
            let write = match place.advance(status, fill)? {
                None if place.row.payment_id.is_none() => Some(place.write(place.row.order_status, fill)?),
                write => write,
            };
            Ok::<_, Error>(write.into_iter().collect())
        };
        self.0.record(event, decide).await?;
        Ok(())
    }

    /// Completes an order that has arrived.
    pub(crate) async fn complete(
        &self,
        emit: &Emit<(OrderDelivered, ErrorOrderDelivered)>,
        event: &CloudEvent<Progressed>,
    ) -> Result<(), Error> {
        let decide = || async {
            let told = event.data.clone();
            let place = self.find(&told.order).await?;
            let error = || emit.stage_event(caused_by(event, ErrorOrderDelivered(told.clone())));
            let Some(place) = place else { return Ok(Decision::new(Vec::new()).emit(error()?)) };
            Ok::<_, Error>(match step(place.row.order_status, OrderStatus::Delivered) {
                Step::Behind => Decision::new(Vec::new()),
                Step::Impossible => Decision::new(Vec::new()).emit(error()?),
                Step::Forward => Decision::new(vec![place.write(OrderStatus::Delivered, |_| ())?])
                    .emit(emit.stage_event(caused_by(event, OrderDelivered(told)))?),
            })
        };
        self.0.handle(emit, event, decide).await?;
        Ok(())
    }

    /// Cancels an order that will not arrive.
    pub(crate) async fn cancel(
        &self,
        emit: &Emit<(OrderCanceled, ErrorOrderCanceled)>,
        event: &CloudEvent<Progressed>,
    ) -> Result<(), Error> {
        let decide = || async {
            let told = event.data.clone();
            let place = self.find(&told.order).await?;
            let error = || emit.stage_event(caused_by(event, ErrorOrderCanceled(told.clone())));
            let Some(place) = place else { return Ok(Decision::new(Vec::new()).emit(error()?)) };
            Ok::<_, Error>(match step(place.row.order_status, OrderStatus::DeliveryCanceled) {
                Step::Behind => Decision::new(Vec::new()),
                Step::Impossible => Decision::new(Vec::new()).emit(error()?),
                // The refund needs to know the payment.
                Step::Forward if place.row.payment_id.is_none() => {
                    return Err(Error::retry("what was paid for this order is not known yet"));
                }
                Step::Forward => {
                    let order = place.changed(OrderStatus::DeliveryCanceled, |row| {
                        row.reason = Some("the partner did not deliver it".to_owned());
                    });
                    let write = place.item.update(&order)?;
                    let canceled = Returned { key: told.order, delivery: told.delivery, order };
                    Decision::new(vec![write])
                        .emit(emit.stage_event(caused_by(event, OrderCanceled(canceled)))?)
                }
            })
        };
        self.0.handle(emit, event, decide).await?;
        Ok(())
    }

    /// Emits the stored events that are not emitted yet.
    pub(crate) async fn send_unsent(&self, emitter: &impl Emitter) -> Result<(), Error> {
        self.0.send_unsent(emitter).await?;
        Ok(())
    }

    async fn known(&self, order: &OrderRef) -> Result<Place, Error> {
        let unknown = || Error::reject(format!("there is no order {}", order.order_id));
        self.find(order).await?.ok_or_else(unknown)
    }
}

impl Place {
    /// Returns the write that moves the order to `status`; `None` if the order has passed it.
    fn advance(&self, status: OrderStatus, fill: impl FnOnce(&mut OrderRow)) -> Result<Option<Write>, Error> {
        let is = self.row.order_status;
        match step(is, status) {
            Step::Forward => self.write(status, fill).map(Some),
            Step::Behind => Ok(None),
            Step::Impossible => {
                Err(Error::reject(format!("order {} is {is} and cannot become {status}", self.row.order_id)))
            }
        }
    }

    fn write(&self, status: OrderStatus, fill: impl FnOnce(&mut OrderRow)) -> Result<Write, Error> {
        Ok(self.item.update(&self.changed(status, fill))?)
    }

    fn changed(&self, status: OrderStatus, fill: impl FnOnce(&mut OrderRow)) -> OrderRow {
        let mut row = OrderRow { order_status: status, update_date: now(), ..self.row.clone() };
        fill(&mut row);
        row
    }
}

fn key(order: &OrderRef) -> Key {
    Key::new(format!("C#{}", order.customer_id), &order.order_id)
}

fn now() -> String {
    // The year has four digits until the year 9999.
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}
