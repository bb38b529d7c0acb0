//! What a bundle tells beside its proofs: summaries of traces, texts for the report.

use std::io::Write;

use exhibit_evidence::BundleWriter;
use exhibit_model::{Content, Json};
use exhibit_store::AuditTrace;

use super::closed;
use crate::Error;

/// Lines about traces, in files of their own.
#[derive(Default)]
pub(super) struct Summaries {
    lines: Vec<u8>,
    number: usize,
}

impl Summaries {
    pub(super) fn add(
        &mut self,
        trace: &AuditTrace,
        bundle: &mut BundleWriter<impl Write>,
    ) -> Result<(), Error> {
        let line = serde_json::to_vec(&*trace.row.summary);
        self.lines.extend(line.map_err(|error| Error::Internal(error.to_string()))?);
        self.lines.push(b'\n');
        if self.lines.len() > 4 << 20 { self.flush(bundle) } else { Ok(()) }
    }

    pub(super) fn flush(&mut self, bundle: &mut BundleWriter<impl Write>) -> Result<(), Error> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let name = format!("traces/{:06}.jsonl", self.number);
        self.number += 1;
        bundle.file(&name, std::mem::take(&mut self.lines)).map_err(closed)
    }
}

pub(super) fn asked(content: &Content) -> Option<String> {
    match (&content.input, &*content.input_messages) {
        (Some(input), _) => Some(text(input)),
        (None, []) => None,
        (None, messages) => serde_json::to_string_pretty(messages).ok(),
    }
}

pub(super) fn answered(content: &Content) -> Option<String> {
    match (&content.output, &*content.output_messages) {
        (Some(output), _) => Some(text(output)),
        (None, []) => None,
        (None, messages) => serde_json::to_string_pretty(messages).ok(),
    }
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}
