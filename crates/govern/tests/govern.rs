//! Rules through the public door.

#![allow(clippy::unwrap_used, reason = "a test stops where its set-up fails")]

use std::{fmt::Write as _, sync::Arc};

use exhibit_govern::{
    Evaluated, FINDINGS_MAX, FingerprintKey, RuleSet, Surroundings, overlay, shipped,
};
use exhibit_model::{
    Action, Attribute, Door, Evaluation, Event, Flag, Json, Nanos, Outcome, Part, Span, SpanHead,
    Verdict,
};
use proptest::prelude::*;
use serde_json::json;

const CARD: &str = "4111 1111 1111 1111";

fn key() -> FingerprintKey {
    FingerprintKey::new([7; 32])
}

fn shipped_rules() -> RuleSet {
    RuleSet::load(&overlay(Vec::new()), key()).unwrap()
}

/// The shipped detectors with one policy in the place of the default.
fn with_policy(text: &str) -> Result<RuleSet, String> {
    let own = vec![("policies/default.yaml".to_owned(), text.to_owned())];
    RuleSet::load(&overlay(own), key()).map_err(|errors| errors.to_string())
}

fn span() -> Span {
    Span::new("trace-1".parse().unwrap(), "span-1".parse().unwrap(), Door::Native)
}

fn with_input(value: impl Into<Json>) -> Span {
    let mut span = span();
    let attribute = Attribute { key: "llm.input/0".into(), value: value.into(), part: Part::Input };
    span.attributes.push(attribute);
    span
}

/// A credential, made here so that none stands in the source.
fn token() -> String {
    format!("ghp_{}", "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zC1eF2".chars().rev().collect::<String>())
}

fn everything(span: &Span) -> String {
    format!("{span:?}")
}

#[test]
fn the_shipped_rules_load_and_their_examples_hold() {
    let rules = shipped_rules();
    assert!(rules.rules_loaded() > 80, "{}", rules.rules_loaded());
    let listing = rules.listing();
    assert_eq!(listing.policies[0].name, "default");
    assert!(listing.detectors.iter().any(|d| d.id == "email"));
    assert_eq!(rules.versions().rules, listing.hash);
    // What is compiled in is not proved at every start: here it is, as files that are not quite ours.
    let files =
        shipped().iter().map(|(name, text)| ((*name).to_owned(), format!("{text}# proved\n")));
    let proved = RuleSet::load(&files.collect::<Vec<_>>(), key()).unwrap();
    assert_eq!(proved.listing().detectors.len(), listing.detectors.len());
}

#[test]
fn what_describes_the_sender_is_redacted_like_everything_else_and_for_every_span() {
    let rules = with_policy(
        "version: 1\npolicy: p\nrules:\n  - {id: card, title: A card, severity: high, when: {finding: \
         {entity: CREDIT_CARD}}, then: [redact]}\n",
    )
    .unwrap();
    let sent = |resource: &str, scope: &str| {
        let mut span = span();
        Arc::make_mut(&mut span.resource).attributes.insert("host.name".into(), resource.into());
        Arc::make_mut(&mut span.scope).name = scope.into();
        Arc::make_mut(&mut span.scope).attributes.insert("note".into(), json!([scope]));
        span
    };
    let clean = sent("web-1", "sdk");
    for _ in 0..2 {
        rules.evaluate(&mut clean.clone());
        let mut dirty = sent(&format!("of {CARD}"), &format!("for {CARD}"));
        let same = dirty.clone();
        rules.evaluate(&mut dirty);
        assert!(!everything(&dirty).contains(CARD), "{dirty:?}");
        let pointers: Vec<&str> = dirty.findings.iter().map(|f| f.pointer.as_str()).collect();
        assert_eq!(pointers, ["/resource/host.name", "/scope/name", "/scope/attributes/note/0"]);
        let mut sibling = same;
        rules.evaluate(&mut sibling);
        assert!(!everything(&sibling).contains(CARD), "spans of a batch share what describes them");
    }
    let mut span = clean;
    rules.evaluate(&mut span);
    assert!(span.findings.is_empty());
}

#[test]
fn every_rule_file_is_compiled_in() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rules");
    let mut on_disk = Vec::new();
    for folder in ["detectors", "policies"] {
        for entry in std::fs::read_dir(format!("{root}/{folder}")).unwrap() {
            on_disk.push(format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap()));
        }
    }
    on_disk.sort();
    let compiled: Vec<&str> = shipped().iter().map(|(name, _)| *name).collect();
    assert_eq!(compiled, on_disk);
}

#[test]
fn a_credential_is_replaced_everywhere_and_never_told() {
    let rules = shipped_rules();
    let secret = token();
    let mut span =
        with_input(json!({"messages": [{"content": format!("push with {secret} please")}]}));
    span.name = Some(format!("call {secret}"));
    span.status_message = Some(format!("401 for {secret}"));
    span.user = Some(secret.clone());
    span.metadata.insert("k".into(), secret.clone());
    span.params.insert("p".into(), json!([secret.clone()]));
    span.events.push(Event {
        name: "log".into(),
        time: Nanos(0),
        attributes: [("msg".to_owned(), json!(secret))].into_iter().collect(),
        body: Some(json!({"a": secret})),
    });
    let Evaluated { verdict, remap, .. } = rules.evaluate(&mut span);
    assert!(remap);
    assert_eq!(verdict, Verdict::Fail);
    assert!(!everything(&span).contains(&secret), "{}", everything(&span));
    assert_eq!(span.name.as_deref(), Some("call [REDACTED:GITHUB_TOKEN]"));
    assert_eq!(span.user.as_deref(), Some("[REDACTED:GITHUB_TOKEN]"));
    assert!(span.findings.iter().all(|f| f.redacted));
    let inside = span.findings.iter().find(|f| f.part == Part::Input).unwrap();
    assert_eq!(inside.pointer, "/llm.input~10/messages/0/content");
    assert_eq!((inside.start, inside.end), (10, 10 + secret.len()));
    let prints: Vec<&String> = span.findings.iter().map(|f| &f.fingerprint).collect();
    assert!(prints.windows(2).all(|pair| pair[0] == pair[1]), "one value, one fingerprint");
    assert!(span.decision.actions.starts_with(&[Action::Flag, Action::Redact]));
    assert_eq!(span.evaluations.iter().filter(|e| e.outcome == Outcome::Fail).count(), 1);
}

#[test]
fn personal_data_is_pointed_out_and_left_in_place() {
    let mut span = with_input(format!("card {CARD}"));
    let Evaluated { verdict, remap, .. } = shipped_rules().evaluate(&mut span);
    assert!(!remap);
    assert_eq!(verdict, Verdict::Warning);
    let finding = &span.findings[0];
    assert_eq!(
        (finding.entity.as_str(), finding.validated, finding.score_milli),
        ("CREDIT_CARD", true, 1000)
    );
    assert_eq!((finding.start, finding.end), (5, 24));
    assert_eq!(span.attributes[0].value, json!(format!("card {CARD}")));
}

#[test]
fn a_clean_span_passes_and_an_earlier_verdict_is_forgotten() {
    let rules = shipped_rules();
    let mut span = with_input(format!("card {CARD}"));
    rules.evaluate(&mut span);
    span.attributes[0].value = json!("How do transformers work?");
    let Evaluated { verdict, .. } = rules.evaluate(&mut span);
    assert_eq!(verdict, Verdict::Pass);
    assert!(span.findings.is_empty() && span.evaluations.is_empty() && span.decision.is_allow());
}

#[test]
fn json_within_a_string_is_read_and_stays_readable() {
    let rules = shipped_rules();
    let secret = token();
    let inner =
        json!([{"role": "user", "content": format!("line one\n{secret}\nend")}]).to_string();
    let mut span = with_input(inner);
    rules.evaluate(&mut span);
    let text = span.attributes[0].value.as_str().unwrap();
    let parsed: Json = serde_json::from_str(text).unwrap();
    assert_eq!(parsed[0]["content"], "line one\n[REDACTED:GITHUB_TOKEN]\nend");
}

#[test]
fn hidden_and_wide_characters_hide_nothing() {
    let rules = shipped_rules();
    let wide: String = CARD
        .chars()
        .map(|c| if c.is_ascii_digit() { char::from_u32(c as u32 + 0xfee0).unwrap() } else { c })
        .collect();
    let split: String = token().chars().flat_map(|c| [c, '\u{200b}']).collect();
    for text in [wide, split] {
        let text = format!("é {text} end");
        let found = rules.scan_text(&text);
        assert_eq!(found.len(), 1, "{text}");
        assert!(text[found[0].end..].trim_start_matches('\u{200b}').starts_with(" end"));
        assert_eq!(found[0].start, "é ".len());
    }
}

#[test]
fn escapes_hide_nothing_even_where_every_character_is_one() {
    let rules = shipped_rules();
    let secret = token().chars().fold(String::new(), |mut escaped, c| {
        write!(escaped, "\\u{:04x}", u32::from(c)).unwrap();
        escaped
    });
    let found = rules.scan_text(&format!("say {secret} end"));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].start, found[0].end), (4, 4 + secret.len()));
}

#[test]
fn what_was_clean_under_one_name_is_looked_at_again_under_another() {
    let rules = shipped_rules();
    let plain = "536904399";
    for (key, expected) in [("note", 0), ("note", 0), ("ssn", 1), ("ssn", 1), ("note", 0)] {
        let mut span = Span::new("t".parse().unwrap(), "s".parse().unwrap(), Door::Otlp);
        span.attributes.push(Attribute::new(key, plain));
        rules.evaluate(&mut span);
        let found = span.findings.len();
        assert_eq!(found.min(1), expected, "{key}: {:?}", span.findings);
    }
}

#[test]
fn names_and_ids_of_ordinary_telemetry_are_left_alone() {
    let rules = shipped_rules();
    let ordinary = json!({
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "response": {"id": "chatcmpl-9xKdT4vLqWmZ2bY7hRs1PfGnJcUe", "model": "gpt-4o-mini-2024-07-18"},
        "usage": {"prompt_tokens": 1024, "completion_tokens": 2048, "total_tokens": 3072},
        "prompt_cache_key": "workspace-7f3a9c21d4e8b605",
        "call": {"id": "call_Zk3vQ8mXw2Lr5TbN7yHc", "arguments": "{\"query\": \"climate 2026\", \"max_tokens\": 4096}"},
        "started": "2026-11-21T10:00:00.123456Z", "nanos": 1_795_000_000_123_456_789_u64,
        "session": "sess-550e8400-e29b-41d4-a716-446655440000",
        "text": "The token budget is 4096, the key idea: attention. Secrets of good prose: be brief.",
    });
    let mut span = with_input(ordinary.clone());
    let Evaluated { remap, .. } = rules.evaluate(&mut span);
    assert!(!remap, "{:?}", span.findings);
    assert_eq!(span.attributes[0].value, ordinary);
}

#[test]
fn a_fingerprint_mask_lets_the_same_value_be_told_again() {
    let rules = with_policy(
        "version: 1\npolicy: p\nrules:\n  - id: r\n    when: {finding: {entity: EMAIL_ADDRESS}}\n    then: [{redact: {with: hmac}}, {tag: mail}]\n",
    )
    .unwrap();
    let mut span = with_input("from ann@example.com to Ann@Example.com");
    let evaluated = rules.evaluate(&mut span);
    let text = span.attributes[0].value.as_str().unwrap().to_owned();
    let masks: Vec<&str> = text.split(' ').filter(|w| w.starts_with('[')).collect();
    assert_eq!(masks[0], masks[1], "{text}");
    assert!(masks[0].starts_with("[EMAIL_ADDRESS:") && masks[0].len() == 24, "{text}");
    assert_eq!((evaluated.tags, &span.tags), (vec!["mail".to_owned()], &vec!["mail".to_owned()]));
}

#[test]
fn conditions_on_fields_and_findings_combine() {
    let rules = with_policy(
        r#"
version: 1
policy: p
detectors: {cards: {entities: [CREDIT_CARD], fields: [output]}}
rules:
  - id: abroad
    severity: critical
    when:
      all:
        - finding: {detector: cards, count: ">=2", validated: true}
        - provider: {not_in: [mistral]}
        - not: {environment: [test, staging]}
        - any: [{cost_usd: {gte: 0.5}}, {metadata.tier: gold}]
    then: [{review: {queue: privacy, sla: 4h}}]
"#,
    )
    .unwrap();
    let verdict = |change: &dyn Fn(&mut Span)| {
        let mut span = with_input("");
        span.attributes[0].part = Part::Output;
        span.attributes[0].value = json!([format!("a {CARD}"), format!("b {CARD}")]);
        span.provider = Some("OpenAI".into());
        span.metadata.insert("tier".into(), "gold".into());
        change(&mut span);
        rules.evaluate(&mut span).verdict
    };
    assert_eq!(verdict(&|_| {}), Verdict::Review);
    assert_eq!(verdict(&|s| s.provider = Some("mistral".into())), Verdict::Warning);
    assert_eq!(
        verdict(&|s| s.provider = None),
        Verdict::Warning,
        "an absent field is never compared"
    );
    assert_eq!(verdict(&|s| s.environment = Some("Test".into())), Verdict::Warning);
    assert_eq!(verdict(&|s| s.metadata.clear()), Verdict::Warning);
    assert_eq!(verdict(&|s| s.attributes[0].part = Part::Input), Verdict::Warning);
}

#[test]
fn quarantine_is_the_strongest_of_what_follows() {
    let rules = with_policy(
        "version: 1\npolicy: p\nrules:\n  - {id: a, when: {kind: span}, then: [flag]}\n  - {id: b, when: {name: {matches: '^del'}}, then: [{block: {message: no}}]}\n",
    )
    .unwrap();
    let mut span = span();
    span.name = Some("delete".into());
    assert_eq!(rules.evaluate(&mut span).verdict, Verdict::Quarantined);
    assert!(span.decision.is_quarantine());
}

#[test]
fn a_shadow_policy_says_what_it_would_do_and_does_nothing() {
    let rules = with_policy(
        "version: 1\npolicy: p\nmode: shadow\nrules:\n  - {id: a, severity: high, when: {finding: {category: secret}}, then: [redact, block]}\n",
    )
    .unwrap();
    let mut span = with_input(token());
    let Evaluated { remap, .. } = rules.evaluate(&mut span);
    assert!(!remap && span.decision.is_allow());
    assert_eq!(span.evaluations[0].outcome, Outcome::Pass);
    assert!(span.evaluations[0].message.starts_with("shadow: would redact, block"));
    assert_eq!(span.attributes[0].value, json!(token()));
}

#[test]
fn bad_files_are_refused_with_file_place_and_reason() {
    let head = "version: 1\npolicy: p\nrules:\n";
    for (text, wanted) in [
        (
            "  - {id: a, when: {finding: {colour: red}}, then: [flag]}",
            "when.finding.colour: unknown key",
        ),
        ("  - {id: a, when: {colour: red}, then: [flag]}", "when.colour: unknown"),
        ("  - {id: a, when: {expr: 'true +'}, then: [flag]}", "does not read as CEL"),
        ("  - {id: a, when: {kind: llm}, then: [explode]}", "then[0]: `explode`"),
        ("  - {id: a, when: {kind: llm}, then: [redact]}", "`redact` needs a `finding`"),
        ("  - {id: a, when: {cost_usd: {contains: x}}, then: [flag]}", "compares with"),
        ("  - {id: a, when: {finding: {entity: NO_SUCH}}, then: [flag]}", "no detector finds"),
        ("  - {id: a, when: {kind: llm}, then: [flag], teh: 1}", "unknown field `teh`"),
        (
            "  - {id: a, scope: session, when: {kind: llm}, then: [flag]}",
            "unknown variant `session`",
        ),
        (
            "  - {id: a, when: {kind: llm}, then: [flag], tests: [{given: {span: {kind: tool}}, expect: [flag]}]}",
            "a test expects flag, and the rule says nothing",
        ),
    ] {
        let error = with_policy(&format!("{head}{text}\n")).unwrap_err();
        assert!(error.starts_with("policies/default.yaml:4: "), "{error}");
        assert!(error.contains(wanted), "{text}: {error}");
    }
    let both = vec![
        ("a.yaml".to_owned(), "version: 1\npolicy: a\nmode: fast".to_owned()),
        ("b.yaml".to_owned(), "hello: world".to_owned()),
        ("c.yaml".to_owned(), "version: 1\ndetectors:\n  - {id: x, entity: X, category: term, pattern: '(', keywords: [xx], score: 1, examples: {match: [xx]}}".to_owned()),
        ("d.yaml".to_owned(), "version: 1\ndetectors:\n  - {id: y, entity: X, category: term, pattern: 'xy', keywords: [xx], score: 1, examples: {match: [zz]}}".to_owned()),
    ];
    let errors = RuleSet::load(&both, key()).unwrap_err();
    let files: Vec<&str> = errors.problems.iter().map(|p| p.file.as_str()).collect();
    assert_eq!(files, ["a.yaml", "b.yaml", "c.yaml", "d.yaml"], "{errors}");
}

#[test]
fn the_hash_follows_content_and_not_order() {
    let files = overlay(Vec::new());
    let mut turned = files.clone();
    turned.reverse();
    let hash = |files: &[(String, String)]| RuleSet::load(files, key()).unwrap().hash();
    assert_eq!(hash(&files), hash(&turned));
    let mut changed = files.clone();
    changed[0].1.push_str("\n# a comment\n");
    assert_ne!(hash(&files), hash(&changed));
}

#[test]
fn what_is_loaded_next_is_what_its_files_say_whatever_is_kept_of_the_set_before() {
    let file = |word: &str| {
        let text = format!(
            "version: 1\ndetectors:\n  - {{id: own, entity: OWN, category: term, keywords: [{word}], \
             pattern: '{word}', score: 1, examples: {{match: [{word}]}}}}"
        );
        ("detectors/own.yaml".to_owned(), text)
    };
    let finds = |rules: &RuleSet, text: &str| rules.scan_text(text).iter().any(|f| f.rule == "own");
    let first = RuleSet::load(&overlay(vec![file("cobalt")]), key()).unwrap();
    let policy = "version: 1\npolicy: own\nrules:\n  - {id: r, title: R, severity: low, when: {finding: \
                  {entity: OWN, count: \">=1\"}}, then: [tag: seen]}";
    let files = overlay(vec![file("cobalt"), ("policies/own.yaml".to_owned(), policy.to_owned())]);
    let second = first.load_next(&files, key()).unwrap();
    assert_eq!(second.hash(), RuleSet::load(&files, key()).unwrap().hash());
    assert_eq!(second.rules_loaded(), first.rules_loaded() + 1);
    assert_eq!(second.evaluate(&mut with_input("cobalt")).tags, ["seen"]);
    let third = second.load_next(&overlay(vec![file("viridian")]), key()).unwrap();
    assert!(finds(&third, "viridian") && !finds(&third, "cobalt"), "the detector has changed");
    let fourth = third.load_next(&overlay(Vec::new()), key()).unwrap();
    assert!(!finds(&fourth, "viridian"), "the detector is gone");
    let broken = second.load_next(&overlay(vec![file("(")]), key());
    assert!(broken.is_err(), "a detector that does not compile is not passed over");
}

#[test]
fn too_many_findings_are_cut_and_marked() {
    let mut span = with_input("ann@example.com ".repeat(3 * FINDINGS_MAX));
    let Evaluated { verdict, .. } = shipped_rules().evaluate(&mut span);
    assert_eq!(span.findings.len(), FINDINGS_MAX);
    assert_eq!(verdict, Verdict::Warning);
    assert!(
        span.evaluations
            .iter()
            .any(|e| (e.policy.as_str(), e.rule.as_str()) == ("engine", "limits"))
    );
    assert!(span.decision.actions.contains(&Action::Flag));
}

#[test]
fn a_detector_that_spends_its_steps_is_cut_off_and_named() {
    let file = "version: 1\ndetectors:\n  - {id: slow, entity: SLOW, category: term, keywords: [slow], \
        pattern: 'slow[a-z ]*!', steps: 1000, score: 1, examples: {match: ['slow!']}}";
    let files = overlay(vec![("detectors/slow.yaml".to_owned(), file.to_owned())]);
    let rules = RuleSet::load(&files, key()).unwrap();
    let mut span = with_input("slow ".repeat(1_000) + &token());
    let evaluated = rules.evaluate(&mut span);
    let said = |span: &Span| {
        let by = |e: &&Evaluation| (e.policy.as_str(), e.rule.as_str()) == ("engine", "slow");
        span.evaluations.iter().find(by).cloned()
    };
    let cut = said(&span).expect("the fault is told");
    assert_eq!(cut.outcome, Outcome::Warning);
    assert!(evaluated.faults[0].starts_with("slow: "), "{:?}", evaluated.faults);
    assert!(span.decision.actions.contains(&Action::Flag));
    assert!(span.findings.iter().any(|f| f.rule.contains("github")), "the others go on");
    rules.reevaluate(&mut span, &Surroundings::default());
    assert_eq!(said(&span), Some(cut), "replaying history says the same");
}

#[test]
fn what_is_nested_too_deeply_is_withheld() {
    let mut value = json!(token());
    for _ in 0..400 {
        value = json!([value]);
    }
    let mut span = with_input(value);
    assert!(shipped_rules().evaluate(&mut span).remap);
    assert!(span.flags.contains(&Flag::Withheld));
    assert!(!everything(&span).contains(&token()));
}

#[test]
fn hostile_text_costs_linear_time() {
    let rules = shipped_rules();
    let quarter_megabyte = 1 << 18;
    for piece in [
        "a",
        "1",
        "-",
        "@",
        "a@",
        "key=",
        "password: ",
        "\\",
        "\\u0041",
        "eyJ",
        "://a:",
        "1.",
        "aa:",
        "-----BEGIN PRIVATE KEY-----",
        "ａ",
        "secret=\"",
        "Bearer ",
        "GB82 ",
    ] {
        let text = piece.repeat(quarter_megabyte / piece.len());
        let begin = std::time::Instant::now();
        let _ = rules.scan_text(&text);
        // A debug build; a quadratic step would take minutes.
        assert!(begin.elapsed().as_secs() < 20, "{piece:?} took {:?}", begin.elapsed());
    }
}

proptest! {
    #[test]
    fn any_text_is_survived_and_ranges_are_of_the_text(text in "\\PC{0,60}[\\\\@:0-9a-zA-Zé＠\u{200b} .+-]{0,80}") {
        thread_local!(static RULES: RuleSet = shipped_rules());
        RULES.with(|rules| {
            for finding in rules.scan_text(&text) {
                assert!(text.get(finding.start..finding.end).is_some(), "{text:?}");
            }
            let mut span = with_input(text.clone());
            rules.evaluate(&mut span);
        });
    }

    #[test]
    fn a_planted_credential_never_survives(before in "[a-z \\n\"{}]{0,20}", after in "[ \\n\",}][a-z \\n\"{}]{0,20}", depth in 0_usize..3) {
        thread_local!(static RULES: RuleSet = shipped_rules());
        let secret = token();
        let mut text = format!("{before} {secret}{after}");
        for _ in 0..depth {
            text = serde_json::to_string(&json!({"content": text})).unwrap();
        }
        let mut span = with_input(text);
        RULES.with(|rules| rules.evaluate(&mut span));
        prop_assert!(!everything(&span).contains(&secret), "{}", everything(&span));
    }

    #[test]
    fn judging_twice_says_the_same(text in "[a-z0-9@. ]{0,80}") {
        thread_local!(static RULES: RuleSet = shipped_rules());
        RULES.with(|rules| {
            let (mut one, mut two) = (with_input(text.clone()), with_input(text.clone()));
            rules.evaluate(&mut one);
            rules.evaluate(&mut two);
            assert_eq!(everything(&one), everything(&two));
        });
    }
}

const CARDS_GO: &str = "version: 1\npolicy: p\nrules:\n  - {id: card, title: A card, severity: high, when: \
    {finding: {entity: CREDIT_CARD}}, then: [redact]}\n";

#[test]
fn what_values_are_called_is_looked_at_and_redacted_too() {
    let rules = with_policy(CARDS_GO).unwrap();
    let card = CARD.replace(' ', "");
    let mut sent = with_input(json!({"balances": {&card: 12, "rest": {&card: "b"}}}));
    sent.attributes.push(Attribute::new(format!("account {CARD}"), 7));
    sent.attributes.push(Attribute::new("account [REDACTED:CREDIT_CARD]", 8));
    sent.metadata.insert(card.clone(), "mapped".into());
    Arc::make_mut(&mut sent.resource).attributes.insert(format!("of {card}"), json!(1));
    sent.events.push(Event {
        name: "e".into(),
        time: Nanos(1),
        attributes: [(format!("at {card}"), json!({&card: [1]}))].into_iter().collect(),
        body: None,
    });
    rules.evaluate(&mut sent);
    let all = everything(&sent);
    assert!(!all.contains(&card) && !all.contains(CARD), "{all}");
    let keys: Vec<&str> = sent.attributes.iter().map(|a| a.key.as_str()).collect();
    // Nothing is lost where two names become one.
    assert_eq!(
        keys,
        ["llm.input/0", "account [REDACTED:CREDIT_CARD] 2", "account [REDACTED:CREDIT_CARD]"]
    );
    assert_eq!(sent.attributes[0].value["balances"]["[REDACTED:CREDIT_CARD]"], 12);
    assert!(sent.findings.iter().all(|f| f.pointer.ends_with('#') && f.redacted), "{all}");
}

#[test]
fn what_is_unsure_is_kept_of_contents_and_counts_for_nothing() {
    let rules = shipped_rules();
    let text = "ticket 4155552671 of 2026-11-21, see https://example.com/a";
    let mut sent = with_input(text);
    let evaluated = rules.evaluate(&mut sent);
    assert!(!sent.findings.is_empty() && sent.findings.iter().all(|f| !f.is_sure()));
    assert_eq!(evaluated.verdict, Verdict::Pass);
    let head = SpanHead::of(&sent);
    assert_eq!((head.findings, head.categories.len(), head.verdict), (0, 0, Verdict::Pass));
    // Of what is no content nothing unsure is kept.
    let mut other = span();
    other.attributes.push(Attribute::new("note", text));
    rules.evaluate(&mut other);
    assert_eq!(other.findings, []);
    // A rule hears of it where it asks for so low a score, and else not.
    for (asks, hears) in [("", false), (", min_score: 0.2", true)] {
        let policy = format!(
            "version: 1\npolicy: p\nrules:\n  - {{id: dates, title: A date, severity: low, when: {{finding: \
             {{entity: DATE_TIME{asks}}}}}, then: [flag]}}\n"
        );
        let mut sent = with_input(text);
        with_policy(&policy).unwrap().evaluate(&mut sent);
        assert_eq!(sent.decision.actions.contains(&Action::Flag), hears, "{asks}");
    }
}

#[test]
fn a_text_full_of_dates_hides_nothing_and_is_not_too_much() {
    let mut sent = with_input(format!("{}{CARD}", "2026-11-21 at 10:00, ".repeat(5_000)));
    shipped_rules().evaluate(&mut sent);
    assert!(sent.findings.iter().any(|f| f.entity == "CREDIT_CARD"), "{:?}", sent.findings);
    assert!(sent.findings.len() < 20, "{}", sent.findings.len());
    assert!(sent.evaluations.iter().all(|e| e.policy != "engine"), "{:?}", sent.evaluations);
}

#[test]
fn images_are_passed_over_and_what_stands_beside_them_is_found() {
    let image = format!("data:image/png;base64,iVBORw0KGgo{}", "AbCd0123456789+/".repeat(4_000));
    let mut sent =
        with_input(json!([{"url": image}, {"text": format!("{image} use {}", token())}]));
    shipped_rules().evaluate(&mut sent);
    let found: Vec<&str> = sent.findings.iter().map(|f| f.pointer.as_str()).collect();
    assert_eq!(found, ["/llm.input~10/1/text"]);
    assert!(!everything(&sent).contains(&token()));
}
