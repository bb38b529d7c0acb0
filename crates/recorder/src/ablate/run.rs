//! The measuring: variants, repeats, records.

mod compare;
mod told;

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::{AtomicBool, Ordering},
};

use exhibit_model::{
    JsonMap, Message, MessagePart, NanoUsd, Nanos, SpanId, Status, TraceId, Usage,
};
use exhibit_provider::ChatRequest;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use parking_lot::Mutex;
use serde_json::json;

use super::{
    Ablation, AblationError, CAUSES_MAX, Cause, CauseKind, Estimate, Graph, Measure, Options,
    VERSION, effect::Dice,
};
use crate::replay::{
    Answer, Around, Progress, ReplayError, Step, make, parameters, request, spoken, text_of,
};

/// Calls at once: providers limit how many they take.
const AT_ONCE: usize = 4;

/// What is to be measured.
struct Plan<'a> {
    steps: &'a [Step],
    graph: Graph,
    target: usize,
    /// Causes that reach the target, with the calls through which they do.
    causes: Vec<(usize, Vec<usize>)>,
}

/// One run: what is taken away, what is made again, and its stable name.
#[derive(Debug, Clone)]
struct Variant {
    name: String,
    without: Vec<usize>,
    path: Vec<usize>,
}

impl<'a> Plan<'a> {
    fn of(steps: &'a [Step], options: &Options) -> Result<Self, AblationError> {
        if !(2..=50).contains(&options.repeats) || options.orders > 50 {
            return Err(AblationError::Options);
        }
        if let Some(running) = steps.iter().find(|s| s.status == Status::Running) {
            return Err(ReplayError::Running(running.span_id.to_string()).into());
        }
        if let Some(held) = steps.iter().find(|s| s.withheld) {
            return Err(ReplayError::Quarantined(held.span_id.to_string()).into());
        }
        if steps.iter().any(|s| s.redacted) {
            return Err(AblationError::Redacted);
        }
        let graph = Graph::of(steps);
        let target = graph.target(steps, options.target.as_ref());
        let target = target.ok_or_else(|| match &options.target {
            Some(named) => ReplayError::UnknownSpan(named.to_string()),
            None => ReplayError::NoCalls,
        })?;
        let mut causes: Vec<(usize, Vec<usize>)> = (0..graph.causes.len())
            .map(|cause| (cause, graph.path(cause, target)))
            .filter(|(_, path)| !path.is_empty())
            .collect();
        causes.truncate(CAUSES_MAX);
        if causes.is_empty() {
            return Err(AblationError::NoCauses);
        }
        for call in causes.iter().flat_map(|(_, path)| path) {
            let step = &steps[graph.calls[*call].step];
            request(step).map_err(|reason| ReplayError::Unsendable {
                span: step.span_id.to_string(),
                reason,
            })?;
        }
        Ok(Self { steps, graph, target, causes })
    }

    fn step(&self, call: usize) -> &'a Step {
        &self.steps[self.graph.calls[call].step]
    }

    fn baseline(path: &[usize]) -> String {
        let path: Vec<String> = path.iter().map(ToString::to_string).collect();
        format!("baseline {}", path.join("-"))
    }

    /// Every variant: a baseline for every distinct path, and each cause taken away.
    fn variants(&self) -> Vec<Variant> {
        let mut variants: BTreeMap<String, Variant> = BTreeMap::new();
        for (cause, path) in &self.causes {
            let name = Self::baseline(path);
            let unchanged = Variant { name: name.clone(), without: Vec::new(), path: path.clone() };
            variants.entry(name).or_insert(unchanged);
            let name = format!("without {}", self.graph.causes[*cause].id);
            let without = vec![*cause];
            variants.insert(name.clone(), Variant { name, without, path: path.clone() });
        }
        variants.into_values().collect()
    }

    /// How many texts, and at most how many pairs of them, are compared.
    fn compared(&self, options: &Options) -> (u64, u64) {
        let repeats = u64::from(options.repeats);
        let variants = self.variants();
        let (unchanged, without): (Vec<_>, Vec<_>) =
            variants.iter().partition(|variant| variant.without.is_empty());
        let (unchanged, without) = (unchanged.len() as u64, without.len() as u64);
        let ordered = u64::from(options.orders) * self.causes.len() as u64;
        let texts = (unchanged + without) * repeats + ordered;
        let pairs = unchanged * repeats * (repeats - 1) / 2
            + without * repeats * repeats
            + ordered * unchanged * repeats;
        (texts, pairs)
    }

    /// Orders in which causes are taken away one after the other.
    fn orders(&self, options: &Options) -> Vec<Vec<Variant>> {
        let mut dice = Dice(options.seed ^ 0x5eed);
        (0..options.orders)
            .map(|number| {
                let mut order: Vec<usize> = self.causes.iter().map(|(cause, _)| *cause).collect();
                for at in (1..order.len()).rev() {
                    order.swap(at, dice.below(at + 1));
                }
                (1..=order.len())
                    .map(|count| {
                        let without = order[..count].to_vec();
                        let mut path: Vec<usize> = self
                            .causes
                            .iter()
                            .filter(|(cause, _)| without.contains(cause))
                            .flat_map(|(_, path)| path.iter().copied())
                            .collect();
                        path.sort_unstable();
                        path.dedup();
                        Variant { name: format!("order {number}-{count}"), without, path }
                    })
                    .collect()
            })
            .collect()
    }
}

/// What an ablation would take.
///
/// # Errors
/// What [`run`] refuses before its first call.
pub(super) fn estimated(
    steps: &[Step],
    options: &Options,
    pricer: &dyn crate::replay::Pricer,
) -> Result<Estimate, AblationError> {
    let plan = Plan::of(steps, options)?;
    let mut sum = Estimate {
        causes: plan.causes.len(),
        calls: 0,
        tokens_in: 0,
        tokens_out: 0,
        cost_nano_usd: Some(0),
        budget_nano_usd: None,
        duration_ms: 0,
    };
    let mut largest = Some(0);
    let mut count = |variant: &Variant, times: u64| {
        for call in &variant.path {
            let step = plan.step(*call);
            let usage = step.expected_usage();
            let model = step.model_asked().unwrap_or_default();
            let cost = step.cost.or_else(|| pricer.price(step.provider.as_deref(), model, &usage));
            let times_cost =
                |c: NanoUsd| c.0.saturating_mul(i64::try_from(times).unwrap_or(i64::MAX));
            sum.calls += times;
            sum.tokens_in += times * usage.input_tokens();
            sum.tokens_out += times * usage.output_tokens();
            sum.duration_ms += times * step.duration_ms().unwrap_or(0) / AT_ONCE as u64;
            sum.cost_nano_usd =
                sum.cost_nano_usd.zip(cost).map(|(a, b)| a.saturating_add(times_cost(b)));
            let next = pricer.price(step.provider.as_deref(), model, &usage);
            largest = largest.zip(next).map(|(a, b): (i64, NanoUsd)| a.max(b.0));
        }
    };
    plan.variants().iter().for_each(|v| count(v, u64::from(options.repeats)));
    plan.orders(options).iter().flatten().for_each(|v| count(v, 1));
    if options.explain {
        let words = Variant { name: String::new(), without: Vec::new(), path: vec![plan.target] };
        count(&words, 1);
    }
    let target = plan.step(plan.target);
    let (texts, pairs) = plan.compared(options);
    let (calls, usage) = compare::expected(&options.measure, target, texts, pairs);
    if let Measure::Embedding(model) | Measure::Judge(model) = &options.measure {
        sum.calls += calls;
        sum.tokens_in = sum.tokens_in.saturating_add(calls.saturating_mul(usage.input_tokens()));
        sum.tokens_out = sum.tokens_out.saturating_add(calls.saturating_mul(usage.output_tokens()));
        let next = pricer.price(target.provider.as_deref(), model, &usage).map(|next| next.0);
        let times = i64::try_from(calls).unwrap_or(i64::MAX);
        sum.cost_nano_usd =
            sum.cost_nano_usd.zip(next).map(|(a, b)| a.saturating_add(b.saturating_mul(times)));
        largest = largest.zip(next).map(|(a, b): (i64, i64)| a.max(b));
    }
    sum.budget_nano_usd = sum
        .cost_nano_usd
        .zip(largest)
        .map(|(a, b)| a.saturating_add(b.saturating_mul(AT_ONCE as i64)));
    Ok(sum)
}

struct Run<'a> {
    plan: &'a Plan<'a>,
    options: &'a Options,
    around: Around<'a>,
    trace_id: TraceId,
    root: SpanId,
    spent: Mutex<(u64, Option<NanoUsd>)>,
    kept: HashMap<String, String>,
    stopped: AtomicBool,
}

/// Measures. `resume` holds the steps of an ablation that was broken off; what it has measured is not
/// measured again.
///
/// # Errors
/// When it cannot begin, a call fails, the budget does not cover the next call, or it is cancelled.
/// What was measured by then is recorded.
pub async fn run(
    steps: &[Step],
    options: &Options,
    around: Around<'_>,
    resume: &[Step],
) -> Result<Ablation, AblationError> {
    let plan = Plan::of(steps, options)?;
    let now = around.clock.now();
    let root = resume.iter().find(|s| s.parent_id.is_none());
    let run = Run {
        plan: &plan,
        options,
        around,
        trace_id: root
            .map(|r| r.trace_id.clone())
            .or_else(|| options.trace.clone())
            .unwrap_or_else(|| TraceId::mint(now.0, around.entropy)),
        root: root.map_or_else(|| SpanId::mint(now.0, around.entropy), |r| r.span_id.clone()),
        spent: Mutex::new((0, Some(NanoUsd(0)))),
        stopped: AtomicBool::new(false),
        kept: resume
            .iter()
            .filter(|s| s.parent_id.is_some() && s.status == Status::Ok)
            .map(|s| (s.name.clone(), s.said()))
            .collect(),
    };
    run.record(run.opening(now)).await?;
    let outcome = run.measured().await;
    let closing = match &outcome {
        Ok(found) => run.closing(now, found),
        Err(error) => {
            let mut fields = run.opening(now);
            fields.insert("status".to_owned(), "error".into());
            fields.insert("error_type".to_owned(), error.code().into());
            fields.insert("error".to_owned(), error.to_string().into());
            fields.insert("end_time".to_owned(), around.clock.now().to_rfc3339().into());
            fields
        }
    };
    run.record(closing).await?;
    outcome
}

impl Run<'_> {
    async fn measured(&self) -> Result<Ablation, AblationError> {
        let variants = self.plan.variants();
        let orders = self.plan.orders(self.options);
        let mut work: Vec<(&Variant, u32)> = Vec::new();
        for variant in &variants {
            work.extend((0..self.options.repeats).map(|repeat| (variant, repeat)));
        }
        work.extend(orders.iter().flatten().map(|variant| (variant, 0)));
        let all = work.len();
        let mut answers: HashMap<&str, Vec<String>> = HashMap::new();
        // By number: a closure over references could not run on another thread.
        let pieces: Vec<_> = (0..work.len())
            .map(|at| {
                let (variant, repeat) = work[at];
                async move { (variant, self.answer(variant, repeat).await) }.boxed()
            })
            .collect();
        let mut running = stream::iter(pieces).buffered(AT_ONCE);
        let mut done = 0;
        let mut failure = None;
        // After a failure no call begins, and those at hand are still recorded.
        while let Some((variant, said)) = running.next().await {
            match said {
                Ok(said) => answers.entry(&variant.name).or_default().push(said),
                Err(error) => {
                    self.stopped.store(true, Ordering::Relaxed);
                    failure.get_or_insert(error);
                }
            }
            done += 1;
            let spent = self.spent.lock().1.map(|s| s.0);
            (self.around.progress)(Progress { done, all, spent_nano_usd: spent });
        }
        drop(running);
        match failure {
            Some(error) => Err(error),
            None => {
                let distances = self.distances(&answers, &orders).await?;
                let mut found = self.told(&answers, &orders, &distances);
                if self.options.explain {
                    self.add_words(&mut found).await;
                }
                Ok(found)
            }
        }
    }

    /// Runs one variant once and gives the answer in question.
    async fn answer(&self, variant: &Variant, repeat: u32) -> Result<String, AblationError> {
        let name = format!("{} #{repeat}", variant.name);
        if let Some(kept) = self.kept.get(&name) {
            return Ok(kept.clone());
        }
        let mut given: HashMap<String, String> = HashMap::new();
        let mut said = String::new();
        for call in &variant.path {
            let step = self.plan.step(*call);
            let last = *call == self.plan.target;
            let name = if last { name.clone() } else { format!("{name} via {call}") };
            let answer = self.call(step, variant, &given, name).await?;
            said = answer.said();
            let old: Vec<String> = step.content.output_messages.iter().map(text_of).collect();
            // An answer that asks for other tools cannot be carried on: captured results do not
            // belong to it. The captured one is held.
            if answer.tool_calls.is_empty() && step.content.tool_calls.is_empty() {
                for old in old {
                    given.insert(old, answer.text.clone());
                }
            }
        }
        Ok(said)
    }

    async fn call(
        &self,
        step: &Step,
        variant: &Variant,
        given: &HashMap<String, String>,
        name: String,
    ) -> Result<Answer, AblationError> {
        if self.around.cancel.load(Ordering::Relaxed) || self.stopped.load(Ordering::Relaxed) {
            return Err(ReplayError::Cancelled.into());
        }
        let mut asked = step.clone();
        let messages = &mut asked.content.input_messages;
        for message in messages.iter_mut().filter(|m| m.role == "assistant") {
            if let Some(new) = given.get(&text_of(message)) {
                message.parts = vec![MessagePart::Text { content: new.clone() }];
            }
        }
        for cause in &variant.without {
            neutralise(messages, &self.plan.graph.causes[*cause]);
        }
        messages.retain(|m| !m.parts.is_empty());
        let wanted = request(&asked)
            .map_err(|reason| ReplayError::Unsendable { span: step.span_id.to_string(), reason })?;
        self.ask(step, wanted, name).await
    }

    /// Makes a call and records it.
    async fn ask(
        &self,
        step: &Step,
        wanted: ChatRequest,
        name: String,
    ) -> Result<Answer, AblationError> {
        self.within_budget(step, &wanted.model, &step.expected_usage())?;
        let provider = step.provider.as_deref();
        let begun = self.around.clock.now();
        let provider =
            self.around.models.provider(provider, &wanted.model).map_err(ReplayError::from)?;
        let mut answer = make(&*provider, wanted.clone(), self.around.cancel).await;
        answer.cost = answer.priced(self.around.pricer, step.provider.as_deref(), &wanted.model);
        self.spend(answer.cost);
        let mut fields = self.fields(&name, "llm", begun);
        fields.insert(
            "span_id".to_owned(),
            SpanId::mint(begun.0, self.around.entropy).as_str().into(),
        );
        fields.insert("parent_span_id".to_owned(), self.root.as_str().into());
        fields.insert("input".to_owned(), spoken(&wanted));
        fields.insert("parameters".to_owned(), parameters(&wanted));
        fields.insert("model".to_owned(), wanted.model.as_str().into());
        fields.insert("provider".to_owned(), step.provider.as_deref().into());
        fields.insert("end_time".to_owned(), self.around.clock.now().to_rfc3339().into());
        fields.extend(answer.fields());
        self.record(fields).await?;
        match answer.failure {
            Some((code, _)) if code == "cancelled" => Err(ReplayError::Cancelled.into()),
            Some((code, message)) => Err(AblationError::Call { code, message }),
            None => Ok(answer),
        }
    }

    fn spend(&self, cost: Option<NanoUsd>) {
        let mut spent = self.spent.lock();
        spent.0 += 1;
        spent.1 = spent.1.zip(cost).map(|(a, b)| NanoUsd(a.0.saturating_add(b.0)));
    }

    fn price(&self, step: &Step, model: &str, usage: &Usage) -> Option<NanoUsd> {
        self.around.pricer.price(step.provider.as_deref(), model, usage)
    }

    /// Refuses a call of that model which the budget might not cover.
    fn within_budget(&self, step: &Step, model: &str, usage: &Usage) -> Result<(), AblationError> {
        let Some(budget) = self.options.budget else { return Ok(()) };
        let next = self.price(step, model, usage).unwrap_or(NanoUsd(i64::MAX));
        // Calls at once may each be about to be paid.
        let at_once = NanoUsd(next.0.saturating_mul(AT_ONCE as i64));
        let spent = self.spent.lock().1.unwrap_or(NanoUsd(i64::MAX));
        if spent.0.saturating_add(at_once.0) > budget.0 {
            return Err(ReplayError::Budget { spent, budget, next: at_once }.into());
        }
        Ok(())
    }

    fn fields(&self, name: &str, kind: &str, begun: Nanos) -> JsonMap {
        let mut fields = JsonMap::new();
        for (field, value) in [
            ("trace_id", self.trace_id.as_str()),
            ("span_id", self.root.as_str()),
            ("name", name),
            ("span_type", kind),
            ("service", "exhibit ablate"),
        ] {
            fields.insert(field.to_owned(), value.into());
        }
        fields.insert("start_time".to_owned(), begun.to_rfc3339().into());
        fields
    }

    /// The result's span before there is a result.
    fn opening(&self, begun: Nanos) -> JsonMap {
        let target = self.plan.step(self.plan.target);
        let mut fields = self.fields("ablation", "evaluator", begun);
        fields.insert("status".to_owned(), "running".into());
        fields.insert("tags".to_owned(), json!(["ablation"]));
        fields.insert(
            "metadata".to_owned(),
            json!({
                "ablation_of": target.trace_id.as_str(),
                "ablation_target": target.span_id.as_str(),
                "ablation_version": VERSION.to_string(),
            }),
        );
        let causes: Vec<&Cause> =
            self.plan.causes.iter().map(|(c, _)| &self.plan.graph.causes[*c]).collect();
        let (repeats, orders, seed) =
            (self.options.repeats, self.options.orders, self.options.seed);
        fields.insert(
            "input".to_owned(),
            json!({ "repeats": repeats, "orders": orders, "seed": seed, "causes": causes,
                "measure": self.options.measure }),
        );
        fields
    }

    fn closing(&self, begun: Nanos, found: &Ablation) -> JsonMap {
        let mut fields = self.opening(begun);
        fields.insert("status".to_owned(), "ok".into());
        fields.insert("end_time".to_owned(), self.around.clock.now().to_rfc3339().into());
        fields.insert("output".to_owned(), serde_json::to_value(found).unwrap_or_default());
        fields
    }

    async fn record(&self, fields: JsonMap) -> Result<(), AblationError> {
        let recorded = self.around.desk.record(vec![fields]).await;
        recorded.map_err(|error| ReplayError::Record(error).into())
    }
}

/// Takes a cause out of a conversation.
fn neutralise(messages: &mut [Message], cause: &Cause) {
    for message in messages {
        if cause.inside {
            for part in &mut message.parts {
                if let MessagePart::Text { content } = part
                    && content.contains(&cause.text)
                {
                    *content = content.replace(&cause.text, "");
                }
            }
            continue;
        }
        for part in &mut message.parts {
            if let MessagePart::ToolCallResponse { response, .. } = part {
                let text = response.as_str().map_or_else(|| response.to_string(), str::to_owned);
                if cause.kind == CauseKind::Tool && text == cause.text {
                    *response = "(no result)".into();
                }
            }
        }
        if text_of(message) != cause.text {
            continue;
        }
        match cause.kind {
            CauseKind::System => message.parts.clear(),
            CauseKind::User | CauseKind::History => {
                message.parts = vec![MessagePart::Text { content: "(removed)".to_owned() }];
            }
            CauseKind::Tool => {
                message.parts = vec![MessagePart::Text { content: "(no result)".to_owned() }];
            }
            CauseKind::Retrieved => {}
        }
    }
}
