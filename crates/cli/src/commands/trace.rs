//! `exhibit trace`: calls the provider and records the call, whatever becomes of it.
//!
//! The span is recorded as running before the provider is called, so that a call that cannot be
//! recorded is not made, and live views see it from the start.

mod call;
mod summary;

use anyhow::Context as _;
use exhibit_model::{Clock as _, Nanos, SpanId, TraceId};
use exhibit_provider::{ChatRequest, Message, Provider, from_env};
use exhibit_recorder::{OsEntropy, SystemClock};
use serde_json::{Map, Value, json};

use crate::{
    args::TraceArgs,
    config::Loaded,
    door::{Door, Need},
    failure::{Exit, Failure},
    output::Output,
};

use call::{Call, Outcome};
use summary::Summary;

/// Runs the command.
pub(crate) async fn run(args: TraceArgs, loaded: &Loaded, output: Output) -> anyhow::Result<Exit> {
    let door = Door::open(loaded, Need::Write).await?;
    let recorded = record(&args, loaded, &door, output).await;
    door.close(Need::Write).await?;
    recorded
}

async fn record(
    args: &TraceArgs,
    loaded: &Loaded,
    door: &Door,
    output: Output,
) -> anyhow::Result<Exit> {
    let prompt = prompt(&args.prompt)?;
    let chosen = choose(args, loaded);
    let model = match &chosen {
        Ok((_, model)) => Some(model.clone()),
        Err(_) => args
            .model
            .clone()
            .or_else(|| loaded.environment.get("EXHIBIT_MODEL").map(str::to_owned)),
    };
    let provider = chosen.as_ref().ok().map(|(provider, _)| provider.name().to_owned());
    let draft = Draft::new(args, &prompt, model.as_deref(), provider.as_deref());
    draft.send(door, &draft.running(), &args.workspace).await?;

    let show = args.stream && !output.json;
    let call = match chosen {
        Ok((provider, model)) => {
            call::make(&*provider, request(args, prompt, model), show, output).await
        }
        Err(error) => Call::refused(error.code(), error.to_string()),
    };
    draft.send(door, &draft.finished(&call), &args.workspace).await?;

    let recorded = read_back(door, &draft.trace_id, &args.workspace).await;
    let summary = Summary::new(&draft, &call, recorded.as_ref());
    if output.json {
        output.json(&summary.json(&call))?;
    } else {
        if show && !call.text.is_empty() {
            output.line("\n")?;
        }
        output.raw(&summary.text(output))?;
        if !show && !call.text.is_empty() {
            output.line(format!("\n{}", crate::output::printable(&call.text)))?;
        }
    }
    match &call.outcome {
        Outcome::Answered(_) => Ok(Exit::Done),
        Outcome::Failed { code, message } => {
            let mut failure = Failure::new(message.clone());
            if *code == "no_provider" {
                failure = failure.hint("for example: export OPENAI_API_KEY=…");
            }
            Err(failure
                .hint(format!("the failed attempt is recorded as {}", draft.trace_id))
                .into())
        }
    }
}

/// The prompt, from the command line or standard input.
fn prompt(text: &str) -> anyhow::Result<String> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let text = std::io::read_to_string(std::io::stdin()).context("standard input is not text")?;
    Ok(text.trim_end().to_owned())
}

type Chosen = Result<(Box<dyn Provider>, String), exhibit_provider::ConfigError>;

/// The provider and model that environment, configuration and flags name.
fn choose(args: &TraceArgs, loaded: &Loaded) -> Chosen {
    let lookup = |name: &str| match (name, &args.model) {
        ("EXHIBIT_MODEL", Some(model)) => Some(model.clone()),
        _ => loaded.environment.get(name).map(str::to_owned),
    };
    from_env(&lookup, Some(&loaded.config.provider))
}

fn request(args: &TraceArgs, prompt: String, model: String) -> ChatRequest {
    let mut request = ChatRequest::prompt(model, prompt);
    if let Some(text) = &args.system {
        request.messages.insert(0, Message::System { text: text.clone() });
    }
    request.temperature = args.temperature;
    request.output_tokens_max = args.max_tokens;
    request
}

/// The trace as recorded; what it cost is decided on the way in.
async fn read_back(door: &Door, trace: &TraceId, workspace: &str) -> Option<Value> {
    let answer = door.remote.get(&format!("api/v1/traces/{trace}"), &[], workspace).await;
    answer.ok().flatten().and_then(|mut answer| answer.get_mut("data").map(Value::take))
}

/// What is known of the span before the call.
pub(super) struct Draft {
    /// The trace.
    pub(super) trace_id: TraceId,
    /// What was asked of whom.
    fields: Map<String, Value>,
    /// The model that was asked for.
    pub(super) model: Option<String>,
    /// The provider.
    pub(super) provider: Option<String>,
}

impl Draft {
    fn new(args: &TraceArgs, prompt: &str, model: Option<&str>, provider: Option<&str>) -> Self {
        let now = now();
        let trace_id = TraceId::mint(now.0, &OsEntropy);
        let mut messages = Vec::new();
        if let Some(system) = &args.system {
            messages.push(json!({"role": "system", "content": system}));
        }
        messages.push(json!({"role": "user", "content": prompt}));
        let mut metadata: Map<String, Value> =
            args.metadata.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
        if let Some(project) = &args.project {
            metadata.insert("project".to_owned(), project.as_str().into());
        }
        let mut parameters = Map::new();
        if let Some(temperature) = args.temperature {
            parameters.insert("temperature".to_owned(), temperature.into());
        }
        if let Some(max) = args.max_tokens {
            parameters.insert("max_tokens".to_owned(), max.into());
        }
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| {
            let says_nothing = match &value {
                Value::Null => true,
                Value::Object(map) => map.is_empty(),
                Value::Array(list) => list.is_empty(),
                _ => false,
            };
            if !says_nothing {
                fields.insert(name.to_owned(), value);
            }
        };
        put("trace_id", trace_id.as_str().into());
        put("span_id", SpanId::mint(now.0, &OsEntropy).as_str().into());
        put("name", "chat".into());
        put("span_type", "llm".into());
        put("start_time", now.to_rfc3339().into());
        put("input", json!({"messages": messages}));
        put("model", model.into());
        put("provider", provider.into());
        put("environment", args.environment.as_str().into());
        put("session_id", args.session.as_deref().into());
        put("service", "exhibit trace".into());
        put("tags", args.tags.iter().map(String::as_str).collect());
        put("metadata", metadata.into());
        put("parameters", parameters.into());
        Self {
            trace_id,
            fields,
            model: model.map(str::to_owned),
            provider: provider.map(str::to_owned),
        }
    }

    /// The span as it starts.
    fn running(&self) -> Map<String, Value> {
        let mut span = self.fields.clone();
        span.insert("status".to_owned(), "running".into());
        span
    }

    /// The span as it ended.
    fn finished(&self, call: &Call) -> Map<String, Value> {
        let mut span = self.fields.clone();
        span.insert("end_time".to_owned(), call.end.to_rfc3339().into());
        span.extend(call.fields());
        span
    }

    async fn send(
        &self,
        door: &Door,
        span: &Map<String, Value>,
        workspace: &str,
    ) -> anyhow::Result<()> {
        let body = json!({"batch": [span]});
        door.remote
            .post("api/v1/ingest/spans", &body, workspace)
            .await
            .context("the trace could not be recorded")?;
        Ok(())
    }
}

/// The present time.
pub(super) fn now() -> Nanos {
    SystemClock.now()
}
