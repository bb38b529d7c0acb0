//! The fields that a filter can name.

/// Any field. `has(field)` means: a text, time, duration or cost is known; a set is not empty; a
/// count is above zero; the trace has a final seal. What every trace has is always there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// A point in time.
    Time(TimeField),
    /// Duration.
    Latency,
    /// Cost in USD.
    Cost,
    /// A count.
    Count(CountField),
    /// Status of the trace.
    Status,
    /// Kinds of its spans.
    Kind,
    /// Verdict.
    Verdict,
    /// Where costs come from.
    CostSource,
    /// How its reviews stand (many).
    Review,
    /// A text.
    Text(TextField),
    /// Whether it is sealed.
    Sealed,
}

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeField {
    /// Earliest start: `time` or `start`.
    Start,
    /// Latest end.
    End,
}

/// A count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CountField {
    /// Input and output tokens that count.
    Tokens,
    /// Input tokens that count.
    TokensIn,
    /// Output tokens that count.
    TokensOut,
    /// Spans, running ones included.
    Spans,
    /// Failed spans.
    Errors,
    /// Findings.
    Findings,
}

/// A field that holds text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TextField {
    /// The trace's id.
    Id,
    /// Name.
    Name,
    /// Models (many).
    Model,
    /// Providers (many).
    Provider,
    /// Tools (many).
    Tool,
    /// Tags (many).
    Tag,
    /// Rules that spoke against it (many), by `policy/rule` and by the rule's id alone.
    Rule,
    /// Categories of its findings (many).
    Category,
    /// Agents (many).
    Agent,
    /// Session.
    Session,
    /// End users (many).
    User,
    /// Environment.
    Environment,
    /// Application version.
    Version,
    /// Sending service.
    Service,
    /// The metadata value under a key.
    Metadata(String),
}

const METADATA: &str = "metadata.";

/// Every name but those of metadata: what it means, and whether it is the name that is printed.
const NAMES: &[(&str, Field)] = &[
    ("time", Field::Time(TimeField::Start)),
    ("start", Field::Time(TimeField::Start)),
    ("end", Field::Time(TimeField::End)),
    ("status", Field::Status),
    ("kind", Field::Kind),
    ("model", Field::Text(TextField::Model)),
    ("provider", Field::Text(TextField::Provider)),
    ("agent", Field::Text(TextField::Agent)),
    ("session", Field::Text(TextField::Session)),
    ("user", Field::Text(TextField::User)),
    ("environment", Field::Text(TextField::Environment)),
    ("env", Field::Text(TextField::Environment)),
    ("version", Field::Text(TextField::Version)),
    ("service", Field::Text(TextField::Service)),
    ("tool", Field::Text(TextField::Tool)),
    ("tag", Field::Text(TextField::Tag)),
    ("tags", Field::Text(TextField::Tag)),
    ("name", Field::Text(TextField::Name)),
    ("id", Field::Text(TextField::Id)),
    ("cost", Field::Cost),
    ("tokens", Field::Count(CountField::Tokens)),
    ("tokens_in", Field::Count(CountField::TokensIn)),
    ("tokens_out", Field::Count(CountField::TokensOut)),
    ("latency", Field::Latency),
    ("spans", Field::Count(CountField::Spans)),
    ("errors", Field::Count(CountField::Errors)),
    ("findings", Field::Count(CountField::Findings)),
    ("verdict", Field::Verdict),
    ("rule", Field::Text(TextField::Rule)),
    ("category", Field::Text(TextField::Category)),
    ("review", Field::Review),
    ("cost_source", Field::CostSource),
    ("sealed", Field::Sealed),
];

impl Field {
    /// The field of that name, whatever the case of the name (but not of a metadata key).
    pub fn parse(name: &str) -> Option<Self> {
        let key = name.get(..METADATA.len()).filter(|p| p.eq_ignore_ascii_case(METADATA));
        if key.is_some() {
            let key = &name[METADATA.len()..];
            return (!key.is_empty()).then(|| Self::Text(TextField::Metadata(key.to_owned())));
        }
        NAMES.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, field)| field.clone())
    }

    /// Every name a field can be called by, those of metadata as `metadata.<key>`.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name).chain(["metadata.<key>", "text"])
    }

    /// Its canonical name. A metadata key stands in it as it is.
    pub fn name(&self) -> String {
        if let Self::Text(TextField::Metadata(key)) = self {
            return format!("{METADATA}{key}");
        }
        NAMES.iter().find(|(_, f)| f == self).map_or_else(String::new, |(n, _)| (*n).to_owned())
    }
}

impl TextField {
    /// Whether a trace can have several values of it.
    pub fn is_set(&self) -> bool {
        matches!(
            self,
            Self::Model | Self::Provider | Self::Tool | Self::Tag | Self::Rule | Self::Category
        )
    }
}
