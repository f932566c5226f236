//! What the signature of an annotated function must be like. Whether its types really are extractors is the
//! compiler's business; here is what it would explain badly.

use eg_grammar::Spelling;
use syn::{FnArg, GenericArgument, PathArguments, Safety, Signature, Type};

use super::Trigger;
use crate::errors::Errors;

/// Extractors that read the body. The body is there once.
const BODY: [&str; 8] = ["CloudEvent", "Json", "Form", "Bytes", "String", "Multipart", "Request", "Body"];

/// Types that stand for exactly one path parameter.
const SCALARS: [&str; 19] = [
    "String", "str", "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64",
    "i128", "isize", "f32", "f64", "Uuid",
];

/// The types of the arguments.
pub(super) fn check(signature: &Signature, triggers: &[Trigger], errors: &mut Errors) -> Vec<Type> {
    if signature.asyncness.is_none() {
        errors.at(signature.fn_token, "an event function is `async fn`");
    }
    if let Safety::Unsafe(unsafety) = &signature.safety {
        errors.at(unsafety, "an event function is safe: the runtime calls it without any promise");
    }
    if let Some(abi) = &signature.abi {
        errors.at(abi, "an event function is called by Rust; it has no other ABI");
    }
    if !signature.generics.params.is_empty() {
        errors.at(
            &signature.generics,
            "an event function cannot be generic: the runtime calls it, and would not know with which types",
        );
    }
    if let Some(variadic) = &signature.variadic {
        errors.at(variadic, "an event function takes extractors only");
    }
    let mut inputs = Vec::new();
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(receiver) => {
                errors.at(receiver, "an event function is a free function; take what it needs as `State<…>`");
            }
            FnArg::Typed(argument) => inputs.push((*argument.ty).clone()),
        }
    }
    for ty in &inputs {
        match ty {
            Type::ImplTrait(_) => {
                errors.at(ty, "an argument needs a concrete type: the runtime has to make its value");
            }
            Type::Reference(_) => {
                errors.at(ty, "an argument is owned: the runtime makes its value, and nobody else keeps it");
            }
            _ => {}
        }
    }
    check_body(&inputs, errors);
    check_path(&inputs, triggers, errors);
    inputs
}

fn check_body(inputs: &[Type], errors: &mut Errors) {
    let reads_body = |ty: &Type| name_of(ty).filter(|name| BODY.contains(&name.as_str()));
    let Some((_, earlier)) = inputs.split_last() else { return };
    for ty in earlier {
        if let Some(name) = reads_body(ty) {
            errors.at(ty, format!("`{name}` takes the body, so it has to be the last argument"));
        }
    }
}

/// `Path<…>` against the paths of the triggers, where its arity can be seen.
fn check_path(inputs: &[Type], triggers: &[Trigger], errors: &mut Errors) {
    let is_path = |ty: &&Type| name_of(ty).is_some_and(|name| name == "Path");
    if !triggers.is_empty()
        && triggers.iter().all(|trigger| trigger.route().is_none())
        && let Some(ty) = inputs.iter().find(is_path)
    {
        errors.at(ty, "`Path` takes its values from the path of an `#[http]` attribute; an event has none");
    }
    let Some((ty, arity)) = inputs.iter().find_map(|ty| Some((ty, path_arity(ty)?))) else { return };
    for path in triggers.iter().filter_map(Trigger::route) {
        let params: Vec<_> = path.parameters().collect();
        if params.len() != arity {
            let path = path.spelled(Spelling::Code);
            errors.at(ty, format!("`{path}` has {}, but this takes {arity}", count(&params)));
        }
    }
}

fn count(params: &[&str]) -> String {
    match params {
        [] => "no parameters".to_owned(),
        [one] => format!("1 parameter ({one})"),
        many => format!("{} parameters ({})", many.len(), many.join(", ")),
    }
}

/// How many parameters a `Path<…>` takes; `None` for other types, and for structs and maps.
fn path_arity(ty: &Type) -> Option<usize> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Path")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(Type::Tuple(tuple)) => Some(tuple.elems.len()),
        GenericArgument::Type(inner) => name_of(inner).filter(|n| SCALARS.contains(&n.as_str())).map(|_| 1),
        _ => None,
    }
}

fn name_of(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    }
}
