//! `#[derive(Event)]`: reads `#[event("user.created", source = "…")]` on a struct or enum. Leaves its schema to
//! `schema`.

use eg_grammar::{did_you_mean, list};
use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{DeriveInput, Error, Ident, LitBool, LitStr, Path, Result, Token, Type};

use crate::errors::Errors;
use crate::function::check_event_type;
use crate::schema;

const KEYS: [&str; 4] = ["source", "answer", "schema", "crate"];
const EXAMPLE: &str = "`#[event(\"user.created\")]`";

/// The arguments of `#[event(…)]`.
#[derive(Default)]
struct Attribute {
    ty: Option<LitStr>,
    source: Option<LitStr>,
    /// The type of the answer to a question.
    answer: Option<Type>,
    schema: Option<LitBool>,
    krate: Option<Path>,
}

/// Expands to `impl Event`, naming the crate `krate`.
pub(crate) fn derive(item: TokenStream, krate: &Path) -> TokenStream {
    syn::parse2(item)
        .and_then(|input| implement(&input, krate))
        .unwrap_or_else(|error| error.to_compile_error())
}

fn implement(input: &DeriveInput, krate: &Path) -> Result<TokenStream> {
    let mut errors = Errors::default();
    let mut attribute = Attribute::default();
    for attr in input.attrs.iter().filter(|attr| attr.path().is_ident("event")) {
        if attribute.ty.is_some() {
            errors.at(attr, "a type names exactly one event type");
        }
        errors.ok(attr.parse_args_with(|input: ParseStream<'_>| attribute.parse(input)));
    }
    if let syn::Data::Union(union) = &input.data {
        errors.at(union.union_token, "the payload of an event must be a struct or an enum");
        return errors.finish(TokenStream::new());
    }
    let ty = match &attribute.ty {
        Some(text) => check_event_type(text, &mut errors),
        None if input.attrs.iter().any(|attr| attr.path().is_ident("event")) => String::new(),
        None => {
            errors.at(&input.ident, format!("the event type is missing: add {EXAMPLE}"));
            String::new()
        }
    };
    if let Some(source) = attribute.source.as_ref().filter(|source| source.value().is_empty()) {
        errors.at(source, "the source is empty; leave it out for `/services/<service>`");
    }
    let krate = attribute.krate.as_ref().unwrap_or(krate);
    let name = &input.ident;
    let has_schema = attribute.schema.as_ref().is_none_or(LitBool::value);
    let schema = has_schema.then(|| schema::of_event(input, krate)).and_then(|schema| errors.ok(schema));
    if !has_schema {
        schema::refuse_marks(input, &mut errors);
    }
    let generics = if has_schema { schema::bounded(&input.generics, krate) } else { input.generics.clone() };
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let source = attribute.source.as_ref().map(|source| {
        quote! { const SOURCE: ::core::option::Option<&'static str> = ::core::option::Option::Some(#source); }
    });
    let shape = has_schema.then(|| {
        quote! {
            const SCHEMA: ::core::option::Option<&'static #krate::__private::Shape> =
                ::core::option::Option::Some(<Self as #krate::Schema>::SHAPE);
        }
    });
    let question = attribute.answer.as_ref().map(|answer| {
        quote! {
            #[automatically_derived]
            impl #impl_generics #krate::Question for #name #ty_generics #where_clause {
                type Answer = #answer;
            }
        }
    });
    errors.finish(quote! {
        #[automatically_derived]
        impl #impl_generics #krate::Event for #name #ty_generics #where_clause {
            const TYPE: &'static str = #ty;
            #source
            #shape
        }
        #question
        #schema
    })
}

impl Attribute {
    fn parse(&mut self, input: ParseStream<'_>) -> Result<()> {
        self.ty = Some(input.parse().map_err(|e| Error::new(e.span(), format!("expected {EXAMPLE}")))?);
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let key = input.call(Ident::parse_any)?;
            let name = key.to_string();
            if !KEYS.contains(&name.as_str()) {
                let hint = did_you_mean(&name, &KEYS);
                let message =
                    format!("`#[event]` has no option `{name}`{hint}; its options are {}", list(&KEYS));
                return Err(Error::new(key.span(), message));
            }
            input.parse::<Token![=]>()?;
            let again = match name.as_str() {
                "crate" => self.krate.replace(input.call(Path::parse_mod_style)?).is_some(),
                "answer" => {
                    let expected = "expected the type of the answer, without quotes: `answer = Price`";
                    let answer = input.parse().map_err(|e| Error::new(e.span(), expected))?;
                    self.answer.replace(answer).is_some()
                }
                "schema" => {
                    let schema =
                        input.parse().map_err(|e| Error::new(e.span(), "expected `true` or `false`"))?;
                    self.schema.replace(schema).is_some()
                }
                _ => self.source.replace(input.parse()?).is_some(),
            };
            if again {
                return Err(Error::new(key.span(), format!("option `{name}` is given twice")));
            }
        }
        Ok(())
    }
}
