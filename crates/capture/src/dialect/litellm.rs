//! LiteLLM, both generations. One call makes two spans; the inner one repeats the outer.

use exhibit_model::{Span, SpanKind};

use super::rule::{Dialect, Draft, Field, Rule, on};

pub(super) static DIALECT: Dialect =
    Dialect { scopes: &["litellm"], refine: Some(refine), ..Dialect::new("litellm", RULES) };

fn refine(span: &Span, draft: &mut Draft) {
    match span.name.as_deref() {
        Some("raw_gen_ai_request") => {
            draft.kind = Some(SpanKind::Span);
            draft.echo = true;
        }
        Some("litellm_request") if draft.kind.is_none() => draft.kind = Some(SpanKind::Llm),
        _ => {}
    }
}

const RULES: &[Rule] = &[
    on(Field::User, 130, "litellm.end_user.id"),
    on(Field::User, 140, "metadata.user_api_key_user_id"),
    on(Field::ModelRequested, 95, "litellm.model_group"),
    on(Field::Cost, 60, "litellm.cost.total"),
    on(Field::Cost, 61, "litellm.cost.total_cost"),
    on(Field::Cost, 70, "hidden_params").at(&["response_cost"]),
    on(Field::Metadata, 80, "metadata.").below(),
    on(Field::ErrorType, 30, "litellm.provider.error.type"),
    on(Field::ErrorMessage, 50, "litellm.provider.error.message"),
    on(Field::Marker, 10, "litellm.call_id"),
    on(Field::Marker, 10, "litellm.call_type"),
    on(Field::Marker, 10, "litellm.request.route"),
];
