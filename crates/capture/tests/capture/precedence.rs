//! Several conventions on one span: the merged precedence decides, field by field.

use exhibit_model::{Attribute, Flag, Part, SpanKind};
use serde_json::json;

use crate::support::mapped;

#[test]
fn the_strongest_key_of_each_field_wins_whatever_the_order_of_attributes() {
    let span = mapped(
        "x",
        "n",
        json!({
            "llm.model_name": "third", "ai.response.model": "second", "gen_ai.response.model": "first",
            "llm.system": "vertexai", "gen_ai.system": "openai", "llm.provider": "azure",
            "session.id": "b", "langfuse.session.id": "a", "gen_ai.conversation.id": "c",
            "input.value": "weak", "gen_ai.prompt": "weaker than messages",
            "gen_ai.input.messages": "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"strong\"}]}]",
            "openinference.span.kind": "CHAIN", "gen_ai.operation.name": "chat",
        }),
    );
    assert_eq!(span.model.as_deref(), Some("first"));
    assert_eq!(span.model_requested.as_deref(), Some("third"));
    assert_eq!(span.provider.as_deref(), Some("azure.ai.openai"));
    assert_eq!(span.session.as_deref(), Some("a"));
    assert_eq!(span.kind, Some(SpanKind::Chain));
    assert_eq!(span.provenance["session"], "langfuse.session.id");
    let content = exhibit_capture::content(&span);
    assert_eq!(exhibit_capture::previews(&span).input.as_deref(), Some("strong"));
    assert_eq!(content.input_messages.len(), 1);
}

#[test]
fn values_that_say_nothing_give_way_to_the_next_key() {
    let span = mapped(
        "x",
        "n",
        json!({
            "gen_ai.input.messages": "[]", "ai.prompt": "{}", "input.value": "here",
            "gen_ai.response.model": "", "llm.model_name": "m", "openinference.span.kind": "UNKNOWN",
            "lmnr.span.type": "DEFAULT", "gen_ai.operation.name": "embeddings",
        }),
    );
    assert_eq!(span.model.as_deref(), Some("m"));
    assert_eq!(span.kind, Some(SpanKind::Embedding));
    assert_eq!(exhibit_capture::content(&span).input, Some(json!("here")));
}

#[test]
fn native_names_come_before_all_others() {
    let span = mapped(
        "x",
        "n",
        json!({
            "gen_ai.response.model": "vendor", "exhibit.model": "native",
            "langfuse.observation.type": "generation", "exhibit.span_type": "my-step",
        }),
    );
    assert_eq!(span.model.as_deref(), Some("native"));
    assert_eq!(span.kind, Some(SpanKind::Custom));
    assert_eq!(span.kind_label.as_deref(), Some("my-step"));
    assert_eq!(span.dialects[0], "native");
}

#[test]
fn attributes_are_sorted_into_the_parts_they_belong_to() {
    let span = mapped(
        "x",
        "n",
        json!({
            "input.value": "a", "output.value": "b", "tool.parameters": "{\"x\":1}", "other": "c",
        }),
    );
    let part = |key: &str| span.attributes.iter().find(|a| a.key == key).unwrap().part;
    assert_eq!(part("input.value"), Part::Input);
    assert_eq!(part("tool.parameters"), Part::Input);
    assert_eq!(part("output.value"), Part::Output);
    assert_eq!(part("other"), Part::Attributes);
}

#[test]
fn masked_values_are_flagged_and_are_not_content() {
    for mask in ["__REDACTED__", "<REDACTED>", "[REDACTED]", "[Scrubbed due to 'password']"] {
        let span = mapped("x", "n", json!({"input.value": mask, "output.value": "seen"}));
        assert!(span.flags.contains(&Flag::MaskedAtSource), "{mask}");
        let content = exhibit_capture::content(&span);
        assert_eq!((content.input, content.output), (None, Some(json!("seen"))), "{mask}");
    }
}

#[test]
fn names_longer_than_the_limit_are_cut_and_flagged() {
    let span = mapped("x", "n", json!({"gen_ai.request.model": "ü".repeat(600)}));
    assert_eq!(span.model.unwrap().chars().count(), 512);
    assert!(span.flags.contains(&Flag::NameCut));
}

#[test]
fn mapping_again_after_a_redaction_gives_the_fields_of_what_is_left() {
    let mut span = mapped(
        "x",
        "n",
        json!({
            "user.id": "alice@example.com", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 5,
        }),
    );
    assert_eq!(span.user.as_deref(), Some("alice@example.com"));
    let user = span.attributes.iter_mut().find(|a| a.key == "user.id").unwrap();
    *user = Attribute::new("user.id", "<masked>");
    span.attributes.retain(|a| a.key != "gen_ai.usage.input_tokens");
    exhibit_capture::map(&mut span);
    assert_eq!(span.user.as_deref(), Some("<masked>"));
    assert_eq!((span.usage, span.usage_semantics), (None, None));
    assert!(!span.provenance.contains_key("usage.input"));
}

#[test]
fn settings_are_parameters_and_content_is_not() {
    let span = mapped(
        "x",
        "n",
        json!({
            "llm.invocation_parameters":
                "{\"temperature\":0.5,\"messages\":[{\"role\":\"user\"}],\"tools\":[1],\"model\":\"m\"}",
            "gen_ai.request.temperature": 0.7,
        }),
    );
    assert_eq!(span.params.get("temperature"), Some(&json!(0.7)));
    assert!(!span.params.contains_key("messages") && !span.params.contains_key("tools"));
}

#[test]
fn flattened_messages_are_read_in_numeric_order() {
    let attributes: serde_json::Map<_, _> = (0..12)
        .rev()
        .map(|n| (format!("llm.input_messages.{n}.message.content"), json!(format!("m{n}"))))
        .chain((0..12).map(|n| (format!("llm.input_messages.{n}.message.role"), json!("user"))))
        .collect();
    let span = mapped("x", "n", attributes.into());
    let content = exhibit_capture::content(&span);
    let texts: Vec<_> = content
        .input
        .unwrap()
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["content"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<_> = (0..12).map(|n| format!("m{n}")).collect();
    assert_eq!(texts, expected);
    assert_eq!(content.input_messages.len(), 12);
}
