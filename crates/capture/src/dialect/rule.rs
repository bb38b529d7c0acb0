//! The words in which a dialect is written: which key supplies which field, how strongly, and how its
//! value is read.

use exhibit_model::{Json, Span, SpanKind, TokenSemantics};

/// Totals that already hold their cached and reasoning tokens.
pub(crate) const INCLUSIVE: TokenSemantics =
    TokenSemantics { input_includes_cache: true, output_includes_reasoning: true };
/// Totals beside which cached tokens are counted apart.
pub(crate) const CACHE_APART: TokenSemantics =
    TokenSemantics { input_includes_cache: false, output_includes_reasoning: true };
/// Totals beside which reasoning tokens are counted apart.
pub(crate) const REASONING_APART: TokenSemantics =
    TokenSemantics { input_includes_cache: true, output_includes_reasoning: false };
/// Buckets that are disjoint already.
pub(crate) const DISJOINT: TokenSemantics =
    TokenSemantics { input_includes_cache: false, output_includes_reasoning: false };

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $read:ident);+ $(;)?) => {
        /// What a key can supply.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Field { $($(#[$doc])* $name),+ }

        impl Field {
            /// How many there are.
            pub(crate) const COUNT: usize = [$(Self::$name),+].len();

            /// The name under which provenance is recorded.
            pub(crate) fn word(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            /// How values are read where a rule says nothing else.
            const fn read(self) -> Read {
                match self { $(Self::$name => Read::$read),+ }
            }
        }
    };
}

fields! {
    Kind = "kind", Text;
    Model = "model", Text;
    ModelRequested = "model_requested", Text;
    Provider = "provider", Text;
    ServiceTier = "service_tier", Text;
    Session = "session", Text;
    User = "user", Text;
    Agent = "agent", Text;
    AgentId = "agent_id", Text;
    Environment = "environment", Text;
    Version = "version", Text;
    Service = "service", Text;
    TraceName = "trace_name", Text;
    Tool = "tool", Text;
    ToolCallId = "tool_call_id", Text;
    ResponseId = "response_id", Text;
    FinishReasons = "finish_reasons", List;
    Ttft = "ttft", Seconds;
    PromptName = "prompt.name", Text;
    PromptVersion = "prompt.version", Text;
    ErrorType = "error_type", Text;
    ErrorMessage = "status_message", Text;
    /// Evidence that a span without a status failed.
    Failure = "status", Text;
    /// One request parameter, or an object of them.
    Param = "params", Whole;
    /// Tags: all sources together.
    Tags = "tags", List;
    /// Metadata: one entry, or an object of them.
    Metadata = "metadata", Whole;
    /// The same for a value that is a sum over children.
    AggregateIn = "usage.input", Count;
    AggregateOut = "usage.output", Count;
    TokensIn = "usage.input", Count;
    TokensOut = "usage.output", Count;
    TokensTotal = "usage.total", Count;
    /// Input tokens without cache, where a client says so beside the total.
    TokensUncached = "usage.input_uncached", Count;
    CacheRead = "usage.cache_read", Count;
    CacheWrite = "usage.cache_write", Count;
    CacheWrite5m = "usage.cache_write_5m", Count;
    CacheWrite1h = "usage.cache_write_1h", Count;
    Reasoning = "usage.reasoning", Count;
    AudioIn = "usage.input_audio", Count;
    AudioOut = "usage.output_audio", Count;
    ImageIn = "usage.input_image", Count;
    ImageOut = "usage.output_image", Count;
    WebSearches = "usage.web_searches", Count;
    Cost = "cost_reported", Usd;
    CostIn = "cost_reported", Usd;
    CostOut = "cost_reported", Usd;
    /// The span repeats another's call and reports no call of its own.
    Echo = "kind", Text;
    // From here on: content. It is never copied into the header.
    Input = "input", Whole;
    System = "system", Whole;
    ToolDefinitions = "tool_definitions", Whole;
    ToolArguments = "tool_arguments", Whole;
    Output = "output", Whole;
    OutputCalls = "output_calls", Whole;
    OutputReasoning = "output_reasoning", Whole;
    ToolResult = "tool_result", Whole;
    Documents = "documents", Whole;
    /// Content on the input side that no field shows.
    InputAside = "input", Whole;
    /// Content on the output side that no field shows.
    OutputAside = "output", Whole;
    /// Nothing, but the key shows that the dialect is spoken.
    Marker = "", Whole;
}

/// On which side of a call a field stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Mapped into the header.
    Header,
    /// What was asked.
    Input,
    /// What came back.
    Output,
}

impl Field {
    /// The side of the call.
    pub(crate) fn side(self) -> Side {
        match self {
            Self::Input
            | Self::System
            | Self::ToolDefinitions
            | Self::ToolArguments
            | Self::InputAside => Side::Input,
            Self::Output
            | Self::OutputCalls
            | Self::OutputReasoning
            | Self::ToolResult
            | Self::Documents
            | Self::OutputAside => Side::Output,
            _ => Side::Header,
        }
    }

    /// Whether the attributes of a resource may supply it, weaker than any of the span's own.
    pub(crate) fn resource_supplies(self) -> bool {
        matches!(
            self,
            Self::Session
                | Self::User
                | Self::Agent
                | Self::AgentId
                | Self::Environment
                | Self::Version
                | Self::Service
                | Self::Tags
                | Self::TraceName
        )
    }
}

/// How a value is read. A value that does not read as its field asks is as good as absent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Read {
    /// Text, number or truth value, as text.
    Text,
    /// Text before a delimiter or otherwise trimmed down; `None` when the value says nothing.
    Word(fn(&str) -> Option<String>),
    /// A kind of span; `None` when the word says nothing.
    Kind(fn(&str) -> Option<SpanKind>),
    /// The mere presence of the key tells the kind.
    Means(SpanKind),
    /// Evidence, when the value satisfies it.
    When(fn(&Json) -> bool),
    /// A list of texts: a JSON list, or text with commas.
    List,
    /// A count of tokens.
    Count,
    /// US dollars.
    Usd,
    /// A span of time in seconds.
    Seconds,
    /// A span of time in milliseconds.
    Millis,
    /// A point in time, of which the time since the start is taken.
    Since,
    /// Any JSON value; JSON text is unfolded.
    Whole,
    /// Flattened keys, folded back into a list and brought into a usual shape.
    Folded(fn(Json) -> Json),
}

/// Which attribute keys a rule speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// That key.
    Exact,
    /// Every key below the prefix; what follows is the name of the entry.
    Below,
    /// Every key below the prefix that goes on with a number: flattened lists.
    Indexed,
}

/// One row of a dialect's table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// The attribute key, or the prefix with its final dot.
    pub(crate) key: &'static str,
    /// Which keys that means.
    pub(crate) reach: Reach,
    /// Where inside a JSON value, from the top.
    pub(crate) path: &'static [&'static str],
    /// What it supplies.
    pub(crate) field: Field,
    /// How strongly: the smallest rank of a field wins, over all dialects. Ranks are the positions of
    /// the merged precedence table times ten, so that the next dialect fits in between.
    pub(crate) rank: u16,
    /// How it is read.
    pub(crate) read: Read,
    /// The entry's name, for fields that have several.
    pub(crate) name: &'static str,
    /// What the total holds, where that differs from the dialect's habit.
    pub(crate) semantics: Option<TokenSemantics>,
    /// The key is too common a word to recognise the dialect by.
    pub(crate) common: bool,
}

/// `key` supplies `field` with `rank`.
pub(crate) const fn on(field: Field, rank: u16, key: &'static str) -> Rule {
    Rule {
        key,
        reach: Reach::Exact,
        path: &[],
        field,
        rank,
        read: field.read(),
        name: "",
        semantics: None,
        common: false,
    }
}

/// `key` supplies the request parameter `name`.
pub(crate) const fn param(name: &'static str, rank: u16, key: &'static str) -> Rule {
    let mut rule = on(Field::Param, rank, key);
    rule.name = name;
    rule
}

/// The kind of the span stands under `key`.
pub(crate) const fn kind(rank: u16, key: &'static str, read: fn(&str) -> Option<SpanKind>) -> Rule {
    on(Field::Kind, rank, key).as_(Read::Kind(read))
}

impl Rule {
    /// Read in another way than the field's own.
    pub(crate) const fn as_(mut self, read: Read) -> Self {
        self.read = read;
        self
    }

    /// The value stands inside a JSON object.
    pub(crate) const fn at(mut self, path: &'static [&'static str]) -> Self {
        self.path = path;
        self
    }

    /// The entry's name, where the key does not tell it.
    pub(crate) const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Every key below the prefix.
    pub(crate) const fn below(mut self) -> Self {
        self.reach = Reach::Below;
        self
    }

    /// Every numbered key below the prefix.
    pub(crate) const fn indexed(mut self) -> Self {
        self.reach = Reach::Indexed;
        self
    }

    /// A key that others use as well.
    pub(crate) const fn common(mut self) -> Self {
        self.common = true;
        self
    }

    /// What the total holds.
    pub(crate) const fn holds(mut self, semantics: TokenSemantics) -> Self {
        self.semantics = Some(semantics);
        self
    }
}

/// How the events of a name are read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EventRead {
    /// Their attributes count as the span's, a little weaker.
    Attributes,
    /// The event is one message of the input, by this role.
    InputMessage(&'static str),
    /// The event is one message of the output.
    OutputMessage,
    /// The event is a document that was found.
    Document,
    /// The event is an exception: evidence of failure.
    Exception,
    /// Kept as it is; joined to its span when it comes as a log record.
    Kept,
}

/// One row of a dialect's table of events.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventRule {
    /// The event's name.
    pub(crate) name: &'static str,
    /// How it is read.
    pub(crate) read: EventRead,
}

/// A dialect: a table, and special code where a table does not do.
pub(crate) struct Dialect {
    /// Its name, as shown on spans.
    pub(crate) name: &'static str,
    /// Beginnings of the names of its instrumentation scopes.
    pub(crate) scopes: &'static [&'static str],
    /// Names under which its senders describe themselves as a service.
    pub(crate) services: &'static [&'static str],
    /// Its attribute keys.
    pub(crate) rules: &'static [Rule],
    /// Its events.
    pub(crate) events: &'static [EventRule],
    /// What its token totals hold.
    pub(crate) semantics: TokenSemantics,
    /// Runs on every span in which the dialect was recognised, after its table.
    pub(crate) refine: Option<fn(&Span, &mut Draft)>,
    /// Runs on every decoded span, before it is merged: for shapes that change a span's identity.
    pub(crate) recast: Option<fn(&mut Span)>,
    /// Makes a span of a log record that belongs to no span.
    pub(crate) log: Option<super::log::LogReader>,
}

impl Dialect {
    /// A dialect of which only the table is left to say.
    pub(crate) const fn new(name: &'static str, rules: &'static [Rule]) -> Self {
        Self {
            name,
            scopes: &[],
            services: &[],
            rules,
            events: &[],
            semantics: INCLUSIVE,
            refine: None,
            recast: None,
            log: None,
        }
    }
}

/// What special code may still change once the tables have been read.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// The kind, from the tables so far.
    pub(crate) kind: Option<SpanKind>,
    /// The rank at which the kind was found; larger is weaker.
    pub(crate) kind_rank: u16,
    /// The provider's canonical name.
    pub(crate) provider: Option<String>,
    /// The tool.
    pub(crate) tool: Option<String>,
    /// The agent.
    pub(crate) agent: Option<String>,
    /// The session.
    pub(crate) session: Option<String>,
    /// What the token totals hold.
    pub(crate) semantics: Option<TokenSemantics>,
    /// The usage is a sum over the span's children.
    pub(crate) aggregate: bool,
    /// The span repeats a call that another span reports: its usage and cost are left out.
    pub(crate) echo: bool,
    /// A reported cost of zero only says that the client knew no price.
    pub(crate) zero_is_unknown: bool,
}
