//! A collector of traces: takes OTLP over HTTP, and keeps what came.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a collector does with what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Takes,
    SaysNothing,
}

/// A collector on a free port, gone when it is dropped.
pub struct Collector {
    address: SocketAddr,
    came: Arc<Came>,
    listening: JoinHandle<()>,
}

#[derive(Default)]
struct Came {
    connections: Mutex<usize>,
    bodies: Mutex<Vec<Vec<u8>>>,
}

/// A span as it came.
#[derive(Debug, Clone)]
pub struct TraceSpan {
    /// What it is called.
    pub name: String,
    /// The trace and itself, in hexadecimal digits.
    pub place: Place,
    /// The span in which it lies, empty if there is none.
    pub parent: String,
    /// What it is linked to.
    pub links: Vec<Place>,
    /// Whether it is marked as an error.
    pub is_error: bool,
    /// What it says, as text.
    pub attributes: BTreeMap<String, String>,
    /// What is said of who sent it, as text.
    pub sender: BTreeMap<String, String>,
}

/// Where a span is found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The trace.
    pub trace: String,
    /// The span in it.
    pub span: String,
}

impl Collector {
    /// One that takes everything.
    pub async fn start() -> Self {
        Self::with(Manner::Takes).await
    }

    /// One that lets everybody in, reads and never answers.
    pub async fn silent() -> Self {
        Self::with(Manner::SaysNothing).await
    }

    async fn with(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let came = Arc::new(Came::default());
        let address = listener.local_addr().expect("it listens");
        let noted = Arc::clone(&came);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *lock(&noted.connections) += 1;
                tokio::spawn(serve(stream, manner, Arc::clone(&noted)));
            }
        });
        Self {
            address,
            came,
            listening,
        }
    }

    /// For the setting `traces.endpoint`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often somebody has connected.
    pub fn connections(&self) -> usize {
        *lock(&self.came.connections)
    }

    /// Whether these bytes are in anything that came.
    pub fn has_seen(&self, text: &str) -> bool {
        let bodies = lock(&self.came.bodies);
        let mut windows = bodies.iter().flat_map(|body| body.windows(text.len()));
        windows.any(|window| window == text.as_bytes())
    }

    /// All spans that came.
    pub fn spans(&self) -> Vec<TraceSpan> {
        let bodies = lock(&self.came.bodies);
        bodies.iter().flat_map(|body| read(body)).collect()
    }

    /// The spans of a trace.
    pub fn trace(&self, trace: &str) -> Vec<TraceSpan> {
        let mut spans = self.spans();
        spans.retain(|span| span.place.trace == trace);
        spans
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request after the other, until the client goes.
async fn serve(mut stream: TcpStream, manner: Manner, came: Arc<Came>) {
    let mut read = Vec::new();
    while let Some(body) = next_body(&mut stream, &mut read).await {
        if manner == Manner::SaysNothing {
            continue;
        }
        lock(&came.bodies).push(body);
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n\
                      Content-Length: 0\r\n\r\n";
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn next_body(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(body) = take_body(read) {
            return Some(body);
        }
        match stream.read_buf(read).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// The first body, if all of it has been read.
fn take_body(read: &mut Vec<u8>) -> Option<Vec<u8>> {
    let head_end = read.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&read[..head_end]).to_lowercase();
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(
        head.contains("content-type: application/x-protobuf\r\n"),
        "{head}"
    );
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.and_then(|it| it.parse().ok()).expect("a length");
    if read.len() < head_end + length {
        return None;
    }
    let rest = read.split_off(head_end + length);
    let request = std::mem::replace(read, rest);
    Some(request[head_end..].to_vec())
}

fn read(body: &[u8]) -> Vec<TraceSpan> {
    let request = ExportTraceServiceRequest::decode(body).expect("OTLP");
    let mut spans = Vec::new();
    for resource in request.resource_spans {
        let sender = texts(&resource.resource.unwrap_or_default().attributes);
        let found = resource.scope_spans.into_iter().flat_map(|it| it.spans);
        spans.extend(found.map(|span| TraceSpan::of(span, sender.clone())));
    }
    spans
}

impl TraceSpan {
    fn of(span: Span, sender: BTreeMap<String, String>) -> Self {
        let links = span.links.iter();
        Self {
            links: links
                .map(|link| Place::of(&link.trace_id, &link.span_id))
                .collect(),
            place: Place::of(&span.trace_id, &span.span_id),
            parent: hex(&span.parent_span_id),
            is_error: span.status.is_some_and(|it| it.code() == StatusCode::Error),
            attributes: texts(&span.attributes),
            name: span.name,
            sender,
        }
    }

    /// What it says under that name, empty if it says nothing.
    pub fn says(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

impl Place {
    fn of(trace: &[u8], span: &[u8]) -> Self {
        Self {
            trace: hex(trace),
            span: hex(span),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let texts = attributes.iter().map(|attribute| {
        let value = attribute.value.as_ref();
        (attribute.key.clone(), value.map_or_else(String::new, text))
    });
    texts.collect()
}

fn text(value: &AnyValue) -> String {
    match &value.value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}
