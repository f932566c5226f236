//! Gives orders their ids. A request that is sent again, because its answer was lost, gets the same id.

use eg_runtime::{Error, HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

/// The header with which a client names a request, so that it can repeat the request.
const HEADER: &str = "idempotency-key";

/// The maximum length of its value in bytes.
const LONGEST: usize = 255;

/// Returns the id of the order that this request creates: derived from customer and `Idempotency-Key` (a UUIDv8), or new
/// (a UUIDv7) without that header.
pub(crate) fn of_request(headers: &HeaderMap, customer_id: &str) -> Result<String, Error> {
    let Some(key) = headers.get(HEADER) else { return Ok(Uuid::now_v7().to_string()) };
    let key = key.as_bytes();
    if key.is_empty() || key.len() > LONGEST {
        let message = format!("`Idempotency-Key` must have from 1 to {LONGEST} bytes");
        return Err(Error::status(StatusCode::BAD_REQUEST, message));
    }
    // Ids contain no control characters, so the two parts cannot be confused.
    let hash = Sha256::new().chain_update(customer_id).chain_update(b"\0").chain_update(key).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Ok(Builder::from_custom_bytes(bytes).into_uuid().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(key: &'static str, customer: &str) -> Result<String, String> {
        let headers = HeaderMap::from_iter([(HEADER.parse().unwrap(), key.parse().unwrap())]);
        of_request(&headers, customer).map_err(|error: Error| error.to_string())
    }

    #[test]
    fn a_key_names_one_order_of_one_customer() {
        assert_eq!(id("k", "customer-1"), id("k", "customer-1"));
        let different =
            [id("k", "customer-1"), id("l", "customer-1"), id("k", "customer-2"), id("1k", "customer-")];
        assert_eq!(different.iter().collect::<std::collections::HashSet<_>>().len(), different.len());
        let [new, newer] = [(); 2].map(|()| of_request(&HeaderMap::new(), "customer-1").unwrap());
        assert_ne!(new, newer);
        assert!(id("", "customer-1").unwrap_err().contains("from 1 to 255 bytes"));
    }
}
