//! Checks signatures of calls of AWS, independently of the library that makes them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::server::Seen;

/// The key that signs.
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// What a call is signed for.
pub(crate) struct Signed<'a> {
    pub(crate) service: &'a str,
    pub(crate) region: &'a str,
    /// The path in the canonical request, where the path of the URL is escaped once more.
    pub(crate) path: &'a str,
    /// The headers that must be signed.
    pub(crate) headers: &'a [&'a str],
}

/// Recomputes Signature Version 4 from the received request (AWS General Reference, "Signing AWS API requests").
pub(crate) fn is_signed(call: &Seen, expected: &Signed<'_>) -> bool {
    let Signed { service, region, path, headers: must_be_signed } = expected;
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let hmac = |key: &[u8], text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let header = |name: &str| call.header(name).unwrap_or_default().to_owned();
    let date = header("x-amz-date");
    let scope = format!("{}/{region}/{service}/aws4_request", &date[..8]);
    let authorization = header("authorization");
    let field = |name: &str| {
        let rest = authorization.split_once(name).unwrap().1;
        rest.split([',', ' ']).next().unwrap().to_owned()
    };
    let signed = field("SignedHeaders=");
    let headers: String = signed.split(';').map(|name| format!("{name}:{}\n", header(name))).collect();
    let canonical =
        format!("{}\n{path}\n\n{headers}\n{signed}\n{}", call.method, hex(&Sha256::digest(&call.body)));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let key = [*region, *service, "aws4_request"]
        .iter()
        .fold(hmac(format!("AWS4{SECRET}").as_bytes(), &date[..8]), |key, part| hmac(&key, part));
    field("Credential=") == format!("AKIDEXAMPLE/{scope}")
        && must_be_signed.iter().all(|name| signed.split(';').any(|s| s == *name))
        && field("Signature=") == hex(&hmac(&key, &to_sign))
}
