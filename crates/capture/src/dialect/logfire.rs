//! Logfire and Pydantic AI. Logfire announces a span that has started with a pending span of its own
//! id below the real one.

use exhibit_model::{Json, Span, SpanId, SpanKind, Status};

use super::rule::{Dialect, Field, Read, Rule, on};

pub(super) static DIALECT: Dialect = Dialect {
    scopes: &["logfire", "pydantic-ai"],
    recast: Some(recast),
    ..Dialect::new("logfire", RULES)
};

const TYPE: &str = "logfire.span_type";
const PARENT: &str = "logfire.pending_parent_id";

/// A pending span becomes the real one, running.
fn recast(span: &mut Span) {
    if span.attribute(TYPE).and_then(Json::as_str) != Some("pending_span") {
        return;
    }
    let Some(real) = span.parent_id.take() else { return };
    span.span_id = real;
    span.parent_id = span
        .attribute(PARENT)
        .and_then(Json::as_str)
        .filter(|id| id.bytes().any(|b| b != b'0'))
        .and_then(|id| SpanId::new(&id.to_ascii_lowercase()).ok());
    span.status = Status::Running;
    span.end = None;
    // The real span says itself what type it is; this mark must not outlive the announcement.
    span.attributes.retain(|a| a.key != TYPE && a.key != PARENT);
}

fn is_error(value: &Json) -> bool {
    crate::read::number(value).is_some_and(|level| level >= 17.0)
}

fn point(word: &str) -> Option<SpanKind> {
    (word == "log").then_some(SpanKind::Event)
}

const RULES: &[Rule] = &[
    on(Field::Kind, 250, TYPE).as_(Read::Kind(point)),
    on(Field::Failure, 15, "logfire.level_num").as_(Read::When(is_error)),
    on(Field::Tags, 55, "logfire.tags"),
    on(Field::Cost, 80, "operation.cost"),
    on(Field::Input, 180, "pydantic_ai.all_messages"),
    on(Field::Input, 190, "request_data").common(),
    on(Field::Input, 210, "all_messages_events"),
    on(Field::Output, 180, "final_result").common(),
    on(Field::Output, 190, "response_data").common(),
    on(Field::Input, 200, "events").as_(Read::Folded(asked)).common(),
    on(Field::Output, 200, "events").as_(Read::Folded(answered)).common(),
    on(Field::Param, 60, "model_request_parameters"),
    on(Field::Marker, 10, "logfire.msg"),
    on(Field::Marker, 10, "logfire.msg_template"),
    on(Field::Marker, 10, "logfire.json_schema"),
    on(Field::Marker, 10, "pydantic_ai.new_message_index"),
];

fn is_choice(event: &Json) -> bool {
    event.get("event.name").and_then(Json::as_str) == Some("gen_ai.choice")
}

fn asked(list: Json) -> Json {
    filtered(list, |event| !is_choice(event))
}

fn answered(list: Json) -> Json {
    filtered(list, is_choice)
}

/// The events of a list that pass; null when none does.
fn filtered(list: Json, keep: fn(&Json) -> bool) -> Json {
    let Json::Array(mut events) = list else { return Json::Null };
    events.retain(keep);
    if events.is_empty() { Json::Null } else { Json::Array(events) }
}
