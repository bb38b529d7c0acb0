//! The engine: walks the captured steps in order of their starts, runs what is to be run, copies the
//! rest, and tells how both differ.

mod span;

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicBool, Ordering},
};

use exhibit_model::{
    Clock, Entropy, Json, JsonMap, Message, MessagePart, NanoUsd, Nanos, SpanId, Status, TraceId,
    Usage,
};
use exhibit_provider as wire;
use exhibit_provider::ChatRequest;
use serde::Serialize;

use super::{
    Answer, Desk, Models, Options, Pricer, ReplayError, Step, ToolMode,
    diff::{self, StepDiff},
    make, parameters, request, spoken, text_of,
};

/// Lines of a diff that are kept of one step.
pub(super) const CHANGES_MAX: usize = 40;
/// Output tokens that a call without a limit of its own is taken to give at most.
const OUTPUT_TOKENS_GUESS: u64 = 1_024;
/// A call that takes this long is shown as soon as it is over.
const SLOW_NS: i64 = 200_000_000;
/// What stands in the place of a tool's result that is left out.
const SKIPPED: &str = "(this tool was not run)";

/// What surrounds a replay.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Gives providers.
    pub models: &'a dyn Models,
    /// Knows prices.
    pub pricer: &'a dyn Pricer,
    /// Takes the spans.
    pub desk: &'a dyn Desk,
    /// The time.
    pub clock: &'a dyn Clock,
    /// The randomness of ids.
    pub entropy: &'a dyn Entropy,
    /// Becomes true when it is to stop.
    pub cancel: &'a AtomicBool,
    /// Is told how far it is.
    pub progress: &'a (dyn Fn(Progress) + Send + Sync),
}

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Model calls, or variants of an ablation, that are done.
    pub done: usize,
    /// All of them.
    pub all: usize,
    /// Billionths of a dollar spent so far; none when a price is not known.
    pub spent_nano_usd: Option<i64>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Replayed {
    /// The new trace.
    pub trace_id: String,
    /// The original.
    pub replay_of: String,
    /// Where tools' results came from.
    pub tools: &'static str,
    /// Whether captured inputs had been redacted before they were stored.
    pub redacted_inputs: bool,
    /// Step by step.
    pub steps: Vec<StepDiff>,
    /// The last answer.
    pub answer: String,
    /// The last answer as captured.
    pub captured_answer: String,
    /// Billionths of a dollar that were spent; none when a price is not known.
    pub spent_nano_usd: Option<i64>,
    /// Stable name and words of what ended it early.
    pub failure: Option<(String, String)>,
}

/// The calls that are made, in order.
pub(crate) fn executed<'a>(
    steps: &'a [Step],
    options: &Options,
) -> Result<Vec<&'a Step>, ReplayError> {
    if let Some(running) = steps.iter().find(|s| s.status == Status::Running) {
        return Err(ReplayError::Running(running.span_id.to_string()));
    }
    if let Some(held) = steps.iter().find(|s| s.withheld) {
        return Err(ReplayError::Quarantined(held.span_id.to_string()));
    }
    let first = match &options.from {
        None => 0,
        Some(id) => ordered(steps)
            .iter()
            .position(|s| s.span_id == *id)
            .ok_or_else(|| ReplayError::UnknownSpan(id.to_string()))?,
    };
    let calls: Vec<&Step> =
        ordered(steps).into_iter().skip(first).filter(|step| step.is_call()).collect();
    if calls.is_empty() {
        return Err(ReplayError::NoCalls);
    }
    for step in &calls {
        let wanted = request(step);
        match wanted {
            Err(super::Unsendable::NoModel) if options.model.is_some() => {}
            Err(reason) => {
                return Err(ReplayError::Unsendable { span: step.span_id.to_string(), reason });
            }
            Ok(_) => {}
        }
    }
    Ok(calls)
}

/// What a call may use at most, by its limit or by what it used before.
pub(super) fn most_usage(step: &Step, limit: Option<u32>) -> Usage {
    let expected = step.expected_usage();
    let guess = || expected.output_tokens().saturating_mul(4).max(OUTPUT_TOKENS_GUESS);
    Usage { output_text: limit.map_or_else(guess, u64::from), ..expected }
}

/// Steps as they began; what claims no start comes first.
fn ordered(steps: &[Step]) -> Vec<&Step> {
    let mut order: Vec<&Step> =
        steps.iter().filter(|s| s.span_id != SpanId::registration()).collect();
    order.sort_by_key(|s| s.start);
    order
}

/// Runs a trace again.
///
/// # Errors
/// When it cannot begin, or cannot be recorded. A call that fails ends the replay in order: the
/// failure is in the answer and in the new trace.
pub async fn run(
    steps: &[Step],
    options: &Options,
    around: Around<'_>,
) -> Result<Replayed, ReplayError> {
    let calls: HashSet<&SpanId> =
        executed(steps, options)?.into_iter().map(|s| &s.span_id).collect();
    let original = steps.first().map(|s| s.trace_id.clone()).ok_or(ReplayError::NoCalls)?;
    let mut run = Run {
        options,
        around,
        trace_id: options
            .trace
            .clone()
            .unwrap_or_else(|| TraceId::mint(around.clock.now().0, around.entropy)),
        original,
        redacted: steps.iter().any(|s| s.redacted),
        ids: HashMap::new(),
        parents: steps.iter().filter_map(|s| Some((&s.span_id, s.parent_id.as_ref()?))).collect(),
        ends: HashMap::new(),
        given: Vec::new(),
        results: HashMap::new(),
        diverged: false,
        spent: Some(NanoUsd(0)),
        diffs: Vec::new(),
        answer: None,
        waiting: Vec::new(),
        edited: false,
        failure: None,
    };
    for step in steps {
        let id = SpanId::mint(around.clock.now().0, around.entropy);
        run.ids.insert(&step.span_id, id);
    }
    let enclosing: HashSet<&SpanId> = run.parents.values().copied().collect();
    let mut containers = Vec::new();
    let told = |run: &Run<'_>| {
        let (done, spent) = (run.diffs.len(), run.spent.map(|s| s.0));
        (around.progress)(Progress { done, all: calls.len(), spent_nano_usd: spent });
    };
    told(&run);
    for step in ordered(steps) {
        let begun = around.clock.now();
        if enclosing.contains(&step.span_id) && !calls.contains(&step.span_id) {
            // Whoever looks meanwhile sees whose replay it is; so does who finds it broken off.
            if !step.parent_id.as_ref().is_some_and(|parent| run.ids.contains_key(parent)) {
                run.open(step, begun);
            }
            containers.push((step, begun));
        } else if run.failure.is_some() {
            continue;
        } else if calls.contains(&step.span_id) {
            run.call(step, begun).await?;
            told(&run);
            if around.clock.now().0.saturating_sub(begun.0) > SLOW_NS {
                run.flush().await?;
            }
        } else {
            run.copy(step, begun);
        }
        if run.waiting.len() >= 16 {
            run.flush().await?;
        }
    }
    for (step, begun) in containers {
        run.container(step, begun);
    }
    run.flush().await?;
    Ok(run.told())
}

/// An answer that was given anew.
struct Given {
    old_text: String,
    new: Vec<MessagePart>,
    new_text: String,
}

struct Run<'a> {
    options: &'a Options,
    around: Around<'a>,
    trace_id: TraceId,
    original: TraceId,
    redacted: bool,
    ids: HashMap<&'a SpanId, SpanId>,
    parents: HashMap<&'a SpanId, &'a SpanId>,
    /// When the last step inside a container ended.
    ends: HashMap<SpanId, Nanos>,
    given: Vec<Given>,
    /// Results of live tools, by the captured id of the call and by the tool's name.
    results: HashMap<String, String>,
    diverged: bool,
    spent: Option<NanoUsd>,
    diffs: Vec<StepDiff>,
    answer: Option<(String, String)>,
    waiting: Vec<JsonMap>,
    edited: bool,
    failure: Option<(String, String)>,
}

impl<'a> Run<'a> {
    /// Makes a call again.
    async fn call(&mut self, step: &'a Step, begun: Nanos) -> Result<(), ReplayError> {
        if self.around.cancel.load(Ordering::Relaxed) {
            self.fail(&ReplayError::Cancelled);
            return Ok(());
        }
        let mut asked = step.clone();
        self.rewrite(&mut asked.content.input_messages);
        let mut wanted = match request(&asked) {
            Ok(wanted) => wanted,
            Err(_) => {
                asked.model = self.options.model.clone();
                request(&asked).map_err(|reason| ReplayError::Unsendable {
                    span: step.span_id.to_string(),
                    reason,
                })?
            }
        };
        self.overrule(&mut wanted);
        if let Err(error) = self.within_budget(step, &wanted) {
            self.fail(&error);
            return Ok(());
        }
        let elsewhere = self.options.model.is_some();
        let captured = step.provider.as_deref().filter(|_| !elsewhere);
        let mut answer = match self.around.models.provider(captured, &wanted.model) {
            Ok(provider) => make(&*provider, wanted.clone(), self.around.cancel).await,
            Err(error) => {
                let failure = Some((error.code().to_owned(), error.to_string()));
                Answer { failure, ..Answer::default() }
            }
        };
        self.pay(step, &wanted, &mut answer);
        let same_tools = self.compare_tools(step, &mut answer);
        if answer.failure.is_none() {
            if same_tools && !self.diverged {
                self.give(step, &answer).await;
            } else {
                self.diverged = true;
            }
        }
        self.failure.clone_from(&answer.failure);
        let mut fields = self.fields(step, begun, true);
        fields.insert("input".to_owned(), spoken(&wanted));
        fields.insert("parameters".to_owned(), parameters(&wanted));
        fields.insert("model".to_owned(), wanted.model.as_str().into());
        fields.extend(answer.fields());
        self.ended(step, &mut fields);
        self.waiting.push(fields);
        self.compare(step, &answer, same_tools);
        Ok(())
    }

    /// Puts answers that were given anew in the place of the old ones, and results of live tools.
    fn rewrite(&self, messages: &mut [Message]) {
        for message in messages {
            if message.role == "assistant" {
                let text = text_of(message);
                if let Some(given) = self.given.iter().rev().find(|g| g.old_text == text) {
                    message.parts.clone_from(&given.new);
                }
            }
            for part in &mut message.parts {
                if let MessagePart::ToolCallResponse { id, response } = part {
                    match &self.options.tools {
                        ToolMode::Captured => {}
                        ToolMode::Skip => *response = SKIPPED.into(),
                        ToolMode::Live(_) => {
                            let new = id.as_ref().and_then(|id| self.results.get(id));
                            if let Some(new) = new {
                                *response = new.as_str().into();
                            }
                        }
                    }
                }
            }
        }
    }

    fn overrule(&mut self, wanted: &mut ChatRequest) {
        if let Some(model) = &self.options.model {
            wanted.model.clone_from(model);
        }
        if self.options.temperature.is_some() {
            wanted.temperature = self.options.temperature;
        }
        if let Some(system) = &self.options.system {
            wanted.messages.retain(|m| !matches!(m, wire::Message::System { .. }));
            wanted.messages.insert(0, wire::Message::System { text: system.clone() });
        }
        if let Some(prompt) = self.options.prompt.as_ref().filter(|_| !self.edited) {
            let last = wanted.messages.iter_mut().rev().find_map(|m| match m {
                wire::Message::User { text } => Some(text),
                _ => None,
            });
            if let Some(text) = last {
                text.clone_from(prompt);
                self.edited = true;
            }
        }
    }

    fn within_budget(&self, step: &Step, wanted: &ChatRequest) -> Result<(), ReplayError> {
        let Some(budget) = self.options.budget else { return Ok(()) };
        let usage = most_usage(step, wanted.output_tokens_max);
        let next = self.around.pricer.price(step.provider.as_deref(), &wanted.model, &usage);
        // What nobody can price cannot be capped.
        let next = next.unwrap_or(NanoUsd(i64::MAX));
        let spent = self.spent.unwrap_or(NanoUsd(i64::MAX));
        if spent.0.saturating_add(next.0) > budget.0 {
            return Err(ReplayError::Budget { spent, budget, next });
        }
        Ok(())
    }

    fn pay(&mut self, step: &Step, wanted: &ChatRequest, answer: &mut Answer) {
        let reported = answer.finish.as_ref().and_then(|f| f.usage.as_ref()?.cost_usd);
        let provider = step.provider.as_deref();
        let cost = reported
            .and_then(NanoUsd::from_usd)
            .or_else(|| answer.priced(self.around.pricer, provider, &wanted.model));
        answer.cost = cost;
        if answer.finish.is_some() {
            self.spent = self.spent.zip(cost).map(|(a, b)| NanoUsd(a.0.saturating_add(b.0)));
        }
    }

    /// Whether the same tools were asked for. If so, the calls get their captured ids, so that
    /// captured results answer them.
    fn compare_tools(&self, step: &Step, answer: &mut Answer) -> bool {
        let live = matches!(self.options.tools, ToolMode::Live(_));
        let old: Vec<(Option<String>, &String, &Json)> = parts(&step.content.output_messages)
            .filter_map(|part| match part {
                MessagePart::ToolCall { id, name, arguments } => {
                    Some((id.clone(), name, arguments))
                }
                _ => None,
            })
            .collect();
        let equal = old.len() == answer.tool_calls.len()
            && old.iter().zip(&answer.tool_calls).all(|((_, name, arguments), call)| {
                let new: Json = serde_json::from_str(&call.arguments).unwrap_or_default();
                let old = match arguments {
                    Json::String(text) => serde_json::from_str(text).unwrap_or_default(),
                    other => (*other).clone(),
                };
                **name == call.name && (live || new == old)
            });
        if equal {
            for ((id, ..), call) in old.into_iter().zip(&mut answer.tool_calls) {
                if let Some(id) = id {
                    call.id = id;
                }
            }
        }
        equal
    }

    /// Remembers a new answer for later inputs, and runs the tools that it asks for.
    async fn give(&mut self, step: &Step, answer: &Answer) {
        let old: Vec<MessagePart> = parts(&step.content.output_messages).cloned().collect();
        let mut new = Vec::new();
        if !answer.text.is_empty() {
            new.push(MessagePart::Text { content: answer.text.clone() });
        }
        for call in &answer.tool_calls {
            new.push(MessagePart::ToolCall {
                id: Some(call.id.clone()),
                name: call.name.clone(),
                arguments: serde_json::from_str(&call.arguments)
                    .unwrap_or_else(|_| call.arguments.as_str().into()),
            });
            if let ToolMode::Live(tools) = &self.options.tools {
                let result = tools.call(&call.name, &call.arguments).await;
                let text = result.unwrap_or_else(|error| format!("error: {error}"));
                self.results.insert(call.name.clone(), text.clone());
                self.results.insert(call.id.clone(), text);
            }
        }
        let message =
            |parts: &[MessagePart]| Message { parts: parts.to_vec(), ..Message::default() };
        let (old_text, new_text) = (text_of(&message(&old)), text_of(&message(&new)));
        self.given.push(Given { old_text, new, new_text });
    }

    fn compare(&mut self, step: &Step, answer: &Answer, same_tools: bool) {
        let (old, new) = (step.said(), answer.said());
        let usage = answer.usage();
        let before = step.usage;
        let similarity = diff::similarity(&old, &new);
        self.diffs.push(StepDiff {
            span_id: step.span_id.to_string(),
            replay_span_id: self
                .ids
                .get(&step.span_id)
                .map(ToString::to_string)
                .unwrap_or_default(),
            name: step.name.clone(),
            executed: true,
            same: same_tools && (similarity - 1.0).abs() < 1e-9,
            same_tools,
            similarity,
            changes: diff::changes(&old, &new, CHANGES_MAX),
            diverged: self.diverged,
            error: answer.failure.as_ref().map(|(code, _)| code.clone()),
            latency_ms: (step.duration_ms().map(|ms| ms as f64), Some(answer.latency_ms)),
            tokens_in: (before.map(|u| u.input_tokens()), usage.map(|u| u.input_tokens())),
            tokens_out: (before.map(|u| u.output_tokens()), usage.map(|u| u.output_tokens())),
            cost_nano_usd: (step.cost.map(|c| c.0), answer.cost.map(|c| c.0)),
        });
        self.answer = Some((old, new));
    }

    fn fail(&mut self, error: &ReplayError) {
        self.failure = Some((error.code().to_owned(), error.to_string()));
    }

    async fn flush(&mut self) -> Result<(), ReplayError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let spans = std::mem::take(&mut self.waiting);
        self.around.desk.record(spans).await.map_err(ReplayError::Record)
    }

    fn told(self) -> Replayed {
        let (captured_answer, answer) = self.answer.unwrap_or_default();
        Replayed {
            trace_id: self.trace_id.to_string(),
            replay_of: self.original.to_string(),
            tools: self.options.tools.as_str(),
            redacted_inputs: self.redacted,
            steps: self.diffs,
            answer,
            captured_answer,
            spent_nano_usd: self.spent.map(|s| s.0),
            failure: self.failure,
        }
    }
}

fn parts(messages: &[Message]) -> impl Iterator<Item = &MessagePart> {
    let told = |p: &&MessagePart| !matches!(p, MessagePart::Reasoning { .. });
    messages.iter().flat_map(|m| &m.parts).filter(told)
}
