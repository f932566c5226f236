//! Stores the simulated partner's behavior and its accepted deliveries.

use eg_runtime::outbox::{Decision, Emitter, Outbox};
use eg_runtime::{CloudEvent, Emit, Error};
use service_storage::{Key, Store, Write};
use shop_events::{Delivered, DeliveryCanceled, DeliveryMarkedAsStarted, OfOrder as _, caused_by};

use crate::behaviour::{Behaviour, Outcome};

/// The stored state, shared by all processes of this service.
#[derive(Debug, Clone)]
pub(crate) struct Desk(Outbox<Store>);

impl Desk {
    pub(crate) async fn open() -> Result<Self, Error> {
        Ok(Self::in_store(Store::open("logistics-sim", "LOGISTICS_TABLE").await?))
    }

    pub(crate) fn in_store(store: Store) -> Self {
        Self(Outbox::new(store))
    }

    pub(crate) async fn behaviour(&self) -> Result<Behaviour, Error> {
        let told = self.0.store().get(&note()).await?;
        Ok(told.map(|item| item.read()).transpose()?.unwrap_or_default())
    }

    pub(crate) async fn behave(&self, behaviour: &Behaviour) -> Result<(), Error> {
        self.0.store().transact(vec![Write::put(note(), behaviour)?]).await?;
        Ok(())
    }

    /// Accepts a delivery, once per order, and reports its outcome if there is one already.
    pub(crate) async fn take(
        &self,
        emit: &Emit<(Delivered, DeliveryCanceled)>,
        event: &CloudEvent<DeliveryMarkedAsStarted>,
        outcome: Outcome,
    ) -> Result<(), Error> {
        let order = event.data.order();
        let decide = || async {
            if self.taken(&order.order_id).await?.is_some() {
                return Ok(Decision::new(Vec::new()));
            }
            let decision = Decision::new(vec![Write::put(taken(&order.order_id), &outcome)?.if_absent()]);
            Ok::<_, Error>(match outcome {
                Outcome::None => decision,
                Outcome::Delivered => {
                    decision.emit(emit.stage_event(caused_by(event, Delivered(order.clone())))?)
                }
                Outcome::Canceled => {
                    decision.emit(emit.stage_event(caused_by(event, DeliveryCanceled(order.clone())))?)
                }
            })
        };
        self.0.handle(emit, event, decide).await?;
        Ok(())
    }

    /// Returns the outcome of an accepted delivery; `None` if the partner does not have the goods of this order.
    pub(crate) async fn taken(&self, order_id: &str) -> Result<Option<Outcome>, Error> {
        Ok(self.0.store().get(&taken(order_id)).await?.map(|item| item.read()).transpose()?)
    }

    /// Emits the stored events that are not emitted yet.
    pub(crate) async fn send_unsent(&self, emitter: &impl Emitter) -> Result<(), Error> {
        self.0.send_unsent(emitter).await?;
        Ok(())
    }
}

fn taken(order_id: &str) -> Key {
    Key::new(format!("order#{order_id}"), "taken")
}

fn note() -> Key {
    Key::new("behaviour", "behaviour")
}
