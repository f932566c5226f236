//! Expands a checked function to tokens. Cannot fail; the compiler reports remaining errors at the user's own types.

use eg_grammar::Spelling;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Attribute, ReturnType, Type};

use crate::args::Cors;
use crate::function::{EventType, Function, Mode, Queue, Retry, Subscription, Trigger};

/// Registers the function in the binary's runtime and manifest.
pub(crate) fn register(function: &Function) -> TokenStream {
    let Function { ident, name, doc, krate, triggers, hints, inputs, .. } = function;
    let (timeout, memory) = (option(hints.timeout), option(hints.memory));
    let line = quote_spanned!(ident.span()=> ::core::line!());
    let triggers = triggers.iter().map(trigger);
    let by_type = triggers_by_type(function);
    let call = call(function);
    // These names do not clash with user code: a handler may well be called `call`.
    quote! {
        const _: () = {
            use #krate::__private as __eg;
            #[allow(unused_imports)]
            use #krate::__private::{EmitsNothing as _, NeedsNothing as _, NoEvents as _};

            #call

            const __EG_FUNCTION: __eg::FunctionDef = __eg::FunctionDef {
                package: ::core::env!("CARGO_PKG_NAME"),
                version: ::core::env!("CARGO_PKG_VERSION"),
                name: #name,
                doc: #doc,
                file: ::core::file!(),
                line: #line,
                triggers: &[#(#triggers),*],
                timeout: #timeout,
                memory: #memory,
                emits: &[#(__eg::Probe::<#inputs>::EMITS),*],
                needs: &[#(__eg::Probe::<#inputs>::NEEDS),*],
                call: __eg_call,
            };
            const __EG_EVENTS: &[__eg::Events] = &[#(__eg::Probe::<#inputs>::EVENTS,)* #(#by_type),*];
            #krate::__register_function!(__EG_FUNCTION, __EG_EVENTS);
        };
    }
}

/// Names the sibling attributes, which are removed; otherwise their imports would count as unused.
pub(crate) fn used(siblings: &[Attribute]) -> TokenStream {
    let paths = siblings.iter().map(Attribute::path);
    quote! { const _: () = { #(#[allow(unused_imports)] use #paths as _;)* }; }
}

/// Expands to a caller that takes a request and returns a response. Extracts arguments in order; the last one may
/// consume the body.
fn call(function: &Function) -> TokenStream {
    let handler = &function.ident;
    let names: Vec<_> = (0..function.inputs.len()).map(|n| format_ident!("__eg_{n}")).collect();
    let output = match &function.output {
        ReturnType::Default => function.ident.span(),
        ReturnType::Type(_, ty) => ty.span(),
    };
    let answer = quote_spanned!(blame(output)=> __eg::into_response(#handler(#(#names),*).await));
    let extract = match function.inputs.split_last() {
        None => quote!(drop(__eg_request);),
        Some((last, earlier)) => {
            let from_parts = |(name, ty)| extract(name, ty, "from_parts", &quote!(&mut __eg_parts));
            let earlier = names.iter().zip(earlier).map(from_parts);
            let whole = quote!(__eg::Request::from_parts(__eg_parts, __eg_body));
            let last = names.last().map(|name| extract(name, last, "from_request", &whole));
            quote! {
                #[allow(unused_mut)]
                let (mut __eg_parts, __eg_body) = __eg_request.into_parts();
                #(#earlier)*
                #last
            }
        }
    };
    quote! {
        fn __eg_call(__eg_request: __eg::Request) -> __eg::ResponseFuture {
            ::std::boxed::Box::pin(async move {
                #extract
                #answer
            })
        }
    }
}

/// Binds `name` to the result of the runtime's `function` on `source`; a rejection becomes the response.
///
/// The type is inferred: written out, the compiler would check its bounds and report an error twice. The compiler
/// then points at the path of the call, so that path has the span of the user's type.
fn extract(name: &Ident, ty: &Type, function: &str, source: &TokenStream) -> TokenStream {
    let (first, last) = ends(ty);
    let runtime = Ident::new("__eg", blame(first));
    let function = Ident::new(function, blame(last));
    let call = quote_spanned!(blame(last)=> #runtime::#function(#source).await);
    quote! {
        let #name: #ty = match #call {
            ::core::result::Result::Ok(value) => value,
            ::core::result::Result::Err(rejection) => return rejection,
        };
    }
}

/// Returns the spans of the first and the last token.
fn ends(ty: &Type) -> (Span, Span) {
    let mut tokens = ty.to_token_stream().into_iter();
    let first = tokens.next().map_or_else(Span::call_site, |token| token.span());
    (first, tokens.last().map_or(first, |token| token.span()))
}

/// Errors are reported at the user's tokens, but names resolve as in the expansion.
fn blame(span: Span) -> Span {
    span.resolved_at(Span::call_site())
}

fn trigger(trigger: &Trigger) -> TokenStream {
    match trigger {
        Trigger::Subscription(subscription) => self::subscription(subscription),
        Trigger::Schedule(expression) => quote!(__eg::Trigger::Schedule(#expression)),
        Trigger::Queue(Queue { name, batch_size, window }) => {
            let (batch_size, window) = (option(*batch_size), option(*window));
            quote! {
                __eg::Trigger::Queue(__eg::Queue { name: #name, batch_size: #batch_size, window: #window })
            }
        }
    }
}

/// Returns the events that are subscribed to by type. An argument's entry for the same event comes first.
fn triggers_by_type(function: &Function) -> impl Iterator<Item = TokenStream> {
    function.triggers.iter().filter_map(|trigger| match trigger {
        Trigger::Subscription(Subscription { event_type: EventType::Type(path), .. }) => {
            // Treats the type like an argument's. `event_type` checks, once, that it is an event.
            Some(quote!(__eg::Probe::<__eg::CloudEvent<#path>>::EVENTS))
        }
        _ => None,
    })
}

fn option(value: Option<u32>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

fn subscription(subscription: &Subscription) -> TokenStream {
    let event_type = match &subscription.event_type {
        EventType::Name(name) => quote!(#name),
        EventType::Type(path) => quote_spanned!(blame(path.span())=> __eg::event_type::<#path>()),
    };
    let mode = match subscription.mode {
        Mode::Sync => quote!(__eg::Mode::Sync),
        Mode::Async => quote!(__eg::Mode::Async),
    };
    let (method, path) = (subscription.method.as_str(), subscription.path.spelled(Spelling::Gateway));
    let route = if subscription.http {
        let route = subscription.path.spelled(Spelling::Code);
        quote!(::core::option::Option::Some(__eg::Route::new(#route)))
    } else {
        quote!(::core::option::Option::None)
    };
    let none = || quote!(::core::option::Option::None);
    let cors = subscription.cors.as_ref().map_or_else(none, cors);
    let retry = subscription.retry.as_ref().map_or_else(none, retry);
    quote! {
        __eg::Trigger::Subscription(__eg::Subscription {
            event_type: #event_type,
            mode: #mode,
            method: #method,
            path: #path,
            route: #route,
            cors: #cors,
            retry: #retry,
        })
    }
}

fn retry(retry: &Retry) -> TokenStream {
    let Retry { attempts, max_age, min_backoff, max_backoff } = retry;
    let [attempts, max_age, min_backoff, max_backoff] =
        [attempts, max_age, min_backoff, max_backoff].map(|limit| option(*limit));
    quote! {
        ::core::option::Option::Some(__eg::Retry {
            attempts: #attempts,
            max_age: #max_age,
            min_backoff: #min_backoff,
            max_backoff: #max_backoff,
        })
    }
}

fn cors(cors: &Cors) -> TokenStream {
    let Cors { origins, methods, headers, credentials } = cors;
    quote! {
        ::core::option::Option::Some(__eg::Cors {
            origins: &[#(#origins),*],
            methods: &[#(#methods),*],
            headers: &[#(#headers),*],
            credentials: #credentials,
        })
    }
}
