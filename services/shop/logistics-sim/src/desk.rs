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

    /// Accepts a delivery, once, and returns its outcome.
    pub(crate) async fn take(
        &self,
        emit: &Emit<(Delivered, DeliveryCanceled)>,
        event: &CloudEvent<DeliveryMarkedAsStarted>,
        outcome: Outcome,
    ) -> Result<(), Error> {
        let order = event.data.order();
        let decide = || async {
            let taken =
                Write::put(Key::new(format!("order#{}", order.order_id), "taken"), &outcome)?.if_absent();
            let decision = Decision::new(vec![taken]);
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

    /// Emits the stored events that are not emitted yet.
    pub(crate) async fn send_unsent(&self, emitter: &impl Emitter) -> Result<(), Error> {
        self.0.send_unsent(emitter).await?;
        Ok(())
    }
}

fn note() -> Key {
    Key::new("behaviour", "behaviour")
}
