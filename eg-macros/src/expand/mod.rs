//! Expands a checked function to tokens. Cannot fail; the compiler reports remaining errors at the user's own types.

mod conditions;

use eg_grammar::{Spelling, StreamKind};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Attribute, ReturnType, Type, Visibility};

use crate::args::Cors;
use crate::function::{
    Bus, EventType, Filter, Function, Input, Mode, Queue, Retry, Stream, Subscription, Trigger,
};

/// Registers the function in the binary's runtime and manifest.
pub(crate) fn register(function: &Function) -> TokenStream {
    let Function { ident, name, doc, krate, triggers, hints, inputs, .. } = function;
    let (timeout, memory) = (option(hints.timeout), option(hints.memory));
    let body_limit = option(hints.body_limit);
    let line = quote_spanned!(ident.span()=> ::core::line!());
    let triggers = triggers.iter().map(trigger);
    let authorizes = function.is_authorizer().then(|| {
        quote! {
            impl __eg::Authorizes for #ident {
                const FUNCTION: &'static __eg::FunctionDef = &__EG_FUNCTION;
            }
        }
    });
    let by_type = triggers_by_type(function);
    let checks = checks(function);
    let conditions = conditions::checks(function);
    let call = call(function);
    let (cfgs, types): (Vec<_>, Vec<_>) = inputs.iter().map(|input| (input.cfgs(), &input.ty)).unzip();
    // These names do not clash with user code: a handler may well be called `call`. The first line has no effect, except
    // within an `impl` or a trait: there, the compiler reports that this is not supported.
    quote! {
        #[allow(unused_imports)]
        use #krate as _;
        #[allow(deprecated)]
        const _: () = {
            use #krate::__private as __eg;
            #[allow(unused_imports)]
            use #krate::__private::defaults::*;

            #checks
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
                body_limit: #body_limit,
                emits: &[#(#cfgs __eg::Probe::<#types>::EMITS),*],
                needs: &[#(#cfgs __eg::Probe::<#types>::NEEDS),*],
                call: __eg_call,
            };
            const __EG_EVENTS: &[__eg::Events] =
                &[#(#cfgs __eg::Probe::<#types>::EVENTS,)* #(#by_type),*];
            #(#conditions)*
            #authorizes
            #krate::__register_function!(__EG_FUNCTION, __EG_EVENTS);
        };
    }
}

/// Expands to a type with the name of an authorizer, by which routes find it.
pub(crate) fn named(function: &Function, vis: &Visibility) -> TokenStream {
    let ident = &function.ident;
    quote! {
        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        #vis enum #ident {}
    }
}

/// Expands to constants that check the event types of triggers and arguments. A failed check is an error at their type.
fn checks(function: &Function) -> TokenStream {
    let subscribed: Vec<_> = function
        .triggers
        .iter()
        .filter_map(|trigger| match trigger {
            Trigger::Subscription(subscription) if !subscription.http => Some(event_type(subscription)),
            _ => None,
        })
        .collect();
    let checks = function.inputs.iter().map(|input| {
        let (cfgs, ty) = (input.cfgs(), &input.ty);
        // The compiler points at the whole call, so it begins and ends where the user's type does.
        let (first, last) = ends(ty);
        let runtime = Ident::new("__eg", blame(first));
        let emitted = quote_spanned!(blame(last)=> ::check_types(__eg::Probe::<#ty>::EMITS));
        let received = (!subscribed.is_empty()).then(|| {
            let call = quote_spanned! {blame(last)=>
                ::check_received(__eg::Probe::<#ty>::PAYLOAD, &[#(#subscribed),*])
            };
            quote!(#runtime #call;)
        });
        quote! {
            #cfgs
            const _: () = {
                #runtime #emitted;
                #received
            };
        }
    });
    let by_type = function.triggers.iter().filter_map(|trigger| match trigger {
        Trigger::Subscription(Subscription { event_type: EventType::Type(path), .. }) => {
            Some(quote_spanned!(blame(path.span())=> __eg::check_types(&[__eg::event_type::<#path>()])))
        }
        _ => None,
    });
    quote! {
        #(const _: () = #by_type;)*
        #(#checks)*
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
    let inputs = &function.inputs;
    let names: Vec<_> = (0..inputs.len()).map(|n| format_ident!("__eg_{n}")).collect();
    let output = blame(match &function.output {
        ReturnType::Default => function.ident.span(),
        ReturnType::Type(_, ty) => ty.span(),
    });
    let cfgs = inputs.iter().map(Input::cfgs);
    let called = quote_spanned!(output=> __eg::Returned(#handler(#(#cfgs #names),*).await).split());
    let checked = quote_spanned!(output=> __eg::Success(&__eg_value).check());
    let reply = match function.is_invoked() {
        false if function.is_authorizer() => quote_spanned!(output=> __eg::decided(__eg_value)),
        true => quote_spanned!(output=> (&__eg::Answer(&__eg_value)).kind().response(__eg_value)),
        false => quote_spanned!(output=> __eg::reply(__eg_value)),
    };
    let kind = quote_spanned!(output=> (&__eg::Failed(&__eg_error)).kind());
    let failed = quote_spanned!(output=> __eg_kind.response(__eg_error));
    let split = match inputs.is_empty() {
        true => quote!(::core::mem::drop(__eg_request);),
        false => quote! {
            #[allow(unused_mut)]
            let (mut __eg_parts, __eg_body) = __eg_request.into_parts();
        },
    };
    let extracts = inputs
        .iter()
        .zip(&names)
        .enumerate()
        .map(|(at, (input, name))| extract(name, input, &inputs[at + 1..], function.is_invoked()));
    let body = quote! {
        async move {
            #split
            #(#extracts)*
            match #called {
                ::core::result::Result::Ok(__eg_value) => {
                    #checked;
                    #reply
                }
                ::core::result::Result::Err(__eg_error) => {
                    let __eg_kind = #kind;
                    #failed
                }
            }
        }
    };
    // The compiler reports here that a value is not `Send`.
    let boxed = quote_spanned!(blame(function.ident.span())=> __eg::boxed(#body));
    quote! {
        fn __eg_call(__eg_request: __eg::Request) -> __eg::ResponseFuture {
            #boxed
        }
    }
}

/// Binds `name` to the extracted argument; a rejection becomes the response. The argument is the last one if the `later`
/// ones are not compiled. The last argument of an `invoked` function is the payload.
fn extract(name: &Ident, input: &Input, later: &[Input], invoked: bool) -> TokenStream {
    let span = blame(name_span(&input.ty));
    let ty = &input.ty;
    let last = || {
        let whole = quote!(__eg::Request::from_parts(__eg_parts, __eg_body));
        bind(
            name,
            ty,
            &match invoked {
                true => quote_spanned!(span=> (&__eg::Payload::<#ty>::NEW).kind().read(#whole).await),
                false => quote_spanned!(span=> __eg::Extract::<#ty>::from_request(#whole).await),
            },
        )
    };
    let earlier =
        || bind(name, ty, &quote_spanned!(span=> __eg::Extract::<#ty>::from_parts(&mut __eg_parts).await));
    let cfgs = input.cfgs();
    if later.is_empty() {
        let last = last();
        return quote!(#cfgs #last);
    }
    if later.iter().any(|later| later.cfgs.is_empty()) {
        let earlier = earlier();
        return quote!(#cfgs #earlier);
    }
    let later = later.iter().map(|later| {
        let predicates = &later.cfgs;
        quote!(all(#(#predicates),*))
    });
    let later = quote!(any(#(#later),*));
    let (last, earlier) = (last(), earlier());
    quote! {
        #cfgs
        #[cfg(not(#later))]
        #last
        #cfgs
        #[cfg(#later)]
        #earlier
    }
}

/// Returns the span of the type's name. All of an extraction has this span: the compiler reports a missing trait at the
/// call and at its future, and reports it once if both are in the same place.
fn name_span(ty: &Type) -> Span {
    match ty {
        Type::Path(path) => path.path.segments.last().map_or_else(|| ty.span(), |last| last.ident.span()),
        _ => ty.span(),
    }
}

/// Binds `name` to the result of an extraction; a rejection becomes the response.
fn bind(name: &Ident, ty: &Type, call: &TokenStream) -> TokenStream {
    quote! {
        let #name: #ty = match #call {
            ::core::result::Result::Ok(__eg_value) => __eg_value,
            ::core::result::Result::Err(__eg_rejection) => return __eg_rejection,
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
        Trigger::Bus(Bus { sources, detail_types, detail, retry }) => {
            let detail = match detail {
                Some(detail) => quote!(::core::option::Option::Some(#detail)),
                None => quote!(::core::option::Option::None),
            };
            let retry = optional_retry(retry.as_ref());
            quote! {
                __eg::Trigger::EventBridge(__eg::EventBridge {
                    sources: &[#(#sources),*],
                    detail_types: &[#(#detail_types),*],
                    detail: #detail,
                    retry: #retry,
                })
            }
        }
        Trigger::Stream(Stream { kind, name, batch_size, window, retry }) => {
            let kind = match kind {
                StreamKind::DynamoDb => quote!(DynamoDb),
                StreamKind::Kinesis => quote!(Kinesis),
                StreamKind::Kafka => quote!(Kafka),
            };
            let (batch_size, window) = (option(*batch_size), option(*window));
            let retry = optional_retry(retry.as_ref());
            quote! {
                __eg::Trigger::Stream(__eg::Stream {
                    kind: __eg::StreamKind::#kind,
                    name: #name,
                    batch_size: #batch_size,
                    window: #window,
                    retry: #retry,
                })
            }
        }
        Trigger::Authorizer { iam } => quote!(__eg::Trigger::Authorizer { iam: #iam }),
        Trigger::Invoke => quote!(__eg::Trigger::Invoke),
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

fn event_type(subscription: &Subscription) -> TokenStream {
    match &subscription.event_type {
        EventType::Name(name) => quote!(#name),
        EventType::Type(path) => quote_spanned!(blame(path.span())=> __eg::event_type::<#path>()),
    }
}

fn subscription(subscription: &Subscription) -> TokenStream {
    let event_type = event_type(subscription);
    let mode = match subscription.mode {
        Mode::Sync => quote!(__eg::Mode::Sync),
        Mode::Async => quote!(__eg::Mode::Async),
    };
    let (method, path) = (subscription.method.as_str(), subscription.path.spelled(Spelling::Gateway));
    let route = if subscription.has_route() {
        let route = subscription.path.spelled(Spelling::Code);
        quote!(::core::option::Option::Some(__eg::Route::new(#route)))
    } else {
        quote!(::core::option::Option::None)
    };
    let none = || quote!(::core::option::Option::None);
    let cors = subscription.cors.as_ref().map_or_else(none, cors);
    let authorizer = match &subscription.authorizer {
        Some(path) => {
            let function = quote_spanned!(blame(path.span())=> <#path as __eg::Authorizes>::FUNCTION);
            quote!(::core::option::Option::Some(#function))
        }
        None => none(),
    };
    let (stream, retry) = (subscription.stream, optional_retry(subscription.retry.as_ref()));
    let filter = match &subscription.filter {
        Some(Filter { json, .. }) => {
            quote!(::core::option::Option::Some(__eg::Filter { pattern: #json, takes: __eg::takes }))
        }
        None => none(),
    };
    let ordered = subscription.ordered;
    quote! {
        __eg::Trigger::Subscription(__eg::Subscription {
            event_type: #event_type,
            mode: #mode,
            method: #method,
            path: #path,
            route: #route,
            cors: #cors,
            stream: #stream,
            authorizer: #authorizer,
            retry: #retry,
            filter: #filter,
            ordered: #ordered,
        })
    }
}

fn optional_retry(retry: Option<&Retry>) -> TokenStream {
    let Some(Retry { attempts, max_age, min_backoff, max_backoff }) = retry else {
        return quote!(::core::option::Option::None);
    };
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
