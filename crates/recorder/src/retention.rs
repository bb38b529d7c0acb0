//! How long records are kept: rules, legal holds, retention runs, erasure.
//!
//! None of this has tables of its own: rules, holds and certificates are the sealed acts of the
//! workspace (see [`crate::account::act`]), read again whenever they are asked for. So whoever edits
//! the database cannot lift a hold, and verification knows which records may be absent. Without a
//! rule everything is kept. A hold wins over every rule and every erasure.

mod certificate;
mod clock;
mod replay;
mod run;

use exhibit_ledger::{Leaf, LeafKind};
use exhibit_model::{Nanos, TraceId, WorkspaceId};
use exhibit_store::{Filter, LogId, TraceRow};
use serde::{Deserialize, Serialize};

use crate::{Error, Recorder, account::act::Act};

pub use certificate::Certificate;
pub(crate) use certificate::Told;
pub use run::{Erase, RunReport};

/// Acts read at once.
const PAGE: usize = 1_024;
/// Most rules of a workspace.
const RULES_MAX: usize = 64;
/// Longest text of a rule or hold, characters.
const TEXT_CHARS_MAX: usize = 2_000;

/// A rule of retention. The first whose filter finds a trace decides about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionRule {
    /// Its name, as reports show it.
    pub name: String,
    /// Which traces, in the filter language (no full text); empty for all.
    #[serde(default)]
    pub filter: String,
    /// How many days they are kept after they were last added to; none: for ever.
    pub keep_days: Option<u32>,
}

/// A named set of rules for a duty. What a duty asks for in a case is for its owner to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// How many days records are kept at least.
    pub keep_days: u32,
    /// The duty.
    pub duty: &'static str,
}

/// The presets.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "ai-act",
        keep_days: 184,
        duty: "AI Act Art. 19 and 26(6): at least six months",
    },
    Preset { name: "soc2", keep_days: 366, duty: "SOC 2: a year's evidence for the audit period" },
    Preset { name: "hipaa", keep_days: 2_192, duty: "HIPAA 164.316(b)(2): six years" },
    Preset { name: "sec-17a-4", keep_days: 2_192, duty: "SEC 17a-4: six years" },
];

/// A legal hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its id.
    pub id: String,
    /// Which traces, in the filter language (no full text); empty for all.
    pub filter: String,
    /// Or one trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// Why, such as the name of a case.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// When it was placed.
    pub placed: Nanos,
    /// When it was released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Nanos>,
    /// Who released it, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
}

/// A hold to be placed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewHold {
    /// Which traces; empty for all.
    #[serde(default)]
    pub filter: String,
    /// Or one trace.
    #[serde(default)]
    pub trace_id: Option<TraceId>,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
}

/// What the acts of a workspace say about keeping.
#[derive(Debug, Default)]
pub(crate) struct Keeping {
    pub(crate) rules: Vec<RetentionRule>,
    pub(crate) holds: Vec<Hold>,
    /// Erasures, each with the index of its leaf.
    pub(crate) erased: Vec<(u64, Erased)>,
}

/// What an erasure took away. Sealed; names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// `retention` or `erasure`.
    pub cause: String,
    /// The rule that it followed, or the reason that was given.
    pub why: String,
    /// Who asked: `user:<id>`, `key:<id>`, `local`; `clock` and `restore` where nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When.
    pub at: Nanos,
    /// Keyed digests of the traces, hex: whoever knows an id can find its certificate.
    pub traces: Vec<String>,
    /// Leaves whose records are gone, as ranges of indexes, the end excluded.
    pub leaves: Vec<(u64, u64)>,
    /// Traces whose payloads were encrypted: with their keys, every copy of them in a backup is dead too.
    #[serde(default, skip_serializing_if = "is_none")]
    pub keys_destroyed: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Recorder {
    /// The rules in force; empty: everything is kept.
    pub async fn retention_rules(
        &self,
        workspace: WorkspaceId,
    ) -> Result<Vec<RetentionRule>, Error> {
        Ok(self.keeping(workspace).await?.rules)
    }

    /// Sets the rules.
    ///
    /// # Errors
    /// A filter that does not read or asks for full text; a name or term that is empty or too much.
    pub async fn set_retention_rules(
        &self,
        workspace: WorkspaceId,
        rules: Vec<RetentionRule>,
    ) -> Result<(), Error> {
        if rules.len() > RULES_MAX {
            return Err(invalid("rules", format!("at most {RULES_MAX} rules are taken")));
        }
        for rule in &rules {
            check_text("name", &rule.name)?;
            self.header_filter(&rule.filter)?;
            if rule.keep_days == Some(0) {
                return Err(invalid("keep_days", "keep at least one day, or erase".to_owned()));
            }
        }
        self.keep_act(workspace, &Act::RetentionSet { rules }).await.map(drop)
    }

    /// Every hold, released ones included, oldest first.
    pub async fn holds(&self, workspace: WorkspaceId) -> Result<Vec<Hold>, Error> {
        Ok(self.keeping(workspace).await?.holds)
    }

    /// Places a hold. It is in force when this returns.
    ///
    /// # Errors
    /// No reason or owner; a filter that does not read or asks for full text.
    pub async fn place_hold(&self, workspace: WorkspaceId, new: NewHold) -> Result<Hold, Error> {
        check_text("reason", &new.reason)?;
        check_text("owner", &new.owner)?;
        self.header_filter(&new.filter)?;
        let mut id = [0; 8];
        self.entropy.fill(&mut id);
        let hold = Hold {
            id: format!("hold_{}", hex::encode(id)),
            filter: new.filter,
            trace_id: new.trace_id,
            reason: new.reason,
            owner: new.owner,
            placed: self.now(),
            released: None,
            release: None,
        };
        let _turn = self.keeping_turn.lock().await;
        self.keep_act(workspace, &Act::HoldPlaced { hold: hold.clone() }).await?;
        Ok(hold)
    }

    /// Releases a hold.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such hold in force; no reason.
    pub async fn release_hold(
        &self,
        workspace: WorkspaceId,
        id: &str,
        release: &str,
    ) -> Result<(), Error> {
        check_text("reason", release)?;
        let holds = self.holds(workspace).await?;
        if !holds.iter().any(|hold| hold.id == id && hold.released.is_none()) {
            return Err(Error::NotFound);
        }
        let (id, release, at) = (id.to_owned(), release.to_owned(), self.now());
        self.keep_act(workspace, &Act::HoldReleased { id, release, at }).await.map(drop)
    }

    /// Reads the acts of a workspace about keeping, each against its leaf.
    pub(crate) async fn keeping(&self, workspace: WorkspaceId) -> Result<Keeping, Error> {
        let log = LogId::Workspace(workspace);
        let mut keeping = Keeping::default();
        let mut from = 0;
        loop {
            let page = self.store.audit_acts(workspace, from, PAGE).await?;
            let Some(last) = page.last() else { return Ok(keeping) };
            from = last.index.saturating_add(1);
            for act in page {
                let leaf = self.store.leaves(log, act.index, act.index + 1).await?.pop();
                let broken = || Error::Internal("an act is not the one that was sealed".into());
                let read = self.read_act(&act, leaf.as_deref()).ok_or_else(broken)?;
                keeping.apply(act.index, read);
            }
        }
    }

    /// A filter that is answered from a trace's row alone.
    fn header_filter(&self, text: &str) -> Result<Filter, Error> {
        if text.chars().count() > TEXT_CHARS_MAX {
            return Err(invalid("filter", "the filter is too long".to_owned()));
        }
        let filter = Filter::parse(text, self.now()).map_err(|error| Error::Filter {
            position: error.position,
            message: error.to_string(),
        })?;
        if asks_for_text(&filter) {
            let message = "what is kept cannot depend on full text; use fields such as env, tag, \
                           verdict, user or session";
            return Err(invalid("filter", message.to_owned()));
        }
        Ok(filter)
    }

    /// Seals an act and keeps it; its index.
    pub(crate) async fn keep_act(&self, workspace: WorkspaceId, act: &Act) -> Result<(), Error> {
        let act = self.sealed_act(act)?;
        let none = Vec::new();
        if !self.store.erase(workspace, none, Vec::new(), act).await? {
            return Err(Error::Internal("an act was not kept".into()));
        }
        self.grown.notify_one();
        Ok(())
    }

    /// Whether a hold in force finds a trace.
    pub(crate) fn held_by<'h>(&self, holds: &'h [Hold], row: &TraceRow) -> Option<&'h Hold> {
        holds.iter().filter(|hold| hold.released.is_none()).find(|hold| {
            if let Some(id) = &hold.trace_id {
                return *id == row.summary.trace_id;
            }
            // A filter that no longer reads holds everything: better kept than lost.
            self.header_filter(&hold.filter)
                .map_or(true, |filter| filter.matches(row, &mut |_| true))
        })
    }
}

impl Keeping {
    fn apply(&mut self, index: u64, act: Act) {
        match act {
            Act::RetentionSet { rules } => self.rules = rules,
            Act::HoldPlaced { hold } => self.holds.push(hold),
            Act::HoldReleased { id, release, at } => {
                if let Some(hold) = self.holds.iter_mut().find(|hold| hold.id == id) {
                    hold.released = Some(at);
                    hold.release = Some(release);
                }
            }
            Act::Erased { erased } => self.erased.push((index, erased)),
            _ => {}
        }
    }
}

fn asks_for_text(filter: &Filter) -> bool {
    match filter {
        Filter::All => false,
        Filter::And(members) | Filter::Or(members) => members.iter().any(asks_for_text),
        Filter::Not(inner) => asks_for_text(inner),
        Filter::Test(test) => matches!(test, exhibit_store::filter::Test::Text(_)),
    }
}

fn check_text(field: &'static str, text: &str) -> Result<(), Error> {
    if text.trim().is_empty() || text.chars().count() > TEXT_CHARS_MAX {
        return Err(invalid(field, format!("{field} takes 1 to {TEXT_CHARS_MAX} characters")));
    }
    Ok(())
}

fn invalid(field: &'static str, message: String) -> Error {
    Error::Invalid { field, message }
}

/// Whether a leaf is of an act about keeping.
pub(crate) fn is_keeping(leaf: &Leaf) -> bool {
    matches!(leaf.kind, LeafKind::Hold | LeafKind::Retention | LeafKind::Erasure)
}
