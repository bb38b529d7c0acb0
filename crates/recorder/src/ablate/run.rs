//! The measuring: variants, repeats, records.

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::{AtomicBool, Ordering},
};

use exhibit_model::{JsonMap, Message, MessagePart, NanoUsd, Nanos, SpanId, Status, TraceId};
use futures_util::{StreamExt as _, stream};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;

use super::{
    Ablation, AblationError, CAUSES_MAX, Cause, CauseKind, Effect, Estimate, Graph, Options,
    VERSION,
    effect::{self, Dice},
    explain,
    graph::{Link, Node, Sankey},
};
use crate::replay::{
    Answer, Around, ReplayError, Step, make, parameters, request, spoken, text_of,
};

/// Calls at once: providers limit how many they take.
const AT_ONCE: usize = 4;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Variants that are done.
    pub done: usize,
    /// All variants.
    pub all: usize,
}

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
        duration_ms: 0,
    };
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
        }
    };
    plan.variants().iter().for_each(|v| count(v, u64::from(options.repeats)));
    plan.orders(options).iter().flatten().for_each(|v| count(v, 1));
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
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Ablation, AblationError> {
    let plan = Plan::of(steps, options)?;
    let now = around.clock.now();
    let said = |step: &Step| {
        step.content.output_messages.iter().map(text_of).collect::<Vec<_>>().join("\n")
    };
    let root = resume.iter().find(|s| s.parent_id.is_none());
    let run = Run {
        plan: &plan,
        options,
        around,
        trace_id: root.map_or_else(|| TraceId::mint(now.0, around.entropy), |r| r.trace_id.clone()),
        root: root.map_or_else(|| SpanId::mint(now.0, around.entropy), |r| r.span_id.clone()),
        spent: Mutex::new((0, Some(NanoUsd(0)))),
        stopped: AtomicBool::new(false),
        kept: resume
            .iter()
            .filter(|s| s.parent_id.is_some() && s.status == Status::Ok)
            .map(|s| (s.name.clone(), said(s)))
            .collect(),
    };
    run.record(run.opening(now)).await?;
    let outcome = run.measured(progress).await;
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
    async fn measured(
        &self,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Ablation, AblationError> {
        let variants = self.plan.variants();
        let orders = self.plan.orders(self.options);
        let mut work: Vec<(&Variant, u32)> = Vec::new();
        for variant in &variants {
            work.extend((0..self.options.repeats).map(|repeat| (variant, repeat)));
        }
        work.extend(orders.iter().flatten().map(|variant| (variant, 0)));
        let all = work.len();
        let mut answers: HashMap<&str, Vec<String>> = HashMap::new();
        let mut running = stream::iter(work.into_iter().map(|(variant, repeat)| async move {
            let said = self.answer(variant, repeat).await;
            (variant, said)
        }))
        .buffered(AT_ONCE);
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
            progress(Progress { done, all });
        }
        drop(running);
        match failure {
            Some(error) => Err(error),
            None => Ok(self.told(&answers, &orders)),
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
        self.within_budget(step)?;
        let provider = step.provider.as_deref();
        let begun = self.around.clock.now();
        let provider =
            self.around.models.provider(provider, &wanted.model).map_err(ReplayError::from)?;
        let mut answer = make(&*provider, wanted.clone()).await;
        let usage = answer.usage();
        let price =
            |usage| self.around.pricer.price(step.provider.as_deref(), &wanted.model, &usage);
        answer.cost = usage.and_then(price);
        {
            let mut spent = self.spent.lock();
            spent.0 += 1;
            spent.1 = spent.1.zip(answer.cost).map(|(a, b)| NanoUsd(a.0.saturating_add(b.0)));
        }
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
            Some((code, message)) => Err(AblationError::Call { code, message }),
            None => Ok(answer),
        }
    }

    fn within_budget(&self, step: &Step) -> Result<(), AblationError> {
        let Some(budget) = self.options.budget else { return Ok(()) };
        let model = step.model_asked().unwrap_or_default();
        let next =
            self.around.pricer.price(step.provider.as_deref(), model, &step.expected_usage());
        let next = next.unwrap_or(NanoUsd(i64::MAX));
        // Calls at once may each be about to be paid.
        let at_once = NanoUsd(next.0.saturating_mul(AT_ONCE as i64));
        let spent = self.spent.lock().1.unwrap_or(NanoUsd(i64::MAX));
        if spent.0.saturating_add(at_once.0) > budget.0 {
            return Err(ReplayError::Budget { spent, budget, next: at_once }.into());
        }
        Ok(())
    }

    fn told(&self, answers: &HashMap<&str, Vec<String>>, orders: &[Vec<Variant>]) -> Ablation {
        let none = Vec::new();
        let of = |name: &str| answers.get(name).unwrap_or(&none);
        let shares = self.shares(answers, orders);
        let mut effects: Vec<Effect> = Vec::new();
        for (place, (cause, path)) in self.plan.causes.iter().enumerate() {
            let cause = &self.plan.graph.causes[*cause];
            let baseline = of(&Plan::baseline(path));
            let without = of(&format!("without {}", cause.id));
            let measured =
                effect::measure(baseline, without, self.options.seed.wrapping_add(place as u64));
            let new = without.iter().filter(|a| !baseline.contains(a)).count();
            effects.push(Effect {
                cause: cause.clone(),
                effect: measured.effect,
                low: measured.low,
                high: measured.high,
                significant: measured.low > 0.0,
                changed: new as f64 / without.len().max(1) as f64,
                shapley: shares.get(&cause.id).copied(),
                answers: without.clone(),
            });
        }
        effects.sort_by(|a, b| b.effect.total_cmp(&a.effect));
        let target = self.plan.step(self.plan.target);
        let direct = Plan::baseline(&[self.plan.target]);
        let baseline = answers.get(direct.as_str()).or_else(|| {
            answers.iter().filter(|(n, _)| n.starts_with("baseline")).map(|(_, a)| a).next()
        });
        let baseline = baseline.cloned().unwrap_or_default();
        let (calls, cost) = *self.spent.lock();
        let captured = target.content.output_messages.iter().map(text_of).collect::<Vec<_>>();
        let mut found = Ablation {
            version: VERSION,
            trace_id: self.trace_id.to_string(),
            ablation_of: target.trace_id.to_string(),
            target: target.span_id.to_string(),
            captured: captured.join("\n"),
            model: target.model_asked().unwrap_or_default().to_owned(),
            repeats: self.options.repeats,
            seed: self.options.seed,
            noise: effect::noise(&baseline),
            baseline,
            sankey: self.sankey(&effects, target),
            effects,
            calls,
            cost_nano_usd: cost.map(|c| c.0),
            explanation: String::new(),
        };
        let tools: Vec<String> =
            target.content.tool_calls.iter().map(|c| c.tool_name.clone()).collect();
        found.explanation = explain::template(&found, &tools);
        found
    }

    /// Shapley values by the drawn orders.
    fn shares(
        &self,
        answers: &HashMap<&str, Vec<String>>,
        orders: &[Vec<Variant>],
    ) -> HashMap<String, f64> {
        let mut shares: HashMap<String, f64> = HashMap::new();
        let baseline: Vec<&String> = answers
            .iter()
            .filter(|(n, _)| n.starts_with("baseline"))
            .flat_map(|(_, a)| a)
            .collect();
        for order in orders {
            let mut before = 0.0;
            for variant in order {
                let said = answers.get(variant.name.as_str()).and_then(|a| a.first());
                let (Some(said), Some(cause)) = (said, variant.without.last()) else { continue };
                let far = baseline.iter().map(|b| effect::distance(said, b)).sum::<f64>()
                    / baseline.len().max(1) as f64;
                let share = (far - before) / orders.len() as f64;
                *shares.entry(self.plan.graph.causes[*cause].id.clone()).or_default() += share;
                before = far;
            }
        }
        shares
    }

    fn sankey(&self, effects: &[Effect], target: &Step) -> Sankey {
        let mut sankey = Sankey::default();
        let kind =
            |cause: &Cause| serde_json::to_value(cause.kind).ok()?.as_str().map(str::to_owned);
        for effect in effects {
            sankey.nodes.push(Node {
                id: effect.cause.id.clone(),
                kind: kind(&effect.cause).unwrap_or_default(),
                label: effect.cause.label.clone(),
                span_id: effect.cause.span_id.clone(),
            });
            let path = self
                .plan
                .causes
                .iter()
                .find(|(c, _)| self.plan.graph.causes[*c].id == effect.cause.id);
            // A cause flows through every call on its way.
            let mut from = effect.cause.id.clone();
            for call in path.map(|(_, path)| path.as_slice()).unwrap_or_default() {
                let step = self.plan.step(*call);
                let to = step.span_id.to_string();
                if !sankey.nodes.iter().any(|n| n.id == to) {
                    let last = step.span_id == target.span_id;
                    sankey.nodes.push(Node {
                        id: to.clone(),
                        kind: if last { "answer" } else { "call" }.to_owned(),
                        label: step.name.clone(),
                        span_id: Some(to.clone()),
                    });
                }
                let value = effect.effect.max(0.0);
                let held = sankey.links.iter_mut().find(|l| l.source == from && l.target == to);
                match held {
                    Some(link) => {
                        link.value += value;
                        link.significant |= effect.significant;
                    }
                    None => sankey.links.push(Link {
                        source: from.clone(),
                        target: to.clone(),
                        value,
                        significant: effect.significant,
                    }),
                }
                from = to;
            }
        }
        sankey
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
            json!({ "repeats": repeats, "orders": orders, "seed": seed, "causes": causes }),
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
