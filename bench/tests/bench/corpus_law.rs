//! The corpus keeps the law that the figures are quoted for.

use std::collections::{HashMap, HashSet};

use exhibit_bench::corpus::{
    CorpusArgs, Format, file,
    law::Period,
    period::PeriodArgs,
    stream::{Batch, BatchStream, StreamPlan},
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, status::StatusCode},
};
use prost::Message;

const END_NS: u64 = 1_790_000_000_000_000_000;

pub(crate) fn plan(seed: u64, spans: usize, format: Format) -> StreamPlan {
    let period = Period { start_ns: END_NS - 30 * 86_400 * 1_000_000_000, end_ns: END_NS };
    StreamPlan { seed, spans, batch: 100, format, period }
}

/// Decodes with an implementation that shares nothing with the encoder.
fn decode(batch: &Batch) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(batch.body.as_slice()).unwrap();
    assert_eq!(request.resource_spans.len(), 1);
    let resource = request.resource_spans[0].resource.as_ref().unwrap();
    assert!(resource.attributes.iter().any(|pair| pair.key == "service.name"));
    let spans = request.resource_spans[0].scope_spans[0].spans.clone();
    assert_eq!(spans.len(), batch.spans as usize);
    spans
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    match attributes.iter().find(|pair| pair.key == key)?.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        other => panic!("{key} is {other:?}"),
    }
}

fn kind(span: &Span) -> &'static str {
    let kind = text(&span.attributes, "openinference.span.kind")
        .or_else(|| text(&span.attributes, "gen_ai.operation.name"));
    match kind.unwrap() {
        "AGENT" | "invoke_agent" => "agent",
        "CHAIN" | "invoke_workflow" => "chain",
        "LLM" | "chat" => "llm",
        "RETRIEVER" | "retrieval" => "retriever",
        "TOOL" | "execute_tool" => "tool",
        other => panic!("unknown kind {other}"),
    }
}

fn llm_payload(span: &Span) -> usize {
    let content = |key: &str| {
        key.starts_with("llm.") && key.ends_with(".content")
            || ["gen_ai.system_instructions", "gen_ai.input.messages", "gen_ai.output.messages"]
                .contains(&key)
    };
    span.attributes
        .iter()
        .filter(|pair| content(&pair.key))
        .map(|pair| text(&span.attributes, &pair.key).unwrap().len())
        .sum()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    for format in [Format::Otlp, Format::Native] {
        let draw = |seed| BatchStream::new(plan(seed, 1_000, format)).collect::<Vec<_>>();
        assert!(draw(1) == draw(1));
        assert!(draw(1) != draw(2));
    }
}

#[test]
fn kinds_sizes_and_failures_follow_the_law() {
    let batches: Vec<Batch> = BatchStream::new(plan(42, 20_000, Format::Otlp)).collect();
    let bytes: usize = batches.iter().map(|batch| batch.body.len()).sum();
    let spans: Vec<Span> = batches.iter().flat_map(decode).collect();
    assert_eq!(spans.len(), 20_000);
    let mean = bytes as f64 / 20_000.0;
    assert!((2_700.0..3_000.0).contains(&mean), "{mean} bytes per span");
    assert!(batches.len() <= 206, "{} requests", batches.len());

    let mut kinds: HashMap<&str, f64> = HashMap::new();
    for span in &spans {
        *kinds.entry(kind(span)).or_default() += 1.0 / 20_000.0;
    }
    for (name, share) in
        [("agent", 0.12), ("chain", 0.16), ("llm", 0.34), ("retriever", 0.14), ("tool", 0.24)]
    {
        assert!((kinds[name] - share).abs() < 0.012, "{name}: {}", kinds[name]);
    }

    let error =
        |span: &&Span| span.status.as_ref().is_some_and(|s| s.code == StatusCode::Error as i32);
    let failed: Vec<&Span> = spans.iter().filter(error).collect();
    assert!((450..750).contains(&failed.len()), "{} failed", failed.len());
    for span in failed {
        assert_eq!(span.events[0].name, "exception");
        assert!(text(&span.events[0].attributes, "exception.stacktrace").unwrap().len() > 200);
    }

    let mut payloads: Vec<usize> =
        spans.iter().filter(|span| kind(span) == "llm").map(llm_payload).collect();
    payloads.sort_unstable();
    let at = |share: f64| payloads[(payloads.len() as f64 * share) as usize];
    assert!((1_350..1_800).contains(&at(0.5)), "median {}", at(0.5));
    assert!((10_500..13_500).contains(&at(0.95)), "95th percentile {}", at(0.95));
}

#[test]
fn traces_have_eight_to_forty_spans_in_one_tree_that_times_itself() {
    let spans: Vec<Span> =
        BatchStream::new(plan(7, 10_000, Format::Otlp)).flat_map(|batch| decode(&batch)).collect();
    let mut traces: HashMap<Vec<u8>, Vec<Span>> = HashMap::new();
    for span in spans {
        traces.entry(span.trace_id.clone()).or_default().push(span);
    }
    let short = traces.values().filter(|spans| spans.len() < 8).count();
    assert!(short <= 1, "only the last trace may be cut short, not {short}");
    let mean = 10_000.0 / traces.len() as f64;
    assert!((22.5..25.5).contains(&mean), "{mean} spans per trace");
    for spans in traces.values() {
        assert!(spans.len() <= 40);
        let by_id: HashMap<&[u8], &Span> =
            spans.iter().map(|span| (span.span_id.as_slice(), span)).collect();
        assert_eq!(by_id.len(), spans.len());
        assert_eq!(spans.iter().filter(|span| span.parent_span_id.is_empty()).count(), 1);
        for span in spans.iter().filter(|span| !span.parent_span_id.is_empty()) {
            let parent = by_id[span.parent_span_id.as_slice()];
            assert!(parent.start_time_unix_nano <= span.start_time_unix_nano);
            assert!(parent.end_time_unix_nano > span.end_time_unix_nano);
            assert!(span.end_time_unix_nano > span.start_time_unix_nano);
        }
    }
}

#[test]
fn six_services_eight_models_two_conventions_and_thirty_days_take_part() {
    let batches: Vec<Batch> = BatchStream::new(plan(9, 5_000, Format::Otlp)).collect();
    let services: HashSet<String> = batches
        .iter()
        .map(|batch| {
            let request = ExportTraceServiceRequest::decode(batch.body.as_slice()).unwrap();
            let resource = request.resource_spans[0].resource.clone().unwrap();
            text(&resource.attributes, "service.name").unwrap().to_owned()
        })
        .collect();
    assert_eq!(services.len(), 6);
    let spans: Vec<Span> = batches.iter().flat_map(decode).collect();
    let model = |span: &Span| {
        text(&span.attributes, "gen_ai.response.model")
            .or_else(|| text(&span.attributes, "llm.model_name"))
            .map(str::to_owned)
    };
    assert_eq!(spans.iter().filter_map(model).collect::<HashSet<_>>().len(), 8);
    let open = spans.iter().filter(|s| text(&s.attributes, "openinference.span.kind").is_some());
    let share = open.count() as f64 / spans.len() as f64;
    assert!((0.3..0.6).contains(&share), "{share} OpenInference");
    let starts = spans.iter().map(|span| span.start_time_unix_nano);
    let width = starts.clone().max().unwrap() - starts.min().unwrap();
    let days = width as f64 / 86_400e9;
    assert!((29.0..30.5).contains(&days), "{days} days");
}

#[test]
fn seven_in_a_hundred_model_calls_carry_something_sensitive() {
    let mut stream = BatchStream::new(plan(11, 12_000, Format::Otlp));
    let bodies: Vec<Batch> = (&mut stream).collect();
    let tally = stream.tally();
    let share = tally.sensitive as f64 / tally.llm_payload_bytes.len() as f64;
    assert!((0.06..0.08).contains(&share), "{share}");
    let seen = bodies.iter().flat_map(decode).filter(|span| kind(span) == "llm").filter(|span| {
        let all: String = span
            .attributes
            .iter()
            .filter_map(|pair| match pair.value.as_ref()?.value.as_ref()? {
                Value::StringValue(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        [
            "@example.com",
            "+1 (415)",
            "card number",
            "SSN",
            "IBAN",
            "Access key",
            "Use the token",
            "password=",
        ]
        .iter()
        .any(|mark| all.contains(mark))
    });
    assert_eq!(seen.count() as u64, tally.sensitive);
}

#[test]
fn texts_hold_many_distinct_words_and_some_chinese_or_japanese() {
    let mut words = HashSet::new();
    let mut east_asian = 0;
    for batch in BatchStream::new(plan(13, 6_000, Format::Native)) {
        let body = String::from_utf8(batch.body).unwrap();
        east_asian += body.matches('。').count();
        let split = body.split(|c: char| !c.is_ascii_lowercase()).filter(|word| word.len() > 1);
        for word in split {
            if !words.contains(word) {
                words.insert(word.to_owned());
            }
        }
    }
    assert!(words.len() > 30_000, "{} distinct words", words.len());
    assert!(east_asian > 150, "{east_asian} sentences");
}

#[test]
fn native_bodies_are_json_as_the_ingest_api_takes_it() {
    for batch in BatchStream::new(plan(17, 1_000, Format::Native)) {
        let body: serde_json::Value = serde_json::from_slice(&batch.body).unwrap();
        let spans = body["batch"].as_array().unwrap();
        assert_eq!(spans.len(), batch.spans as usize);
        for span in spans {
            assert!(["ok", "error"].contains(&span["status"].as_str().unwrap()));
            assert!(span["start_time"].as_str() < span["end_time"].as_str());
            if span["span_type"] == "tool" {
                assert!(span["tool_calls"][0]["result"].is_object());
            }
            if span["span_type"] == "llm" {
                assert!(span["tokens_in"].as_u64() > Some(0) && span["model"].is_string());
            }
        }
    }
}

#[test]
fn message_attributes_are_json_that_reads_back() {
    let spans = BatchStream::new(plan(19, 2_000, Format::Otlp)).flat_map(|batch| decode(&batch));
    let mut seen = 0;
    for span in spans {
        for key in [
            "gen_ai.input.messages",
            "gen_ai.output.messages",
            "gen_ai.system_instructions",
            "gen_ai.retrieval.documents",
            "gen_ai.tool.call.arguments",
            "gen_ai.tool.call.result",
            "tool.parameters",
            "llm.invocation_parameters",
            "gen_ai.tool.definitions",
            "llm.tools.0.tool.json_schema",
        ] {
            if let Some(json) = text(&span.attributes, key) {
                serde_json::from_str::<serde_json::Value>(json)
                    .unwrap_or_else(|error| panic!("{key}: {error}: {json}"));
                seen += 1;
            }
        }
    }
    assert!(seen > 1_000, "{seen}");
}

#[test]
fn a_corpus_file_reads_back_and_its_manifest_tells_the_truth() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("small");
    let args = CorpusArgs {
        seed: 3,
        spans: 1_500,
        batch: 100,
        out: out.clone(),
        format: Format::Otlp,
        period: PeriodArgs { days: 30, now: false, end: None },
    };
    exhibit_bench::corpus::run(&args).unwrap();
    let manifest = std::fs::read(file::manifest_path(&out)).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let reader = file::CorpusReader::open(&out, Format::Otlp).unwrap();
    let batches: Vec<Batch> = reader.map(Result::unwrap).collect();
    assert_eq!(manifest["spans"], 1_500);
    assert_eq!(manifest["requests"], batches.len());
    let bytes: usize = batches.iter().map(|batch| batch.body.len()).sum();
    assert_eq!(manifest["body_bytes"], bytes);
    let kinds = manifest["kinds"].as_object().unwrap().values();
    assert_eq!(kinds.map(|n| n.as_u64().unwrap()).sum::<u64>(), 1_500);

    let first = std::fs::read(file::body_path(&out, Format::Otlp)).unwrap();
    exhibit_bench::corpus::run(&args).unwrap();
    assert!(first == std::fs::read(file::body_path(&out, Format::Otlp)).unwrap());

    std::fs::write(file::body_path(&out, Format::Otlp), &first[..first.len() - 5]).unwrap();
    let mut reader = file::CorpusReader::open(&out, Format::Otlp).unwrap();
    assert!(reader.any(|batch| batch.is_err()), "a file cut short must not pass");
}
