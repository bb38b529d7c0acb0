//! The spans of a replay, as the native API writes them.

use exhibit_model::{Json, JsonMap, Nanos, SpanId, SpanKind, Status};
use serde_json::json;

use super::{Run, ToolMode};
use crate::replay::Step;

impl<'a> Run<'a> {
    /// A step that is not run: it stands in the new trace as it was captured, and costs nothing.
    pub(super) fn copy(&mut self, step: &'a Step, begun: Nanos) {
        let mut fields = self.fields(step, begun, false);
        let content = &step.content;
        let mut put = |name: &str, value: Option<Json>| {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        };
        put("input", content.input.clone());
        put("output", content.output.clone());
        put("model", step.model.as_deref().map(Json::from));
        if step.kind == SpanKind::Llm || step.cost.is_some() {
            put("cost", Some(0.into()));
        }
        put("status", Some(if step.status == Status::Error { "error" } else { "ok" }.into()));
        if step.kind == SpanKind::Tool {
            match &self.options.tools {
                ToolMode::Captured => {}
                ToolMode::Skip => put("output", Some(json!({ "skipped": true }))),
                ToolMode::Live(_) => {
                    let by_id = step.tool_call_id.as_ref().and_then(|id| self.results.get(id));
                    let name = step.tool.as_ref().unwrap_or(&step.name);
                    if let Some(result) = by_id.or_else(|| self.results.get(name)) {
                        put("output", Some(json!({ "result": result })));
                    }
                }
            }
        }
        self.ended(step, &mut fields);
        self.waiting.push(fields);
    }

    /// The outermost step, before what it encloses has ended.
    pub(super) fn open(&mut self, step: &'a Step, begun: Nanos) {
        let mut fields = self.fields(step, begun, false);
        if let Some(input) = &step.content.input {
            fields.insert("input".to_owned(), input.clone());
        }
        fields.insert("status".to_owned(), "running".into());
        self.waiting.push(fields);
    }

    /// A step that encloses others ends when they have ended.
    pub(super) fn container(&mut self, step: &'a Step, begun: Nanos) {
        let mut fields = self.fields(step, begun, false);
        if let Some(input) = &step.content.input {
            fields.insert("input".to_owned(), input.clone());
        }
        if let Some(mut output) = step.content.output.clone() {
            self.renew(&mut output);
            fields.insert("output".to_owned(), output);
        }
        match &self.failure {
            None => fields.insert("status".to_owned(), "ok".into()),
            Some((code, words)) => {
                fields.insert("error_type".to_owned(), code.as_str().into());
                fields.insert("error".to_owned(), words.as_str().into());
                fields.insert("status".to_owned(), "error".into())
            }
        };
        let end = self.ends.get(&step.span_id).copied().unwrap_or(begun);
        fields.insert("end_time".to_owned(), end.to_rfc3339().into());
        self.waiting.push(fields);
    }

    /// Texts that repeat an old answer get the new one.
    fn renew(&self, value: &mut Json) {
        match value {
            Json::String(text) => {
                if let Some(given) =
                    self.given.iter().rev().find(|g| g.old_text.trim() == text.trim())
                {
                    text.clone_from(&given.new_text);
                }
            }
            Json::Array(items) => items.iter_mut().for_each(|item| self.renew(item)),
            Json::Object(map) => map.values_mut().for_each(|item| self.renew(item)),
            _ => {}
        }
    }

    /// What every span of a replay says.
    pub(super) fn fields(&self, step: &Step, begun: Nanos, executed: bool) -> JsonMap {
        let id = |span: &SpanId| self.ids.get(span).map(|id| id.as_str().to_owned());
        let mut fields = JsonMap::new();
        let mut put = |name: &str, value: Json| {
            if !value.is_null() {
                fields.insert(name.to_owned(), value);
            }
        };
        put("trace_id", self.trace_id.as_str().into());
        put("span_id", id(&step.span_id).into());
        let parent = step.parent_id.as_ref().and_then(id);
        let root = parent.is_none();
        put("parent_span_id", parent.into());
        put("name", step.name.as_str().into());
        put("span_type", step.kind.as_str().into());
        put("start_time", begun.to_rfc3339().into());
        put("provider", step.provider.as_deref().into());
        put("tool_name", step.tool.as_deref().into());
        put("tool_call_id", step.tool_call_id.as_deref().into());
        put("service", "exhibit replay".into());
        put(
            "attributes",
            json!({
                "exhibit.replay.trace": self.original.as_str(),
                "exhibit.replay.span": step.span_id.as_str(),
                "exhibit.replay.executed": executed,
                "exhibit.replay.diverged": self.diverged,
            }),
        );
        if root {
            let mut metadata = json!({
                "replay_of": self.original.as_str(),
                "replay_tools": self.options.tools.as_str(),
                "replay_repeat": self.options.repeat.to_string(),
            });
            if let Some(job) = &self.options.job {
                metadata["replay_job"] = job.as_str().into();
            }
            if let Some(from) = &self.options.from {
                metadata["replay_from"] = from.as_str().into();
            }
            if let Some(model) = &self.options.model {
                metadata["replay_model"] = model.as_str().into();
            }
            let mut tags = vec!["replay"];
            if self.redacted {
                metadata["redacted_inputs"] = "true".into();
                tags.push("redacted-inputs");
            }
            put("metadata", metadata);
            put("tags", tags.into());
        }
        fields
    }

    /// Notes the end of a step, also for what encloses it.
    pub(super) fn ended(&mut self, step: &'a Step, fields: &mut JsonMap) {
        let end = self.around.clock.now();
        fields.insert("end_time".to_owned(), end.to_rfc3339().into());
        let mut at = Some(&step.span_id);
        // Parents never form a cycle in a stored trace; a bound costs nothing.
        for _ in 0..=self.parents.len() {
            let Some(span) = at else { break };
            self.ends.insert(span.clone(), end);
            at = self.parents.get(span).copied();
        }
    }
}
