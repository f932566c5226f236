//! The style, the script and the icon, embedded in the program. Their address contains a hash of the content, so browsers keep
//! them and still get new ones.

use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use crate::ROOT;

const STYLE: &str = include_str!("../assets/style.css");
const SCRIPT: &str = include_str!("../assets/app.js");
const ICON: &str = include_str!("../assets/icon.svg");

/// The file names, media types and contents.
const FILES: [(&str, &str, &str); 3] = [
    ("style.css", "text/css; charset=utf-8", STYLE),
    ("app.js", "text/javascript; charset=utf-8", SCRIPT),
    ("icon.svg", "image/svg+xml", ICON),
];

static VERSION: LazyLock<String> = LazyLock::new(|| {
    // FNV-1a: not against attackers, only to notice changes.
    let bytes = FILES.iter().flat_map(|(_, _, content)| content.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
});

/// Returns the address of a file.
pub(crate) fn url(name: &str) -> String {
    format!("{ROOT}/assets/{}/{name}", *VERSION)
}

/// Returns the answer to a request for a file; `None` if there is no such file, or not in this version.
pub(crate) fn answer(version: &str, name: &str) -> Option<Response> {
    let found = FILES.iter().find(|(known, ..)| *known == name).filter(|_| version == *VERSION);
    let (_, media_type, content) = found?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable")),
    ];
    Some((headers, *content).into_response())
}
