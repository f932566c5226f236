//! Computes the MD5 digests by which AWS SDKs verify what they sent to SQS.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

/// A message attribute, in the spelling of SQS's JSON protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Attribute {
    pub(super) data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) string_value: Option<String>,
    /// Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) binary_value: Option<String>,
}

/// Attributes by name; the digest covers them in sorted order.
pub(super) type Attributes = BTreeMap<String, Attribute>;

/// Returns the digest of a body.
pub(super) fn of_body(body: &str) -> String {
    hex(Md5::new_with_prefix(body))
}

/// Returns the digest of attributes; `None` without attributes. Source: SQS's developer guide, "calculating the MD5
/// message digest for message attributes".
pub(super) fn of_attributes(attributes: &Attributes) -> Option<String> {
    const STRING: u8 = 1;
    const BINARY: u8 = 2;
    let mut sum = Md5::new();
    for (name, attribute) in attributes {
        add(&mut sum, name.as_bytes());
        add(&mut sum, attribute.data_type.as_bytes());
        let (kind, value) = match (&attribute.string_value, &attribute.binary_value) {
            (_, Some(binary)) => (BINARY, STANDARD.decode(binary).unwrap_or_default()),
            (string, None) => (STRING, string.clone().unwrap_or_default().into_bytes()),
        };
        sum.update([kind]);
        add(&mut sum, &value);
    }
    (!attributes.is_empty()).then(|| hex(sum))
}

/// Adds the length of `bytes`, and `bytes`.
fn add(sum: &mut Md5, bytes: &[u8]) {
    sum.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    sum.update(bytes);
}

fn hex(sum: Md5) -> String {
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
