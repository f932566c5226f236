//! Stores the deliveries of this service, and decides how they start and end, and whether the partner is called.

use eg_runtime::outbox::{Decision, Emitter, Outbox};
use eg_runtime::{CloudEvent, Emit, Error, Event};
use serde::{Deserialize, Serialize};
use service_storage::{Key, Store, Write};
use shop_events::{
    Cents, CustomerDescribed, DeliveryEstimated, DeliveryMarkedAsStarted, DeliveryProgress, DeliveryStarted,
    DeliveryStatus, Described, ErrorDeliveryEstimated, ErrorMarkDeliveryAsStarted, Estimated, ItemRemoved,
    OfOrder, OrderRef, Paid, Progressed, Shipment, caused_by,
};

use time::OffsetDateTime;

use crate::partner::{PATIENCE, Partner};
use crate::route;

/// The deliveries.
#[derive(Debug, Clone)]
pub(crate) struct Deliveries(Outbox<Store>);

/// A delivery with its price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    #[serde(flatten)]
    shipment: Shipment,
    price: Cents,
    /// Absent while nobody has called the partner, and after a call that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    handover: Option<Handover>,
}

/// How far the goods have got on their way to the partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Handover {
    /// The partner is being called, until this time at the latest, in seconds since 1970.
    Calling(i64),
    /// The partner has the goods.
    Accepted,
}

/// The events to emit when a delivery ends, or when it cannot end that way.
#[derive(Debug)]
pub(crate) struct End<G, B> {
    pub(crate) good: fn(Progressed) -> G,
    pub(crate) bad: fn(OrderRef) -> B,
    /// Whether the delivery ends because the gateway gave up calling the partner.
    pub(crate) given_up: bool,
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

impl Row {
    /// Returns the delivery while the partner is being called; `None` if the partner has had the goods.
    ///
    /// # Errors
    /// A rejection if the delivery was canceled: the order is refunded, so nothing may be shipped.
    fn calling(&self, until: i64) -> Result<Option<Self>, Error> {
        let Shipment { order_id, delivery_status, .. } = &self.shipment;
        match (delivery_status, self.handover) {
            (_, Some(Handover::Accepted)) | (DeliveryStatus::Delivered, _) => Ok(None),
            (DeliveryStatus::Canceled, _) => Err(Error::reject(format!(
                "the delivery of order {order_id} is {delivery_status}: the partner is not called"
            ))),
            (DeliveryStatus::Delivering, _) => {
                Ok(Some(Self { handover: Some(Handover::Calling(until)), ..self.clone() }))
            }
        }
    }

    /// Returns the delivery after a call; `None` if another call has succeeded.
    fn called(&self, accepted: bool) -> Option<Self> {
        let handover = accepted.then_some(Handover::Accepted);
        (self.handover != Some(Handover::Accepted)).then(|| Self { handover, ..self.clone() })
    }

    /// Returns whether the delivery can end because the gateway gave up calling the partner. It cannot once the partner
    /// has the goods.
    ///
    /// # Errors
    /// An error that is retried while a call is under way, whose result is not known yet.
    fn can_be_given_up(&self, now: i64) -> Result<bool, Error> {
        match self.handover {
            Some(Handover::Accepted) => Ok(false),
            Some(Handover::Calling(until)) if until > now => {
                let order = &self.shipment.order_id;
                Err(Error::retry(format!("the partner is being called for order {order}")))
            }
            _ => Ok(true),
        }
    }
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
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
            let row = Row { shipment: shipment.clone(), price: delivery.price, handover: None };
            let started = DeliveryStarted { order, item, customer, delivery: shipment, payment };
            Ok::<_, Error>(
                Decision::new(vec![Write::put(at.clone(), &row)?.if_absent()])
                    .emit(emit.stage_event(caused_by(event, DeliveryMarkedAsStarted(started)))?),
            )
        };
        self.0.handle(emit, event, decide).await?;
        Ok(())
    }

    /// Hands the goods of a delivery to the partner. Does not call a partner who has them, and never for a canceled
    /// delivery, whenever this event comes.
    pub(crate) async fn hand_over(
        &self,
        partner: &Partner,
        event: &CloudEvent<DeliveryMarkedAsStarted>,
    ) -> Result<(), Error> {
        let order = event.data.order();
        let until = now() + PATIENCE.as_secs().cast_signed() + 1;
        if !self.change(&order, |row| row.calling(until)).await? {
            println!("order {}: the partner has had the goods", order.order_id);
            return Ok(());
        }
        let answer = partner.take(event).await;
        self.change(&order, |row| Ok(row.called(answer.is_ok()))).await?;
        answer
    }

    /// Changes a delivery, unless `change` returns `None`. Returns whether it did.
    async fn change(
        &self,
        order: &OrderRef,
        change: impl Fn(&Row) -> Result<Option<Row>, Error>,
    ) -> Result<bool, Error> {
        let unknown = || Error::reject(format!("there is no delivery of order {}", order.order_id));
        loop {
            let item = self.0.store().get(&key(order)).await?.ok_or_else(unknown)?;
            let Some(changed) = change(&item.read()?)? else { return Ok(false) };
            match self.0.store().transact(vec![item.update(&changed)?]).await {
                // Another process changed it in the meantime.
                Err(conflict) if conflict.is_conflict() => {}
                result => return Ok(result.map(|()| true)?),
            }
        }
    }

    /// Returns the delivery of an order.
    pub(crate) async fn find(&self, order: &OrderRef) -> Result<Option<Row>, Error> {
        Ok(self.0.store().get(&key(order)).await?.map(|item| item.read()).transpose()?)
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
            if ends.given_up && !row.can_be_given_up(now())? {
                println!("order {}: the partner has the goods", order.order_id);
                return Ok(Decision::new(Vec::new()));
            }
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

    /// Goods of a refunded order must not be shipped, and an order whose goods are shipped must not be refunded.
    #[test]
    fn the_partner_is_called_for_deliveries_that_are_under_way_and_have_not_been_accepted() {
        use DeliveryStatus::{Canceled, Delivered, Delivering};
        use Handover::{Accepted, Calling};
        for (status, handover, called, given_up) in [
            (Delivering, None, Some(true), Some(true)),
            // An earlier attempt may have been killed in the middle.
            (Delivering, Some(Calling(100)), Some(true), None),
            (Delivering, Some(Calling(99)), Some(true), Some(true)),
            (Delivering, Some(Accepted), Some(false), Some(false)),
            (Delivered, None, Some(false), Some(true)),
            (Delivered, Some(Accepted), Some(false), Some(false)),
            (Canceled, None, None, Some(true)),
            // The partner canceled a delivery that it had accepted.
            (Canceled, Some(Accepted), Some(false), Some(false)),
        ] {
            let shipment = Shipment {
                customer_id: "c".to_owned(),
                order_id: "o".to_owned(),
                address: String::new(),
                delivery_status: status,
            };
            let row = Row { shipment, price: Cents(1), handover };
            let calling = row.calling(200).ok().map(|row| row.is_some());
            assert_eq!((calling, row.can_be_given_up(99).ok()), (called, given_up), "{status} {handover:?}");
        }
    }
}
