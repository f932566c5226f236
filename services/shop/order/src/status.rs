//! The states of an order and the transitions between them. Stores nothing.

use eg_runtime::Event as _;
use shop_events::{
    DeliveryMarkedAsStarted, ErrorCustomerDescribed, ErrorDeliveryEstimated, ErrorItemDescribed,
    ItemNotAvailable, ItemReserved, OrderStatus, PaymentCanceled,
};

use OrderStatus as S;

/// The statuses that may follow directly. A status without any is final.
const fn next(status: OrderStatus) -> &'static [OrderStatus] {
    match status {
        S::Created => &[S::Reserved, S::NotAvailable],
        S::Reserved => &[S::Paid, S::PaymentFailed, S::Canceled],
        S::Paid => &[S::Delivering],
        S::Delivering => &[S::Delivered, S::DeliveryCanceled],
        S::DeliveryCanceled => &[S::PaymentCanceled],
        S::NotAvailable | S::Canceled | S::PaymentFailed | S::Delivered | S::PaymentCanceled => &[],
    }
}

/// What a reported status means for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The order moves to the status. Events of different services may overtake each other, so this may skip steps.
    Forward,
    /// The order has passed the status: the event is late or a repetition.
    Behind,
    /// The order can never reach the status.
    Impossible,
}

/// Decides what a report of `told` means for an order in status `is`.
pub(crate) fn step(is: OrderStatus, told: OrderStatus) -> Step {
    if is == told || leads(told, is) {
        Step::Behind
    } else if leads(is, told) {
        Step::Forward
    } else {
        Step::Impossible
    }
}

fn leads(from: OrderStatus, to: OrderStatus) -> bool {
    next(from).iter().any(|&status| status == to || leads(status, to))
}

/// What an event reports about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) status: OrderStatus,
    /// Why the order ends, in words.
    pub(crate) reason: Option<&'static str>,
}

/// Returns what events of this type report, for types that only report a status.
pub(crate) fn told_by(event_type: &str) -> Option<News> {
    let (status, reason) = match event_type {
        ItemReserved::TYPE => (S::Reserved, None),
        ItemNotAvailable::TYPE => (S::NotAvailable, Some("the item is sold out or unknown")),
        ErrorItemDescribed::TYPE => (S::Canceled, Some("the item is not sold any more")),
        ErrorCustomerDescribed::TYPE => (S::Canceled, Some("the customer is unknown")),
        ErrorDeliveryEstimated::TYPE => (S::Canceled, Some("nobody delivers to the customer's address")),
        DeliveryMarkedAsStarted::TYPE => (S::Delivering, None),
        PaymentCanceled::TYPE => {
            (S::PaymentCanceled, Some("the partner did not deliver it; the payment is refunded"))
        }
        _ => return None,
    };
    Some(News { status, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_go_forward_only() {
        for (is, told, expected) in [
            (S::Created, S::Reserved, Step::Forward),
            (S::Created, S::NotAvailable, Step::Forward),
            (S::Reserved, S::Paid, Step::Forward),
            (S::Reserved, S::PaymentFailed, Step::Forward),
            (S::Reserved, S::Canceled, Step::Forward),
            (S::Paid, S::Delivering, Step::Forward),
            (S::Delivering, S::Delivered, Step::Forward),
            (S::Delivering, S::DeliveryCanceled, Step::Forward),
            (S::DeliveryCanceled, S::PaymentCanceled, Step::Forward),
            // One event has overtaken another.
            (S::Created, S::Paid, Step::Forward),
            (S::Paid, S::Delivered, Step::Forward),
            (S::Paid, S::Reserved, Step::Behind),
            (S::Delivered, S::Delivering, Step::Behind),
            (S::Delivered, S::Delivered, Step::Behind),
            // A final status stays.
            (S::Delivered, S::DeliveryCanceled, Step::Impossible),
            (S::DeliveryCanceled, S::Delivered, Step::Impossible),
            (S::PaymentCanceled, S::Delivered, Step::Impossible),
            (S::PaymentFailed, S::Paid, Step::Impossible),
            (S::NotAvailable, S::Reserved, Step::Impossible),
            (S::Canceled, S::Paid, Step::Impossible),
        ] {
            assert_eq!(step(is, told), expected, "{is} → {told}");
        }
    }

    #[test]
    fn each_status_can_be_reached_and_no_step_can_be_taken_back() {
        for &status in OrderStatus::ALL {
            assert_ne!(step(S::Created, status), Step::Impossible, "{status}");
            for &other in OrderStatus::ALL {
                if step(status, other) == Step::Forward {
                    assert_eq!(step(other, status), Step::Behind, "{status} → {other}");
                }
            }
        }
    }
}
