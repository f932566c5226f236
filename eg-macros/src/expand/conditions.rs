//! Expands the conditions of subscriptions to constants that compare them with the types of the events. A failed check is an
//! error at the condition's token.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};

use super::{blame, event_type};
use crate::function::{Check, Checked, Function, Trigger};

/// Expands to constants that compare the conditions of subscriptions with the types of their events.
pub(super) fn checks(function: &Function) -> impl Iterator<Item = TokenStream> {
    let subscriptions = function.triggers.iter().filter_map(|trigger| match trigger {
        Trigger::Subscription(subscription) => Some(subscription),
        _ => None,
    });
    subscriptions.flat_map(|subscription| {
        let checks = subscription.filter.iter().flat_map(|filter| &filter.checks);
        checks.map(move |check| condition(&event_type(subscription), check))
    })
}

fn condition(event_type: &TokenStream, check: &Check) -> TokenStream {
    let Check { path, spans: (first, last), of } = check;
    let runtime = Ident::new("__eg", blame(*first));
    let arguments = quote!(__EG_EVENTS, #event_type, &[#(#path),*]);
    let call = match of {
        Checked::Field => quote_spanned!(blame(*last)=> ::check_field(#arguments)),
        Checked::Extension => quote_spanned!(blame(*last)=> ::check_extension(#arguments)),
        Checked::Operand(operand) => {
            quote_spanned!(blame(*last)=> ::check_operand(#arguments, __eg::Operand::#operand))
        }
    };
    quote!(const _: () = #runtime #call;)
}
