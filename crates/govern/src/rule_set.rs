//! The rules in force: compiled once, then a pure function from span to verdict.

mod load;
mod texts;

use exhibit_model::{Action, Evaluation, Finding, Flag, Outcome, Severity, Span, Verdict};

pub use load::Versions;

use crate::{
    FingerprintKey, RuleErrors, RuleListing,
    place::Place,
    policy::{Mode, Policy, Ruling},
    redact::{self, Replacement},
    scan::{Engine, Hit, Scratch, TextFinding},
};

/// Version of the engine. It grows whenever the same rules may say something else of the same span.
pub const ENGINE_VERSION: u32 = 2;

/// Detectors and policies, compiled. Never changes; share it by `Arc` and swap it to reload.
pub struct RuleSet {
    pub(crate) engine: Engine,
    pub(crate) policies: Vec<Policy>,
    pub(crate) key: FingerprintKey,
    pub(crate) hash: [u8; 32],
    pub(crate) files: usize,
}

/// What an evaluation did, besides what it wrote to the span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluated {
    /// How the span stands.
    pub verdict: Verdict,
    /// Raw values were replaced: the mapped fields must be read from them again.
    pub remap: bool,
    /// Tags that rules added; they are on the span already and must survive a remap.
    pub tags: Vec<String>,
}

impl RuleSet {
    /// Compiles rule files, given as name and text. A file with `policy:` is a policy, one with a list of
    /// `detectors:` holds detectors; empty files and price files are passed over. Examples of detectors
    /// and tests of rules run here. All problems of all files are reported at once.
    pub fn load(files: &[(String, String)], key: FingerprintKey) -> Result<Self, RuleErrors> {
        load::load(files, key)
    }

    /// SHA-256 over the engine's version and the names and texts of all files.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// How many detectors and policy rules are in force.
    pub fn rules_loaded(&self) -> usize {
        let active = self.policies.iter().filter(|policy| policy.mode != Mode::Off);
        self.engine.detectors.len() + active.map(|policy| policy.rules.len()).sum::<usize>()
    }

    /// Everything in force, for people.
    pub fn listing(&self) -> RuleListing {
        RuleListing::of(self.hash, &self.engine.detectors, &self.policies)
    }

    /// What identifies these rules in a record.
    pub fn versions(&self) -> Versions {
        Versions { engine: ENGINE_VERSION, rules: hex::encode(self.hash), files: self.files }
    }

    /// Judges a span and writes `findings`, `evaluations` and `decision` to it, replacing what was
    /// there. Where a rule redacts, the matched text is replaced in the raw attributes, events, links,
    /// name and status message, and in the mapped fields that repeat it. Ids of trace and span are
    /// never touched. Cost must be set before, where rules compare it.
    pub fn evaluate(&self, span: &mut Span) -> Evaluated {
        let mut found = texts::find(&self.engine, span);
        let too_deep = std::mem::take(&mut found.too_deep);
        let withheld = !too_deep.is_empty();
        texts::withhold(span, &too_deep);
        span.findings =
            found.hits.iter().map(|(place, hit)| self.finding(span, place, hit)).collect();

        let mut ruling = Ruling::default();
        if found.cut || withheld {
            self.fault(&mut ruling);
        }
        for policy in &self.policies {
            policy.rule_on(span, &mut ruling);
        }
        let remap = redact(span, found.hits, &ruling) || withheld;
        span.evaluations = ruling.evaluations;
        span.decision = ruling.decision;
        for tag in &ruling.tags {
            if !span.tags.contains(tag) {
                span.tags.push(tag.clone());
            }
        }
        let verdict = Verdict::of(&span.findings, &span.evaluations, &span.decision);
        Evaluated { verdict, remap, tags: ruling.tags }
    }

    /// Finds in a text that is no span, such as a file or a prompt before it is sent: what would count in
    /// a span.
    pub fn scan_text(&self, text: &str) -> Vec<TextFinding> {
        let hits = self.engine.scan(text, None, &mut Scratch::default());
        hits.iter().map(|hit| self.text_finding(hit)).collect()
    }

    /// As [`Self::scan_text`], with everything that may be one, however unsure, and under every name that
    /// fits: nine digits may be numbers of several countries. The score tells them apart.
    pub fn scan_text_widely(&self, text: &str) -> Vec<TextFinding> {
        let hits = self.engine.scan_widely(text, &mut Scratch::default());
        hits.iter().map(|hit| self.text_finding(hit)).collect()
    }

    fn text_finding(&self, hit: &Hit) -> TextFinding {
        let detector = &self.engine.detectors[hit.detector];
        TextFinding {
            rule: detector.id.clone(),
            entity: detector.entity.clone(),
            category: detector.category,
            start: hit.start,
            end: hit.end,
            score_milli: hit.score_milli,
            validated: hit.validated,
        }
    }

    fn finding(&self, span: &Span, place: &Place, hit: &Hit) -> Finding {
        let detector = &self.engine.detectors[hit.detector];
        Finding {
            rule: detector.id.clone(),
            entity: detector.entity.clone(),
            category: detector.category,
            severity: detector.severity,
            part: place.part(span),
            pointer: place.pointer(span),
            start: hit.start,
            end: hit.end,
            score_milli: hit.score_milli,
            validated: hit.validated,
            fingerprint: self.key.fingerprint(&detector.entity, detector.category, &hit.value),
            redacted: false,
        }
    }

    /// The engine did not look at everything: what the strictest policy wants of that.
    fn fault(&self, ruling: &mut Ruling) {
        let enforced = self.policies.iter().filter(|policy| policy.mode == Mode::Enforce);
        let action = enforced.map(|policy| policy.on_error).max().unwrap_or(Action::Flag);
        ruling.decision.add(action);
        ruling.evaluations.push(Evaluation {
            policy: "engine".to_owned(),
            rule: "limits".to_owned(),
            outcome: Outcome::Warning,
            severity: Severity::Medium,
            message: "Too much was found, or values were nested too deeply, to look at everything"
                .to_owned(),
        });
    }
}

impl std::fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleSet")
            .field("rules", &self.rules_loaded())
            .field("hash", &hex::encode(self.hash))
            .finish_non_exhaustive()
    }
}

/// Carries out what rules marked; says whether anything was replaced.
fn redact(span: &mut Span, hits: Vec<(Place, Hit)>, ruling: &Ruling) -> bool {
    let mut replacements = Vec::new();
    let marked = span.findings.iter_mut().zip(&ruling.masks).zip(hits);
    for ((finding, mask), (place, hit)) in marked {
        let Some(kind) = mask else { continue };
        finding.redacted = true;
        replacements.push(Replacement {
            place,
            start: hit.start,
            end: hit.end,
            mask: redact::mask(*kind, &finding.entity, &finding.fingerprint),
        });
    }
    let any = !replacements.is_empty();
    if any {
        redact::apply(span, replacements);
    }
    any
}

/// Marks a span of which something was withheld.
fn mark_withheld(span: &mut Span) {
    span.flag(Flag::Withheld);
}
