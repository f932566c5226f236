//! Emits system events, which report to subscribers what the gateway does. `decide` determines their contents.

use std::fmt::Display;
use std::pin::Pin;

use eg_grammar::is_system_event_type;

use crate::budget::{Holder, Reservation};
use crate::decide::arrival::NewEvent;
use crate::decide::envelope::Stamp;
use crate::decide::snapshot::Snapshot;
use crate::decide::system::{Call, FUNCTION_INVOKED, SystemEvent};
use crate::decide::system_arrivals::system_arrivals;
use crate::reception::Reception;

/// Emits system events. Clones share it.
#[derive(Clone)]
pub(crate) struct SystemEvents {
    reception: Reception,
}

impl SystemEvents {
    pub(crate) fn new(reception: Reception) -> Self {
        Self { reception }
    }

    /// Returns the events that report `event` to the subscribers in `space`, for a caller that accepts them together
    /// with others. `snapshot` has the subscribers.
    pub(crate) fn arrivals(
        &self,
        snapshot: &Snapshot,
        space: &str,
        event: &SystemEvent<'_>,
    ) -> Vec<NewEvent> {
        let Reception { terms, clock, .. } = &self.reception;
        let stamp = || Stamp { id: clock.event_id().to_string(), time: clock.now() };
        system_arrivals(&snapshot.router, terms, space, event, stamp)
    }

    /// Emits `event` to the subscribers in `space`. A failure to store it is logged and has no other effect.
    pub(crate) async fn emit(&self, space: &str, event: &SystemEvent<'_>) {
        if let [ty, ..] = event.types() {
            self.reception.metrics.happened(space, ty);
        }
        let snapshot = self.reception.configuration.current();
        let arrivals = self.arrivals(&snapshot, space, event);
        if !arrivals.is_empty() {
            // The reception has logged the reason. On the heap, the future costs memory only if there are events.
            let _ = Box::pin(self.reception.accept(space, &snapshot, arrivals)).await;
        }
    }

    /// Waits for `invocation`, which makes `call`, and emits an event before and one after it. `invocation` is pinned because
    /// it is too large to be moved. Calls with system events emit none, because that would never end.
    pub(crate) async fn around<T: AsRef<[u8]>, E: Display>(
        &self,
        call: Call<'_>,
        invocation: Pin<&mut impl Future<Output = Result<T, E>>>,
    ) -> Result<T, E> {
        if is_system_event_type(&call.event.ty) {
            return invocation.await;
        }
        self.emit(call.space, &SystemEvent::Invoking(call)).await;
        let result = invocation.await;
        match &result {
            Ok(reply) => {
                self.emit(call.space, &SystemEvent::Invoked { call, reply: reply.as_ref() }).await;
            }
            Err(error) => {
                self.emit(call.space, &SystemEvent::Failed { call, error: &error.to_string() }).await;
            }
        }
        result
    }

    /// Reserves memory for the reply of a function if a system event will hold it; returns `None` if nobody subscribes to
    /// replies.
    pub(crate) fn room_for_reply(&self, call: Call<'_>) -> Option<Reservation> {
        let subscribed =
            || !self.reception.configuration.current().router.system(call.space, FUNCTION_INVOKED).is_empty();
        if is_system_event_type(&call.event.ty) || !subscribed() {
            return None;
        }
        let holders = [Some(Holder::space(call.space)), Some(Holder::function(call.space, call.function))];
        self.reception.memory.reserve(holders, 0).ok()
    }
}
