//! Stores the customers of this service.

use eg_runtime::outbox::{Decision, Emitter, Outbox};
use eg_runtime::{CloudEvent, Emit, Error, StatusCode};
use serde::Deserialize;
use service_storage::{Key, Store, Write};
use shop_events::{
    Customer, CustomerDescribed, Described, ErrorCustomerDescribed, ItemDescribed, caused_by, check_id,
};

/// The customers.
#[derive(Debug, Clone)]
pub(crate) struct Customers(Outbox<Store>);

/// The registered data of a customer.
#[derive(Debug, Deserialize)]
pub(crate) struct Profile {
    #[serde(default)]
    pub(crate) description: String,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) address: String,
}

const CUSTOMERS: &str = "customer";

impl Customers {
    pub(crate) async fn open() -> Result<Self, Error> {
        Self::in_store(Store::open("customer", "CUSTOMER_TABLE").await?).await
    }

    /// Opens the customers in this store. Fills an empty store with the sample customers.
    pub(crate) async fn in_store(store: Store) -> Result<Self, Error> {
        if store.page(CUSTOMERS, None, 1).await?.is_empty() {
            let sample: Vec<Customer> = serde_json::from_str(include_str!("../../data/customers.json"))
                .map_err(|e| Error::reject(format!("the file of sample customers: {e}")))?;
            let put =
                |customer: &Customer| Write::put(at(&customer.customer_id), customer).map(Write::if_absent);
            let writes = sample.iter().map(put).collect::<Result<_, _>>()?;
            // If another process of this service was faster, the samples are there already.
            store.transact(writes).await.or_else(|e| if e.is_conflict() { Ok(()) } else { Err(e) })?;
        }
        Ok(Self(Outbox::new(store)))
    }

    pub(crate) async fn put(&self, id: &str, profile: Profile) -> Result<Customer, Error> {
        let invalid = |why: String| Error::status(StatusCode::BAD_REQUEST, why);
        check_id("customerId", id).map_err(|bad| invalid(bad.to_string()))?;
        let Profile { description, name, email, address } = profile;
        for (field, value) in [("name", &name), ("email", &email), ("address", &address)] {
            if value.is_empty() {
                return Err(invalid(format!("`{field}` is empty")));
            }
        }
        let customer = Customer { customer_id: id.to_owned(), description, name, email, address };
        self.0.store().transact(vec![Write::put(at(id), &customer)?]).await?;
        Ok(customer)
    }

    pub(crate) async fn describe(
        &self,
        emit: &Emit<(CustomerDescribed, ErrorCustomerDescribed)>,
        event: &CloudEvent<ItemDescribed>,
    ) -> Result<(), Error> {
        let document = &event.data.0;
        let decide = || async {
            let outgoing = match self.find(&document.order.customer_id).await? {
                Some(customer) => {
                    let (order, item) = (document.order.clone(), document.item.clone());
                    emit.stage_event(caused_by(
                        event,
                        CustomerDescribed(Described { order, item, customer }),
                    ))?
                }
                None => emit.stage_event(caused_by(event, ErrorCustomerDescribed(document.clone())))?,
            };
            Ok::<_, Error>(Decision::new(Vec::new()).emit(outgoing))
        };
        self.0.handle(emit, event, decide).await?;
        Ok(())
    }

    /// Emits the stored events that are not emitted yet.
    pub(crate) async fn send_unsent(&self, emitter: &impl Emitter) -> Result<(), Error> {
        self.0.send_unsent(emitter).await?;
        Ok(())
    }

    pub(crate) async fn find(&self, id: &str) -> Result<Option<Customer>, Error> {
        if id.is_empty() {
            return Ok(None);
        }
        Ok(self.0.store().get(&at(id)).await?.map(|item| item.read()).transpose()?)
    }
}

fn at(id: &str) -> Key {
    Key::new(CUSTOMERS, id)
}
