//! What `exhibit replay` and `exhibit ablate` share: steps come from the API, spans go to it, providers
//! and prices come from this machine's environment and rules.

use std::{
    collections::HashMap,
    io::{IsTerminal as _, Write as _},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use async_trait::async_trait;
use exhibit_model::{JsonMap, NanoUsd, Usage};
use exhibit_pricing::PriceBook;
use exhibit_provider::{ConfigError, Provider, ProviderConfig, from_env};
use exhibit_recorder::{
    OwnProvider, Providers,
    replay::{Desk, Models, Pricer, Step, Tools, price_with},
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    args::Money,
    config::{Environment, Loaded},
    failure::Failure,
    installation::rules_dir,
    output::Output,
    remote::Remote,
};

/// Most spans of a trace that is run again.
const SPANS_MAX: usize = 10_000;
/// Longest run of a live tool.
const TOOL_PATIENCE: Duration = Duration::from_mins(1);
/// Longest result of a live tool.
const RESULT_BYTES_MAX: usize = 1 << 20;

/// Records over the API.
pub(crate) struct RemoteDesk {
    pub(crate) remote: Remote,
    pub(crate) workspace: String,
}

#[async_trait]
impl Desk for RemoteDesk {
    async fn record(&self, spans: Vec<JsonMap>) -> Result<(), String> {
        let body = json!({ "batch": spans });
        let sent = self.remote.post("api/v1/ingest/spans", &body, &self.workspace).await;
        sent.map(drop).map_err(|error| format!("{error:#}"))
    }
}

/// A trace as the API shows it, and its steps.
pub(crate) async fn read(
    remote: &Remote,
    id: &str,
    workspace: &str,
) -> anyhow::Result<(Value, Vec<Step>)> {
    let answer = remote.get(&format!("api/v1/traces/{id}"), &[], workspace).await?;
    let mut answer =
        answer.ok_or_else(|| Failure::usage(format!("there is no trace {id} here")))?;
    let trace = answer.get_mut("data").map(Value::take).unwrap_or_default();
    let spans = if trace.get("spans_truncated") == Some(&Value::Bool(true)) {
        one_by_one(remote, id, workspace).await?
    } else {
        trace.get("spans").and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let steps: Vec<Step> = spans.iter().filter_map(Step::from_document).collect();
    if steps.len() != spans.len() {
        return Err(Failure::new("the server shows spans in another shape than expected").into());
    }
    Ok((trace, steps))
}

/// The spans of a long trace, which does not come whole.
async fn one_by_one(remote: &Remote, id: &str, workspace: &str) -> anyhow::Result<Vec<Value>> {
    let mut spans = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("api/v1/traces/{id}/spans");
        let query = [("limit", "1000"), ("cursor", cursor.as_str())];
        let query = if cursor.is_empty() { &query[..1] } else { &query[..] };
        let page = remote.get(&path, query, workspace).await?.unwrap_or_default();
        for row in page.get("data").and_then(Value::as_array).into_iter().flatten() {
            let Some(span) = row.get("span_id").and_then(Value::as_str) else { continue };
            if spans.len() >= SPANS_MAX {
                let message = format!("trace {id} has more than {SPANS_MAX} spans");
                return Err(Failure::usage(message).into());
            }
            let whole = remote.get(&format!("{path}/{}", segment(span)), &[], workspace).await?;
            spans.extend(whole.and_then(|mut whole| whole.get_mut("data").map(Value::take)));
        }
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => next.clone_into(&mut cursor),
            None => return Ok(spans),
        }
    }
}

/// A text as one segment of a path.
fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    let encode =
        |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}

/// Providers of the environment, or of a key in the place of the environment's.
pub(crate) struct EnvironmentModels {
    environment: Environment,
    config: ProviderConfig,
    made: Mutex<HashMap<String, Arc<dyn Provider>>>,
}

impl EnvironmentModels {
    pub(crate) fn new(loaded: &Loaded) -> Self {
        Self {
            environment: loaded.environment.clone(),
            config: loaded.config.provider.clone(),
            made: Mutex::default(),
        }
    }

    /// Only the provider that a workspace has set, at the address that the environment has for it.
    fn own(loaded: &Loaded, own: &OwnProvider) -> Self {
        let mut environment = Environment::default();
        for name in ["OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GEMINI_BASE_URL"] {
            if let Some(url) = loaded.environment.get(name) {
                environment.variables.insert(name.to_owned(), url.to_owned());
            }
        }
        // Both of OpenAI's protocols take the same key.
        let vendor = own.provider.split('-').next().unwrap_or_default().to_uppercase();
        environment.variables.insert(format!("{vendor}_API_KEY"), own.api_key.to_string());
        environment.variables.insert("EXHIBIT_PROVIDER".to_owned(), own.provider.clone());
        let config = ProviderConfig { model: own.model.clone(), ..ProviderConfig::default() };
        Self { environment, config, made: Mutex::default() }
    }

    fn make(&self, named: Option<&str>, model: &str) -> Result<Arc<dyn Provider>, ConfigError> {
        let lookup = |name: &str| match (name, named) {
            ("EXHIBIT_MODEL", _) => Some(model.to_owned()),
            ("EXHIBIT_PROVIDER", Some(named)) => Some(named.to_owned()),
            _ => self.environment.get(name).map(str::to_owned),
        };
        let (provider, _) = from_env(&lookup, Some(&self.config))?;
        Ok(Arc::from(provider))
    }
}

/// The providers of a server's workspaces.
pub(crate) struct ServerProviders(pub(crate) Loaded);

impl ServerProviders {
    /// Whether the environment's provider is for that workspace.
    fn is_lent(&self, workspace: &str) -> bool {
        self.0.config.provider_workspaces.iter().any(|name| name == workspace)
    }
}

impl Providers for ServerProviders {
    fn models(
        &self,
        workspace: &str,
        own: Option<&OwnProvider>,
    ) -> Result<Arc<dyn Models>, ConfigError> {
        match own {
            Some(own) => Ok(Arc::new(EnvironmentModels::own(&self.0, own))),
            None if self.is_lent(workspace) => Ok(Arc::new(EnvironmentModels::new(&self.0))),
            None => Err(ConfigError::NotForWorkspace),
        }
    }

    fn of_environment(&self, workspace: &str) -> Result<(String, String), ConfigError> {
        if !self.is_lent(workspace) {
            return Err(ConfigError::NotForWorkspace);
        }
        let lookup = |name: &str| self.0.environment.get(name).map(str::to_owned);
        let (provider, model) = from_env(&lookup, Some(&self.0.config.provider))?;
        Ok((provider.name().to_owned(), model))
    }
}

impl Models for EnvironmentModels {
    fn provider(
        &self,
        provider: Option<&str>,
        model: &str,
    ) -> Result<Arc<dyn Provider>, ConfigError> {
        let key = format!("{} {model}", provider.unwrap_or_default());
        if let Some(made) = self.made.lock().get(&key) {
            return Ok(Arc::clone(made));
        }
        // What the operator names wins over what was captured.
        let chosen =
            self.environment.get("EXHIBIT_PROVIDER").is_some() || self.config.provider.is_some();
        let captured = provider.filter(|_| !chosen);
        let made = match self.make(captured, model) {
            Err(ConfigError::UnknownProvider { .. }) if captured.is_some() => {
                self.make(None, model)?
            }
            made => made?,
        };
        self.made.lock().insert(key, Arc::clone(&made));
        Ok(made)
    }
}

/// Prices of this machine's rules.
pub(crate) struct LocalPrices(PriceBook);

impl LocalPrices {
    pub(crate) fn load(loaded: &Loaded) -> anyhow::Result<Self> {
        let file = rules_dir(loaded).map(|dir| dir.join("pricing.yaml")).filter(|f| f.is_file());
        let text = match file {
            Some(file) => std::fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?,
            None => exhibit_pricing::SHIPPED.to_owned(),
        };
        Ok(Self(PriceBook::from_yaml(&text, "pricing.yaml")?))
    }
}

impl Pricer for LocalPrices {
    fn price(&self, provider: Option<&str>, model: &str, usage: &Usage) -> Option<NanoUsd> {
        price_with(&self.0, provider, model, usage)
    }
}

/// Runs tools with a command of the user's.
pub(crate) struct CommandTools(pub(crate) String);

#[async_trait]
impl Tools for CommandTools {
    async fn call(&self, name: &str, arguments: &str) -> Result<String, String> {
        let call = json!({
            "name": name,
            "arguments": serde_json::from_str::<Value>(arguments)
                .unwrap_or_else(|_| arguments.into()),
        });
        let command = self.0.clone();
        tokio::task::spawn_blocking(move || run_tool(&command, &call.to_string()))
            .await
            .map_err(|error| error.to_string())?
    }
}

fn run_tool(command: &str, call: &str) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("the tool cannot be run: {error}");
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        // A tool need not read its input.
        let _ = input.write_all(call.as_bytes());
    }
    let output = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(output) = output {
            let _ = std::io::Read::read_to_end(
                &mut std::io::Read::take(output, RESULT_BYTES_MAX as u64),
                &mut text,
            );
        }
        text
    });
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if begun.elapsed() > TOOL_PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("the tool took longer than {} s", TOOL_PATIENCE.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let text = reader.join().map_err(|_| "the tool's output cannot be read".to_owned())?;
    let text = String::from_utf8_lossy(&text).trim_end().to_owned();
    if status.success() { Ok(text) } else { Err(format!("the tool failed ({status}): {text}")) }
}

/// An amount for people.
pub(crate) fn money(nano: Option<i64>) -> String {
    nano.map_or_else(|| "unknown".to_owned(), |n| format!("${:.6}", n as f64 / 1e9))
}

impl Money {
    /// The cap.
    pub(crate) fn cap(&self) -> anyhow::Result<Option<NanoUsd>> {
        let Some(budget) = self.budget else { return Ok(None) };
        let cap = NanoUsd::from_usd(budget).ok_or_else(|| {
            Failure::usage("--budget: write an amount of US dollars, such as 0.50")
        })?;
        Ok(Some(cap))
    }

    /// Shows what it would take; whether to go on.
    pub(crate) fn agreed(
        &self,
        calls: u64,
        tokens: (u64, u64),
        cost: Option<i64>,
        duration_ms: u64,
        output: Output,
    ) -> anyhow::Result<bool> {
        let estimate = json!({"calls": calls, "tokens_in": tokens.0, "tokens_out": tokens.1,
            "cost_nano_usd": cost.map(|c| c.to_string()), "duration_ms": duration_ms});
        if self.estimate && output.json {
            output.json(&json!({ "estimate": estimate }))?;
            return Ok(false);
        }
        let seconds = duration_ms as f64 / 1e3;
        let line = format!(
            "{calls} model calls, about {} input and {} output tokens, {} and {seconds:.1} s; cap {}",
            tokens.0,
            tokens.1,
            money(cost),
            self.budget.map_or_else(|| "none".to_owned(), |b| format!("${b:.6}")),
        );
        if self.estimate {
            output.line(line)?;
            return Ok(false);
        }
        if self.yes {
            output.note(&line);
            return Ok(true);
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage(format!("this would take {line}"))
                .hint("add --yes to go on, --budget USD to cap it")
                .into());
        }
        eprint!("This takes {line}. Go on? [y/N] ");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }
}
