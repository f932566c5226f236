//! Attribute and derive macros.
use proc_macro::TokenStream;

/// Derive.
#[proc_macro_derive(SdkEvent, attributes(event))]
pub fn derive_sdk_event(_item: TokenStream) -> TokenStream {
    TokenStream::new()
}
