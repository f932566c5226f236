//! Sends spans to a collector over OTLP/HTTP, in batches, in the background. If the collector is unreachable, spans
//! are lost but nothing else is affected.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use eg_sdk::TraceContext;
use http::{Request, Response, Uri};
use http_body_util::Full;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor as _,
};
use time::OffsetDateTime;
use tokio::runtime::Handle;

use super::{Kind, Span};
use crate::outbound::reading::Reading;
use crate::outbound::{Connector, Pool};
use crate::tls::ClientTls;

/// Timeout for sending one batch.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout for sending the last spans when the gateway stops.
const LAST: Duration = Duration::from_secs(2);

/// Maximum size of a collector's answer in bytes.
const ANSWER: usize = 1024 * 1024;

/// Sends spans.
#[derive(Debug)]
pub(crate) struct Exporter {
    batches: BatchSpanProcessor,
    scope: InstrumentationScope,
}

impl Exporter {
    /// Returns an exporter to the collector at this URL, for example `http://localhost:4318`.
    pub(crate) fn new(endpoint: &str, tls: &ClientTls) -> Result<Self, String> {
        let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let origin: Uri = url.parse().map_err(|e| format!("{url} is not a URL: {e}"))?;
        let pool = Pool::new(Connector::of_operator(tls), origin);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client { pool, runtime: Handle::current() })
            .with_endpoint(url)
            .with_timeout(TIMEOUT)
            .build()
            .map_err(|e| e.to_string())?;
        let mut batches = BatchSpanProcessor::new(exporter, BatchConfigBuilder::default().build());
        batches.set_resource(&Resource::builder().with_service_name("event-gateway").build());
        let scope = InstrumentationScope::builder("event-gateway").with_version(env!("CARGO_PKG_VERSION"));
        Ok(Self { batches, scope: scope.build() })
    }

    pub(super) fn export(&self, span: &Span<'_>, end: OffsetDateTime) {
        let Some(span_context) = ids(span.context) else { return };
        let parent = span.parent.and_then(ids);
        let (name, span_kind) = match span.kind {
            Kind::Accept => ("accept", SpanKind::Server),
            Kind::Deliver => ("deliver", SpanKind::Client),
        };
        let mut attributes = vec![KeyValue::new("cloudevents.event_type", span.event_type.to_owned())];
        if let Some(function) = span.function {
            attributes.push(KeyValue::new("eventgateway.function_id", function.to_owned()));
        }
        let end_time = SystemTime::from(end);
        self.batches.on_end(SpanData {
            span_context,
            parent_span_id: parent.as_ref().map_or(SpanId::INVALID, SpanContext::span_id),
            parent_span_is_remote: parent.is_some(),
            span_kind,
            name: format!("{name} {}", span.event_type).into(),
            start_time: end_time.checked_sub(span.took).unwrap_or(end_time),
            end_time,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: span.error.clone().map_or(Status::Unset, Status::error),
            instrumentation_scope: self.scope.clone(),
        });
    }

    pub(super) fn close(&self) {
        if let Err(error) = self.batches.shutdown_with_timeout(LAST) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

fn ids(context: &TraceContext) -> Option<SpanContext> {
    let trace = TraceId::from_hex(context.trace_id()).ok()?;
    let span = SpanId::from_hex(context.span_id()).ok()?;
    Some(SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::default()))
}

/// The gateway's own HTTP client and its runtime, because batches come from a thread without a runtime.
struct Client {
    pool: Arc<Pool>,
    runtime: Handle,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let pool = Arc::clone(&self.pool);
        let send = async move { pool.send_absolute(request.map(Full::new), ANSWER, Reading::Excerpt).await };
        self.runtime.spawn(send).await?
    }
}
