//! Causes are planted, and have to be found.

use std::sync::{Arc, Mutex, atomic::AtomicBool};

use exhibit_model::TraceId;
use exhibit_provider::{ChatRequest, Message};
use exhibit_recorder::{
    OsEntropy, SystemClock,
    ablate::{self, Ablation, AblationError, CauseKind, Graph, Measure, Options, effect::Dice},
    replay::{Around, Step},
};
use serde_json::{Value, json};

use crate::{
    house::House,
    replay::{Only, Scripted},
};

const TOOLS: usize = 8;

fn fact(scenario: u64, tool: usize) -> String {
    format!(
        "reading {} of station {tool} in scenario {scenario}",
        (scenario * 37 + tool as u64 * 11) % 997
    )
}

/// One call with eight tool results before it.
async fn planted(house: &House, scenario: u64) -> Vec<Step> {
    let trace = format!("planted-{scenario}");
    let calls: Vec<Value> = (0..TOOLS)
        .map(|n| json!({"id": format!("c{n}"), "type": "function", "function": {"name": format!("station{n}"), "arguments": "{}"}}))
        .collect();
    let mut messages = vec![
        json!({"role": "system", "content": "Be brief."}),
        json!({"role": "user", "content": "Sum the readings up."}),
        json!({"role": "assistant", "content": "", "tool_calls": calls}),
    ];
    for n in 0..TOOLS {
        messages.push(
            json!({"role": "tool", "tool_call_id": format!("c{n}"), "content": fact(scenario, n)}),
        );
    }
    house
        .send(json!([{"trace_id": trace, "span_id": "call", "name": "chat", "span_type": "llm",
            "start_time": "2026-11-20T10:00:00Z", "end_time": "2026-11-20T10:00:01Z", "status": "ok",
            "model": "gpt-4o-mini", "provider": "openai", "tokens_in": 100, "tokens_out": 20,
            "input": {"messages": messages},
            "output": {"messages": [{"role": "assistant", "content": "the sum"}]}}]))
        .await;
    house.recorder.steps(house.workspace, &TraceId::new(&trace).unwrap()).await.unwrap()
}

fn tool_texts(request: &ChatRequest) -> Vec<&str> {
    request
        .messages
        .iter()
        .filter_map(|m| match m {
            Message::Tool { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

/// An answer that depends on some tool results, in words that vary at random.
fn noisy(scenario: u64, causes: Vec<usize>) -> Arc<Scripted> {
    let dice = Mutex::new(Dice(scenario));
    Scripted::new(move |request| {
        let mut dice = dice.lock().unwrap();
        let mut words = |of: &[&str]| of[dice.below(of.len())].to_owned();
        let there = tool_texts(request);
        let mut text = vec![words(&["Well,", "So,", "Right,"]), words(&["we", "they", "people"])];
        text.push(words(&["measured", "saw", "noted"]));
        for cause in &causes {
            let known = there.contains(&fact(scenario, *cause).as_str());
            text.push(if known { fact(scenario, *cause) } else { "nothing there".to_owned() });
            text.push(words(&["and", "also", "then"]));
        }
        text.push(words(&["done.", "finished.", "over."]));
        Ok((text.join(" "), Vec::new()))
    })
}

async fn run(
    house: &House,
    steps: &[Step],
    options: &Options,
    script: &Arc<Scripted>,
    resume: &[Step],
    cancel: &AtomicBool,
) -> Result<Ablation, AblationError> {
    let desk = house.recorder.desk(house.workspace);
    let around = Around {
        models: &Only(Arc::clone(script)),
        pricer: &*house.recorder,
        desk: &*desk,
        clock: &SystemClock,
        entropy: &OsEntropy,
        cancel,
        progress: &|_| {},
    };
    ablate::run(steps, options, around, resume).await
}

#[tokio::test]
async fn planted_causes_rank_first_in_at_least_95_of_100_cases() {
    let house = House::new().await;
    let mut right = 0;
    let mut dice = Dice(7);
    for scenario in 0..100 {
        let mut causes: Vec<usize> = (0..TOOLS).collect();
        for at in (1..causes.len()).rev() {
            causes.swap(at, dice.below(at + 1));
        }
        causes.truncate(1 + dice.below(3));
        let steps = planted(&house, scenario).await;
        let script = noisy(scenario, causes.clone());
        let options = Options { repeats: 4, seed: scenario, ..Options::default() };
        let found =
            run(&house, &steps, &options, &script, &[], &AtomicBool::new(false)).await.unwrap();
        let first: Vec<&str> =
            found.effects.iter().take(causes.len()).map(|e| e.cause.label.as_str()).collect();
        let all = causes.iter().all(|c| first.contains(&fact(scenario, *c).as_str()));
        let sure = found.effects.iter().take(causes.len()).all(|e| e.significant);
        right += usize::from(all && sure);
    }
    println!("planted causes ranked first and significant: {right} of 100");
    assert!(right >= 95, "{right} of 100");
}

#[tokio::test]
async fn the_result_is_a_sealed_record_and_says_what_it_found() {
    let house = House::new().await;
    let steps = planted(&house, 1).await;
    let options = Options { repeats: 3, orders: 2, ..Options::default() };
    let estimate = ablate::estimate(&steps, &options, &*house.recorder).unwrap();
    // Every message before the answer: system, user, the turn that called the tools, their results.
    assert_eq!((estimate.causes, estimate.calls), (11, 3 + 11 * 3 + 2 * 11));
    let script = noisy(1, vec![2]);
    let found = run(&house, &steps, &options, &script, &[], &AtomicBool::new(false)).await.unwrap();
    assert_eq!(found.calls, estimate.calls);
    assert_eq!(found.effects[0].cause.kind, CauseKind::Tool);
    assert!(found.effects[0].shapley.unwrap() > found.effects[5].shapley.unwrap());
    assert!(found.explanation.contains("station 2"), "{}", found.explanation);
    assert!(found.sankey.links.iter().any(|l| l.significant && l.target == "call"));
    let id = TraceId::new(&found.trace_id).unwrap();
    let stored = house.recorder.steps(house.workspace, &id).await.unwrap();
    let root = stored.iter().find(|s| s.parent_id.is_none()).unwrap();
    let kept: Ablation = serde_json::from_value(root.content.output.clone().unwrap()).unwrap();
    assert_eq!(kept.effects.len(), 11);
    assert_eq!(stored.len() as u64, 1 + found.calls);
    assert!(
        house
            .recorder
            .span(house.workspace, &id, &root.span_id)
            .await
            .unwrap()
            .unwrap()
            .leaf_hash
            .is_some()
    );
}

#[tokio::test]
async fn what_was_measured_before_a_stop_is_not_measured_again() {
    let house = House::new().await;
    let steps = planted(&house, 3).await;
    let options = Options { repeats: 2, ..Options::default() };
    let stop = Arc::new(AtomicBool::new(false));
    let inner = noisy(3, vec![1]);
    let (count, flag) = (Arc::new(Mutex::new(0)), Arc::clone(&stop));
    let script = Scripted::new(move |request| {
        let mut count = count.lock().unwrap();
        *count += 1;
        if *count == 6 {
            flag.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        inner.say(request)
    });
    let error = run(&house, &steps, &options, &script, &[], &stop).await.unwrap_err();
    assert_eq!(error.code(), "cancelled");
    let rows = house
        .recorder
        .traces(house.workspace, "tag:ablation", exhibit_store::Order::Newest, None, 10)
        .await
        .unwrap();
    let broken =
        house.recorder.steps(house.workspace, &rows.rows[0].summary.trace_id).await.unwrap();
    let made = broken.len() as u64 - 1;
    assert!(made >= 6);
    let script = noisy(3, vec![1]);
    let found =
        run(&house, &steps, &options, &script, &broken, &AtomicBool::new(false)).await.unwrap();
    assert_eq!(found.calls, 2 + 11 * 2 - made);
    assert!(found.effects[0].cause.label.contains("station 1"));
}

#[tokio::test]
async fn redacted_inputs_are_refused_and_a_graph_of_1000_spans_is_quick() {
    let house = House::new().await;
    let mut steps = planted(&house, 4).await;
    steps[0].redacted = true;
    let refused = ablate::estimate(&steps, &Options::default(), &*house.recorder).unwrap_err();
    assert_eq!(refused.code(), "redacted");
    let long = long(1_000);
    let begun = std::time::Instant::now();
    let graph = Graph::of(&long);
    println!("causal graph of 1,000 spans: {} ms", begun.elapsed().as_millis());
    assert_eq!(graph.calls.len(), 500);
    assert!(!graph.path(0, 499).is_empty(), "what the user said reaches the last call");
}

/// An agent that alternates model and tool; each call sees the last 50 messages.
fn long(spans: usize) -> Vec<Step> {
    use exhibit_model::{Message as Said, MessagePart};
    let mut steps = Vec::new();
    let mut history: Vec<Said> = Vec::new();
    let say = |role: &str, part: MessagePart| Said {
        role: role.into(),
        parts: vec![part],
        ..Said::default()
    };
    for at in 0..spans / 2 {
        let document = |kind: &str| json!({"trace_id": "long", "span_id": format!("{kind}{at}"), "kind": kind, "status": "ok"});
        let mut call = Step::from_document(&document("llm")).unwrap();
        call.content.input_messages = history.iter().rev().take(50).rev().cloned().collect();
        call.content
            .input_messages
            .insert(0, say("user", MessagePart::Text { content: "go on".into() }));
        let text = format!("step {at}: {}", "thinking about it ".repeat(40));
        call.content.output_messages = vec![say("assistant", MessagePart::Text { content: text })];
        history.extend(call.content.output_messages.clone());
        let mut tool = Step::from_document(&document("tool")).unwrap();
        tool.tool_call_id = Some(format!("c{at}"));
        let result = json!(format!("result {at}: {}", "value of the thing ".repeat(60)));
        tool.content.output = Some(result.clone());
        history.push(say(
            "tool",
            MessagePart::ToolCallResponse { id: tool.tool_call_id.clone(), response: result },
        ));
        steps.push(call);
        steps.push(tool);
    }
    steps
}

#[tokio::test]
async fn a_model_s_words_stand_beside_the_template_and_are_marked() {
    let house = House::new().await;
    let steps = planted(&house, 6).await;
    let options = Options { repeats: 2, explain: true, ..Options::default() };
    let estimate = ablate::estimate(&steps, &options, &*house.recorder).unwrap();
    let inner = noisy(6, vec![1]);
    let script = Scripted::new(move |request| {
        let asked = request.messages.first();
        if matches!(asked, Some(Message::System { text }) if text.starts_with("Explain")) {
            return Ok(("Because of station 1.".to_owned(), Vec::new()));
        }
        inner.say(request)
    });
    let found = run(&house, &steps, &options, &script, &[], &AtomicBool::new(false)).await.unwrap();
    assert_eq!(found.calls, estimate.calls);
    let written = found.explanation_by_model.unwrap();
    assert_eq!(
        (written.model.as_str(), written.text.as_str()),
        ("gpt-4o-mini", "Because of station 1.")
    );
    assert!(found.explanation.contains("Measured with 2 repeats"));
    assert_eq!(found.measure, "words");
}

#[tokio::test]
async fn texts_are_compared_by_vectors_where_an_embedding_model_is_named() {
    let house = House::new().await;
    let steps = planted(&house, 4).await;
    let measure = Measure::Embedding("text-embedding-3-small".to_owned());
    let options = Options { repeats: 3, measure, ..Options::default() };
    let estimate = ablate::estimate(&steps, &options, &*house.recorder).unwrap();
    assert!(estimate.cost_nano_usd.is_some(), "{estimate:?}");
    let script = noisy(4, vec![5]);
    let found = run(&house, &steps, &options, &script, &[], &AtomicBool::new(false)).await.unwrap();
    assert_eq!(found.calls, estimate.calls);
    assert_eq!(found.measure, "embedding by text-embedding-3-small");
    // Other words for the same are no noise to it, and what is missing is everything.
    assert!(found.noise < 1e-9, "{}", found.noise);
    assert!(found.effects[0].cause.label.contains("station 5"));
    assert!((found.effects[0].effect - 1.0).abs() < 1e-9 && found.effects[1].effect < 1e-9);
    let id = TraceId::new(&found.trace_id).unwrap();
    let stored = house.recorder.steps(house.workspace, &id).await.unwrap();
    assert_eq!(stored.iter().filter(|step| step.name == "embeddings").count(), 1);
}

#[tokio::test]
async fn a_judge_is_asked_of_each_pair_and_a_word_that_is_no_number_is_named() {
    let house = House::new().await;
    let steps = planted(&house, 5).await;
    let options =
        Options { repeats: 2, measure: Measure::Judge("gpt-4o".to_owned()), ..Options::default() };
    let estimate = ablate::estimate(&steps, &options, &*house.recorder).unwrap();
    let judge = |verdict: fn(usize) -> &'static str| {
        let inner = noisy(5, vec![3]);
        Scripted::new(move |request| {
            let [Message::System { text }, Message::User { text: pair }] =
                request.messages.as_slice()
            else {
                return inner.say(request);
            };
            assert!(text.starts_with("Two answers") && request.model == "gpt-4o");
            Ok((verdict(pair.matches("nothing there").count()).to_owned(), Vec::new()))
        })
    };
    let script = judge(|missing| if missing == 1 { "10" } else { "0" });
    let found = run(&house, &steps, &options, &script, &[], &AtomicBool::new(false)).await.unwrap();
    assert!(found.calls <= estimate.calls, "{} of {}", found.calls, estimate.calls);
    assert_eq!(found.measure, "judge gpt-4o");
    assert!(found.effects[0].cause.label.contains("station 3") && found.noise < 1e-9);
    assert!((found.effects[0].effect - 1.0).abs() < 1e-9, "{:?}", found.effects[0]);

    let vague = judge(|_| "They are alike.");
    let error = run(&house, &steps, &options, &vague, &[], &AtomicBool::new(false)).await;
    assert_eq!(error.unwrap_err().code(), "judge");
}
