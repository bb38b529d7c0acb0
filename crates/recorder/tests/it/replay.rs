//! A trace is run again against a provider that follows a script.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, atomic::AtomicBool},
};

use async_trait::async_trait;
use exhibit_model::{NanoUsd, SpanId, TraceId};
use exhibit_provider::{
    ChatEvent, ChatRequest, ChatStream, ConfigError, Embeddings, Finish, FinishReason, Message,
    Provider, ProviderError, ReportedUsage, TokenSemantics, ToolCall,
};
use exhibit_recorder::{
    OsEntropy, SystemClock,
    replay::{self, Around, Models, Options, Replayed, Step, ToolMode, Tools},
};
use serde_json::{Value, json};

use crate::house::House;

/// What a scripted model answers.
type Say =
    Box<dyn Fn(&ChatRequest) -> Result<(String, Vec<ToolCall>), ProviderError> + Send + Sync>;

/// Answers with what a function of the request says.
pub(crate) struct Scripted {
    pub(crate) seen: Mutex<Vec<ChatRequest>>,
    say: Say,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}

impl Scripted {
    pub(crate) fn new(
        say: impl Fn(&ChatRequest) -> Result<(String, Vec<ToolCall>), ProviderError>
        + Send
        + Sync
        + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { seen: Mutex::default(), say: Box::new(say) })
    }

    pub(crate) fn say(
        &self,
        request: &ChatRequest,
    ) -> Result<(String, Vec<ToolCall>), ProviderError> {
        (self.say)(request)
    }

    fn queue(answers: &[(&str, &[(&str, &str)])]) -> Arc<Self> {
        let answers: VecDeque<_> = answers
            .iter()
            .map(|(text, calls)| {
                let calls = calls.iter().enumerate().map(|(n, (name, arguments))| ToolCall {
                    id: format!("new_{n}"),
                    name: (*name).to_owned(),
                    arguments: (*arguments).to_owned(),
                    signature: None,
                });
                ((*text).to_owned(), calls.collect::<Vec<_>>())
            })
            .collect();
        let answers = Mutex::new(answers);
        Self::new(move |_| Ok(answers.lock().unwrap().pop_front().expect("one call too many")))
    }

    fn seen(&self) -> Vec<ChatRequest> {
        self.seen.lock().unwrap().clone()
    }
}

#[async_trait]
impl Provider for Scripted {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn endpoint(&self) -> &'static str {
        "script:"
    }

    /// Vectors that know only whether something is missing.
    async fn embed(&self, _: &str, texts: &[String]) -> Result<Embeddings, ProviderError> {
        let vector = |text: &String| {
            let missing = text.matches("nothing there").count() as f32;
            vec![(1.0 - missing).max(0.0), missing]
        };
        let vectors = texts.iter().map(vector).collect();
        Ok(Embeddings { vectors, input_tokens: Some(20 * texts.len() as u64) })
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, ProviderError> {
        let answer = (self.say)(&request);
        self.seen.lock().unwrap().push(request.clone());
        let (text, calls) = answer?;
        let mut events = Vec::new();
        if !text.is_empty() {
            events.push(Ok(ChatEvent::Text { text }));
        }
        events.extend(calls.into_iter().map(|call| Ok(ChatEvent::ToolCall { call })));
        let usage = ReportedUsage {
            semantics: TokenSemantics {
                input_includes_cache: true,
                output_includes_reasoning: true,
            },
            input_tokens: Some(10),
            output_tokens: Some(5),
            cache_read_tokens: None,
            cache_write_tokens: None,
            cache_write_5m_tokens: None,
            cache_write_1h_tokens: None,
            reasoning_tokens: None,
            input_audio_tokens: None,
            output_audio_tokens: None,
            tool_use_input_tokens: None,
            total_tokens: None,
            web_searches: None,
            cost_usd: None,
            raw: Value::Null,
        };
        let finish = Finish {
            reason: FinishReason::Stop,
            raw_reason: None,
            response_id: None,
            response_model: Some(request.model.clone()),
            usage: Some(usage),
        };
        events.push(Ok(ChatEvent::Finish { finish: Box::new(finish) }));
        Ok(ChatStream::of(events))
    }
}

pub(crate) struct Only(pub(crate) Arc<Scripted>);

impl Models for Only {
    fn provider(&self, _: Option<&str>, _: &str) -> Result<Arc<dyn Provider>, ConfigError> {
        Ok(Arc::clone(&self.0) as Arc<dyn Provider>)
    }
}

fn span(id: &str, parent: Option<&str>, kind: &str, at: u32) -> Value {
    json!({"trace_id": "t1", "span_id": id, "parent_span_id": parent, "name": id,
        "span_type": kind, "status": "ok",
        "start_time": format!("2026-11-20T10:00:{at:02}Z"),
        "end_time": format!("2026-11-20T10:00:{:02}Z", at + 1)})
}

fn with(mut span: Value, more: Value) -> Value {
    span.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    span
}

/// An agent that asks one tool and answers.
pub(crate) async fn agent(house: &House) -> Vec<Step> {
    let asks = json!({"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "type": "function",
        "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"}}]});
    let question = json!({"role": "user", "content": "How is Oslo?"});
    let result = json!({"role": "tool", "tool_call_id": "c1", "content": "rain, 4 degrees"});
    let model =
        json!({"model": "gpt-4o-mini", "provider": "openai", "tokens_in": 20, "tokens_out": 8});
    house
        .send(json!([
            with(span("root", None, "agent", 0), json!({"input": {"q": "How is Oslo?"}, "output": {"a": "It rains in Oslo."}})),
            with(with(span("first", Some("root"), "llm", 1), model.clone()),
                json!({"input": {"messages": [question]}, "output": {"messages": [asks]}})),
            with(span("tool", Some("root"), "tool", 2), json!({"tool_name": "weather", "tool_call_id": "c1",
                "input": {"city": "Oslo"}, "output": {"result": "rain, 4 degrees"}})),
            with(with(span("last", Some("root"), "llm", 3), model),
                json!({"input": {"messages": [question, asks, result]},
                    "output": {"messages": [{"role": "assistant", "content": "It rains in Oslo."}]}})),
        ]))
        .await;
    house.recorder.steps(house.workspace, &TraceId::new("t1").unwrap()).await.unwrap()
}

async fn run(house: &House, steps: &[Step], options: &Options, script: &Arc<Scripted>) -> Replayed {
    let desk = house.recorder.desk(house.workspace);
    let models = Only(Arc::clone(script));
    let around = Around {
        models: &models,
        pricer: &*house.recorder,
        desk: &*desk,
        clock: &SystemClock,
        entropy: &OsEntropy,
        cancel: &AtomicBool::new(false),
        progress: &|_| {},
    };
    replay::run(steps, options, around).await.unwrap()
}

const OSLO: &[(&str, &str)] = &[("weather", "{\"city\": \"Oslo\"}")];

#[tokio::test]
async fn calls_are_made_again_tools_answer_from_the_capture_and_the_original_stays() {
    let house = House::new().await;
    let steps = agent(&house).await;
    let before = house.span("t1", "last").await.unwrap();
    let script = Scripted::queue(&[("", OSLO), ("Wet and cold.", &[])]);
    let told = run(&house, &steps, &Options::default(), &script).await;
    let seen = script.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].messages, [Message::User { text: "How is Oslo?".into() }]);
    // The new answer has the captured id, so the captured result answers it.
    let Message::Tool { call_id, text, .. } = &seen[1].messages[2] else { panic!("{seen:?}") };
    assert_eq!((call_id.as_str(), text.as_str()), ("c1", "rain, 4 degrees"));
    assert_eq!(
        (told.answer.as_str(), told.captured_answer.as_str()),
        ("Wet and cold.", "It rains in Oslo.")
    );
    assert!(told.steps[0].same_tools && !told.steps[1].same && !told.steps[1].diverged);
    assert_eq!(told.failure, None);
    assert!(told.spent_nano_usd.unwrap() > 0);

    let id = TraceId::new(&told.trace_id).unwrap();
    let row = house.recorder.trace(house.workspace, &id).await.unwrap().unwrap();
    assert_eq!(row.summary.span_count, 4);
    let new = house.recorder.steps(house.workspace, &id).await.unwrap();
    let root = new.iter().find(|s| s.name == "root").unwrap();
    // What repeats the old answer has the new one.
    assert_eq!(root.content.output.as_ref().unwrap()["a"], "Wet and cold.");
    let detail = house.recorder.span(house.workspace, &id, &root.span_id).await.unwrap().unwrap();
    assert_eq!(detail.span.metadata["replay_of"], "t1");
    assert_eq!(detail.span.tags, ["replay"]);
    let last = new.iter().find(|s| s.name == "last").unwrap();
    assert_eq!(last.parent_id.as_ref(), Some(&root.span_id));
    assert_eq!(house.span("t1", "last").await.unwrap().received, before.received);
}

#[tokio::test]
async fn other_tools_than_captured_hold_the_captured_conversation_and_say_so() {
    let house = House::new().await;
    let steps = agent(&house).await;
    let script = Scripted::queue(&[("I know it by heart.", &[]), ("Still rain.", &[])]);
    let told = run(&house, &steps, &Options::default(), &script).await;
    assert!(told.steps[0].diverged && !told.steps[0].same_tools);
    let held = &script.seen()[1].messages;
    assert!(matches!(&held[1], Message::Assistant { tool_calls, .. } if tool_calls.len() == 1));
}

struct Sun;

#[async_trait]
impl Tools for Sun {
    async fn call(&self, name: &str, arguments: &str) -> Result<String, String> {
        Ok(format!("{name} {arguments} sun"))
    }
}

#[tokio::test]
async fn live_tools_run_and_their_results_reach_the_model() {
    let house = House::new().await;
    let steps = agent(&house).await;
    let other: &[(&str, &str)] = &[("weather", "{\"city\": \"Rome\"}")];
    let script = Scripted::queue(&[("", other), ("Sunny.", &[])]);
    let options = Options { tools: ToolMode::Live(Arc::new(Sun)), ..Options::default() };
    run(&house, &steps, &options, &script).await;
    let Message::Tool { text, .. } = &script.seen()[1].messages[2] else { panic!() };
    assert_eq!(text, "weather {\"city\": \"Rome\"} sun");
    let script = Scripted::queue(&[("", OSLO), ("Unknown.", &[])]);
    let options = Options { tools: ToolMode::Skip, ..Options::default() };
    run(&house, &steps, &options, &script).await;
    let Message::Tool { text, .. } = &script.seen()[1].messages[2] else { panic!() };
    assert!(text.contains("not run"));
}

#[tokio::test]
async fn from_a_span_onward_only_the_rest_is_run_and_overrides_reach_it() {
    let house = House::new().await;
    let steps = agent(&house).await;
    let script = Scripted::queue(&[("Regen.", &[])]);
    let options = Options {
        from: Some(SpanId::new("last").unwrap()),
        model: Some("gpt-4.1".into()),
        temperature: Some(0.0),
        system: Some("Speak German.".into()),
        ..Options::default()
    };
    assert_eq!(replay::estimate(&steps, &options, &*house.recorder).unwrap().calls, 1);
    let told = run(&house, &steps, &options, &script).await;
    let seen = &script.seen()[0];
    assert_eq!((seen.model.as_str(), seen.temperature), ("gpt-4.1", Some(0.0)));
    assert_eq!(seen.messages[0], Message::System { text: "Speak German.".into() });
    assert_eq!(told.steps.len(), 1);
    let id = TraceId::new(&told.trace_id).unwrap();
    assert_eq!(
        house.recorder.trace(house.workspace, &id).await.unwrap().unwrap().summary.span_count,
        4
    );
    let missing = Options { from: Some(SpanId::new("nobody").unwrap()), ..Options::default() };
    let error = replay::estimate(&steps, &missing, &*house.recorder).unwrap_err();
    assert_eq!(error.code(), "unknown_span");
}

#[tokio::test]
async fn a_budget_ends_a_replay_before_the_call_that_could_break_it() {
    let house = House::new().await;
    let steps = agent(&house).await;
    let script = Scripted::queue(&[]);
    let options = Options { budget: Some(NanoUsd(1)), ..Options::default() };
    let told = run(&house, &steps, &options, &script).await;
    assert_eq!(told.failure.unwrap().0, "budget");
    assert!(script.seen().is_empty());
}

#[tokio::test]
async fn a_failing_provider_ends_as_a_named_failure_in_the_new_trace() {
    let house = House::new().await;
    let steps = agent(&house).await;
    let script =
        Scripted::new(|_| Err(ProviderError::Truncated { detail: "the connection closed".into() }));
    let told = run(&house, &steps, &Options::default(), &script).await;
    assert_eq!(told.failure.unwrap().0, "truncated");
    let id = TraceId::new(&told.trace_id).unwrap();
    let row = house.recorder.trace(house.workspace, &id).await.unwrap().unwrap();
    assert_eq!(row.summary.status(), exhibit_model::Status::Error);
}

#[tokio::test]
async fn what_is_unknown_running_or_empty_is_said() {
    let house = House::new().await;
    let unknown = house.recorder.steps(house.workspace, &TraceId::new("no").unwrap()).await;
    assert!(matches!(unknown, Err(exhibit_recorder::Error::NotFound)));
    let mut steps = agent(&house).await;
    steps[1].status = exhibit_model::Status::Running;
    let refused = |steps: &[Step]| {
        replay::estimate(steps, &Options::default(), &*house.recorder).unwrap_err().code()
    };
    assert_eq!(refused(&steps), "running");
    assert_eq!(refused(&steps[..1]), "no_calls");
}

/// An agent of forty steps, every second one a call that is made again.
async fn long(house: &House) -> Vec<Step> {
    let model =
        json!({"model": "gpt-4o-mini", "provider": "openai", "tokens_in": 20, "tokens_out": 8});
    let mut spans = vec![span("root", None, "agent", 0)];
    for at in 1..40_u32 {
        let id = format!("s{at}");
        let kind = if at % 2 == 1 { "llm" } else { "tool" };
        let mut one = with(
            span(&id, Some("root"), kind, at),
            json!({"input": {"messages": [{"role": "user", "content": format!("question {at}")}]},
                "output": {"messages": [{"role": "assistant", "content": format!("answer {at}")}]}}),
        );
        if kind == "llm" {
            one = with(one, model.clone());
        }
        spans.push(one);
    }
    house.send(spans.into()).await;
    house.recorder.steps(house.workspace, &TraceId::new("t1").unwrap()).await.unwrap()
}

#[tokio::test]
async fn forty_steps_are_run_again_in_order_and_told_again_from_the_record() {
    let house = House::new().await;
    let steps = long(&house).await;
    assert_eq!(steps.len(), 40);
    let script = Scripted::new(|_| Ok(("something new".to_owned(), Vec::new())));
    let begun = std::time::Instant::now();
    let told = run(&house, &steps, &Options::default(), &script).await;
    println!("replay of 40 spans, instant provider: {} ms", begun.elapsed().as_millis());
    assert_eq!((told.steps.len(), script.seen().len()), (20, 20));
    let id = TraceId::new(&told.trace_id).unwrap();
    let stored = house.recorder.steps(house.workspace, &id).await.unwrap();
    assert_eq!(stored.len(), 40);
    let again = replay::retold(&steps, &stored, told.tools).unwrap();
    assert_eq!(again.answer, told.answer);
    let pairs = |told: &Replayed| -> Vec<(String, String, f64)> {
        let pair = |s: &replay::diff::StepDiff| {
            (s.span_id.clone(), s.replay_span_id.clone(), s.similarity)
        };
        told.steps.iter().map(pair).collect()
    };
    assert_eq!(pairs(&again), pairs(&told));
}
