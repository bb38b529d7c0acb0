//! Who takes part in the corpus: services with their agents, models with their providers, tools,
//! users and tags.

/// Which attribute convention a service's instrumentation writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// OpenTelemetry GenAI with JSON message attributes (`gen_ai.input.messages` …).
    GenAi,
    /// OpenInference with flattened messages (`llm.input_messages.0.message.role` …).
    OpenInference,
}

/// One application that sends traces: one OTLP resource.
#[derive(Debug)]
pub struct Service {
    /// `service.name`.
    pub name: &'static str,
    /// `deployment.environment.name`.
    pub environment: &'static str,
    /// The agents that run in it; the first is the one at the root.
    pub agents: [&'static str; 3],
    /// How its spans are written.
    pub convention: Convention,
    /// Instrumentation scope.
    pub scope: &'static str,
}

/// The six services.
pub const SERVICES: [Service; 6] = [
    Service {
        name: "support-desk",
        environment: "production",
        agents: ["support-agent", "refund-agent", "triage-agent"],
        convention: Convention::GenAi,
        scope: "opentelemetry.instrumentation.openai_v2",
    },
    Service {
        name: "research-crew",
        environment: "production",
        agents: ["researcher", "critic", "writer"],
        convention: Convention::OpenInference,
        scope: "openinference.instrumentation.langchain",
    },
    Service {
        name: "code-review",
        environment: "production",
        agents: ["reviewer", "test-runner", "summarizer"],
        convention: Convention::GenAi,
        scope: "opentelemetry.instrumentation.anthropic",
    },
    Service {
        name: "shop-assistant",
        environment: "production",
        agents: ["shop-guide", "price-watcher", "stock-agent"],
        convention: Convention::OpenInference,
        scope: "openinference.instrumentation.openai",
    },
    Service {
        name: "contract-analyst",
        environment: "staging",
        agents: ["clause-finder", "risk-agent", "redliner"],
        convention: Convention::GenAi,
        scope: "opentelemetry.instrumentation.google_genai",
    },
    Service {
        name: "data-explorer",
        environment: "development",
        agents: ["sql-agent", "chart-agent", "explainer"],
        convention: Convention::OpenInference,
        scope: "openinference.instrumentation.llama_index",
    },
];

/// A model, its provider in both conventions' spelling, and how much it is used.
#[derive(Debug)]
pub struct Model {
    /// Name as requested and answered.
    pub name: &'static str,
    /// `gen_ai.provider.name`.
    pub provider: &'static str,
    /// `llm.provider`.
    pub provider_openinference: &'static str,
    /// Share of calls, relative.
    pub weight: f64,
    /// Whether it reports reasoning tokens.
    pub reasons: bool,
}

const fn model(
    name: &'static str,
    provider: &'static str,
    provider_openinference: &'static str,
    weight: f64,
    reasons: bool,
) -> Model {
    Model { name, provider, provider_openinference, weight, reasons }
}

/// The eight models.
pub const MODELS: [Model; 8] = [
    model("gpt-4o-mini", "openai", "openai", 0.28, false),
    model("gpt-4o", "openai", "openai", 0.18, false),
    model("gpt-4.1", "openai", "openai", 0.12, false),
    model("o4-mini", "openai", "openai", 0.08, true),
    model("claude-sonnet-4-5", "anthropic", "anthropic", 0.14, false),
    model("claude-haiku-4-5", "anthropic", "anthropic", 0.08, false),
    model("gemini-2.5-flash", "gcp.gemini", "google", 0.08, true),
    model("mistral-large-latest", "mistral_ai", "mistralai", 0.04, false),
];

/// Tools that agents call.
pub const TOOLS: [&str; 12] = [
    "web_search",
    "calculator",
    "sql_query",
    "read_file",
    "send_email",
    "get_weather",
    "lookup_order",
    "create_ticket",
    "run_tests",
    "fetch_url",
    "translate",
    "list_calendar",
];

/// Tools offered to a model in every call, from the start of the tool list.
pub const TOOLS_OFFERED: usize = 2;

/// The definition of a tool as a model is given it.
pub fn tool_definition(tool: &str) -> String {
    format!(
        "{{\"type\":\"function\",\"name\":\"{tool}\",\"description\":\"Runs {tool} and returns its \
         output\",\"parameters\":{{\"type\":\"object\",\"properties\":{{\"query\":{{\"type\":\
         \"string\"}},\"limit\":{{\"type\":\"integer\"}}}},\"required\":[\"query\"]}}}}"
    )
}

/// Steps of a chain.
pub const STEPS: [&str; 8] =
    ["plan", "gather", "rerank", "draft", "reflect", "route", "validate", "summarize"];

/// Knowledge bases that retrievers read.
pub const SOURCES: [&str; 5] = ["handbook", "tickets", "contracts", "product-docs", "web-cache"];

/// Tags of traces.
pub const TAGS: [&str; 6] = ["beta", "vip", "nightly", "eval", "mobile", "eu"];

/// Errors: type and message.
pub const ERRORS: [(&str, &str); 6] = [
    ("TimeoutError", "the upstream did not answer within 30 s"),
    ("RateLimitError", "429: rate limit reached for requests"),
    ("ValueError", "could not parse the tool arguments as JSON"),
    ("ConnectionError", "connection reset by peer"),
    ("PermissionError", "the agent may not read this record"),
    ("KeyError", "column 'region' is not in the result"),
];
