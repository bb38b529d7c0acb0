//! Facets: every value of a trace that a filter can ask for by equality.
//!
//! One table of (hash, start, trace) serves them all, newest first under each value, so no filter
//! needs an index of its own. The hash covers workspace, field and value; what is found by it is
//! compared with the real values before it is shown.

use exhibit_model::{CostSource, SpanKind, Status, TraceSummary, Verdict};
use exhibit_store::filter::TextField;
use sha2::{Digest, Sha256};

/// A value under its field.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Facet<'v> {
    Status(Status),
    Verdict(Verdict),
    Kind(SpanKind),
    CostSource(CostSource),
    Sealed(bool),
    Text(&'v TextField, &'v str),
    Metadata(&'v str, &'v str),
}

/// Makes the hashes of one workspace.
pub(crate) struct FacetHasher {
    prefix: Sha256,
}

impl FacetHasher {
    pub(crate) fn new(workspace: i64) -> Self {
        Self { prefix: Sha256::new().chain_update(workspace.to_be_bytes()) }
    }

    /// The hash of a value: the first eight bytes of a SHA-256, so that nobody finds collisions by
    /// accident.
    pub(crate) fn hash(&self, facet: Facet<'_>) -> i64 {
        match facet {
            Facet::Status(v) => self.parts("status", "", v.as_str()),
            Facet::Verdict(v) => self.parts("verdict", "", v.as_str()),
            Facet::Kind(v) => self.parts("kind", "", v.as_str()),
            Facet::CostSource(v) => self.parts("cost_source", "", v.as_str()),
            Facet::Sealed(v) => self.parts("sealed", "", if v { "1" } else { "0" }),
            Facet::Metadata(key, v) => self.parts("metadata", key, v),
            Facet::Text(TextField::Metadata(key), v) => self.parts("metadata", key, v),
            Facet::Text(field, v) => self.parts(field_name(field), "", v),
        }
    }

    fn parts(&self, field: &str, key: &str, value: &str) -> i64 {
        let digest = self
            .prefix
            .clone()
            .chain_update([field.len() as u8])
            .chain_update(field)
            .chain_update((key.len() as u64).to_be_bytes())
            .chain_update(key)
            .chain_update(value)
            .finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        i64::from_be_bytes(first)
    }

    /// The hashes of everything a trace can be asked for, sorted, each once.
    pub(crate) fn all(&self, trace: &TraceSummary, sealed: bool) -> Vec<i64> {
        let mut hashes = Vec::with_capacity(32);
        let mut add = |facet: Facet<'_>| hashes.push(self.hash(facet));
        add(Facet::Status(trace.status()));
        add(Facet::Verdict(trace.verdict));
        add(Facet::Sealed(sealed));
        trace.kinds.iter().for_each(|v| add(Facet::Kind(*v)));
        trace.cost_sources.iter().for_each(|v| add(Facet::CostSource(*v)));
        let sets = [
            (TextField::Model, &trace.models),
            (TextField::Provider, &trace.providers),
            (TextField::Tool, &trace.tools),
            (TextField::Tag, &trace.tags),
            (TextField::Agent, &trace.agents),
            (TextField::User, &trace.users),
        ];
        for (field, values) in &sets {
            values.iter().for_each(|v| add(Facet::Text(field, v)));
        }
        for field in [TextField::Rule, TextField::Category] {
            field.any(trace, |value| {
                add(Facet::Text(&field, value));
                false
            });
        }
        let singles = [
            (TextField::Name, &trace.name),
            (TextField::Session, &trace.session),
            (TextField::Environment, &trace.environment),
            (TextField::Version, &trace.version),
            (TextField::Service, &trace.service),
        ];
        for (field, value) in &singles {
            value.iter().for_each(|v| add(Facet::Text(field, v)));
        }
        trace.metadata.iter().for_each(|(key, v)| add(Facet::Metadata(key, v)));
        hashes.sort_unstable();
        hashes.dedup();
        hashes
    }
}

/// The stored name of a text field. Never changed: it is hashed.
fn field_name(field: &TextField) -> &'static str {
    match field {
        TextField::Id => "id",
        TextField::Name => "name",
        TextField::Model => "model",
        TextField::Provider => "provider",
        TextField::Tool => "tool",
        TextField::Tag => "tag",
        TextField::Rule => "rule",
        TextField::Category => "category",
        TextField::Agent => "agent",
        TextField::Session => "session",
        TextField::User => "user",
        TextField::Environment => "environment",
        TextField::Version => "version",
        TextField::Service => "service",
        TextField::Metadata(_) => "metadata",
    }
}
