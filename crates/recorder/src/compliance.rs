//! What this workspace can show, at this moment, for the duties of record keeping. Each answer is
//! taken from what is in force now; each says what it does not cover. Not legal advice.

use exhibit_model::WorkspaceId;
use exhibit_store::LogId;
use serde::Serialize;

use crate::{Error, PRESETS, Recorder, retention::RetentionRule};

/// One duty.
#[derive(Debug, Clone, Serialize)]
pub struct Duty {
    /// Where it stands.
    pub source: &'static str,
    /// What it asks for.
    pub asks: &'static str,
    /// `shown`, `partly` or `open`, as of now.
    pub state: &'static str,
    /// What Exhibit shows for it now.
    pub shows: Vec<String>,
    /// Where to look: API paths of live answers.
    pub evidence: Vec<&'static str>,
    /// What it does not cover.
    pub not_covered: &'static str,
}

/// What is in force.
#[derive(Debug, Clone, Serialize)]
pub struct Compliance {
    /// When this was said, RFC 3339.
    pub at: String,
    /// The duties.
    pub duties: Vec<Duty>,
}

/// What the answers are made of.
struct Facts {
    leaves: u64,
    signed: u64,
    shortest: Option<u32>,
    holds: usize,
    erasures: usize,
    witnessed: Option<u64>,
    encrypted: bool,
}

impl Recorder {
    /// Answers for every duty.
    ///
    /// # Errors
    /// The store fails.
    pub async fn compliance(&self, workspace: WorkspaceId) -> Result<Compliance, Error> {
        let log = LogId::Workspace(workspace);
        let keeping = self.keeping(workspace).await?;
        let facts = Facts {
            leaves: self.store.head(log).await?.size,
            signed: self.store.checkpoint(log).await?.map_or(0, |c| c.size),
            shortest: shortest(&keeping.rules),
            holds: keeping.holds.iter().filter(|hold| hold.released.is_none()).count(),
            erasures: keeping.erased.len(),
            witnessed: self.outside_status().witnessed_size,
            encrypted: self.keys.sealing().is_some(),
        };
        Ok(Compliance { at: self.now().to_rfc3339(), duties: facts.duties() })
    }
}

/// The shortest time after which something may go; none: nothing ever does.
fn shortest(rules: &[RetentionRule]) -> Option<u32> {
    rules.iter().filter_map(|rule| rule.keep_days).min()
}

impl Facts {
    fn duties(&self) -> Vec<Duty> {
        let recorded =
            format!("{} entries, {} under a signed checkpoint", self.leaves, self.signed);
        let sealed = if self.leaves > 0 { "shown" } else { "open" };
        let witnessed = match self.witnessed {
            Some(size) => format!("witnesses have confirmed {size} entries of the installation"),
            None => "no witness has confirmed the log since the start".to_owned(),
        };
        let encrypted = if self.encrypted {
            "payloads of new traces are encrypted at rest, under keys that an erasure destroys"
        } else {
            "payloads are not encrypted at rest: no master key is given"
        };
        let kept = self.kept();
        let duty = |source, asks, state, shows, evidence: &[&'static str], not_covered| Duty {
            source,
            asks,
            state,
            shows,
            evidence: evidence.to_vec(),
            not_covered,
        };
        vec![
            duty(
                "AI Act Art. 12",
                "events are recorded automatically over the system's lifetime",
                sealed,
                vec![recorded.clone()],
                &["/api/v1/traces", "/api/v1/ledger/checkpoint"],
                "that every system of yours sends its events here; Art. 12 does not ask for integrity proofs",
            ),
            duty(
                "AI Act Art. 19 and 26(6)",
                "logs are kept at least six months, under your control",
                self.keeps("ai-act"),
                vec![kept.clone()],
                &["/api/v1/retention/rules"],
                "records from before this installation; longer periods of other law",
            ),
            duty(
                "SOC 2 CC6 to CC8",
                "access is known, anomalies are looked at, changes are approved",
                if self.leaves > 0 { "partly" } else { "open" },
                vec![
                    recorded.clone(),
                    "keys, members, exports and rule changes are entries".into(),
                ],
                &["/api/v1/keys", "/api/v1/members", "/api/v1/settings/rules"],
                "controls outside this installation; reading is recorded for exports only",
            ),
            duty(
                "ISO/IEC 42001 A.6.2.8",
                "event logs are kept in the phases that you have decided on",
                sealed,
                vec![recorded.clone(), kept.clone()],
                &["/api/v1/traces"],
                "the decision itself",
            ),
            duty(
                "HIPAA 164.312(b), (c)(2)",
                "activity is recorded and examined; changes without authority can be found",
                if self.leaves > 0 { "partly" } else { "open" },
                vec![recorded.clone(), witnessed.clone(), kept.clone(), encrypted.into()],
                &["/api/v1/ledger/anchors", "/api/v1/retention/rules"],
                "that somebody examines the records; encryption of what lists and search hold",
            ),
            duty(
                "SEC 17a-4(f)",
                "a complete, time-stamped trail of every change and deletion, or WORM",
                if self.witnessed.is_some() { self.keeps("sec-17a-4") } else { "partly" },
                vec![recorded, witnessed, kept],
                &["/api/v1/ledger/checkpoint", "/api/v1/ledger/anchors"],
                "WORM media; an undertaking of a third party; an assessment by an auditor",
            ),
            duty(
                "GDPR Art. 17",
                "personal data is erased on request",
                "shown",
                vec![
                    format!("{} erasures and retention runs with certificate", self.erasures),
                    format!("{} legal holds in force, which beat erasure", self.holds),
                    encrypted.into(),
                ],
                &["/api/v1/holds"],
                "exports handed out and backups made before, until they expire",
            ),
        ]
    }

    fn kept(&self) -> String {
        match self.shortest {
            None => "everything is kept: no rule takes anything away".to_owned(),
            Some(days) => format!("the shortest rule keeps {days} days"),
        }
    }

    fn keeps(&self, preset: &str) -> &'static str {
        let wanted = PRESETS.iter().find(|p| p.name == preset).map_or(0, |p| p.keep_days);
        if self.shortest.is_none_or(|days| days >= wanted) { "shown" } else { "open" }
    }
}
