//! The causal graph: which texts reach which model calls, found by the structure of messages and by
//! content.
//!
//! A cause is a message that a call was given and that no earlier call of the trace wrote: the system
//! prompt, what the user said, a tool's result, a retrieved text inside a longer message. Answers of
//! earlier calls carry causes on. Content is found in one pass over every distinct text: windows of
//! 32 bytes are looked up among the openings of all outputs, and a hit is compared whole.

use std::collections::{HashMap, HashSet};

use exhibit_model::{Json, MessagePart, SpanId, SpanKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::replay::{Step, text_of};

/// Length of the windows by which content is found; shorter outputs are too common to say anything.
const WINDOW: usize = 32;
/// Longest part of a cause that is shown.
const LABEL_CHARS: usize = 160;

/// What a cause is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// Instructions.
    System,
    /// What the user said.
    User,
    /// A tool's result.
    Tool,
    /// A text that another step found, inside a message.
    Retrieved,
    /// An answer from before the trace.
    History,
}

/// Something that may have caused an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Stable within the trace.
    pub id: String,
    /// What it is.
    pub kind: CauseKind,
    /// Its first words.
    pub label: String,
    /// The span it came from, where one is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub span_id: Option<String>,
    /// The text as it stands in messages.
    #[serde(skip)]
    pub text: String,
    /// Whether it is only a part of the messages that hold it.
    #[serde(skip)]
    pub inside: bool,
}

/// Which causes reach which calls.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// All causes, in order of first appearance.
    pub causes: Vec<Cause>,
    /// Model calls in order: span, causes that stand in its input (places in `causes`), and earlier
    /// calls whose answers do (places in `calls`).
    pub calls: Vec<Call>,
}

/// A model call in the graph.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its place among the steps.
    pub step: usize,
    /// Its span.
    pub span_id: SpanId,
    /// Causes in its input.
    pub causes: Vec<usize>,
    /// Calls whose answers stand in its input.
    pub answers: Vec<usize>,
}

impl Graph {
    /// Reads the graph out of steps in order of their starts.
    pub fn of(steps: &[Step]) -> Self {
        let outputs = Outputs::of(steps);
        let mut graph = Self::default();
        // A text appears in call after call; it is looked into once.
        let mut known: HashMap<[u8; 32], Vec<usize>> = HashMap::new();
        let mut answers: HashMap<String, usize> = HashMap::new();
        for (at, step) in steps.iter().enumerate() {
            if !step.is_call() {
                continue;
            }
            let mut call = Call {
                step: at,
                span_id: step.span_id.clone(),
                causes: Vec::new(),
                answers: Vec::new(),
            };
            for message in &step.content.input_messages {
                let text = text_of(message);
                if message.role == "assistant"
                    && let Some(earlier) = answers.get(&text)
                {
                    call.answers.push(*earlier);
                    continue;
                }
                let key: [u8; 32] =
                    Sha256::digest(format!("{}\u{0}{text}", message.role).as_bytes()).into();
                let found = match known.get(&key) {
                    Some(found) => found,
                    None => {
                        let places = graph.look_into(message, &text, steps, &outputs);
                        known.entry(key).or_insert(places)
                    }
                };
                call.causes.extend(found);
            }
            let mut seen = HashSet::new();
            call.causes.retain(|cause| seen.insert(*cause));
            let said: Vec<String> = step.content.output_messages.iter().map(text_of).collect();
            for text in said.into_iter().filter(|text| !text.is_empty()) {
                answers.insert(text, graph.calls.len());
            }
            graph.calls.push(call);
        }
        graph
    }

    /// The causes of one message, added where they are new.
    fn look_into(
        &mut self,
        message: &exhibit_model::Message,
        text: &str,
        steps: &[Step],
        outputs: &Outputs,
    ) -> Vec<usize> {
        let mut places = Vec::new();
        let mut results = 0;
        for part in &message.parts {
            if let MessagePart::ToolCallResponse { id, response } = part {
                results += 1;
                let text = as_text(response);
                let source = outputs.by_call(id.as_deref()).or_else(|| outputs.exactly(&text));
                let source = source.map(|at| steps[at].span_id.to_string());
                places.push(self.add(CauseKind::Tool, text, source, false));
            }
        }
        if results > 0 || text.trim().is_empty() {
            return places;
        }
        let kind = match message.role.as_str() {
            "system" | "developer" => CauseKind::System,
            "assistant" | "model" => CauseKind::History,
            "tool" => CauseKind::Tool,
            _ => CauseKind::User,
        };
        if kind == CauseKind::Tool {
            let source = outputs.exactly(text).map(|at| steps[at].span_id.to_string());
            places.push(self.add(kind, text.to_owned(), source, false));
            return places;
        }
        for (at, found) in outputs.inside(text) {
            let source = Some(steps[at].span_id.to_string());
            places.push(self.add(CauseKind::Retrieved, found.to_owned(), source, true));
        }
        places.push(self.add(kind, text.to_owned(), None, false));
        places
    }

    fn add(
        &mut self,
        kind: CauseKind,
        text: String,
        span_id: Option<String>,
        inside: bool,
    ) -> usize {
        if let Some(at) = self
            .causes
            .iter()
            .position(|c| c.kind == kind && c.text == text && c.span_id == span_id)
        {
            return at;
        }
        let digest = Sha256::digest(text.as_bytes());
        let id = format!("{}-{}", self.causes.len(), hex::encode(&digest[..4]));
        let label: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let label = label.chars().take(LABEL_CHARS).collect();
        self.causes.push(Cause { id, kind, label, span_id, text, inside });
        self.causes.len() - 1
    }

    /// The call in question: the named one, else the last that answered in words, else the last.
    pub fn target(&self, steps: &[Step], named: Option<&SpanId>) -> Option<usize> {
        if let Some(named) = named {
            return self.calls.iter().position(|c| c.span_id == *named);
        }
        let words = |call: &&Call| {
            let told = steps[call.step].content.output_messages.iter().flat_map(|m| &m.parts);
            let mut told = told.peekable();
            told.peek().is_some() && !told.any(|p| matches!(p, MessagePart::ToolCall { .. }))
        };
        let last = self.calls.iter().rposition(|call| words(&call));
        last.or_else(|| self.calls.len().checked_sub(1))
    }

    /// The calls through which a cause reaches the target, in order, the target last; none when it
    /// does not reach it.
    pub fn path(&self, cause: usize, target: usize) -> Vec<usize> {
        let mut touched: Vec<bool> = vec![false; self.calls.len()];
        for (at, call) in self.calls.iter().enumerate().take(target + 1) {
            touched[at] = call.causes.contains(&cause) || call.answers.iter().any(|a| touched[*a]);
        }
        // Only calls from which the target can be reached.
        let mut needed = vec![false; self.calls.len()];
        if target < needed.len() {
            needed[target] = true;
        }
        for at in (0..=target.min(self.calls.len().saturating_sub(1))).rev() {
            if needed.get(at) == Some(&true) {
                for answer in &self.calls[at].answers {
                    needed[*answer] = true;
                }
            }
        }
        let reached = touched.get(target) == Some(&true);
        (0..self.calls.len()).filter(|at| reached && touched[*at] && needed[*at]).collect()
    }
}

fn as_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What steps gave, so that it can be found in later inputs.
struct Outputs {
    texts: Vec<(usize, String)>,
    by_text: HashMap<String, usize>,
    by_call: HashMap<String, usize>,
    anchors: HashMap<[u8; WINDOW], Vec<usize>>,
}

impl Outputs {
    fn of(steps: &[Step]) -> Self {
        let mut outputs = Self {
            texts: Vec::new(),
            by_text: HashMap::new(),
            by_call: HashMap::new(),
            anchors: HashMap::new(),
        };
        for (at, step) in steps.iter().enumerate() {
            if let Some(id) = &step.tool_call_id {
                outputs.by_call.insert(id.clone(), at);
            }
            let tells = matches!(
                step.kind,
                SpanKind::Tool | SpanKind::Retriever | SpanKind::Reranker | SpanKind::Memory
            );
            if !tells {
                continue;
            }
            let mut texts = Vec::new();
            if let Some(output) = &step.content.output {
                outputs.by_text.entry(as_text(output)).or_insert(at);
                strings(output, &mut texts, 16);
            }
            for text in texts {
                outputs.by_text.entry(text.clone()).or_insert(at);
                if let Some(opening) = text.as_bytes().first_chunk::<WINDOW>() {
                    outputs.anchors.entry(*opening).or_default().push(outputs.texts.len());
                    outputs.texts.push((at, text));
                }
            }
        }
        outputs
    }

    fn by_call(&self, id: Option<&str>) -> Option<usize> {
        self.by_call.get(id?).copied()
    }

    fn exactly(&self, text: &str) -> Option<usize> {
        self.by_text.get(text).copied()
    }

    /// Outputs that stand inside a text.
    fn inside(&self, text: &str) -> Vec<(usize, &str)> {
        let mut found = Vec::new();
        if self.anchors.is_empty() {
            return found;
        }
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(window) = bytes.get(at..).and_then(|rest| rest.first_chunk::<WINDOW>()) {
            let hits = self.anchors.get(window).into_iter().flatten();
            let longest = hits
                .filter_map(|hit| self.texts.get(*hit))
                .filter(|(_, output)| bytes[at..].starts_with(output.as_bytes()))
                .max_by_key(|(_, output)| output.len());
            match longest {
                Some((step, output)) => {
                    found.push((*step, output.as_str()));
                    at += output.len();
                }
                None => at += 1,
            }
        }
        found
    }
}

fn strings(value: &Json, texts: &mut Vec<String>, depth: usize) {
    match value {
        Json::String(text) => texts.push(text.clone()),
        Json::Array(items) if depth > 0 => {
            items.iter().for_each(|item| strings(item, texts, depth - 1));
        }
        Json::Object(map) if depth > 0 => {
            map.values().for_each(|item| strings(item, texts, depth - 1));
        }
        _ => {}
    }
}

/// Data of a Sankey drawing: causes on the left, calls between, the answer on the right.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Sankey {
    /// The boxes.
    pub nodes: Vec<Node>,
    /// The streams.
    pub links: Vec<Link>,
}

/// A box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its id.
    pub id: String,
    /// `system`, `user`, `tool`, `retrieved`, `history`, `call` or `answer`.
    pub kind: String,
    /// What it says.
    pub label: String,
    /// Its span.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub span_id: Option<String>,
}

/// A stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// From.
    pub source: String,
    /// To.
    pub target: String,
    /// How strong, 0 to 1.
    pub value: f64,
    /// Whether it is beyond noise.
    pub significant: bool,
}
