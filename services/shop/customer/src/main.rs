//! Stores customers, and adds them to orders.

mod customers;

use customers::{Customers, Profile};
use eg_runtime::{App, CloudEvent, Emit, Error, Json, Path, State, StatusCode, http, schedule, subscribe};
use shop_events::{Customer, CustomerDescribed, ErrorCustomerDescribed, ItemDescribed};

/// Adds the customer's name and address to an order.
#[subscribe(ItemDescribed)]
async fn describe_customer(
    State(customers): State<Customers>,
    emit: Emit<(CustomerDescribed, ErrorCustomerDescribed)>,
    event: CloudEvent<ItemDescribed>,
) -> Result<(), Error> {
    customers.describe(&emit, &event).await
}

/// Registers a customer, or updates one.
#[http(PUT, "/customer/{customer_id}")]
async fn put_customer(
    State(customers): State<Customers>,
    Path(id): Path<String>,
    Json(profile): Json<Profile>,
) -> Result<Json<Customer>, Error> {
    Ok(Json(customers.put(&id, profile).await?))
}

/// Returns a customer.
#[http(GET, "/customer/{customer_id}")]
async fn get_customer(
    State(customers): State<Customers>,
    Path(id): Path<String>,
) -> Result<Json<Customer>, Error> {
    match customers.find(&id).await? {
        Some(customer) => Ok(Json(customer)),
        None => Err(Error::status(StatusCode::NOT_FOUND, format!("there is no customer `{id}`"))),
    }
}

/// Emits the stored events that a crash left unsent.
#[schedule("rate(1 minute)")]
async fn send_unsent(
    State(customers): State<Customers>,
    emit: Emit<(CustomerDescribed, ErrorCustomerDescribed)>,
) -> Result<(), Error> {
    customers.send_unsent(&emit).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().state(Customers::open().await?).run().await
}

#[cfg(test)]
mod tests;
