//! `CloudEvent<T>` as an extractor of axum: from the request's extensions if a runtime has put the event
//! there, else from the request itself, in structured or binary mode.

use axum_core::extract::{FromRequest, Request};
use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;

use crate::cloud_event::Attributes;
use crate::{CloudEvent, Data, FromData};

/// Why a request contains no event of the wanted type.
///
/// The response is 400, because a retry cannot help, or axum's own for a body that cannot be read (413 above its
/// `DefaultBodyLimit`).
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct EventRejection {
    status: StatusCode,
    message: String,
}

impl EventRejection {
    fn new(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message }
    }
}

impl IntoResponse for EventRejection {
    fn into_response(self) -> Response {
        (self.status, self.message).into_response()
    }
}

impl<S: Send + Sync, T: FromData> FromRequest<S> for CloudEvent<T> {
    type Rejection = EventRejection;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let event = match request.extensions_mut().remove::<CloudEvent<Data>>() {
            Some(event) => event,
            None => {
                let headers = std::mem::take(request.headers_mut());
                let body = Bytes::from_request(request, state)
                    .await
                    .map_err(|e| EventRejection { status: e.status(), message: e.body_text() })?;
                CloudEvent::from_http(&headers, body).map_err(|e| EventRejection::new(e.to_string()))?
            }
        };
        match T::from_data(event.data) {
            Ok(data) => Ok(CloudEvent { data, attributes: event.attributes }),
            Err(e) => {
                let Attributes { ty, id, .. } = event.attributes;
                Err(EventRejection::new(format!("payload of event `{ty}` (id {id}): {e}")))
            }
        }
    }
}
