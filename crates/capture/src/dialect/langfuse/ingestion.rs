//! Langfuse's batch ingestion: `{"batch": [{"id", "timestamp", "type", "body"}]}`.
//!
//! Each event creates or updates a trace, an observation or a score by the id in its body; fields that
//! a later event leaves out stay as they were. The fields become the raw attributes that the same
//! product's OpenTelemetry exporter would have sent, so that one table reads both.

use exhibit_model::{Attribute, Door, Json, JsonMap, Span, SpanId, Status};

use crate::{
    Context, DecodeError, Decoded, json,
    native::{
        Fault, fault,
        foreign::{keep, refusal, span_id, take, take_list, take_text, take_time, trace_id},
        object,
    },
    read,
};

/// A decoded batch, and the id of each of its events in order.
#[derive(Debug)]
pub struct Batch {
    /// What it held.
    pub decoded: Decoded,
    /// The events' own ids.
    pub ids: Vec<String>,
}

/// Decodes `POST /api/public/ingestion`.
pub fn batch(body: &[u8], context: &Context) -> Result<Batch, DecodeError> {
    let mut root = object(body, context, "a JSON object with the list \"batch\"")?;
    let list = take_list(&mut root, "batch", "a list of events", context)?;
    let mut decoded = Decoded { protocol: "langfuse", ..Decoded::default() };
    let mut ids = Vec::with_capacity(list.len());
    for (index, entry) in list.into_iter().enumerate() {
        ids.push(entry.get("id").and_then(read::text).unwrap_or_default());
        match event(&entry, context) {
            Ok(Some(span)) => decoded.spans.push(span),
            Ok(None) => decoded.accepted_other += 1,
            Err(fault) => {
                let at = format!("/batch/{index}");
                decoded.rejected.push(refusal(index, &at, &entry, fault));
            }
        }
    }
    Ok(Batch { decoded, ids })
}

/// Decodes `POST /api/public/scores`: one score, or a list of them.
pub fn scores(body: &[u8], context: &Context) -> Result<Decoded, DecodeError> {
    let list = match json::parse(body, context.limits.depth_max.min(120))? {
        Json::Array(list) => list,
        one @ Json::Object(_) => vec![one],
        _ => {
            let expected = "a score, or a list of scores";
            return Err(DecodeError::Shape { pointer: String::new(), expected });
        }
    };
    let max = context.limits.spans_per_request_max;
    if list.len() > max {
        return Err(DecodeError::TooMany { what: "scores", max });
    }
    let mut decoded = Decoded { protocol: "langfuse", ..Decoded::default() };
    for (index, entry) in list.into_iter().enumerate() {
        let outcome = match &entry {
            Json::Object(map) => score(map.clone(), context),
            _ => Err(fault("", "a score must be an object")),
        };
        match outcome {
            Ok(span) => decoded.spans.push(span),
            Err(fault) => {
                decoded.rejected.push(refusal(index, &format!("/{index}"), &entry, fault));
            }
        }
    }
    Ok(decoded)
}

fn event(entry: &Json, context: &Context) -> Result<Option<Span>, Fault> {
    let kind = entry.get("type").and_then(Json::as_str);
    let kind = kind.ok_or_else(|| fault("/type", "must name the kind of event"))?;
    let Some(Json::Object(body)) = entry.get("body") else {
        return Err(fault("/body", "must be an object"));
    };
    let mut map = body.clone();
    let made = entry.get("timestamp").cloned();
    let below = |(at, reason): Fault| (format!("/body{at}"), reason);
    if let Some(made) = made {
        map.entry("timestamp").or_insert(made);
    }
    let span = match kind {
        "trace-create" => registration(map, context),
        "score-create" => score(map, context),
        "sdk-log" | "dataset-run-item-create" => return Ok(None),
        _ => match kind.rsplit_once('-') {
            Some((what, "create" | "update")) => observation(map, what, context),
            _ => return Err(fault("/type", "is not a kind of event that is known here")),
        },
    };
    span.map(Some).map_err(below)
}

/// Fields of a trace, and the attributes they become.
const TRACE: &[(&str, &str)] = &[
    ("name", "langfuse.trace.name"),
    ("sessionId", "langfuse.session.id"),
    ("userId", "langfuse.user.id"),
    ("tags", "langfuse.trace.tags"),
    ("metadata", "langfuse.trace.metadata"),
    ("input", "langfuse.trace.input"),
    ("output", "langfuse.trace.output"),
    ("release", "langfuse.release"),
    ("version", "langfuse.version"),
    ("environment", "langfuse.environment"),
    ("public", "langfuse.trace.public"),
];

/// Fields of an observation, and the attributes they become.
const OBSERVATION: &[(&str, &str)] = &[
    ("input", "langfuse.observation.input"),
    ("output", "langfuse.observation.output"),
    ("metadata", "langfuse.observation.metadata"),
    ("level", "langfuse.observation.level"),
    ("statusMessage", "langfuse.observation.status_message"),
    ("model", "langfuse.observation.model.name"),
    ("modelParameters", "langfuse.observation.model.parameters"),
    ("usageDetails", "langfuse.observation.usage_details"),
    ("costDetails", "langfuse.observation.cost_details"),
    ("promptName", "langfuse.observation.prompt.name"),
    ("promptVersion", "langfuse.observation.prompt.version"),
    ("completionStartTime", "langfuse.observation.completion_start_time"),
    ("version", "langfuse.version"),
    ("environment", "langfuse.environment"),
];

fn rename(span: &mut Span, map: &mut JsonMap, names: &[(&str, &str)]) {
    for (name, key) in names {
        if let Some((_, value)) = take(map, &[name]) {
            span.attributes.push(Attribute::new(*key, value));
        }
    }
}

fn registration(mut map: JsonMap, context: &Context) -> Result<Span, Fault> {
    let id = take_text(&mut map, &["id"])?.ok_or_else(|| fault("/id", "must be text"))?;
    let mut span = Span::new(trace_id(&id, "id")?, SpanId::registration(), Door::Compat);
    span.status = Status::Ok;
    let at = take_time(&mut map, &["timestamp"])?.unwrap_or(context.received);
    span.start = Some(at);
    // A later event corrects an earlier one.
    span.end = Some(context.received);
    rename(&mut span, &mut map, TRACE);
    keep(&mut span, "langfuse.body.", map, context)?;
    Ok(span)
}

fn observation(mut map: JsonMap, what: &str, context: &Context) -> Result<Span, Fault> {
    let id = take_text(&mut map, &["id"])?.ok_or_else(|| fault("/id", "must be text"))?;
    // An observation without a trace is a trace of its own.
    let trace = take_text(&mut map, &["traceId"])?.unwrap_or_else(|| id.clone());
    let mut span = Span::new(trace_id(&trace, "traceId")?, span_id(&id, "id")?, Door::Compat);
    let parent = take_text(&mut map, &["parentObservationId"])?;
    span.parent_id = parent.map(|id| span_id(&id, "parentObservationId")).transpose()?;
    span.name = take_text(&mut map, &["name"])?;
    let made = take_time(&mut map, &["timestamp"])?;
    span.start = take_time(&mut map, &["startTime"])?;
    span.end = take_time(&mut map, &["endTime"])?;
    let kind = match what {
        "observation" => take_text(&mut map, &["type"])?.map(|word| word.to_lowercase()),
        what => Some(what.to_owned()),
    };
    if kind.as_deref() == Some("event") {
        span.start = span.start.or(made);
        span.end = span.end.or(span.start);
    }
    let failed = map.get("level").and_then(Json::as_str) == Some("ERROR");
    span.status = match (failed, span.end) {
        (true, _) => Status::Error,
        (false, Some(_)) => Status::Ok,
        (false, None) => Status::Running,
    };
    if span.status.is_terminal() {
        span.end = span.end.or(made).or(Some(context.received));
        span.status_message =
            if failed { map.get("statusMessage").and_then(read::text) } else { None };
    }
    if let Some(kind) = kind {
        span.attributes.push(Attribute::new("langfuse.observation.type", kind));
    }
    if let Some((_, usage)) = take(&mut map, &["usage"]) {
        older_usage(&mut map, &usage);
        map.insert("usage".to_owned(), usage);
    }
    rename(&mut span, &mut map, OBSERVATION);
    keep(&mut span, "langfuse.body.", map, context)?;
    Ok(span)
}

/// The older form of usage: `{input, output, total, unit, inputCost, …}` or OpenAI's own names.
fn older_usage(map: &mut JsonMap, usage: &Json) {
    let tokens = usage.get("unit").and_then(Json::as_str).is_none_or(|unit| unit == "TOKENS");
    let gather = |names: [(&str, &[&str]); 3]| {
        let mut out = JsonMap::new();
        for (to, from) in names {
            let value = from.iter().find_map(|name| usage.get(*name).filter(|v| v.is_number()));
            out.extend(value.map(|value| (to.to_owned(), value.clone())));
        }
        Json::Object(out)
    };
    if tokens && map.get("usageDetails").is_none_or(Json::is_null) {
        let details = gather([
            ("input", &["input", "promptTokens", "prompt_tokens"]),
            ("output", &["output", "completionTokens", "completion_tokens"]),
            ("total", &["total", "totalTokens", "total_tokens"]),
        ]);
        map.insert("usageDetails".to_owned(), details);
    }
    if map.get("costDetails").is_none_or(Json::is_null) {
        let details = gather([
            ("input", &["inputCost", "input_cost"]),
            ("output", &["outputCost", "output_cost"]),
            ("total", &["totalCost", "total_cost"]),
        ]);
        map.insert("costDetails".to_owned(), details);
    }
}

fn score(mut map: JsonMap, context: &Context) -> Result<Span, Fault> {
    let trace = take_text(&mut map, &["traceId"])?;
    let Some(trace) = trace else {
        return Err(fault("/traceId", "must name the trace that the score is about"));
    };
    let id = take_text(&mut map, &["id"])?;
    let name = map.get("name").and_then(read::text).unwrap_or_else(|| "score".to_owned());
    let id =
        id.unwrap_or_else(|| format!("score:{}", crate::ids::digest_hex(&[&trace, &name], 16)));
    let mut span = Span::new(trace_id(&trace, "traceId")?, span_id(&id, "id")?, Door::Compat);
    let on = take_text(&mut map, &["observationId"])?;
    span.parent_id = on.map(|id| span_id(&id, "observationId")).transpose()?;
    span.name = Some(name);
    let at = take_time(&mut map, &["timestamp"])?.unwrap_or(context.received);
    (span.start, span.end, span.status) = (Some(at), Some(at), Status::Ok);
    span.attributes.push(Attribute::new("langfuse.observation.type", "evaluator"));
    let mut told = JsonMap::new();
    for name in ["name", "value", "dataType", "comment"] {
        if let Some((name, value)) = take(&mut map, &[name]) {
            told.insert(name, value);
        }
    }
    span.attributes.push(Attribute::new("langfuse.observation.output", Json::Object(told)));
    rename(&mut span, &mut map, &[("metadata", "langfuse.observation.metadata")]);
    keep(&mut span, "langfuse.body.", map, context)?;
    Ok(span)
}
