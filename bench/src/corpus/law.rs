//! The law of the corpus: how many spans a trace has, of which kinds, how they nest, how long they
//! take, what they carry and how often they fail. Convention and encoding come after
//! ([`super::genai`], [`super::openinference`], [`super::native`]).

use std::fmt::Write as _;

use super::{
    catalog::{ERRORS, MODELS, SERVICES, SOURCES, STEPS, TAGS, TOOLS},
    prose::Prose,
    rng::Rng,
    sensitive::push_sensitive,
};

/// Spans of a trace, smallest and largest; every number between is equally likely.
pub const TRACE_SPANS_MIN: usize = 8;
/// See [`TRACE_SPANS_MIN`].
pub const TRACE_SPANS_MAX: usize = 40;
/// Share of llm spans that carry sensitive text, and of all spans that fail.
pub const SENSITIVE_SHARE: f64 = 0.07;
/// Share of spans that end with an error and an exception event.
pub const ERROR_SHARE: f64 = 0.03;
/// Median of the text of an llm span in bytes; with this sigma the 95th percentile is 12 KB.
const LLM_PAYLOAD_MEDIAN: f64 = 1_500.0;
const LLM_PAYLOAD_SIGMA: f64 = 1.264;
const LLM_PAYLOAD_MAX: usize = 200_000;
const CONTAINER_DEPTH_MAX: usize = 6;
const OPEN_SESSIONS: usize = 48;
const USERS: usize = 2_000;

/// What a span does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An agent at work; the root of every trace.
    Agent,
    /// A step of a workflow.
    Chain,
    /// A call of a language model.
    Llm,
    /// A search in a knowledge base.
    Retriever,
    /// A call of a tool.
    Tool,
}

impl Kind {
    /// All kinds, in the order of [`Kind::index`].
    pub const ALL: [Self; 5] = [Self::Agent, Self::Chain, Self::Llm, Self::Retriever, Self::Tool];

    /// Lower-case name, as the native API spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Chain => "chain",
            Self::Llm => "llm",
            Self::Retriever => "retriever",
            Self::Tool => "tool",
        }
    }

    /// Place in [`Kind::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// Weights of the kinds below the root. With one more agent at the root and 24 spans per trace on
/// average the whole is agent 12 %, chain 16 %, llm 34 %, retriever 14 %, tool 24 %.
const KIND_WEIGHTS: [f64; 5] =
    [0.12 * 24.0 - 1.0, 0.16 * 24.0, 0.34 * 24.0, 0.14 * 24.0, 0.24 * 24.0];

/// One message of a model call.
#[derive(Debug, Clone)]
pub struct Message {
    /// `system`, `user`, `assistant` or `tool`.
    pub role: &'static str,
    /// Its text.
    pub text: String,
}

/// What a model call adds to a span.
#[derive(Debug, Clone)]
pub struct LlmCall {
    /// Index into the model list.
    pub model: usize,
    /// Messages sent, the system message first.
    pub messages: Vec<Message>,
    /// Tokens sent, cached ones included.
    pub input_tokens: u64,
    /// Tokens sent that the provider had cached.
    pub cached_tokens: u64,
    /// Tokens answered, reasoning included.
    pub output_tokens: u64,
    /// Tokens spent on reasoning.
    pub reasoning_tokens: u64,
    /// The provider's id of the answer.
    pub response_id: String,
    /// Why the answer ended.
    pub finish_reason: &'static str,
    /// Sampling temperature.
    pub temperature: f64,
    /// Whether sensitive text was put in.
    pub sensitive: bool,
}

/// One document that a retriever found.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its id.
    pub id: String,
    /// Its score.
    pub score: f64,
    /// Its text.
    pub text: String,
}

/// One finished span, before any convention.
#[derive(Debug, Clone)]
pub struct SpanSketch {
    /// What it does.
    pub kind: Kind,
    /// Its id.
    pub id: [u8; 8],
    /// The span around it; none for the root.
    pub parent: Option<[u8; 8]>,
    /// Agent, step, model, source or tool.
    pub subject: &'static str,
    /// The agent that acts.
    pub agent: &'static str,
    /// Start, nanoseconds since 1970.
    pub start_ns: u64,
    /// End, nanoseconds since 1970.
    pub end_ns: u64,
    /// Index into the error list.
    pub error: Option<usize>,
    /// What went in: text, a query, or tool arguments as JSON. Empty for llm spans.
    pub input: String,
    /// What came out. Empty for retriever spans.
    pub output: String,
    /// Set on llm spans.
    pub call: Option<LlmCall>,
    /// Set on retriever spans.
    pub documents: Vec<Document>,
}

/// One whole trace.
#[derive(Debug, Clone)]
pub struct TraceSketch {
    /// Its id.
    pub id: [u8; 16],
    /// Index into the service list.
    pub service: usize,
    /// Conversation that it belongs to.
    pub session: String,
    /// Who asked.
    pub user: String,
    /// Its tags, possibly none.
    pub tags: Vec<&'static str>,
    /// Its spans in the order of their end, as exporters send them: children first, the root last.
    pub spans: Vec<SpanSketch>,
}

/// The span of time over which traces are spread.
#[derive(Debug, Clone, Copy)]
pub struct Period {
    /// Start of the first trace, nanoseconds since 1970.
    pub start_ns: u64,
    /// Start of the last trace.
    pub end_ns: u64,
}

struct Session {
    id: String,
    user: String,
    service: usize,
    traces_left: usize,
}

/// Draws traces from a seed, one after another.
pub struct Law {
    rng: Rng,
    prose: Prose,
    system_prompts: Vec<[String; 3]>,
    sessions: Vec<Session>,
    period: Period,
}

impl Law {
    /// Everything that follows is decided by `seed` and `period`.
    pub fn new(seed: u64, period: Period) -> Self {
        let prose = Prose::new();
        let mut prompts = Rng::new(0x5e70_fa11);
        let system_prompts = SERVICES
            .iter()
            .map(|service| {
                service.agents.map(|agent| {
                    let mut text = format!("You are {agent}. ");
                    let bytes = prompts.between(300, 1_400);
                    prose.push(&mut prompts, &mut text, bytes);
                    text
                })
            })
            .collect();
        Self { rng: Rng::new(seed), prose, system_prompts, sessions: Vec::new(), period }
    }

    /// Draws the next trace. `progress` (0 to 1) places it in the period; `spans_max` cuts the last
    /// trace of a corpus short.
    pub fn trace(&mut self, progress: f64, spans_max: usize) -> TraceSketch {
        let rng = &mut self.rng;
        let count = rng.between(TRACE_SPANS_MIN, TRACE_SPANS_MAX).min(spans_max.max(1));
        let (session, user, service) = draw_session(rng, &mut self.sessions);
        let tags = (0..rng.weighted(&[0.4, 0.4, 0.2])).map(|_| *rng.pick(&TAGS)).collect();
        let width = self.period.end_ns.saturating_sub(self.period.start_ns) as f64;
        let start_ns =
            self.period.start_ns + (width * progress) as u64 + rng.bits() % 1_000_000_000;
        let question_bytes = rng.size(140.0, 0.6, 20, 1_200);
        let question = self.prose.text(rng, question_bytes);
        let id = rng.bytes();
        let mut spans = self.nest(service, count, start_ns);
        for span in &mut spans {
            self.fill(span, service, &question);
        }
        spans.sort_by_key(|span| (span.end_ns, span.parent.is_none()));
        TraceSketch { id, service, session, user, tags, spans }
    }

    /// Lays out the tree and its times; the root comes first and ends last.
    fn nest(&mut self, service: usize, count: usize, start_ns: u64) -> Vec<SpanSketch> {
        let rng = &mut self.rng;
        let mut parents: Vec<Option<usize>> = Vec::with_capacity(count);
        let mut containers: Vec<(usize, usize)> = vec![(0, 0)];
        let mut spans: Vec<SpanSketch> = Vec::with_capacity(count);
        let mut now = start_ns;
        for place in 0..count {
            let (kind, parent, depth) = if place == 0 {
                (Kind::Agent, None, 0)
            } else {
                let recent = rng.chance(0.6);
                let choice =
                    if recent { containers.len() - 1 } else { rng.below(containers.len()) };
                let (parent, depth) = containers[choice];
                (Kind::ALL[rng.weighted(&KIND_WEIGHTS)], Some(parent), depth + 1)
            };
            let agent_around = parent.map_or(SERVICES[service].agents[0], |at| spans[at].agent);
            let (subject, agent) = draw_subject(rng, kind, service, place, agent_around);
            let length = draw_length_ns(rng, kind);
            let start = now + rng.bits() % 2_000_000;
            match kind {
                Kind::Agent | Kind::Chain if place > 0 && depth < CONTAINER_DEPTH_MAX => {
                    containers.push((place, depth));
                }
                _ => {}
            }
            // A quarter of the leaves run beside the next one.
            let side_by_side = matches!(kind, Kind::Tool | Kind::Retriever) && rng.chance(0.25);
            now = if side_by_side { start } else { start + length };
            parents.push(parent);
            spans.push(SpanSketch {
                kind,
                id: rng.bytes(),
                parent: parent.map(|at| spans[at].id),
                subject,
                agent,
                start_ns: start,
                end_ns: start + length,
                error: rng.chance(ERROR_SHARE).then(|| rng.below(ERRORS.len())),
                input: String::new(),
                output: String::new(),
                call: None,
                documents: Vec::new(),
            });
        }
        for place in (1..count).rev() {
            if let Some(parent) = parents[place] {
                let inside = spans[place].end_ns + 1_000 + self.rng.bits() % 400_000;
                spans[parent].end_ns = spans[parent].end_ns.max(inside);
            }
        }
        spans
    }

    fn fill(&mut self, span: &mut SpanSketch, service: usize, question: &str) {
        let Self { rng, prose, system_prompts, .. } = self;
        let text = |rng: &mut Rng, median, sigma, low, high| {
            let bytes = rng.size(median, sigma, low, high);
            prose.text(rng, bytes)
        };
        match span.kind {
            Kind::Agent | Kind::Chain => {
                span.input = if span.parent.is_none() {
                    question.to_owned()
                } else {
                    text(rng, 260.0, 0.8, 20, 20_000)
                };
                span.output = text(rng, 480.0, 0.9, 20, 40_000);
            }
            Kind::Retriever => {
                span.input = text(rng, 90.0, 0.5, 12, 600);
                for _ in 0..rng.between(3, 6) {
                    let id = format!("{}-{}", span.subject, rng.below(200_000));
                    let score = (rng.unit() * 1e4).round() / 1e4;
                    span.documents.push(Document {
                        id,
                        score,
                        text: text(rng, 330.0, 0.7, 30, 8_000),
                    });
                }
            }
            Kind::Tool => {
                span.input = tool_arguments(rng, prose);
                span.output = text(rng, 560.0, 1.0, 8, 60_000);
            }
            Kind::Llm => {
                let place = SERVICES[service]
                    .agents
                    .iter()
                    .position(|name| *name == span.agent)
                    .unwrap_or(0);
                let (call, output) = draw_call(
                    rng,
                    prose,
                    &system_prompts[service][place],
                    question,
                    MODELS.iter().position(|model| model.name == span.subject).unwrap_or(0),
                );
                span.call = Some(call);
                span.output = output;
            }
        }
    }
}

fn draw_session(rng: &mut Rng, sessions: &mut Vec<Session>) -> (String, String, usize) {
    if sessions.len() < OPEN_SESSIONS {
        // Few users ask often, many ask seldom.
        let user = ((USERS as f64).powf(rng.unit()) as usize).min(USERS - 1);
        sessions.push(Session {
            id: format!("sess-{:012x}", rng.bits() >> 16),
            user: format!("user-{user:04}"),
            service: rng.weighted(&[0.28, 0.2, 0.18, 0.16, 0.1, 0.08]),
            traces_left: rng.between(1, 8),
        });
    }
    let at = rng.below(sessions.len());
    let session = &mut sessions[at];
    session.traces_left -= 1;
    let drawn = (session.id.clone(), session.user.clone(), session.service);
    if session.traces_left == 0 {
        sessions.swap_remove(at);
    }
    drawn
}

fn draw_subject(
    rng: &mut Rng,
    kind: Kind,
    service: usize,
    place: usize,
    around: &'static str,
) -> (&'static str, &'static str) {
    match kind {
        Kind::Agent => {
            let agents = &SERVICES[service].agents;
            let agent = if place == 0 { agents[0] } else { *rng.pick(agents) };
            (agent, agent)
        }
        Kind::Chain => (*rng.pick(&STEPS), around),
        Kind::Llm => {
            let model = rng.weighted(&MODELS.each_ref().map(|model| model.weight));
            (MODELS[model].name, around)
        }
        Kind::Retriever => (*rng.pick(&SOURCES), around),
        Kind::Tool => (*rng.pick(&TOOLS), around),
    }
}

fn draw_length_ns(rng: &mut Rng, kind: Kind) -> u64 {
    let median_ms = match kind {
        Kind::Agent | Kind::Chain => 3.0,
        Kind::Llm => 1_200.0,
        Kind::Retriever => 80.0,
        Kind::Tool => 250.0,
    };
    (rng.log_normal(median_ms, 0.8) * 1e6) as u64 + 1_000
}

fn tool_arguments(rng: &mut Rng, prose: &Prose) -> String {
    let bytes = rng.size(70.0, 0.6, 8, 600);
    let mut query = prose.text(rng, bytes);
    query.retain(|c| c != '\n');
    let mut out = String::new();
    // Writing to a string cannot fail; the prose holds nothing that JSON would escape.
    let _ = write!(
        out,
        "{{\"query\":\"{}\",\"limit\":{},\"request_id\":\"{:016x}\"}}",
        query.trim(),
        rng.between(1, 50),
        rng.bits()
    );
    out
}

fn draw_call(
    rng: &mut Rng,
    prose: &Prose,
    system: &str,
    question: &str,
    model: usize,
) -> (LlmCall, String) {
    let payload = rng.size(LLM_PAYLOAD_MEDIAN, LLM_PAYLOAD_SIGMA, 60, LLM_PAYLOAD_MAX);
    let mut output = String::new();
    let output_bytes = (payload as f64 * (0.12 + 0.3 * rng.unit())) as usize;
    prose.push(rng, &mut output, output_bytes);
    let mut left = payload.saturating_sub(output.len());
    let mut messages = Vec::new();
    let mut add = |role, text: String, left: &mut usize| {
        *left = left.saturating_sub(text.len());
        messages.push(Message { role, text });
    };
    let system_bytes = system.floor_char_boundary((left * 2 / 5).max(12));
    add("system", system[..system_bytes].to_owned(), &mut left);
    let question_bytes = question.floor_char_boundary((left / 2).max(12));
    add("user", question[..question_bytes].to_owned(), &mut left);
    // Longer prompts are longer conversations.
    let turns = left.div_ceil(1_800);
    for turn in 0..turns {
        let role = ["tool", "assistant", "user"][(turns - turn) % 3];
        let bytes = left / (turns - turn);
        if bytes > 16 {
            add(role, prose.text(rng, bytes - 8), &mut left);
        }
    }
    let sensitive = rng.chance(SENSITIVE_SHARE);
    if sensitive {
        let text = if rng.chance(0.7) {
            messages.last_mut().map_or(&mut output, |message| &mut message.text)
        } else {
            &mut output
        };
        push_sensitive(rng, text);
    }
    let characters: usize = messages.iter().map(|message| message.text.len()).sum();
    let input_tokens = characters as u64 / 4 + 12;
    let cached = rng.chance(0.4);
    let cached_tokens = if cached { input_tokens * rng.between(40, 90) as u64 / 100 } else { 0 };
    let reasoning_tokens =
        if MODELS[model].reasons { rng.size(220.0, 0.9, 16, 20_000) as u64 } else { 0 };
    let call = LlmCall {
        model,
        input_tokens,
        cached_tokens,
        output_tokens: output.len() as u64 / 4 + 3 + reasoning_tokens,
        reasoning_tokens,
        response_id: format!("chatcmpl-{:016x}{:013x}", rng.bits(), rng.bits() >> 12),
        finish_reason: ["stop", "tool_calls", "length"][rng.weighted(&[0.72, 0.25, 0.03])],
        temperature: rng.between(0, 10) as f64 / 10.0,
        messages,
        sensitive,
    };
    (call, output)
}
