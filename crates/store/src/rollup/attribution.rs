//! Under which agent and which user a span counts that names none of its own.
//!
//! Clients mostly name the agent on the span of its run and the user on the outermost one, while the
//! calls that cost are further down. So, within a trace:
//!
//! * A span without an agent counts under that of its nearest ancestor that names one, at most
//!   [`LEVELS`] up, whether or not the ancestor still runs; where there is none, under the agent that
//!   the trace was registered with.
//! * A span without a user counts under the trace's, as its summary states it.
//!
//! Both follow from the current heads of the trace alone, so verification derives them anew with
//! [`Lineages`]. The head itself and the ledger are not concerned.
//!
//! Ancestors often come after what is below them, so a commit has to move what counted already. A
//! store makes an [`Attribution`] of each trace it writes, tells it the stored ancestors that it
//! [misses](Attribution::missing), has it [`account`](Attribution::account) for the spans that are
//! written, and moves the stored spans below each [`Passed`]. Nothing here reads or waits.

use std::collections::{HashMap, HashSet};

use exhibit_model::{SpanHead, SpanId, TraceSummary, trace::Rank};

use super::Accumulator;
use crate::Dimension;

/// How far up an agent is looked for. Real traces are a dozen levels deep; a chain of thousands must
/// not cost thousands of look-ups for each of its spans.
pub const LEVELS: usize = 64;

/// What a span takes from others, as far as it names none of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inherited<'a> {
    /// The agent of its nearest ancestor that names one, else that of the registration.
    pub agent: Option<&'a str>,
    /// The user of its trace.
    pub user: Option<&'a str>,
}

/// What of a span decides under which agent the spans below it count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    /// Its parent; none for a root.
    pub parent: Option<SpanId>,
    /// The agent that it names.
    pub agent: Option<String>,
}

impl Lineage {
    /// That of a span.
    pub fn of(head: &SpanHead) -> Self {
        Self { parent: parent(head).cloned(), agent: head.agent.clone() }
    }
}

fn parent(head: &SpanHead) -> Option<&SpanId> {
    head.parent_id.as_ref().filter(|parent| **parent != head.span_id)
}

/// An agent and how many levels up it stands: 0 for a span's own.
type Source<'a> = Option<(&'a str, usize)>;

/// Walks up from a span to the agent it counts under.
fn source<'a>(
    head: &'a SpanHead,
    look: impl Fn(&SpanId) -> Option<(Option<&'a SpanId>, Option<&'a str>)>,
) -> Source<'a> {
    if let Some(agent) = &head.agent {
        return Some((agent, 0));
    }
    let mut above = parent(head);
    for level in 1..=LEVELS {
        let (parent, agent) = look(above?)?;
        if let Some(agent) = agent {
            return Some((agent, level));
        }
        above = parent;
    }
    None
}

/// The lineages of all current spans of a trace.
#[derive(Debug, Default)]
pub struct Lineages {
    spans: HashMap<SpanId, Lineage>,
    /// The agent that the trace was registered with.
    registered: Option<String>,
}

impl Lineages {
    /// Those of these spans.
    pub fn of<'a>(heads: impl IntoIterator<Item = &'a SpanHead>) -> Self {
        let mut all = Self::default();
        heads.into_iter().for_each(|head| all.take(head));
        all
    }

    /// Takes in a span.
    pub fn take(&mut self, head: &SpanHead) {
        if head.span_id.is_registration() {
            self.registered.clone_from(&head.agent);
        }
        self.spans.insert(head.span_id.clone(), Lineage::of(head));
    }

    /// The agent under which a span of the trace counts.
    pub fn agent<'a>(&'a self, head: &'a SpanHead) -> Option<&'a str> {
        let look = |id: &SpanId| {
            self.spans.get(id).map(|found| (found.parent.as_ref(), found.agent.as_deref()))
        };
        source(head, look).map(|(agent, _)| agent).or(self.registered.as_deref())
    }
}

/// A span that is written.
#[derive(Debug)]
pub struct Revised<'a> {
    /// The revision that was current before, and whether its usage counted.
    pub old: Option<(SpanHead, bool)>,
    /// The revision that takes its place.
    pub new: &'a SpanHead,
    /// Whether its usage counts.
    pub counted: bool,
    /// Whether it is the first span of its trace.
    pub first_of_trace: bool,
}

/// What a trace said before a write.
#[derive(Debug, Default)]
pub struct Before {
    /// Whether it has spans.
    stored: bool,
    /// Whether any of its spans names an agent.
    agents: bool,
    /// The agent that it was registered with.
    registered: Option<String>,
    /// Its user.
    user: Option<String>,
}

impl Before {
    /// What a trace's summary says. `stored`: whether the trace has spans.
    pub fn of(summary: &TraceSummary, stored: bool) -> Self {
        let registered = registered(summary).map(str::to_owned);
        Self { stored, agents: summary.agent.is_some(), registered, user: summary.user.clone() }
    }
}

/// The agent that a trace was registered with: no other supplier of a summary's agent is as strong.
pub fn registered(summary: &TraceSummary) -> Option<&str> {
    let by_registration = summary.ranks.get("agent").is_some_and(Rank::is_registration);
    summary.agent.as_deref().filter(|_| by_registration)
}

/// The spans of one trace that are written together, and what they change for others.
#[derive(Debug)]
pub struct Attribution<'a> {
    revised: &'a [Revised<'a>],
    places: HashMap<&'a SpanId, usize>,
    before: &'a Before,
    /// Ancestors that are stored and not written; none where there is no such span.
    stored: HashMap<SpanId, Option<Lineage>>,
}

/// The trace before a write, or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Before,
    After,
}

/// A written span that passes another agent on to the spans below it than before.
#[derive(Debug)]
pub struct Passed {
    /// The span.
    pub span: SpanId,
    /// Agent and distance, before and after.
    sources: [Option<(String, usize)>; 2],
    /// The agent that the trace was and is registered with.
    registered: Option<String>,
}

impl Passed {
    /// How many levels below it spans can count under another agent than before.
    pub fn levels(&self) -> usize {
        let reach = |source: &Option<(String, usize)>| source.as_ref().map(|(_, up)| LEVELS - up);
        self.sources.iter().filter_map(reach).max().unwrap_or(0)
    }

    /// Moves what a stored span so many levels below contributes; it names no agent.
    pub fn shift(
        &self,
        sum: &mut Accumulator,
        head: &SpanHead,
        counted: bool,
        first: bool,
        level: usize,
    ) {
        let agents = self.sources.each_ref().map(|source| {
            let near = source.as_ref().filter(|(_, up)| up + level <= LEVELS);
            near.map(|(agent, _)| agent.as_str()).or(self.registered.as_deref())
        });
        if agents[0] != agents[1] {
            sum.shift(head, counted, first, Dimension::Agent, agents);
        }
    }
}

impl<'a> Attribution<'a> {
    /// That of spans of a trace.
    pub fn new(revised: &'a [Revised<'a>], before: &'a Before) -> Self {
        let mut all = Self { revised, places: HashMap::new(), before, stored: HashMap::new() };
        if before.stored || all.matters() {
            let ids = revised.iter().enumerate().map(|(place, one)| (&one.new.span_id, place));
            all.places = ids.collect();
        }
        all
    }

    /// Whether any span of the trace names an agent, before or after.
    fn matters(&self) -> bool {
        self.before.agents || self.revised.iter().any(|one| one.new.agent.is_some())
    }

    fn look(&self, view: View, id: &SpanId) -> Option<(Option<&SpanId>, Option<&str>)> {
        let head = match (self.places.get(id).and_then(|place| self.revised.get(*place)), view) {
            (Some(one), View::After) => Some(one.new),
            (Some(one), View::Before) => Some(&one.old.as_ref()?.0),
            (None, _) => None,
        };
        match head {
            Some(head) => Some((parent(head), head.agent.as_deref())),
            None => {
                let found = self.stored.get(id)?.as_ref()?;
                Some((found.parent.as_ref(), found.agent.as_deref()))
            }
        }
    }

    fn source<'s>(&'s self, view: View, head: &'s SpanHead) -> Source<'s> {
        source(head, |id| self.look(view, id))
    }

    /// Stored spans whose lineages have to be [learnt](Self::learn) before anything else, until there
    /// are none.
    pub fn missing(&self) -> HashSet<SpanId> {
        let mut missing = HashSet::new();
        if !self.before.stored || !self.matters() {
            return missing;
        }
        for one in self.revised {
            let olds = one.old.iter().map(|(head, _)| (View::Before, head));
            for (view, head) in olds.chain([(View::After, one.new)]) {
                let mut above = parent(head).filter(|_| head.agent.is_none());
                for _ in 0..LEVELS {
                    let Some(id) = above else { break };
                    match self.look(view, id) {
                        Some((parent, None)) => above = parent,
                        Some(_) => break,
                        None if self.is_known(id) => break,
                        None => {
                            missing.insert(id.clone());
                            break;
                        }
                    }
                }
            }
        }
        missing
    }

    fn is_known(&self, id: &SpanId) -> bool {
        self.stored.contains_key(id) || self.places.contains_key(id)
    }

    /// Takes in a stored span, or that there is none; the next one up, if that is missing now.
    pub fn learn(&mut self, id: SpanId, found: Option<Lineage>) -> Option<SpanId> {
        let next = found.as_ref().filter(|found| found.agent.is_none());
        let next = next.and_then(|found| found.parent.clone());
        self.stored.insert(id, found);
        next.filter(|next| !self.is_known(next))
    }

    /// Whether a stored span counts under another's agent and is not written itself.
    pub fn is_heir(&self, head: &SpanHead) -> bool {
        head.agent.is_none() && !self.places.contains_key(&head.span_id)
    }

    /// Whether what the trace says of all its spans changes: its user, or the agent that it was
    /// registered with. All stored spans are to be [learnt](Self::learn) then, and
    /// [moved](Self::move_one). `after` is the trace's summary after the write.
    pub fn moves_all(&self, after: &TraceSummary) -> bool {
        self.before.stored
            && (self.before.user != after.user || self.moves_registered(registered(after)))
    }

    fn moves_registered(&self, after: Option<&str>) -> bool {
        self.before.registered.as_deref() != after
    }

    /// Moves what a stored span contributes to what the trace says now.
    pub fn move_one(
        &self,
        sum: &mut Accumulator,
        head: &SpanHead,
        counted: bool,
        first: bool,
        after: &TraceSummary,
    ) {
        if self.places.contains_key(&head.span_id) {
            return;
        }
        let users = [self.before.user.as_deref(), after.user.as_deref()];
        if head.user.is_none() && users[0] != users[1] {
            sum.shift(head, counted, first, Dimension::User, users);
        }
        if self.moves_registered(registered(after)) {
            let views = [View::Before, View::After];
            let agents = views.map(|view| self.agent(view, head, after));
            if agents[0] != agents[1] {
                sum.shift(head, counted, first, Dimension::Agent, agents);
            }
        }
    }

    /// The agent under which a span counts.
    fn agent<'s>(
        &'s self,
        view: View,
        head: &'s SpanHead,
        after: &'s TraceSummary,
    ) -> Option<&'s str> {
        if !self.matters() {
            return None;
        }
        let near = self.source(view, head).map(|(agent, _)| agent);
        near.or(match view {
            View::Before => self.before.registered.as_deref(),
            View::After => registered(after),
        })
    }

    /// Adds what the written spans contribute, and takes out what they did before. `after` is the
    /// trace's summary after the write.
    pub fn account(&self, sum: &mut Accumulator, after: &TraceSummary) {
        for one in self.revised {
            let agent = self.agent(View::After, one.new, after);
            let to = Inherited { agent, user: after.user.as_deref() };
            sum.add(one.new, one.counted, one.first_of_trace, to);
            if let Some((old, counted)) = &one.old {
                let agent = self.agent(View::Before, old, after);
                let from = Inherited { agent, user: self.before.user.as_deref() };
                sum.subtract(old, *counted, one.first_of_trace, from);
            }
        }
    }

    /// The written spans below which stored spans may count under another agent than before; none
    /// where all stored spans are looked at for that.
    pub fn passed(&self, after: &TraceSummary) -> Vec<Passed> {
        if !self.before.stored || !self.matters() || self.moves_registered(registered(after)) {
            return Vec::new();
        }
        let registered = registered(after);
        let passed = |one: &Revised<'_>| {
            let old = one.old.as_ref().and_then(|(old, _)| self.source(View::Before, old));
            let sources = [old, self.source(View::After, one.new)];
            let owned = |source: Source<'_>| source.map(|(agent, up)| (agent.to_owned(), up));
            (sources[0] != sources[1]).then(|| Passed {
                span: one.new.span_id.clone(),
                sources: sources.map(owned),
                registered: registered.map(str::to_owned),
            })
        };
        self.revised.iter().filter_map(passed).collect()
    }
}
