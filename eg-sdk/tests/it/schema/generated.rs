//! Tests with generated values of every kind that everything serde writes is valid.

use std::collections::BTreeMap;

use eg_sdk::Schema;
use jsonschema::Validator;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::enums::{Adjacent, External, Internal, Untagged, Words};
use super::{Address, validator};

/// Values of every kind in one.
#[derive(Debug, Serialize, Deserialize, Schema)]
#[serde(rename_all = "kebab-case")]
struct Everything {
    small_number: i16,
    large: u64,
    real: f64,
    text: String,
    letter: char,
    #[serde(skip_serializing_if = "Option::is_none")]
    choice: Option<Adjacent>,
    list: Vec<Untagged>,
    map: BTreeMap<String, External>,
    #[serde(flatten)]
    tagged: Internal,
}

fn everything() -> impl Strategy<Value = Everything> {
    let adjacent = prop_oneof![
        Just(Adjacent::Unit),
        any::<Option<bool>>().prop_map(Adjacent::Maybe),
        (-1e6f32..1e6).prop_map(|x| Adjacent::Named { x }),
        any::<(u8, u8)>().prop_map(|(a, b)| Adjacent::Two(a, b)),
    ];
    let untagged = || {
        prop_oneof![
            any::<i64>().prop_map(Untagged::Number),
            any::<String>().prop_map(|x| Untagged::Named { x }),
            Just(Untagged::Nothing),
        ]
    };
    let external = prop_oneof![
        Just(External::NotPaid),
        any::<String>().prop_map(|card_number| External::PaidByCard { card_number }),
        any::<Option<u8>>().prop_map(External::Refunded),
    ];
    let internal = prop_oneof![
        Just(Internal::Nothing),
        Just(Internal::Moved { to: Words::NewOrder }),
        any::<String>()
            .prop_map(|street_name| Internal::Lives(Address { street_name, postal_code: String::new() })),
    ];
    let scalars = (any::<i16>(), any::<u64>(), -1e12f64..1e12, any::<String>(), any::<char>());
    let rest = (
        prop::option::of(adjacent),
        prop::collection::vec(untagged(), 0..4),
        prop::collection::btree_map(any::<String>(), external, 0..4),
        internal,
    );
    (scalars, rest).prop_map(|((small_number, large, real, text, letter), (choice, list, map, tagged))| {
        Everything { small_number, large, real, text, letter, choice, list, map, tagged }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_validates(value in everything()) {
        thread_local!(static VALIDATOR: Validator = validator::<Everything>());
        let json = serde_json::to_value(&value).unwrap();
        prop_assert!(VALIDATOR.with(|validator| validator.is_valid(&json)), "{json}");
    }
}
