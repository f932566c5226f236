//! `#[subscribe(…, where(…))]`: the rules for conditions, and the EventBridge pattern that they become. What the compiler must
//! compare with the event's type becomes a list of checks.

use eg_grammar::limits::PATTERN_DEPTH;
use eg_grammar::{Cidr, Wildcard, is_exact};
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Error, LitStr};

use crate::args::{Condition, Conditions, Json, Name, Operation, Test, Value, quoted};
use crate::errors::Errors;

/// The filter of a subscription.
#[derive(Clone)]
pub(crate) struct Filter {
    /// The pattern as JSON. It has the form of the gateway's filters.
    pub(crate) json: String,
    pub(crate) checks: Vec<Check>,
}

/// A check that needs the event's type.
#[derive(Clone)]
pub(crate) struct Check {
    pub(crate) path: Vec<String>,
    /// The first and the last token to blame.
    pub(crate) spans: (Span, Span),
    pub(crate) of: Checked,
}

#[derive(Clone)]
pub(crate) enum Checked {
    /// The field exists, and has no fields of its own.
    Field,
    /// The field can be compared with this operand, an expression of the runtime's type `Operand`.
    Operand(TokenStream),
    /// The name is that of an extension, and not of a field of the data.
    Extension,
}

/// The attributes of every event. All others are extensions.
const ATTRIBUTES: [&str; 8] =
    ["id", "source", "type", "subject", "time", "specversion", "datacontenttype", "dataschema"];

const EXISTS: &str = "{\"exists\":true}";

pub(super) fn read(conditions: &Conditions, errors: &mut Errors) -> Filter {
    let mut checks = Vec::new();
    let group = read_all(&conditions.all, 0, &mut checks, errors);
    Filter { json: group.json(), checks }
}

/// Conditions on different fields, all of which must be met.
#[derive(Default)]
struct Group {
    leaves: Vec<(Vec<String>, Leaf)>,
    either: Vec<Self>,
}

/// The conditions on one field, as JSON.
enum Leaf {
    /// One of them must be met.
    OneOf(Vec<String>),
    Range(Vec<(&'static str, String)>),
    /// None of these values.
    Except(Vec<String>),
    /// None of these texts, by an operator.
    ExceptText(&'static str, Vec<String>),
}

fn read_all(conditions: &[Condition], depth: usize, checks: &mut Vec<Check>, errors: &mut Errors) -> Group {
    let mut group = Group::default();
    for condition in conditions {
        match condition {
            Condition::Test(test) => {
                if let Some(leaf) = read_test(test, checks, errors) {
                    group.add(test, leaf, errors);
                }
            }
            Condition::All { key, .. } => {
                errors.at(
                    key,
                    "`all` is for the alternatives of `any`: conditions beside each other must all be met",
                );
            }
            Condition::Any { key, .. } if !group.either.is_empty() => {
                errors.at(
                    key,
                    "a pattern has one `any` beside other conditions: put the second into an alternative",
                );
            }
            Condition::Any { key, .. } if depth == PATTERN_DEPTH => {
                errors.at(key, format!("`any` is nested more than {PATTERN_DEPTH} levels deep"));
            }
            Condition::Any { key, alternatives } => {
                if alternatives.len() < 2 {
                    errors.at(key, "`any` has at least two conditions, of which an event must meet one");
                }
                for alternative in alternatives {
                    group.either.push(match alternative {
                        Condition::All { key, conditions } => {
                            if conditions.is_empty() {
                                errors.at(key, "`all` has no condition");
                            }
                            read_all(conditions, depth + 1, checks, errors)
                        }
                        one => read_all(std::slice::from_ref(one), depth + 1, checks, errors),
                    });
                }
            }
        }
    }
    group
}

fn read_test(test: &Test, checks: &mut Vec<Check>, errors: &mut Errors) -> Option<Leaf> {
    let path: Vec<String> = test.path.iter().map(|name| name.text.clone()).collect();
    let spans = spans(&test.path)?;
    let is_data = path.first().is_some_and(|root| root == "data");
    if !is_data && !check_attribute(test, &path, spans, errors) {
        return None;
    }
    let of = if is_data { Checked::Field } else { Checked::Extension };
    if is_data || !ATTRIBUTES.contains(&path.first()?.as_str()) {
        checks.push(Check { path: path.clone(), spans, of });
    }
    let mut compared = |operand: TokenStream, span: Span| {
        if is_data {
            let path = path.clone();
            checks.push(Check { path, spans: (span, span), of: Checked::Operand(operand) });
        }
    };
    let leaf = match &test.operation {
        Operation::Exists => {
            let condition = if test.negated { "{\"exists\":false}" } else { EXISTS };
            return Some(Leaf::OneOf(vec![condition.to_owned()]));
        }
        Operation::OneOf(values) => {
            for value in values {
                compared(operand(value, errors)?, span_of(value));
            }
            one_of(test, values, errors)?
        }
        Operation::Range(bounds) => {
            for (_, bound) in bounds {
                if !matches!(bound.value, Value::Number(_)) {
                    errors.at(
                        &bound.tokens,
                        "only numbers are compared by size: use `==`, `in` or `like` for texts",
                    );
                    return None;
                }
                compared(operand(bound, errors)?, span_of(bound));
            }
            range(test, bounds, errors)?
        }
        Operation::Text(operator, text) => {
            compared(quote!(Pattern), text.span());
            text_of(test, operator, text, errors)?
        }
    };
    Some(leaf)
}

/// Checks an attribute of the event and what it is compared with.
fn check_attribute(test: &Test, path: &[String], spans: (Span, Span), errors: &mut Errors) -> bool {
    let [name] = path else {
        let whole = path.join(".");
        errors.push(at(spans, format!("only the data of an event has fields: write `data.{whole}`")));
        return false;
    };
    let is_name = name.len() <= 20 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !is_name {
        let message = format!(
            "`{name}` is no attribute of an event, whose names have lower-case letters and digits only: for a field of the \
             data, write `data.{name}`"
        );
        errors.push(at(spans, message));
        return false;
    }
    let is_text = |value: &Json| matches!(value.value, Value::Text(_));
    let wrong = match &test.operation {
        _ if !ATTRIBUTES.contains(&name.as_str()) => None,
        Operation::OneOf(values) => values.iter().find(|value| !is_text(value)),
        Operation::Range(bounds) => bounds.first().map(|(_, bound)| bound),
        Operation::Exists | Operation::Text(..) => None,
    };
    if let Some(wrong) = wrong {
        errors.at(&wrong.tokens, format!("`{name}` is a text: compare it with a text in quotes"));
    }
    wrong.is_none()
}

/// Returns the operand for the check against the event's type.
fn operand(value: &Json, errors: &mut Errors) -> Option<TokenStream> {
    Some(match &value.value {
        Value::Text(text) => quote!(Text(#text)),
        Value::Number(number) if !is_exact(number) => {
            errors.at(
                &value.tokens,
                "this number is too large to be compared: up to 2^53, or a whole number of 64 bits, are allowed",
            );
            return None;
        }
        Value::Number(number) => match number.parse::<i128>() {
            Ok(whole) => quote!(Integer(#whole)),
            Err(_) => quote!(Fraction),
        },
        Value::Flag(_) => quote!(Flag),
        Value::Null => quote!(Null),
        Value::Array(_) | Value::Object(_) => return None,
    })
}

fn one_of(test: &Test, values: &[Json], errors: &mut Errors) -> Option<Leaf> {
    if !test.negated {
        let condition = |value: &Json| match &value.value {
            // EventBridge compares a bare number with the digits of the event.
            Value::Number(number) => format!("{{\"numeric\":[\"=\",{number}]}}"),
            _ => value.text(),
        };
        return Some(Leaf::OneOf(values.iter().map(condition).collect()));
    }
    if let [Json { value: Value::Flag(flag), .. }] = values {
        return Some(Leaf::OneOf(vec![(!flag).to_string()]));
    }
    for value in values {
        match value.value {
            Value::Null => errors.at(
                &value.tokens,
                "a pattern cannot exclude `null`: leave the member out with `skip_serializing_if`, and write `exists`",
            ),
            Value::Flag(_) => errors.at(&value.tokens, "a pattern excludes texts and numbers only"),
            _ => continue,
        }
        return None;
    }
    let numbers = values.iter().filter(|value| matches!(value.value, Value::Number(_))).count();
    if let Some(other) = values.last().filter(|_| numbers != 0 && numbers != values.len()) {
        errors.at(&other.tokens, "a pattern excludes either texts or numbers");
        return None;
    }
    Some(Leaf::Except(values.iter().map(Json::text).collect()))
}

fn range(test: &Test, bounds: &[(&'static str, Json)], errors: &mut Errors) -> Option<Leaf> {
    let bounds: Vec<_> = bounds.iter().map(|(sign, bound)| (*sign, bound.text())).collect();
    if !is_range(&bounds) {
        errors.push(Error::new(test.operator, EMPTY));
        return None;
    }
    if !test.negated {
        return Some(Leaf::Range(bounds));
    }
    let outside = bounds.iter().map(|(sign, bound)| {
        let opposite = match *sign {
            ">" => "<=",
            ">=" => "<",
            "<" => ">=",
            _ => ">",
        };
        format!("{{\"numeric\":[\"{opposite}\",{bound}]}}")
    });
    Some(Leaf::OneOf(outside.collect()))
}

const EMPTY: &str =
    "this range is empty: its lower bound must be less than its upper bound; for one number, write `==`";

/// Returns whether EventBridge takes the bounds.
fn is_range(bounds: &[(&'static str, String)]) -> bool {
    match bounds {
        [(_, lower), (_, upper)] => match (lower.parse::<f64>(), upper.parse::<f64>()) {
            (Ok(lower), Ok(upper)) => lower < upper,
            _ => false,
        },
        _ => true,
    }
}

fn text_of(test: &Test, operator: &'static str, text: &LitStr, errors: &mut Errors) -> Option<Leaf> {
    let value = text.value();
    let checked = match operator {
        "wildcard" => value.parse::<Wildcard>().map(drop),
        "cidr" => value.parse::<Cidr>().map(drop),
        _ => Ok(()),
    };
    if let Err(mistake) = checked {
        errors.at(text, mistake);
        return None;
    }
    if value.is_empty() {
        errors.at(text, "this text is empty: write `exists`, or `== \"\"` for an empty text");
        return None;
    }
    let mut json = String::new();
    quoted(&value, &mut json);
    match (test.negated, operator) {
        (true, "cidr") => {
            errors.push(Error::new(
                test.operator,
                "a pattern cannot exclude a range of addresses: name those that match",
            ));
            None
        }
        (true, operator) => Some(Leaf::ExceptText(operator, vec![json])),
        (false, operator) => Some(Leaf::OneOf(vec![format!("{{\"{operator}\":{json}}}")])),
    }
}

impl Group {
    fn add(&mut self, test: &Test, leaf: Leaf, errors: &mut Errors) {
        let path: Vec<String> = test.path.iter().map(|name| name.text.clone()).collect();
        let Some(spans) = spans(&test.path) else { return };
        for (known, earlier) in &mut self.leaves {
            if *known == path {
                if let Err(message) = earlier.merge(leaf) {
                    errors.push(at(spans, format!("`{}` {message}", path.join("."))));
                }
                return;
            }
            if known.starts_with(&path) || path.starts_with(known) {
                let (known, path) = (known.join("."), path.join("."));
                let message =
                    format!("another condition is on `{known}`: one on `{path}` cannot be combined with it");
                return errors.push(at(spans, message));
            }
        }
        self.leaves.push((path, leaf));
    }

    fn json(&self) -> String {
        let leaves: Vec<_> = self.leaves.iter().map(|(path, leaf)| (path.as_slice(), leaf)).collect();
        let mut members = members(&leaves);
        if !self.either.is_empty() {
            let patterns: Vec<String> = self.either.iter().map(Self::json).collect();
            members.push(format!("\"$or\":[{}]", patterns.join(",")));
        }
        format!("{{{}}}", members.join(","))
    }
}

/// Returns the members of the object that has these leaves, in the order of the first leaf of each.
fn members(leaves: &[(&[String], &Leaf)]) -> Vec<String> {
    let mut names: Vec<&String> = Vec::new();
    for (path, _) in leaves {
        if let Some(name) = path.first().filter(|name| !names.contains(name)) {
            names.push(name);
        }
    }
    let member = |name: &String| {
        let inner: Vec<_> = leaves
            .iter()
            .filter_map(|(path, leaf)| {
                path.split_first().filter(|(first, _)| *first == name).map(|(_, rest)| (rest, *leaf))
            })
            .collect();
        let mut text = String::new();
        quoted(name, &mut text);
        match inner.as_slice() {
            [([], leaf)] => format!("{text}:{}", leaf.json()),
            inner => format!("{text}:{{{}}}", members(inner).join(",")),
        }
    };
    names.into_iter().map(member).collect()
}

impl Leaf {
    /// Adds another condition, which must be met, too.
    fn merge(&mut self, other: Self) -> Result<(), &'static str> {
        if other.is_implied() {
            return Ok(());
        }
        if self.is_implied() {
            *self = other;
            return Ok(());
        }
        match (self, other) {
            (Self::Range(bounds), Self::Range(others)) => {
                bounds.extend(others);
                bounds.sort_by_key(|(sign, _)| sign.starts_with('<'));
                let [(lower, _), (upper, _)] = bounds.as_slice() else {
                    return Err("already has these bounds: write one lower and one upper bound");
                };
                if lower.starts_with('<') || upper.starts_with('>') {
                    return Err("already has such a bound: write one lower and one upper bound");
                }
                if is_range(bounds) { Ok(()) } else { Err("is in no range with these bounds") }
            }
            (Self::Except(values), Self::Except(others)) => {
                let is_text = |value: &String| value.starts_with('"');
                values.extend(others);
                match values.iter().all(is_text) || !values.iter().any(is_text) {
                    true => Ok(()),
                    false => Err("excludes both texts and numbers, which a pattern cannot express"),
                }
            }
            (Self::ExceptText(operator, texts), Self::ExceptText(another, others))
                if *operator == another =>
            {
                texts.extend(others);
                Ok(())
            }
            _ => Err(
                "already has a condition that this one cannot be combined with: a pattern has one kind of condition on a \
                      field. `like` and ranges often say both",
            ),
        }
    }

    /// Returns whether every other condition on the field says as much: that there is a value.
    fn is_implied(&self) -> bool {
        matches!(self, Self::OneOf(conditions) if *conditions == [EXISTS])
    }

    fn json(&self) -> String {
        match self {
            Self::OneOf(conditions) => format!("[{}]", conditions.join(",")),
            Self::Range(bounds) => {
                let terms: Vec<String> =
                    bounds.iter().map(|(sign, bound)| format!("\"{sign}\",{bound}")).collect();
                format!("[{{\"numeric\":[{}]}}]", terms.join(","))
            }
            Self::Except(values) => format!("[{{\"anything-but\":[{}]}}]", values.join(",")),
            Self::ExceptText(operator, texts) => {
                format!("[{{\"anything-but\":{{\"{operator}\":[{}]}}}}]", texts.join(","))
            }
        }
    }
}

/// Returns an error at all tokens of a path.
fn at((first, last): (Span, Span), message: String) -> Error {
    let mut tokens = quote_spanned!(first=> a);
    tokens.extend(quote_spanned!(last=> b));
    Error::new_spanned(tokens, message)
}

fn spans(path: &[Name]) -> Option<(Span, Span)> {
    Some((path.first()?.span, path.last()?.span))
}

fn span_of(value: &Json) -> Span {
    syn::spanned::Spanned::span(&value.tokens)
}
