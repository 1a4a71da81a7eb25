//! Traces: spans of calls and sessions, sent to an OTLP receiver.
//!
//! The exporter has a thread and a bounded queue of its own (`opentelemetry_sdk`: 2048 spans); where the receiver is slow or gone,
//! spans are dropped, and the gateway does not notice.

use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanKind, TraceContextExt, TraceId, TracerProvider},
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample, Tracer},
};

use crate::config::TracingConfig;

/// How long the receiver may take for one batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the end waits for what is queued.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// The traces of this process.
pub(super) struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Prepares sending, where it is configured. Needs a runtime. The receiver need not be there.
    pub(super) fn start(config: &TracingConfig) -> anyhow::Result<Self> {
        let Some(endpoint) = &config.otlp_endpoint else { return Ok(Self(None)) };
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint.to_string())
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .with_context(|| format!("tracing.otlp_endpoint: {endpoint} cannot be used"))?;
        let resource = Resource::builder()
            .with_service_name(env!("CARGO_PKG_NAME"))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(WithItsCall(Sampler::TraceIdRatioBased(config.sample_ratio)))
            .with_resource(resource.build())
            .build();
        Ok(Self(Some(provider)))
    }

    /// What makes spans, where they are wanted.
    pub(super) fn tracer(&self) -> Option<Tracer> {
        self.0.as_ref().map(|provider| provider.tracer(env!("CARGO_PKG_NAME")))
    }

    /// Sends what is queued, as far as the receiver takes it in a moment. Blocks the thread.
    pub(super) fn finish(&self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown_with_timeout(LAST_MOMENT)
        {
            tracing::warn!(%error, "some spans were not sent");
        }
    }
}

/// Samples what a caller's trace says, a session where the call that opened it is sampled, and of the rest a share.
#[derive(Clone, Debug)]
struct WithItsCall(Sampler);

impl ShouldSample for WithItsCall {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let parent_context =
            parent.map(|parent| parent.span().span_context().clone()).filter(|parent| parent.is_valid());
        let decided = match (parent_context, links) {
            (Some(parent), _) => Some((parent.is_sampled(), parent.trace_state().clone())),
            (None, []) => None,
            (None, links) => Some((links.iter().any(|link| link.span_context.is_sampled()), Default::default())),
        };
        match decided {
            Some((sampled, trace_state)) => SamplingResult {
                decision: if sampled { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop },
                attributes: Vec::new(),
                trace_state,
            },
            None => self.0.should_sample(parent, trace_id, name, kind, attributes, links),
        }
    }
}
