//! Enums, in the four ways in which serde writes them.

use eg_sdk::Schema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Address, Unit, address, check};

#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub(super) enum Words {
    NewOrder,
    #[serde(rename = "gone", alias = "lost")]
    Gone,
    #[serde(skip)]
    #[expect(dead_code, reason = "no JSON stands for it")]
    Never(Unit),
}

#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub(super) enum External {
    NotPaid,
    /// By card.
    PaidByCard {
        card_number: String,
    },
    Refunded(Option<u8>),
    Split(u8, u8),
}

#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Internal {
    Nothing,
    Moved {
        to: Words,
    },
    Lives(Address),
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(tag = "t", content = "c")]
pub(super) enum Adjacent {
    Unit,
    Maybe(Option<bool>),
    Named { x: f32 },
    Two(u8, u8),
}

#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
#[serde(untagged)]
pub(super) enum Untagged {
    Number(i64),
    Named { x: String },
    Nothing,
}

#[test]
fn enums() {
    check(
        &json!({"enum": ["NEW-ORDER", "gone", "lost"]}),
        &[Words::NewOrder, Words::Gone],
        &[json!("lost")],
        &[json!("NewOrder"), json!("NEVER"), json!(null)],
    );
    let byte = json!({"type": "integer", "minimum": 0, "maximum": 255});
    check(
        &json!({"anyOf": [
            {"const": "not_paid"},
            {"description": "By card.", "type": "object", "required": ["paid_by_card"], "additionalProperties": false,
             "properties": {"paid_by_card": {
                "type": "object", "properties": {"cardNumber": {"type": "string"}}, "required": ["cardNumber"]}}},
            {"type": "object", "required": ["refunded"], "additionalProperties": false,
             "properties": {"refunded": {"type": ["integer", "null"], "minimum": 0, "maximum": 255}}},
            {"type": "object", "required": ["split"], "additionalProperties": false,
             "properties": {"split": {"type": "array", "prefixItems": [byte, byte], "items": false, "minItems": 2}}},
        ]}),
        &[
            External::NotPaid,
            External::PaidByCard { card_number: "1".to_owned() },
            External::Refunded(None),
            External::Split(1, 2),
        ],
        &[],
        &[json!({}), json!("paid_by_card"), json!({"refunded": 1, "split": [1, 2]}), json!({"split": [1]})],
    );
    check(
        &json!({"anyOf": [
            {"type": "object", "properties": {"kind": {"const": "nothing"}}, "required": ["kind"]},
            {"type": "object", "required": ["kind", "to"],
             "properties": {"kind": {"const": "moved"}, "to": {"enum": ["NEW-ORDER", "gone", "lost"]}}},
            {"type": "object", "required": ["kind", "streetName", "zip"],
             "properties": {"kind": {"const": "lives"}, "streetName": {"type": "string"}, "zip": {"type": "string"}}},
            {"type": "object", "properties": {"kind": {"type": "string"}}, "required": ["kind"]},
        ]}),
        &[Internal::Nothing, Internal::Moved { to: Words::Gone }, Internal::Lives(address())],
        &[json!({"kind": "what nobody knows", "x": 1})],
        &[json!({}), json!("nothing")],
    );
    check(
        &json!({"anyOf": [
            {"type": "object", "properties": {"t": {"const": "Unit"}}, "required": ["t"]},
            {"type": "object", "properties": {"t": {"const": "Maybe"}, "c": {"type": ["boolean", "null"]}},
             "required": ["t"]},
            {"type": "object", "required": ["t", "c"], "properties": {"t": {"const": "Named"}, "c": {
                "type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}}},
            {"type": "object", "required": ["t", "c"], "properties": {"t": {"const": "Two"}, "c": {
                "type": "array", "prefixItems": [byte, byte], "items": false, "minItems": 2}}},
        ]}),
        &[Adjacent::Unit, Adjacent::Maybe(None), Adjacent::Named { x: 0.5 }, Adjacent::Two(1, 2)],
        &[json!({"t": "Maybe"})],
        &[json!({"t": "Other"}), json!({"t": "Two"}), json!({"t": "Named", "c": {}})],
    );
    check(
        &json!({"anyOf": [
            {"type": "integer"},
            {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]},
            {"type": "null"},
        ]}),
        &[Untagged::Number(i64::MIN), Untagged::Named { x: String::new() }, Untagged::Nothing],
        &[],
        &[json!("x"), json!({}), json!(1.5)],
    );
}
