//! Stores the payments: one per order, under the order's id.

use eg_runtime::outbox::{Decision, Emitter, Outbox};
use eg_runtime::{CloudEvent, Emit, Error};
use service_storage::{Item, Key, Store, Write};
use shop_events::{
    DeliveryEstimated, ErrorPaymentCanceled, Estimated, ItemReturned, Paid, Payment, PaymentCanceled,
    PaymentFailed, PaymentMade, PaymentStatus, Refunded, Returned, caused_by,
};

use crate::refusals::Refusals;

/// The payments.
#[derive(Debug, Clone)]
pub(crate) struct Payments {
    outbox: Outbox<Store>,
    refusals: Refusals,
}

/// Returns the refunded payment; `None` if there is nothing to refund.
fn canceled(payment: &Payment) -> Option<Payment> {
    let status = PaymentStatus::Canceled;
    (payment.status == PaymentStatus::Paid).then(|| Payment { status, ..payment.clone() })
}

impl Payments {
    pub(crate) async fn open() -> Result<Self, Error> {
        Ok(Self::in_store(Store::open("payment", "PAYMENT_TABLE").await?, Refusals::from_env()?))
    }

    pub(crate) fn in_store(store: Store, refusals: Refusals) -> Self {
        Self { outbox: Outbox::new(store), refusals }
    }

    pub(crate) async fn find(&self, order_id: &str) -> Result<Option<(Item, Payment)>, Error> {
        let Some(item) = self.outbox.store().get(&key(order_id)).await? else { return Ok(None) };
        let payment = item.read()?;
        Ok(Some((item, payment)))
    }

    pub(crate) async fn make(
        &self,
        emit: &Emit<(PaymentMade, PaymentFailed)>,
        event: &CloudEvent<DeliveryEstimated>,
    ) -> Result<(), Error> {
        let estimated = &event.data.0;
        let decide = || async {
            let order_id = &estimated.order.order_id;
            // The result was emitted for the first request.
            if self.find(order_id).await?.is_some() {
                return Ok(Decision::new(Vec::new()));
            }
            let failed = self.refusals.hits(order_id);
            let Estimated { order, item, customer, delivery } = estimated.clone();
            let payment = Payment {
                payment_id: uuid::Uuid::now_v7().to_string(),
                payment_method: "CREDIT_CARD".to_owned(),
                amount: item.price + delivery.price,
                status: if failed { PaymentStatus::Failed } else { PaymentStatus::Paid },
            };
            let write = Write::put(key(order_id), &payment)?.if_absent();
            let paid = Paid { order, item, customer, delivery, payment };
            let outgoing = if failed {
                emit.stage_event(caused_by(event, PaymentFailed(paid)))?
            } else {
                emit.stage_event(caused_by(event, PaymentMade(paid)))?
            };
            Ok::<_, Error>(Decision::new(vec![write]).emit(outgoing))
        };
        self.outbox.handle(emit, event, decide).await?;
        Ok(())
    }

    pub(crate) async fn cancel(
        &self,
        emit: &Emit<(PaymentCanceled, ErrorPaymentCanceled)>,
        event: &CloudEvent<ItemReturned>,
    ) -> Result<(), Error> {
        let returned = &event.data.0;
        let decide = || async {
            let found = self.find(&returned.key.order_id).await?;
            // Refund only the payment that the order refers to.
            let found = found.filter(|(_, is)| returned.order.payment_id.as_ref() == Some(&is.payment_id));
            let Some((item, payment)) = found.and_then(|(item, is)| Some((item, canceled(&is)?))) else {
                let error = emit.stage_event(caused_by(event, ErrorPaymentCanceled(returned.clone())))?;
                return Ok(Decision::new(Vec::new()).emit(error));
            };
            let Returned { key, delivery, order } = returned.clone();
            let write = item.update(&payment)?;
            let refunded = PaymentCanceled(Refunded { key, delivery, order, payment });
            Ok::<_, Error>(Decision::new(vec![write]).emit(emit.stage_event(caused_by(event, refunded))?))
        };
        self.outbox.handle(emit, event, decide).await?;
        Ok(())
    }

    /// Emits the stored events that are not emitted yet.
    pub(crate) async fn send_unsent(&self, emitter: &impl Emitter) -> Result<(), Error> {
        self.outbox.send_unsent(emitter).await?;
        Ok(())
    }
}

fn key(order_id: &str) -> Key {
    Key::new(format!("order#{order_id}"), "payment")
}
