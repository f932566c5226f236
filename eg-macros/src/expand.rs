//! Tokens for a checked function. Nothing can go wrong here; what the compiler then finds, it finds at the
//! user's own types.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{ReturnType, Type};

use crate::args::Cors;
use crate::function::{EventType, Function, Mode, Trigger};

/// Registers the function with the runtime of its binary, and in the binary's manifest.
pub(crate) fn register(function: &Function) -> TokenStream {
    let Function { ident, name, doc, krate, triggers, inputs, .. } = function;
    let line = quote_spanned!(ident.span()=> ::core::line!());
    let triggers = triggers.iter().map(trigger);
    let call = call(function);
    // The names are what user code will not have: a handler may well be called `call`.
    quote! {
        const _: () = {
            use #krate::__private as __eg;
            #[allow(unused_imports)]
            use #krate::__private::{EmitsNothing as _, NeedsNothing as _};

            #call

            #krate::__register_function! {
                __eg::FunctionDef {
                    package: ::core::env!("CARGO_PKG_NAME"),
                    version: ::core::env!("CARGO_PKG_VERSION"),
                    name: #name,
                    doc: #doc,
                    file: ::core::file!(),
                    line: #line,
                    triggers: &[#(#triggers),*],
                    emits: &[#(__eg::Probe::<#inputs>::EMITS),*],
                    needs: &[#(__eg::Probe::<#inputs>::NEEDS),*],
                    call: __eg_call,
                }
            }
        };
    }
}

/// The function as something that takes a request and answers it: arguments are extracted in their order, the
/// last one may take the body.
fn call(function: &Function) -> TokenStream {
    let handler = &function.ident;
    let names: Vec<_> = (0..function.inputs.len()).map(|n| format_ident!("__eg_{n}")).collect();
    let output = match &function.output {
        ReturnType::Default => function.ident.span(),
        ReturnType::Type(_, ty) => ty.span(),
    };
    let into_response = quote_spanned!(output=> __eg::into_response);
    let answer = quote!(#into_response(#handler(#(#names),*).await));
    let Some((last, earlier)) = function.inputs.split_last() else {
        return quote! {
            fn __eg_call(_: __eg::Request) -> __eg::ResponseFuture {
                ::std::boxed::Box::pin(async move { #answer })
            }
        };
    };
    let earlier: Vec<_> = names.iter().zip(earlier).map(|(name, ty)| extract(name, ty)).collect();
    let last_name = names.last();
    let from_request = of_type("from_request", last);
    let parts = (!earlier.is_empty()).then(|| {
        quote! {
            let (mut __eg_parts, __eg_body) = __eg_request.into_parts();
            #(#earlier)*
            let __eg_request = __eg::Request::from_parts(__eg_parts, __eg_body);
        }
    });
    quote! {
        fn __eg_call(__eg_request: __eg::Request) -> __eg::ResponseFuture {
            ::std::boxed::Box::pin(async move {
                #parts
                let #last_name = match #from_request(__eg_request).await {
                    ::core::result::Result::Ok(value) => value,
                    ::core::result::Result::Err(rejection) => return rejection,
                };
                #answer
            })
        }
    }
}

fn extract(name: &proc_macro2::Ident, ty: &Type) -> TokenStream {
    let from_parts = of_type("from_parts", ty);
    quote! {
        let #name = match #from_parts(&mut __eg_parts).await {
            ::core::result::Result::Ok(value) => value,
            ::core::result::Result::Err(rejection) => return rejection,
        };
    }
}

/// `__eg::function::<Type>`, blamed on the type when the type does not fit.
fn of_type(function: &str, ty: &Type) -> TokenStream {
    let function = format_ident!("{function}");
    let generics = if function == "from_request" { quote!(#ty, _) } else { quote!(#ty) };
    quote_spanned!(ty.span()=> __eg::#function::<#generics>)
}

fn trigger(trigger: &Trigger) -> TokenStream {
    let event_type = match &trigger.event_type {
        EventType::Name(name) => quote!(#name),
        EventType::Type(path) => quote_spanned!(path.span()=> __eg::event_type::<#path>()),
    };
    let mode = match trigger.mode {
        Mode::Sync => quote!(__eg::Mode::Sync),
        Mode::Async => quote!(__eg::Mode::Async),
    };
    let (method, path) = (&trigger.method, trigger.path.gateway());
    let route = if trigger.http {
        let route = trigger.path.axum();
        quote!(::core::option::Option::Some(#route))
    } else {
        quote!(::core::option::Option::None)
    };
    let cors = trigger.cors.as_ref().map_or_else(|| quote!(::core::option::Option::None), cors);
    quote! {
        __eg::Trigger { event_type: #event_type, mode: #mode, method: #method, path: #path, route: #route, cors: #cors }
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
