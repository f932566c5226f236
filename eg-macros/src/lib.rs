//! The attribute and derive macros of Event Gateway for Rust. Use them through `eg_runtime` (and
//! `#[derive(Event)]` also through `eg_sdk`), which document them.
//!
//! An attribute passes through syntax (`args`), model and rules (`function`, with `eg-grammar`) and tokens
//! (`expand`). A derive macro passes through the same stages in its own module (`derive_event`, `schema`). All errors
//! of an item are reported together, and the item itself is always emitted, so that editors keep working.

mod args;
mod derive_event;
mod doc;
mod errors;
mod expand;
mod function;
mod item;
mod schema;

use proc_macro::TokenStream;
use quote::ToTokens as _;

use crate::args::Kind;

/// Answers HTTP requests: `#[http(POST, "/users/{id}")]`. Documented in `eg_runtime`.
#[proc_macro_attribute]
pub fn http(args: TokenStream, item: TokenStream) -> TokenStream {
    function(Kind::Http, args, item)
}

/// Handles events: `#[subscribe("user.created")]`. Documented in `eg_runtime`.
#[proc_macro_attribute]
pub fn subscribe(args: TokenStream, item: TokenStream) -> TokenStream {
    function(Kind::Subscribe, args, item)
}

/// Runs on a schedule: `#[schedule("rate(5 minutes)")]`. Documented in `eg_runtime`.
#[proc_macro_attribute]
pub fn schedule(args: TokenStream, item: TokenStream) -> TokenStream {
    function(Kind::Schedule, args, item)
}

/// Handles the messages of a queue: `#[queue("orders")]`. Documented in `eg_runtime`.
#[proc_macro_attribute]
pub fn queue(args: TokenStream, item: TokenStream) -> TokenStream {
    function(Kind::Queue, args, item)
}

/// Handles the records of a stream: `#[stream(dynamodb("orders"))]`. Documented in `eg_runtime`.
#[proc_macro_attribute]
pub fn stream(args: TokenStream, item: TokenStream) -> TokenStream {
    function(Kind::Stream, args, item)
}

/// Decides which requests may pass: `#[authorizer]`. Documented in `eg_runtime`.
#[proc_macro_attribute]
pub fn authorizer(args: TokenStream, item: TokenStream) -> TokenStream {
    function(Kind::Authorizer, args, item)
}

/// Handles whatever Lambda sends: `#[invoke]`. Documented in `eg_runtime`.
#[proc_macro_attribute]
pub fn invoke(args: TokenStream, item: TokenStream) -> TokenStream {
    function(Kind::Invoke, args, item)
}

/// `#[derive(Event)]` as `eg_sdk` offers it.
#[proc_macro_derive(SdkEvent, attributes(event, schema))]
pub fn derive_sdk_event(item: TokenStream) -> TokenStream {
    derive_event::derive(item.into(), &syn::parse_quote!(::eg_sdk)).into()
}

/// `#[derive(Event)]` as `eg_runtime` offers it. The compiler suggests this name where the derive is missing.
#[proc_macro_derive(Event, attributes(event, schema))]
pub fn derive_runtime_event(item: TokenStream) -> TokenStream {
    derive_event::derive(item.into(), &syn::parse_quote!(::eg_runtime)).into()
}

/// `#[derive(Schema)]` as `eg_sdk` offers it.
#[proc_macro_derive(SdkSchema, attributes(schema))]
pub fn derive_sdk_schema(item: TokenStream) -> TokenStream {
    schema::derive(item.into(), &syn::parse_quote!(::eg_sdk)).into()
}

/// `#[derive(Schema)]` as `eg_runtime` offers it.
#[proc_macro_derive(Schema, attributes(schema))]
pub fn derive_runtime_schema(item: TokenStream) -> TokenStream {
    schema::derive(item.into(), &syn::parse_quote!(::eg_runtime)).into()
}

fn function(kind: Kind, args: TokenStream, item: TokenStream) -> TokenStream {
    function_tokens(kind, args.into(), item.into()).into()
}

fn function_tokens(
    kind: Kind,
    args: proc_macro2::TokenStream,
    item: proc_macro2::TokenStream,
) -> proc_macro2::TokenStream {
    let mut item_fn: item::Item = match syn::parse2(item.clone()) {
        Ok(item_fn) => item_fn,
        Err(_) => {
            let name = kind.name();
            let message = format!("`#[{name}]` goes on a function: `async fn {name}_handler(…) {{ … }}`");
            let error = syn::Error::new(proc_macro2::Span::call_site(), message).to_compile_error();
            return item.into_iter().chain(error).collect();
        }
    };
    let siblings = function::Function::siblings(&mut item_fn);
    let checked = function::Function::read(kind, args, &siblings, &item_fn);
    if !item_fn.attrs.iter().all(|attribute| attribute.path().is_ident("doc")) {
        item_fn.attrs.push(function::marker());
    }
    let mut tokens = item_fn.to_token_stream();
    tokens.extend((!siblings.is_empty()).then(|| expand::used(&siblings)));
    tokens.extend(match checked {
        Ok(function) => {
            let named = function.is_authorizer().then(|| expand::named(&function, &item_fn.vis));
            named.into_iter().chain([expand::register(&function)]).collect()
        }
        Err(errors) => errors.to_compile_error(),
    });
    tokens
}

#[cfg(test)]
mod goldens;
