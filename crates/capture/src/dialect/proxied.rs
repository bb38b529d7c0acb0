//! Calls that went through the provider proxy: the provider's own request and answer become a span.
//!
//! The request is kept as its client wrote it, so that it can be sent again; a streamed answer is put
//! together from its events (`stream`) into the shape that the same provider gives unstreamed. What is
//! no model call (uploads, batches) is kept as what it is, with the sizes of what is not JSON.
//!
//! Not done here: headers are never seen, so no key can get in.

mod stream;

use exhibit_model::{Door, Json, JsonMap, Nanos, SpanId, TraceId};
use serde_json::json;

use crate::{Context, DecodeError, Decoded, native, read};

/// Whose protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wire {
    /// OpenAI's, which many servers speak.
    OpenAi,
    /// Anthropic's.
    Anthropic,
    /// Gemini's.
    Gemini,
}

impl Wire {
    /// The provider's name, as spans say it.
    pub fn provider(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }
}

/// One call as it passed by.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Whose protocol.
    pub wire: Wire,
    /// The path below the provider's base, without query.
    pub path: String,
    /// The request's body.
    pub request: Vec<u8>,
    /// Status of the answer; none when there was none.
    pub status: Option<u16>,
    /// Content type of the answer.
    pub content_type: String,
    /// The answer's body, as much as was kept.
    pub answer: Vec<u8>,
    /// What broke it off: a stable name, and words for people.
    pub failure: Option<(String, String)>,
    /// The trace it belongs to.
    pub trace_id: TraceId,
    /// Its own id.
    pub span_id: SpanId,
    /// The span that made it.
    pub parent_id: Option<String>,
    /// When it was received.
    pub start: Nanos,
    /// When its last byte had passed; none while it runs.
    pub end: Option<Nanos>,
    /// From its start to the first byte of the answer's body, nanoseconds.
    pub first_byte: Option<Nanos>,
    /// Further fields of the native API: session, user, tags and the like.
    pub labels: JsonMap,
}

/// What kind of call a path stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Model,
    Embedding,
    Other,
}

impl Exchange {
    fn kind(&self) -> Kind {
        let path = self.path.trim_matches('/');
        let ends = |ends: &[&str]| ends.iter().any(|end| path.ends_with(end));
        match self.wire {
            Wire::OpenAi if ends(&["completions", "responses"]) => Kind::Model,
            Wire::Anthropic if ends(&["messages", "complete"]) => Kind::Model,
            Wire::Gemini if ends(&[":generateContent", ":streamGenerateContent"]) => Kind::Model,
            Wire::OpenAi if ends(&["embeddings"]) => Kind::Embedding,
            Wire::Gemini if ends(&[":embedContent", ":batchEmbedContents"]) => Kind::Embedding,
            _ => Kind::Other,
        }
    }

    /// The model that the request names; Gemini's stands in the path.
    fn model(&self, request: &Json) -> Option<String> {
        let stated = request.get("model").and_then(Json::as_str).map(str::to_owned);
        stated.or_else(|| {
            let model = self.path.split("models/").nth(1)?.split(':').next()?;
            (self.wire == Wire::Gemini && !model.is_empty()).then(|| model.to_owned())
        })
    }
}

/// Reads a request before it is sent: what rules are asked about.
pub fn request(exchange: &Exchange) -> (Option<String>, Json) {
    let body = whole(&exchange.request);
    (exchange.model(&body), body)
}

/// Makes the span of a call.
///
/// # Errors
/// When its ids or its size are not acceptable.
pub fn span(exchange: &Exchange, context: &Context) -> Result<Decoded, DecodeError> {
    let kind = exchange.kind();
    let request = whole(&exchange.request);
    let mut fields = JsonMap::new();
    let mut put = |name: &str, value: Json| {
        if !read::is_absent(&value) {
            fields.insert(name.to_owned(), value);
        }
    };
    let name = match kind {
        Kind::Model => "chat",
        Kind::Embedding => "embeddings",
        Kind::Other => exchange.path.trim_matches('/'),
    };
    put("trace_id", exchange.trace_id.as_str().into());
    put("span_id", exchange.span_id.as_str().into());
    put("parent_span_id", exchange.parent_id.clone().into());
    put("name", name.into());
    let word = match kind {
        Kind::Model => "llm",
        Kind::Embedding => "embedding",
        Kind::Other => "custom",
    };
    put("span_type", word.into());
    put("start_time", exchange.start.to_rfc3339().into());
    put("provider", exchange.wire.provider().into());
    let asked = exchange.model(&request);
    put("model", asked.clone().into());
    put("parameters", parameters(exchange.wire, &request));
    let user = request.get("user").or_else(|| request.pointer("/metadata/user_id"));
    put("user_id", user.filter(|u| u.is_string()).cloned().unwrap_or_default());
    let mut attributes = JsonMap::new();
    if let Some(tools) = request.get("tools") {
        attributes.insert("exhibit.tools".to_owned(), tools.clone());
    }
    attributes.insert("http.route".to_owned(), exchange.path.as_str().into());
    put("input", request);
    if let Some(end) = exchange.end {
        put("end_time", end.to_rfc3339().into());
        let first = exchange.first_byte.map(|t| t.0 as f64 / 1e6);
        put("ttft_ms", first.map(Json::from).unwrap_or_default());
        if let Some(status) = exchange.status {
            attributes.insert("http.response.status_code".to_owned(), status.into());
        }
        let told = answer(exchange);
        outcome(exchange, told, &mut put);
    } else {
        put("status", "running".into());
    }
    put("attributes", attributes.into());
    fields.extend(exchange.labels.clone());
    let body = json!({ "batch": [fields] }).to_string();
    let mut decoded = native::span_batch(body.as_bytes(), context)?;
    decoded.spans.iter_mut().for_each(|span| span.door = Door::Proxy);
    decoded.protocol = "proxy";
    Ok(decoded)
}

/// The answer in the shape that the provider gives unstreamed.
fn answer(exchange: &Exchange) -> Json {
    let streamed = exchange.content_type.contains("text/event-stream");
    if streamed {
        stream::assemble(exchange.wire, &exchange.answer)
    } else {
        whole(&exchange.answer)
    }
}

/// Puts in how the call ended, what it gave and what it used.
fn outcome(exchange: &Exchange, told: Json, put: &mut dyn FnMut(&str, Json)) {
    let refused = exchange.status.is_some_and(|status| status >= 400);
    let error = told.get("error").filter(|e| !e.is_null());
    let said = error.or_else(|| told.pointer("/response/error").filter(|e| !e.is_null()));
    let word = |value: &Json, name: &str| value.get(name).and_then(Json::as_str).map(str::to_owned);
    let failure = match (&exchange.failure, said) {
        (Some(failure), _) => Some(failure.clone()),
        (None, Some(error)) => {
            let code = word(error, "type").or_else(|| word(error, "status"));
            let code = code.or_else(|| word(error, "code"));
            let text = word(error, "message").unwrap_or_else(|| "the provider failed".to_owned());
            Some((code.unwrap_or_else(|| "provider_error".to_owned()), text))
        }
        (None, None) if refused => {
            let status = exchange.status.unwrap_or_default();
            Some((format!("http_{status}"), format!("the provider answered {status}")))
        }
        (None, None) => None,
    };
    match failure {
        Some((code, text)) => {
            put("status", "error".into());
            put("error_type", code.into());
            put("error", text.into());
        }
        None => put("status", "ok".into()),
    }
    let inner = told.get("response").filter(|r| r.is_object() && told.get("type").is_some());
    let body = inner.unwrap_or(&told);
    for name in ["model", "modelVersion"] {
        put("model", body.get(name).filter(|m| m.is_string()).cloned().unwrap_or_default());
    }
    for name in ["id", "responseId"] {
        put("response_id", body.get(name).filter(|m| m.is_string()).cloned().unwrap_or_default());
    }
    put(
        "service_tier",
        body.get("service_tier").filter(|t| t.is_string()).cloned().unwrap_or_default(),
    );
    let reason = [
        "/choices/0/finish_reason",
        "/stop_reason",
        "/candidates/0/finishReason",
        "/incomplete_details/reason",
    ];
    let reason = reason.iter().find_map(|at| body.pointer(at)?.as_str());
    put("finish_reason", reason.map(str::to_ascii_lowercase).into());
    usage(exchange.wire, body, put);
    if !read::is_absent(&told) {
        put("output", if exchange.kind() == Kind::Embedding { shortened(told) } else { told });
    }
}

/// Token counts in the native API's words: both totals contain their parts.
fn usage(wire: Wire, body: &Json, put: &mut dyn FnMut(&str, Json)) {
    let count = |at: &str| body.pointer(at).and_then(Json::as_u64);
    let first = |ats: &[&str]| ats.iter().find_map(|at| count(at));
    let (input, output, cached, written, reasoning);
    match wire {
        Wire::OpenAi => {
            input = first(&["/usage/prompt_tokens", "/usage/input_tokens"]);
            output = first(&["/usage/completion_tokens", "/usage/output_tokens"]);
            cached = first(&[
                "/usage/prompt_tokens_details/cached_tokens",
                "/usage/input_tokens_details/cached_tokens",
            ]);
            written = None;
            reasoning = first(&[
                "/usage/completion_tokens_details/reasoning_tokens",
                "/usage/output_tokens_details/reasoning_tokens",
            ]);
        }
        Wire::Anthropic => {
            cached = count("/usage/cache_read_input_tokens");
            written = count("/usage/cache_creation_input_tokens");
            input = count("/usage/input_tokens").map(|uncached| {
                uncached.saturating_add(cached.unwrap_or(0)).saturating_add(written.unwrap_or(0))
            });
            output = count("/usage/output_tokens");
            reasoning = None;
        }
        Wire::Gemini => {
            let used = count("/usageMetadata/toolUsePromptTokenCount").unwrap_or(0);
            let asked = count("/usageMetadata/promptTokenCount");
            input = asked.map(|n| n.saturating_add(used));
            reasoning = count("/usageMetadata/thoughtsTokenCount");
            let told = count("/usageMetadata/candidatesTokenCount");
            output =
                told.or(reasoning.map(|_| 0)).map(|n| n.saturating_add(reasoning.unwrap_or(0)));
            cached = count("/usageMetadata/cachedContentTokenCount");
            written = None;
        }
    }
    put("tokens_in", input.into());
    put("tokens_out", output.into());
    put("cache_read_tokens", cached.into());
    put("cache_write_tokens", written.into());
    put("reasoning_tokens", reasoning.into());
}

/// Request parameters that a reader looks for; everything is in the input as well.
fn parameters(wire: Wire, request: &Json) -> Json {
    const NAMES: [&str; 14] = [
        "temperature",
        "top_p",
        "top_k",
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "stop",
        "stop_sequences",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "reasoning_effort",
        "stream",
        "n",
    ];
    let mut map = JsonMap::new();
    for name in NAMES {
        if let Some(value) = request.get(name).filter(|v| !v.is_null()) {
            map.insert(name.to_owned(), value.clone());
        }
    }
    if wire == Wire::Gemini
        && let Some(Json::Object(inner)) = request.get("generationConfig")
    {
        for (name, value) in inner.iter().filter(|(_, v)| !v.is_object() && !v.is_array()) {
            map.insert(name.clone(), value.clone());
        }
    }
    if map.is_empty() { Json::Null } else { map.into() }
}

/// A body as JSON, or what can be said of one that is none.
fn whole(body: &[u8]) -> Json {
    if body.is_empty() {
        return Json::Null;
    }
    match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(_) => match std::str::from_utf8(body) {
            Ok(text) if text.len() <= TEXT_BYTES_MAX => json!({ "text": text }),
            _ => json!({ "bytes": body.len() }),
        },
    }
}

/// Longest body that is kept as text where it is not JSON.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// Vectors say nothing to a reader; their length does.
fn shortened(mut told: Json) -> Json {
    fn each(vector: &mut Json) {
        let length = match vector {
            Json::Array(numbers) => Some(numbers.len()),
            Json::String(packed) => Some(packed.len() / 4 * 3 / 4),
            _ => None,
        };
        if let Some(length) = length {
            *vector = json!({ "dimensions": length });
        }
    }
    if let Some(Json::Array(rows)) = told.get_mut("data") {
        rows.iter_mut().filter_map(|row| row.get_mut("embedding")).for_each(each);
    }
    if let Some(Json::Array(rows)) = told.get_mut("embeddings") {
        rows.iter_mut().filter_map(|row| row.get_mut("values")).for_each(each);
    }
    if let Some(values) = told.pointer_mut("/embedding/values") {
        each(values);
    }
    told
}
