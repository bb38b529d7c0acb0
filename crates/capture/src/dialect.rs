//! The dialects: which attribute names clients use, and what they mean.
//!
//! Each file below is one dialect: a table of keys with ranks, and special code where a table does not
//! do. The registry compiles all tables into one map, so that mapping a span is a single pass over its
//! attributes, whatever the number of dialects. To add one, write its file and its line in `ALL`.
//!
//! Ranks order the keys of one field over all dialects; they follow the merged precedence table of
//! the dialect reference.

mod rule;

pub(crate) mod log;
mod registry;
pub(crate) mod sentinel;
pub(crate) mod vendor;

mod agentops;
pub mod aitracer;
pub mod archive;
mod braintrust;
mod claude_code;
mod codex;
pub mod convention;
mod gemini_cli;
mod genai;
mod genkit;
mod google_adk;
mod laminar;
pub mod langfuse;
pub mod langsmith;
mod litellm;
mod livekit;
mod logfire;
mod mcp;
mod mlflow;
pub(crate) mod native;
pub mod openai_agents;
mod openinference;
mod openlit;
mod otel;
mod partial;
pub mod proxied;
pub mod tracellm;
mod traceloop;
pub mod tracium;
mod vercel;
mod voltagent;

pub(crate) use registry::{Entry, Registry, registry};
pub(crate) use rule::{Draft, EventRead, Field, INCLUSIVE, Reach, Read, Rule, Side};

use rule::Dialect;

/// Every dialect, strongest first: the order in which a span names those it was found to speak.
const ALL: &[&Dialect] = &[
    &native::DIALECT,
    &tracium::DIALECT,
    &openai_agents::DIALECT,
    &aitracer::DIALECT,
    &tracellm::DIALECT,
    &langfuse::DIALECT,
    &openinference::DIALECT,
    &laminar::DIALECT,
    &mlflow::DIALECT,
    &langsmith::DIALECT,
    &agentops::DIALECT,
    &claude_code::DIALECT,
    &codex::DIALECT,
    &gemini_cli::DIALECT,
    &logfire::DIALECT,
    &openlit::DIALECT,
    &litellm::DIALECT,
    &google_adk::DIALECT,
    &genkit::DIALECT,
    &livekit::DIALECT,
    &voltagent::DIALECT,
    &braintrust::DIALECT,
    &vercel::DIALECT,
    &genai::DIALECT,
    &traceloop::DIALECT,
    &mcp::DIALECT,
    &partial::DIALECT,
    &otel::DIALECT,
];

/// The number that a coding agent gives each event of a session, where the span is such an event: a
/// missing number is a lost event.
pub fn sequence(span: &exhibit_model::Span) -> Option<u64> {
    log::sequence(span)
}

/// The names of all dialects, strongest first.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|d| d.name)
}
