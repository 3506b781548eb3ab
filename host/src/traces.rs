//! Spans of runs and of what they call, as OpenTelemetry: sent over HTTP to a collector. It knows no
//! chore.
//!
//! A span that ends is put into a queue of limited length, and nothing waits: when the queue is full,
//! it is dropped, and counted. A thread of its own empties the queue, so that a collector that does
//! not answer holds up nothing.

mod http;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{
    Sampler, SdkTracerProvider, Span, SpanData, SpanExporter as _, SpanProcessor,
};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::{Layer, filter};

use crate::config;
use crate::error::chain;
use crate::limits::{
    TRACE_CLOSE_WAIT, TRACE_EXPORT_EVERY, TRACE_EXPORT_TIMEOUT, TRACE_QUEUE_MAX,
    TRACE_SPANS_AT_ONCE,
};
use crate::meters::Tally;

/// What becomes of a span that ends, as metrics name it.
pub const RESULTS: [&str; 3] = [EXPORTED, FAILED, DROPPED];
const EXPORTED: &str = "exported";
const FAILED: &str = "failed";
const DROPPED: &str = "dropped";

/// The path of traces at a collector.
const PATH: &str = "/v1/traces";

/// What the targets of our spans begin with: those of a chore's calls have one of their own.
const OURS: [&str; 2] = [env!("CARGO_CRATE_NAME"), "chore::"];

/// Why no spans are sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "traces endpoint {0:?}: it is http://HOST:PORT of an OTLP collector; for one elsewhere that \
         wants https, run one beside the peer that passes spans on"
    )]
    Endpoint(String),
    #[error("prepare to send traces: {0}")]
    Exporter(String),
    #[error("start the thread that sends traces")]
    Thread(#[source] std::io::Error),
}

/// Where spans go in this process. Close it last.
#[must_use]
pub struct Traces {
    queue: SyncSender<Item>,
    spans: Arc<Tally>,
    /// Keeps the tracer alive.
    provider: SdkTracerProvider,
}

/// Takes the spans of this program, whatever its log shows.
pub type SpanLayer = Box<dyn Layer<Registry> + Send + Sync>;

enum Item {
    Span(Box<SpanData>),
    /// All before is to be sent now; dropped when it is.
    Flush(SyncSender<()>),
}

impl Traces {
    /// `None` if the config names no collector. Whether that answers shows later, in the counts.
    pub fn start(config: &config::Traces) -> Result<Option<(Traces, SpanLayer)>, Error> {
        let Some(endpoint) = &config.endpoint else { return Ok(None) };
        let exporter = exporter(endpoint)?;
        let spans = Arc::new(Tally::of(&RESULTS));
        let (queue, items) = sync_channel(TRACE_QUEUE_MAX);
        let sender = Sender { items, exporter, spans: spans.clone() };
        let thread = std::thread::Builder::new().name("chore-traces".into());
        thread.spawn(move || sender.run()).map_err(Error::Thread)?;
        let processor = Queue { queue: queue.clone(), spans: spans.clone() };
        let ratio = 1.0 / f64::from(config.one_in.max(1));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))))
            .with_resource(resource())
            .build();
        let ours = |metadata: &tracing::Metadata<'_>| {
            let target = metadata.target();
            metadata.is_span() && OURS.iter().any(|ours| target.starts_with(ours))
        };
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("chore"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter::filter_fn(ours));
        Ok(Some((Traces { queue, spans, provider }, Box::new(layer))))
    }

    /// How many spans came to which end.
    pub fn spans(&self) -> Arc<Tally> {
        self.spans.clone()
    }

    /// Sends what waits, for a moment at most. Blocks.
    pub fn close(self) {
        let (done, sent) = sync_channel(0);
        if self.queue.try_send(Item::Flush(done)).is_ok() {
            let _ = sent.recv_timeout(TRACE_CLOSE_WAIT);
        }
        drop(self.provider);
    }
}

/// The header of W3C's Trace Context that tells the callee of the span that calls.
pub const TRACEPARENT: &str = "traceparent";

/// What stands in that header;
/// `None` if the span is not traced.
pub fn traceparent(span: &tracing::Span) -> Option<String> {
    let context = span.context();
    let context = context.span().span_context().clone();
    let (trace, span, flags) = (context.trace_id(), context.span_id(), context.trace_flags());
    context.is_valid().then(|| format!("00-{trace}-{span}-{:02x}", flags.to_u8()))
}

/// Makes the span a child of the one that such a header names. What is no such header is ignored:
/// whoever calls may write anything.
pub fn set_parent(span: &tracing::Span, traceparent: &str) {
    if let Some(parent) = parent(traceparent) {
        // Fails where no spans are collected, and then nothing is lost.
        let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(parent));
    }
}

/// Version 00, and later ones as far as they begin like it, as the standard has it.
fn parent(traceparent: &str) -> Option<SpanContext> {
    let hex = |text: &str, length: usize| {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        text.len() == length && text.bytes().all(digit)
    };
    let mut parts = traceparent.splitn(5, '-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (span, flags, more) = (parts.next()?, parts.next()?, parts.next());
    let known = version != "ff" && (version != "00" || more.is_none());
    if !(known && hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2)) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    // All zeros is no id.
    context.is_valid().then_some(context)
}

fn resource() -> Resource {
    let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    Resource::builder_empty().with_service_name("chore").with_attribute(version).build()
}

fn exporter(endpoint: &str) -> Result<SpanExporter, Error> {
    let wrong = || Error::Endpoint(endpoint.to_owned());
    let uri: ::http::Uri = endpoint.parse().map_err(|_| wrong())?;
    if uri.scheme_str() != Some("http") || uri.port().is_none() || uri.path() != "/" {
        return Err(wrong());
    }
    SpanExporter::builder()
        .with_http()
        .with_http_client(http::Plain)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}{PATH}", endpoint.trim_end_matches('/')))
        .with_timeout(TRACE_EXPORT_TIMEOUT)
        .build()
        .map_err(|err| Error::Exporter(chain(&err)))
}

/// Takes spans as they end.
#[derive(Debug)]
struct Queue {
    queue: SyncSender<Item>,
    spans: Arc<Tally>,
}

impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("item")
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled()
            && self.queue.try_send(Item::Span(Box::new(span))).is_err()
        {
            self.spans.add(DROPPED);
        }
    }

    /// Whoever wants that calls [`Traces::close`].
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The thread that empties the queue.
struct Sender {
    items: Receiver<Item>,
    exporter: SpanExporter,
    spans: Arc<Tally>,
}

impl Sender {
    fn run(mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(err) => return tracing::warn!("no traces are sent: {}", chain(&err)),
        };
        self.exporter.set_resource(&resource());
        let mut batch = Vec::new();
        let mut begun = Instant::now();
        loop {
            let left = TRACE_EXPORT_EVERY.saturating_sub(begun.elapsed());
            let flush = match self.items.recv_timeout(left) {
                Ok(Item::Span(span)) => {
                    batch.push(*span);
                    None
                }
                Ok(Item::Flush(done)) => Some(done),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let due = begun.elapsed() >= TRACE_EXPORT_EVERY || batch.len() >= TRACE_SPANS_AT_ONCE;
            if due || flush.is_some() {
                self.send(&runtime, std::mem::take(&mut batch));
                begun = Instant::now();
            }
            drop(flush);
        }
    }

    fn send(&self, runtime: &tokio::runtime::Runtime, batch: Vec<SpanData>) {
        if batch.is_empty() {
            return;
        }
        let count = batch.len();
        let sent = runtime.block_on(async {
            let export = self.exporter.export(batch);
            let timed_out = |_| Err(OTelSdkError::Timeout(TRACE_EXPORT_TIMEOUT));
            tokio::time::timeout(TRACE_EXPORT_TIMEOUT, export).await.unwrap_or_else(timed_out)
        });
        let result = if sent.is_ok() { EXPORTED } else { FAILED };
        (0..count).for_each(|_| self.spans.add(result));
        if let Err(err) = sent {
            tracing::debug!(count, "spans were not sent: {}", chain(&err));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn config(endpoint: &str) -> config::Traces {
        config::Traces { endpoint: Some(endpoint.to_owned()), one_in: 1 }
    }

    #[test]
    fn an_endpoint_is_a_plain_one() {
        for wrong in
            ["", "collector:4318", "https://localhost:4318", "http://localhost", "http://a:1/b"]
        {
            let refused = Traces::start(&config(wrong)).err().unwrap().to_string();
            assert!(refused.contains("http://HOST:PORT"), "{wrong}: {refused}");
        }
        assert!(Traces::start(&config::Traces::default()).unwrap().is_none());
    }

    /// The collector takes connections and never answers: the queue fills, and nothing waits.
    #[test]
    fn a_full_queue_drops_and_counts() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (traces, layer) = Traces::start(&config(&endpoint)).unwrap().unwrap();
        let spans = traces.spans();
        let begun = Instant::now();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for _ in 0..2 * (TRACE_QUEUE_MAX + TRACE_SPANS_AT_ONCE) {
                drop(tracing::debug_span!("host.call", otel.name = "one"));
            }
        });
        assert!(spans.counts()[DROPPED] > 0, "{:?}", spans.counts());
        assert!(begun.elapsed() < TRACE_EXPORT_TIMEOUT, "{:?}", begun.elapsed());
    }

    #[test]
    fn the_callee_is_told_of_the_span_that_calls() {
        let (_traces, layer) = Traces::start(&config("http://127.0.0.1:9")).unwrap().unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::debug_span!("transport.call");
            let parent = traceparent(&span).unwrap();
            let parts: Vec<&str> = parent.split('-').collect();
            let [version, trace, id, flags] = parts[..] else { panic!("{parent}") };
            assert_eq!((version, trace.len(), id.len(), flags), ("00", 32, 16, "01"), "{parent}");
            assert_eq!(traceparent(&tracing::Span::none()), None);

            let served = tracing::debug_span!("transport.serve");
            set_parent(&served, &parent);
            let of_child = traceparent(&served).unwrap();
            assert_eq!(of_child.split('-').nth(1), Some(trace), "of the same trace");
            assert_ne!(of_child.split('-').nth(2), Some(id), "and another span");
        });
    }

    #[test]
    fn only_a_good_traceparent_is_a_parent() {
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        let good = |header: &str| {
            let found = parent(header)?;
            Some((found.trace_id().to_string(), found.span_id().to_string(), found.is_sampled()))
        };
        let is = |sampled| Some((trace.to_owned(), span.to_owned(), sampled));
        let (zero_trace, zero_span) = ("0".repeat(32), "0".repeat(16));
        for (header, expected) in [
            (format!("00-{trace}-{span}-01"), is(true)),
            (format!("00-{trace}-{span}-00"), is(false)),
            (format!("00-{trace}-{span}-ff"), is(true)),
            (format!("01-{trace}-{span}-01-more"), is(true)),
            (format!("00-{trace}-{span}-01-more"), None),
            (format!("ff-{trace}-{span}-01"), None),
            (format!("00-{}-{span}-01", trace.to_uppercase()), None),
            (format!("00-{zero_trace}-{span}-01"), None),
            (format!("00-{trace}-{zero_span}-01"), None),
            (format!("00-{trace}-{span}"), None),
            (format!("00-{trace}-{span}-1"), None),
            (format!("00-{trace}-+7ad6b7169203331-01"), None),
            (format!("00-{span}-{trace}-01"), None),
            ("é".repeat(28), None),
            ("-".repeat(1000), None),
            (String::new(), None),
        ] {
            assert_eq!(good(&header), expected, "{header}");
        }
    }
}
