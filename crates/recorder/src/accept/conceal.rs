//! What is shown of something quarantined to those who are no reviewers.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use exhibit_model::{Finding, Json, Part, Span, SpanHead};

/// What stands in the place of a name.
const NAME: &str = "quarantined";

/// Takes out of a head what lists may not show.
pub(super) fn head(span: &Span, head: &mut SpanHead) {
    NAME.clone_into(&mut head.name);
    (head.input_preview, head.output_preview) = (None, None);
    let found = found(span);
    let tells = |text: &str| found.iter().any(|value| text.contains(&**value));
    let fields = [
        &mut head.model,
        &mut head.provider,
        &mut head.agent,
        &mut head.session,
        &mut head.user,
        &mut head.environment,
        &mut head.version,
        &mut head.service,
        &mut head.tool,
        &mut head.trace_name,
        &mut head.response_id,
    ];
    for field in fields {
        if field.as_deref().is_some_and(tells) {
            *field = None;
        }
    }
    head.tags.retain(|tag| !tells(tag));
    head.metadata.retain(|key, value| !tells(key) && !tells(value));
}

/// The texts that findings speak of.
fn found(span: &Span) -> Vec<Cow<'_, str>> {
    span.findings.iter().filter_map(|finding| matched(span, finding)).collect()
}

/// The text that a finding speaks of.
fn matched<'a>(span: &'a Span, finding: &'a Finding) -> Option<Cow<'a, str>> {
    let plain = |key: &str| key.replace("~1", "/").replace("~0", "~");
    let range = finding.start..finding.end;
    // A name, which is the last step of its own pointer.
    if let Some(named) = finding.pointer.strip_suffix('#') {
        let name = plain(named.rsplit('/').next()?);
        return name.get(range).map(|name| Cow::Owned(name.to_owned()));
    }
    if !matches!(finding.part, Part::Input | Part::Output | Part::Attributes) {
        return None;
    }
    let path = finding.pointer.strip_prefix('/')?;
    let (key, rest) = split(path);
    let text = match (key, rest) {
        ("scope", "/name") => span.scope.name.as_str(),
        ("scope", "/version") => span.scope.version.as_str(),
        ("resource", rest) if span.attribute(key).is_none() => {
            let (key, rest) = split(rest.strip_prefix('/')?);
            span.resource.attributes.get(&plain(key))?.pointer(rest).and_then(Json::as_str)?
        }
        (key, rest) => span.attribute(&plain(key))?.pointer(rest).and_then(Json::as_str)?,
    };
    text.get(range).filter(|value| value.len() >= 4).map(Cow::Borrowed)
}

/// The first step of a JSON pointer, and the rest.
fn split(path: &str) -> (&str, &str) {
    path.split_at(path.find('/').unwrap_or(path.len()))
}

/// Takes out of a span what only reviewers may read: all that somebody wrote. What rules and detectors say
/// of it stays.
pub(crate) fn span(span: &mut Span) {
    let mut shown = SpanHead::of(span);
    head(span, &mut shown);
    let found: Vec<String> = found(span).into_iter().map(Cow::into_owned).collect();
    for finding in &mut span.findings {
        if found.iter().any(|value| finding.pointer.contains(value)) {
            finding.pointer.clear();
        }
    }
    span.attributes.clear();
    span.events.clear();
    span.links.clear();
    span.params.clear();
    span.name = Some(NAME.to_owned());
    span.status_message = None;
    span.prompt = None;
    span.resource = Arc::default();
    span.scope = Arc::default();
    span.metadata = BTreeMap::new();
    span.model = shown.model;
    span.model_requested = None;
    span.provider = shown.provider;
    span.agent = shown.agent;
    span.session = shown.session;
    span.user = shown.user;
    span.environment = shown.environment;
    span.version = shown.version;
    span.service = shown.service;
    span.tool = shown.tool;
    span.trace_name = shown.trace_name;
    span.response_id = shown.response_id;
    span.tags = shown.tags;
}
