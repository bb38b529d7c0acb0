//! The rules in force: compiled once, then a pure function from span to verdict.

mod load;
mod texts;

use std::{collections::BTreeMap, sync::Arc};

use exhibit_model::{
    Action, Decision, Evaluation, Finding, Flag, Outcome, Severity, Span, Verdict,
};

pub use load::Versions;
use texts::CleanSender;

use crate::{
    FingerprintKey, RuleErrors, RuleListing, RuleProblem,
    place::Place,
    policy::{
        FollowUp, Mask, Mode, Policy, Ruling, Scope,
        budget::{Charge, Released, Surroundings},
        reads::Reads,
        step,
        trace::TraceView,
    },
    redact::{self, Replacement},
    scan::{Engine, Hit, Scratch, TextFinding},
};

/// Version of the engine. It grows whenever the same rules may say something else of the same span.
pub const ENGINE_VERSION: u32 = 5;

/// Detectors and policies, compiled. Never changes; share it by `Arc` and swap it to reload.
pub struct RuleSet {
    pub(crate) engine: Arc<Engine>,
    /// The files that the detectors come from, with the SHA-256 of their texts.
    detector_files: BTreeMap<String, [u8; 32]>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) key: FingerprintKey,
    pub(crate) hash: [u8; 32],
    pub(crate) files: usize,
    /// Not part of the rules: spares looking again at what a batch shares.
    clean: CleanSender,
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
    /// What is to be done once the record is durable.
    pub follow_ups: Vec<FollowUp>,
    /// What is to be counted against budgets once the record is durable.
    pub charges: Vec<Charge>,
    /// Rules that could not be evaluated, as `policy/rule: reason`.
    pub faults: Vec<String>,
}

/// What the rules say of a whole trace.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceRuling {
    /// What each rule says.
    pub evaluations: Vec<Evaluation>,
    /// What follows.
    pub decision: Decision,
    /// Tags that rules add.
    pub tags: Vec<String>,
    /// What is to be done once it is recorded.
    pub follow_ups: Vec<FollowUp>,
    /// Rules that could not be evaluated.
    pub faults: Vec<String>,
}

/// The policy under which the engine itself speaks.
const ENGINE: &str = "engine";
/// Its rule on what it did not look at.
const LIMITS: &str = "limits";
const TOO_MUCH: &str =
    "Too much was found, or values were nested too deeply, to look at everything";
/// What it says under a detector's name.
const CUT_OFF: &str = "The detector was cut off: it had looked at more text than its `steps` allow";

impl RuleSet {
    /// Compiles rule files, given as name and text. A file with `policy:` is a policy, one with a list of
    /// `detectors:` holds detectors; empty files and price files are passed over. Examples of detectors
    /// and tests of rules run here. All problems of all files are reported at once.
    pub fn load(files: &[(String, String)], key: FingerprintKey) -> Result<Self, RuleErrors> {
        load::load(files, key, None)
    }

    /// The same, after `self`: where no file with detectors differs from those of `self`, its detectors are
    /// taken as they are, compiled and proven.
    pub fn load_next(
        &self,
        files: &[(String, String)],
        key: FingerprintKey,
    ) -> Result<Self, RuleErrors> {
        load::load(files, key, Some(self))
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

    /// Rules that tell a channel which is not among `known`, so that nobody is told; with the lines of
    /// `files`, the ones that these rules were read from.
    pub fn unknown_channels(&self, known: &[&str], files: &[(String, String)]) -> Vec<RuleProblem> {
        let mut found = Vec::new();
        for policy in &self.policies {
            let text = files.iter().find(|(name, _)| *name == policy.file).map_or("", |(_, t)| t);
            for rule in &policy.rules {
                for channel in rule.channels().filter(|channel| !known.contains(channel)) {
                    let there = match known {
                        [] => "it has none".to_owned(),
                        known => format!("it has {}", known.join(", ")),
                    };
                    let mut problem = RuleProblem {
                        file: policy.file.clone(),
                        line: None,
                        place: format!("rule `{}`", rule.id),
                        message: format!(
                            "channel: there is no channel `{channel}` in notifications.yaml \
                             ({there}), so nobody is told; add it there or name another"
                        ),
                    };
                    problem.locate(text);
                    found.push(problem);
                }
            }
        }
        found
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
        self.evaluate_in(span, &[], &Surroundings::default())
    }

    /// The same, with findings that cannot be made again because their text is redacted already, and
    /// with what the span meets beside the rules.
    pub fn evaluate_in(
        &self,
        span: &mut Span,
        held: &[Finding],
        around: &Surroundings<'_>,
    ) -> Evaluated {
        let mut found = texts::find(&self.engine, span, &self.clean);
        let too_deep = std::mem::take(&mut found.too_deep);
        let withheld = !too_deep.is_empty();
        texts::withhold(span, &too_deep);
        span.findings =
            found.hits.iter().map(|(place, hit)| self.finding(span, place, hit)).collect();
        for finding in held.iter().filter(|finding| finding.redacted) {
            if !span.findings.contains(finding) {
                span.findings.push(finding.clone());
            }
        }
        let mut ruling = Ruling::default();
        if found.cut || withheld {
            self.fault(LIMITS, &mut ruling);
        }
        for detector in &found.cut_off {
            ruling.faults.push(format!("{detector}: {CUT_OFF}"));
            self.fault(detector, &mut ruling);
        }
        self.rule_on(span, around, &mut ruling);
        let remap = redact(span, found.hits, &ruling) || withheld;
        Self::finish(span, ruling, remap)
    }

    /// Judges a span by the findings it has, without looking at its texts: what replaying history
    /// does. Under the rules and state of the first time it says, bit for bit, what was said then,
    /// unless a rule reads text that was redacted since ([`reads_text`](Self::reads_text)).
    pub fn reevaluate(&self, span: &mut Span, around: &Surroundings<'_>) -> Evaluated {
        let mut ruling = Ruling::default();
        for said in span.evaluations.iter().filter(|e| e.policy == ENGINE) {
            self.fault(&said.rule, &mut ruling);
        }
        self.rule_on(span, around, &mut ruling);
        Self::finish(span, ruling, false)
    }

    /// Replaces everything that detectors find in a span, whatever rules say: what a reviewer may ask
    /// for. The mapped fields must be read again afterwards.
    pub fn redact_all(&self, span: &mut Span) {
        let found = texts::find(&self.engine, span, &self.clean);
        texts::withhold(span, &found.too_deep);
        let replace = |(place, hit): (Place, Hit)| {
            let detector = &self.engine.detectors[hit.detector];
            let fingerprint = self.key.fingerprint(&detector.entity, detector.category, &hit.value);
            let mask = redact::mask(Mask::Name, &detector.entity, &fingerprint);
            Replacement { place, start: hit.start, end: hit.end, mask }
        };
        let sure = found.hits.into_iter().filter(|(_, hit)| hit.is_sure());
        redact::apply(span, sure.map(replace).collect());
        for finding in span.findings.iter_mut().filter(|finding| finding.is_sure()) {
            finding.redacted = true;
        }
    }

    fn rule_on(&self, span: &Span, around: &Surroundings<'_>, ruling: &mut Ruling) {
        let seen = |released: &&Released| span.findings.len() <= released.findings;
        let around = &Surroundings { released: around.released.filter(seen), ..*around };
        for policy in &self.policies {
            policy.rule_on(span, around, ruling);
        }
    }

    fn finish(span: &mut Span, ruling: Ruling, remap: bool) -> Evaluated {
        span.evaluations = ruling.evaluations;
        span.decision = ruling.decision;
        for tag in &ruling.tags {
            if !span.tags.contains(tag) {
                span.tags.push(tag.clone());
            }
        }
        let verdict = Verdict::of(&span.findings, &span.evaluations, &span.decision);
        Evaluated {
            verdict,
            remap,
            tags: ruling.tags,
            follow_ups: ruling.follow_ups,
            charges: ruling.charges,
            faults: ruling.faults,
        }
    }

    /// Judges a whole trace by the rules whose scope it is.
    pub fn evaluate_trace(&self, trace: &TraceView<'_>, around: &Surroundings<'_>) -> TraceRuling {
        let mut ruling = Ruling::default();
        for policy in &self.policies {
            policy.rule_on_trace(trace, around, &mut ruling);
        }
        TraceRuling {
            evaluations: ruling.evaluations,
            decision: ruling.decision,
            tags: ruling.tags,
            follow_ups: ruling.follow_ups,
            faults: ruling.faults,
        }
    }

    /// What is to be done about evaluations that were recorded under these rules.
    pub fn follow_ups(&self, evaluations: &[Evaluation]) -> Vec<FollowUp> {
        let mut out = Vec::new();
        for said in evaluations.iter().filter(|e| e.outcome != Outcome::Pass) {
            let policy = self.policies.iter().find(|p| p.name == said.policy);
            let policy = policy.filter(|p| p.mode == Mode::Enforce);
            let rule = policy.and_then(|p| p.rules.iter().find(|r| r.id == said.rule));
            if let (Some(policy), Some(rule)) = (policy, rule) {
                out.extend(step::follow_ups(rule.then.iter(), &policy.name, rule));
            }
        }
        out
    }

    /// Whether any rule looks at whole traces.
    pub fn has_trace_rules(&self) -> bool {
        let active = self.policies.iter().filter(|policy| policy.mode != Mode::Off);
        active.flat_map(|policy| &policy.rules).any(|rule| rule.scope == Scope::Trace)
    }

    /// The rules, as (policy, rule), that read texts a redaction may have replaced since: replaying
    /// them over redacted records may say something else.
    pub fn reads_text(&self) -> Vec<(&str, &str)> {
        let rules = self.policies.iter().flat_map(|p| p.rules.iter().map(move |r| (p, r)));
        let reading = rules.filter(|(_, rule)| rule.when.reads_text());
        reading.map(|(policy, rule)| (policy.name.as_str(), rule.id.as_str())).collect()
    }

    /// What of a record these rules look at.
    pub fn reads(&self) -> Reads {
        let mut reads = Reads::default();
        let active = self.policies.iter().filter(|policy| policy.mode != Mode::Off);
        for rule in active.flat_map(|policy| &policy.rules) {
            rule.when.reads(&mut reads);
            // What was spent before hangs on when it was received.
            reads.whole |= rule.budget.is_some();
            reads.traces |= rule.scope == Scope::Trace;
        }
        reads
    }

    /// Whether some policy has a budget.
    pub fn has_budgets(&self) -> bool {
        self.policies.iter().flat_map(|policy| &policy.rules).any(|rule| rule.budget.is_some())
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

    /// The engine, or one detector, did not look at everything: what the strictest policy wants of that.
    fn fault(&self, rule: &str, ruling: &mut Ruling) {
        let enforced = self.policies.iter().filter(|policy| policy.mode == Mode::Enforce);
        let action = enforced.map(|policy| policy.on_error).max().unwrap_or(Action::Flag);
        ruling.decision.add(action);
        let why = if rule == LIMITS { TOO_MUCH } else { CUT_OFF };
        ruling.evaluations.push(Evaluation {
            policy: ENGINE.to_owned(),
            rule: rule.to_owned(),
            outcome: Outcome::Warning,
            severity: Severity::Medium,
            message: why.to_owned(),
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
