//! OpenLIT: the standard keys, but Anthropic's input counted without cache, and a cost of zero for every
//! model whose price it could not look up.

use exhibit_model::{Json, Span};

use super::rule::{CACHE_APART, Dialect, Draft, Field, Rule, on};

pub(super) static DIALECT: Dialect =
    Dialect { scopes: &["openlit"], refine: Some(refine), ..Dialect::new("openlit", RULES) };

fn refine(span: &Span, draft: &mut Draft) {
    let sdk = span.resource.attributes.get("telemetry.sdk.name").and_then(Json::as_str);
    if sdk != Some("openlit") && !span.scope.name.starts_with("openlit") {
        return;
    }
    draft.zero_is_unknown = true;
    if draft.provider.as_deref() == Some("anthropic") {
        draft.semantics = Some(CACHE_APART);
    }
}

const RULES: &[Rule] = &[on(Field::Service, 50, "gen_ai.application_name")];
