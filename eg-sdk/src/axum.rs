//! `CloudEvent<T>` as an extractor of axum: from the request's extensions if a runtime has put the event
//! there, else from a structured-mode body.

use axum_core::extract::{FromRequest, Request};
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http_body_util::BodyExt as _;

use crate::cloud_event::Attributes;
use crate::{CloudEvent, Data, FromData};

/// Why a request holds no event of the wanted type. Answers 400: sending it again changes nothing.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct EventRejection(String);

impl IntoResponse for EventRejection {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, self.0).into_response()
    }
}

impl<S: Send + Sync, T: FromData> FromRequest<S> for CloudEvent<T> {
    type Rejection = EventRejection;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        let event = match parts.extensions.remove::<CloudEvent<Data>>() {
            Some(event) => event,
            None => {
                let body =
                    body.collect().await.map_err(|e| EventRejection(format!("cannot read the body: {e}")))?;
                CloudEvent::from_json(&body.to_bytes()).map_err(|e| EventRejection(e.to_string()))?
            }
        };
        match T::from_data(event.data) {
            Ok(data) => Ok(CloudEvent { data, attributes: event.attributes }),
            Err(e) => {
                let Attributes { ty, id, .. } = event.attributes;
                Err(EventRejection(format!("payload of event `{ty}` (id {id}): {e}")))
            }
        }
    }
}
