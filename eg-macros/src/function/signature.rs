//! The rules for the signature of an annotated function, where the compiler's own errors would be confusing. Leaves
//! it to the compiler whether the types are extractors.

use eg_grammar::Spelling;
use syn::{FnArg, GenericArgument, PathArguments, ReturnType, Safety, Signature, Type};

use super::{Input, Mode, Trigger, tokens_of};
use crate::errors::Errors;

/// Extractors that consume the body.
const BODY: [&str; 8] = ["CloudEvent", "Json", "Form", "Bytes", "String", "Multipart", "Request", "Body"];

/// Types of exactly one path parameter.
const SCALARS: [&str; 19] = [
    "String", "str", "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64",
    "i128", "isize", "f32", "f64", "Uuid",
];

/// Returns the arguments.
pub(super) fn check(signature: &Signature, triggers: &[Trigger], errors: &mut Errors) -> Vec<Input> {
    if signature.asyncness.is_none() {
        errors.at(signature.fn_token, "an event function must be an `async fn`");
    }
    if let Safety::Unsafe(unsafety) = &signature.safety {
        errors.at(
            unsafety,
            "an event function must be safe: the runtime calls it and cannot uphold any contract",
        );
    }
    if let Some(abi) = &signature.abi {
        errors.at(abi, "an event function cannot have another ABI: Rust calls it");
    }
    if !signature.generics.params.is_empty() {
        errors.at(
            &signature.generics,
            "an event function cannot be generic: the runtime calls it and cannot choose the types",
        );
    }
    if let Some(variadic) = &signature.variadic {
        errors.at(variadic, "an event function can take extractors only");
    }
    let mut inputs = Vec::new();
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(receiver) => {
                errors.at(
                    receiver,
                    "an event function must be a free function; pass shared values as `State<…>`",
                );
            }
            FnArg::Typed(argument) => {
                let cfgs = argument.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg"));
                inputs.push(Input { ty: (*argument.ty).clone(), cfgs: cfgs.map(tokens_of).collect() });
            }
        }
    }
    for Input { ty, .. } in &inputs {
        match ty {
            Type::ImplTrait(_) => {
                errors.at(ty, "an argument needs a concrete type, because the runtime creates its value");
            }
            Type::Reference(_) => {
                errors.at(ty, "arguments must be owned: the runtime creates their values, so references cannot outlive the call");
            }
            _ => check_argument(ty, triggers, errors),
        }
    }
    check_body(&inputs, errors);
    check_question(&inputs, triggers, errors);
    check_path(&inputs, triggers, errors);
    check_output(&signature.output, triggers, errors);
    inputs
}

/// Checks the form of a type that has its own advice.
fn check_argument(ty: &Type, triggers: &[Trigger], errors: &mut Errors) {
    let Some((name, arguments)) = generic(ty) else { return };
    match (name.as_str(), arguments.first()) {
        ("Vec", Some(_)) if !triggers.iter().any(|trigger| matches!(trigger, Trigger::Invoke)) => errors.at(
            ty,
            "a function handles one event, message or request per call: take `CloudEvent<T>` or `Json<T>`; the runtime \
             hands over a batch one by one",
        ),
        ("Emit", Some(Type::Tuple(events))) => {
            let mut seen = Vec::new();
            for event in &events.elems {
                let text = quote::quote!(#event).to_string();
                if seen.contains(&text) {
                    errors.at(event, format!("`{text}` is listed twice"));
                }
                seen.push(text);
            }
        }
        _ => {}
    }
}

/// Checks that the compiler sees whether the result of an asynchronous trigger is an `Err`, which is a failure.
fn check_output(output: &ReturnType, triggers: &[Trigger], errors: &mut Errors) {
    let waits = |trigger: &Trigger| match trigger {
        Trigger::Subscription(subscription) => subscription.mode == Mode::Sync,
        Trigger::Authorizer { .. } => true,
        _ => false,
    };
    if let ReturnType::Type(_, ty) = output
        && let Type::ImplTrait(_) = &**ty
        && !triggers.iter().all(waits)
    {
        errors.at(
            ty,
            "a function of events must name its result, for example `Result<(), eg_runtime::Error>`: `impl` hides \
             whether it is an `Err`, which means that the event was not handled",
        );
    }
}

/// Checks the order of the arguments. One that a `#[cfg]` may leave out does not count as a later argument.
fn check_body(inputs: &[Input], errors: &mut Errors) {
    let reads_body = |ty: &Type| name_of(ty).filter(|name| BODY.contains(&name.as_str()));
    for (at, Input { ty, .. }) in inputs.iter().enumerate() {
        if inputs[at + 1..].iter().any(|later| later.cfgs.is_empty())
            && let Some(name) = reads_body(ty)
        {
            errors.at(ty, format!("`{name}` consumes the body, so it must be the last argument"));
        }
    }
}

/// Checks that an authorizer takes no body, because it is asked without one.
fn check_question(inputs: &[Input], triggers: &[Trigger], errors: &mut Errors) {
    if !triggers.iter().any(|trigger| matches!(trigger, Trigger::Authorizer { .. })) {
        return;
    }
    for Input { ty, .. } in inputs {
        let body = name_of(ty).filter(|name| BODY.contains(&name.as_str()) && name != "Request");
        if let Some(name) = body {
            errors.at(
                ty,
                format!("`{name}` reads the body, and an authorizer gets the request without its body"),
            );
        }
    }
}

/// Checks the arity of `Path<…>` against the paths of the triggers, if it is visible.
fn check_path(inputs: &[Input], triggers: &[Trigger], errors: &mut Errors) {
    let types = || inputs.iter().map(|input| &input.ty);
    let is_path = |ty: &&Type| name_of(ty).is_some_and(|name| name == "Path");
    if !triggers.is_empty()
        && triggers.iter().all(|trigger| trigger.route().is_none())
        && let Some(ty) = types().find(is_path)
    {
        errors.at(ty, "`Path` takes its values from the path of an `#[http]` attribute; an event has none");
    }
    let Some((ty, arity)) = types().find_map(|ty| Some((ty, path_arity(ty)?))) else { return };
    for path in triggers.iter().filter_map(Trigger::route) {
        let params: Vec<_> = path.parameters().collect();
        if params.len() != arity {
            let path = path.spelled(Spelling::Code);
            errors.at(ty, format!("`{path}` has {}, but this type takes {arity}", count(&params)));
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

/// Returns how many parameters a `Path<…>` takes; `None` for other types, and for structs and maps.
fn path_arity(ty: &Type) -> Option<usize> {
    let (_, arguments) = generic(ty).filter(|(name, _)| name == "Path")?;
    match arguments.into_iter().next()? {
        Type::Tuple(tuple) => Some(tuple.elems.len()),
        inner => name_of(inner).filter(|n| SCALARS.contains(&n.as_str())).map(|_| 1),
    }
}

/// Returns the name of a type with arguments, and those of them that are types.
fn generic(ty: &Type) -> Option<(String, Vec<&Type>)> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    Some((last.ident.to_string(), types.collect()))
}

fn name_of(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    }
}
