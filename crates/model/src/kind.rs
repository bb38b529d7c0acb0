//! What a span is, and how it stands.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal = $number:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that APIs, filters and files use.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The number under which it is stored. Never reused, never changed.
            pub fn code(self) -> i64 {
                match self { $(Self::$variant => $number),+ }
            }

            /// The value stored under a number.
            pub fn from_code(code: i64) -> Option<Self> {
                match code { $($number => Some(Self::$variant),)+ _ => None }
            }

            /// The value a word names, whatever its case.
            pub fn parse(word: &str) -> Option<Self> {
                $(if word.eq_ignore_ascii_case($word) { return Some(Self::$variant); })+
                None
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// What kind of step a span records.
    SpanKind {
        /// A model call.
        Llm = "llm" = 1,
        /// An agent's run: encloses model calls and tools.
        Agent = "agent" = 2,
        /// A tool call.
        Tool = "tool" = 3,
        /// A chain or workflow: encloses other steps.
        Chain = "chain" = 4,
        /// A search for documents.
        Retriever = "retriever" = 5,
        /// An embedding call.
        Embedding = "embedding" = 6,
        /// A reranking call.
        Reranker = "reranker" = 7,
        /// A guardrail's check.
        Guardrail = "guardrail" = 8,
        /// An evaluator's judgement.
        Evaluator = "evaluator" = 9,
        /// A task inside a workflow.
        Task = "task" = 10,
        /// The rendering of a prompt template.
        Prompt = "prompt" = 11,
        /// A read or write of an agent's memory.
        Memory = "memory" = 12,
        /// A planning step.
        Plan = "plan" = 13,
        /// A point in time.
        Event = "event" = 14,
        /// Anything a client calls by a name of its own.
        Custom = "custom" = 15,
        /// A span that says nothing about its kind.
        Span = "span" = 16,
    }
}

impl SpanKind {
    /// Kinds that make a model call themselves, so that their usage is their own and not a sum.
    pub fn is_leaf_call(self) -> bool {
        !self.is_container()
    }

    /// Kinds that enclose other steps and may repeat the sum of their usage.
    pub fn is_container(self) -> bool {
        matches!(self, Self::Agent | Self::Chain | Self::Task | Self::Plan)
    }
}

words! {
    /// How a span or trace stands.
    Status {
        /// Started and not ended, as far as known.
        Running = "running" = 1,
        /// Ended well.
        Ok = "ok" = 2,
        /// Ended with an error.
        Error = "error" = 3,
        /// Marked by the server: no end arrived in time.
        Incomplete = "incomplete" = 4,
    }
}

impl Status {
    /// Whether a client has said that it is over.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Ok | Self::Error)
    }

    /// Whether a revision with this status is sealed into the ledger.
    pub fn is_sealed(self) -> bool {
        self != Self::Running
    }
}
