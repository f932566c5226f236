//! Expands a shape to tokens. Cannot fail; the compiler reports types without a schema.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{DeriveInput, GenericParam, Generics, Path, WherePredicate};

use super::shape::{Part, Presence, Shape};

/// Expands to the implementation of `Schema`.
pub(super) fn implementation(input: &DeriveInput, of: &Shape, krate: &Path) -> TokenStream {
    let name = &input.ident;
    let mut generics = bounded(&input.generics, krate);
    // The compiler reports types that contain each other at these bounds, in a few lines that name the types. Without
    // them, it reports a cycle of constants, in forty lines that do not.
    let mut types = Vec::new();
    of.types(&mut types);
    let predicates = &mut generics.make_where_clause().predicates;
    predicates.extend(types.into_iter().map(|ty| -> WherePredicate {
        // The compiler points at the path of the bound.
        let span = ty.span().resolved_at(Span::call_site());
        let bound = quote!(#krate::Schema).into_iter().map(|mut token| {
            token.set_span(span);
            token
        });
        let bound: TokenStream = bound.collect();
        syn::parse_quote!(#ty: #bound)
    }));
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let shape = shape(of, krate);
    quote! {
        #[automatically_derived]
        impl #impl_generics #krate::Schema for #name #ty_generics #where_clause {
            const SHAPE: &'static #krate::__private::Shape = #shape;
        }
    }
}

/// Returns the generics with a `Schema` bound for each type.
pub(crate) fn bounded(generics: &Generics, krate: &Path) -> Generics {
    let mut generics = generics.clone();
    for parameter in &mut generics.params {
        if let GenericParam::Type(parameter) = parameter {
            parameter.bounds.push(syn::parse_quote!(#krate::Schema));
        }
    }
    generics
}

/// Expands to a reference to the shape.
fn shape(of: &Shape, krate: &Path) -> TokenStream {
    let recurse = |inner: &Shape| shape(inner, krate);
    let shape = quote!(#krate::__private::Shape);
    match of {
        Shape::Of(ty) => quote_spanned!(ty.span()=> <#ty as #krate::Schema>::SHAPE),
        Shape::Any => quote!(&#shape::Any),
        Shape::Never => quote!(&#shape::Never),
        Shape::Null => quote!(&#shape::Null),
        Shape::Text(None) => quote!(&#shape::STRING),
        Shape::Text(Some(format)) => {
            quote!(&#shape::String { format: ::core::option::Option::Some(#format) })
        }
        Shape::Words(words) => quote!(&#shape::Words(&[#(#words),*])),
        Shape::Tuple(shapes) => {
            let shapes = shapes.iter().map(recurse);
            quote!(&#shape::Tuple(&[#(#shapes),*]))
        }
        Shape::AnyOf(shapes) => {
            let shapes = shapes.iter().map(recurse);
            quote!(&#shape::AnyOf(&[#(#shapes),*]))
        }
        Shape::Newtype(inner) => {
            let inner = recurse(inner);
            quote!(&#shape::Newtype(#inner))
        }
        Shape::Sensitive(inner) => {
            let inner = recurse(inner);
            quote!(&#shape::Sensitive(#inner))
        }
        Shape::Described(text, inner) => {
            let inner = recurse(inner);
            quote!(&#shape::Described { text: #text, shape: #inner })
        }
        Shape::Object { parts, closed } => {
            let parts = parts.iter().map(|one| part(one, krate));
            quote!(&#shape::Object { parts: &[#(#parts),*], closed: #closed })
        }
    }
}

fn part(part: &Part, krate: &Path) -> TokenStream {
    let private = quote!(#krate::__private);
    match part {
        Part::Flat(inner) => {
            let inner = shape(inner, krate);
            quote!(#private::Part::Flat(#inner))
        }
        Part::Field { name, doc, shape: inner, presence } => {
            let inner = shape(inner, krate);
            let presence = match presence {
                Presence::Required => quote!(Required),
                Presence::Optional => quote!(Optional),
                Presence::AsShape => quote!(AsShape),
            };
            quote! {
                #private::Part::Field(#private::Field {
                    name: #name,
                    doc: #doc,
                    shape: #inner,
                    presence: #private::Presence::#presence,
                })
            }
        }
    }
}
