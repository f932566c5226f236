//! Stores the deliveries of this service, and decides how they start and end.

use eg_runtime::outbox::{Decision, Emitter, Outbox};
use eg_runtime::{CloudEvent, Emit, Error, Event};
use serde::{Deserialize, Serialize};
use service_storage::{Key, Store, Write};
use shop_events::{
    Cents, CustomerDescribed, DeliveryEstimated, DeliveryMarkedAsStarted, DeliveryProgress, DeliveryStarted,
    DeliveryStatus, Described, ErrorDeliveryEstimated, ErrorMarkDeliveryAsStarted, Estimated, ItemRemoved,
    OfOrder, OrderRef, Paid, Progressed, Shipment, caused_by,
};

use crate::route;

/// The deliveries.
#[derive(Debug, Clone)]
pub(crate) struct Deliveries(Outbox<Store>);

/// A delivery with its price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Row {
    #[serde(flatten)]
    shipment: Shipment,
    price: Cents,
}

/// The events to emit when a delivery ends, or when it cannot end that way.
#[derive(Debug)]
pub(crate) struct End<G, B> {
    pub(crate) good: fn(Progressed) -> G,
    pub(crate) bad: fn(OrderRef) -> B,
}

/// What a reported end means for a delivery.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Ends,
    /// The delivery has already ended this way.
    Again,
    Impossible,
}

fn step(is: DeliveryStatus, told: DeliveryStatus) -> Step {
    match is {
        DeliveryStatus::Delivering if told != DeliveryStatus::Delivering => Step::Ends,
        is if is == told => Step::Again,
        _ => Step::Impossible,
    }
}

impl Deliveries {
    pub(crate) async fn open() -> Result<Self, Error> {
        Ok(Self::in_store(Store::open("delivery", "DELIVERY_TABLE").await?))
    }

    pub(crate) fn in_store(store: Store) -> Self {
        Self(Outbox::new(store))
    }

    pub(crate) async fn estimate(
        &self,
        emit: &Emit<(DeliveryEstimated, ErrorDeliveryEstimated)>,
        event: &CloudEvent<CustomerDescribed>,
    ) -> Result<(), Error> {
        let described = &event.data.0;
        let decide = || async {
            let outgoing = match route::to(&described.customer.address) {
                Some(delivery) => {
                    let Described { order, item, customer } = described.clone();
                    let estimated = Estimated { order, item, customer, delivery };
                    emit.stage_event(caused_by(event, DeliveryEstimated(estimated)))?
                }
                None => emit.stage_event(caused_by(event, ErrorDeliveryEstimated(described.clone())))?,
            };
            Ok::<_, Error>(Decision::new(Vec::new()).emit(outgoing))
        };
        self.0.handle(emit, event, decide).await?;
        Ok(())
    }

    pub(crate) async fn start(
        &self,
        emit: &Emit<(DeliveryMarkedAsStarted, ErrorMarkDeliveryAsStarted)>,
        event: &CloudEvent<ItemRemoved>,
    ) -> Result<(), Error> {
        let paid = &event.data.0;
        let at = key(&paid.order());
        let decide = || async {
            if self.0.store().get(&at).await?.is_some() {
                let outgoing =
                    emit.stage_event(caused_by(event, ErrorMarkDeliveryAsStarted(paid.clone())))?;
                return Ok(Decision::new(Vec::new()).emit(outgoing));
            }
            let Paid { order, item, customer, delivery, payment } = paid.clone();
            let shipment = Shipment {
                customer_id: order.customer_id.clone(),
                order_id: order.order_id.clone(),
                address: customer.address.clone(),
                delivery_status: DeliveryStatus::Delivering,
            };
            let row = Row { shipment: shipment.clone(), price: delivery.price };
            let started = DeliveryStarted { order, item, customer, delivery: shipment, payment };
            Ok::<_, Error>(
                Decision::new(vec![Write::put(at.clone(), &row)?.if_absent()])
                    .emit(emit.stage_event(caused_by(event, DeliveryMarkedAsStarted(started)))?),
            )
        };
        self.0.handle(emit, event, decide).await?;
        Ok(())
    }

    /// Ends the delivery of `order`. `cause` is the event that reports the end.
    pub(crate) async fn end<C: Sync, G, B>(
        &self,
        emit: &Emit<(G, B)>,
        cause: &CloudEvent<C>,
        order: &OrderRef,
        status: DeliveryStatus,
        ends: End<G, B>,
    ) -> Result<(), Error>
    where
        G: Event + OfOrder + Serialize,
        B: Event + OfOrder + Serialize,
    {
        let at = key(order);
        let (at, ends) = (&at, &ends);
        let decide = || async move {
            let error = || emit.stage_event(caused_by(cause, (ends.bad)(order.clone())));
            let Some(item) = self.0.store().get(at).await? else {
                return Ok(Decision::new(Vec::new()).emit(error()?));
            };
            let mut row: Row = item.read()?;
            Ok::<_, Error>(match step(row.shipment.delivery_status, status) {
                Step::Again => Decision::new(Vec::new()),
                Step::Impossible => Decision::new(Vec::new()).emit(error()?),
                Step::Ends => {
                    row.shipment.delivery_status = status;
                    let delivery = DeliveryProgress { delivery_status: status };
                    let ended = (ends.good)(Progressed { order: order.clone(), delivery });
                    Decision::new(vec![item.update(&row)?]).emit(emit.stage_event(caused_by(cause, ended))?)
                }
            })
        };
        self.0.handle(emit, cause, decide).await?;
        Ok(())
    }

    /// Emits the stored events that are not emitted yet.
    pub(crate) async fn send_unsent(&self, emitter: &impl Emitter) -> Result<(), Error> {
        self.0.send_unsent(emitter).await?;
        Ok(())
    }
}

fn key(order: &OrderRef) -> Key {
    Key::new(format!("C#{}", order.customer_id), &order.order_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_ends_once() {
        use DeliveryStatus::{Canceled, Delivered, Delivering};
        for (is, told, expected) in [
            (Delivering, Delivered, Step::Ends),
            (Delivering, Canceled, Step::Ends),
            (Delivered, Delivered, Step::Again),
            (Canceled, Canceled, Step::Again),
            (Delivered, Canceled, Step::Impossible),
            (Canceled, Delivered, Step::Impossible),
            (Delivered, Delivering, Step::Impossible),
        ] {
            assert_eq!(step(is, told), expected, "{is} → {told}");
        }
    }
}
