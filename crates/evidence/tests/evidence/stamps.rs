//! Time stamps in bundles: tokens of an authority made of OpenSSL, and what somebody could pass off as one.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use exhibit_evidence::{
    Demands,
    stamp::{self, Roots},
};
use exhibit_ledger::{
    Checkpoint, Hash, Leaf, LeafKind, RecordId, SignedCheckpoint, leaf_hash, proof::Prover,
    tree::root_of,
};

use crate::corpus::{Case, Draft, ORIGIN, Operator, bundle, check, records, said};

/// Kinds of keys, and how OpenSSL is told of them: key, digest of the signer, way of certifying.
pub(crate) const KINDS: [Kind; 4] = [
    ("rsa", &["-newkey", "rsa:2048"], "sha256", &[]),
    (
        "rsa-pss",
        &["-newkey", "rsa:2048"],
        "sha512",
        &["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"],
    ),
    ("p-256", &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "sha256", &[]),
    (
        "p-384",
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"],
        "sha384",
        &["-sha384"],
    ),
];

/// A time-stamp authority with roots of its own.
pub(crate) struct Authority(tempfile::TempDir, Kind);

/// A kind of keys.
type Kind = (&'static str, &'static [&'static str], &'static str, &'static [&'static str]);

/// Extensions of an authority that certifies others.
const CA: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n";

impl Authority {
    /// None where there is no OpenSSL.
    pub(crate) fn new(kind: Kind) -> Option<Self> {
        let this = Self(tempfile::tempdir().unwrap(), kind);
        if !this.openssl(&["version"]) {
            println!("skipped: there is no openssl here");
            return None;
        }
        let own = ["-x509", "-days", "30", "-keyout", "ca.key"];
        this.request("/CN=Test roots", &own, "ca.pem");
        this.write("serial", "01\n");
        this.stamps_below("ca", &["ca"]);
        Some(this)
    }

    fn request(&self, name: &str, more: &[&str], out: &str) {
        let subject = ["req", "-nodes", "-subj", name];
        assert!(self.openssl(&[&subject[..], self.1.1, more, &["-out", out]].concat()));
    }

    /// A certificate below another.
    fn certify(&self, name: &str, above: &str, extensions: &str, days: &str) {
        let (pem, key) = (format!("{name}.pem"), format!("{name}.key"));
        let (above_pem, above_key) = (format!("{above}.pem"), format!("{above}.key"));
        self.request(&format!("/CN=Test {name}"), &["-keyout", &key], "csr");
        self.write("ext", extensions);
        let sign = ["x509", "-req", "-in", "csr", "-CA", &above_pem, "-CAkey", &above_key];
        let rest = ["-CAcreateserial", "-days", days, "-extfile", "ext", "-out", &pem];
        assert!(self.openssl(&[&sign[..], &rest, self.1.3].concat()));
    }

    /// From now on tokens are signed by a certificate below `above`, and bring `brought` along.
    fn stamps_below(&self, above: &str, brought: &[&str]) {
        self.certify("tsa", above, "extendedKeyUsage=critical,timeStamping\n", "30");
        let read = |name: &&str| fs::read(self.0.path().join(format!("{name}.pem"))).unwrap();
        fs::write(
            self.0.path().join("brought.pem"),
            brought.iter().flat_map(read).collect::<Vec<_>>(),
        )
        .unwrap();
        let certs = if brought.is_empty() { "" } else { "certs = brought.pem\n" };
        let conf = "[tsa]\ndefault_tsa = t\n[t]\nserial = serial\nsigner_cert = tsa.pem\n\
            signer_key = tsa.key\ndefault_policy = 1.2.3.4.1\ndigests = sha1, sha256\n\
            accuracy = secs:1\ness_cert_id_alg = sha256\nsigner_digest = ";
        self.write("tsa.conf", &format!("{conf}{}\n{certs}", self.1.2));
    }

    /// A token by an authority below intermediates, named from the roots downwards by their extensions.
    fn token_below(&self, path: &[&str], text: &str) -> Vec<u8> {
        let mut names = vec!["ca".to_owned()];
        for (place, extensions) in path.iter().enumerate() {
            let name = format!("link{place}");
            let expires = extensions.strip_prefix(EXPIRED);
            let above = names.last().unwrap();
            let (extensions, days) = expires.map_or((*extensions, "30"), |rest| (rest, "0"));
            self.certify(&name, above, extensions, days);
            names.push(name);
        }
        let brought: Vec<&str> = names.iter().skip(1).map(String::as_str).collect();
        let brought = if path.contains(&NOT_BROUGHT) { &brought[1..] } else { &brought };
        self.stamps_below(names.last().unwrap(), brought);
        if path.iter().any(|extensions| extensions.starts_with(EXPIRED)) {
            std::thread::sleep(std::time::Duration::from_millis(2_100));
        }
        self.token(text, "-sha256")
    }

    fn openssl(&self, arguments: &[&str]) -> bool {
        let mut command = Command::new("openssl");
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command.output().is_ok_and(|output| output.status.success())
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn token(&self, text: &str, imprint: &str) -> Vec<u8> {
        self.write("text", text);
        let query = ["ts", "-query", "-data", "text", imprint, "-cert", "-out", "query"];
        assert!(self.openssl(&query));
        let reply = ["ts", "-reply", "-config", "tsa.conf", "-queryfile", "query", "-out", "reply"];
        assert!(self.openssl(&reply));
        stamp::token(&fs::read(self.0.path().join("reply")).unwrap()).unwrap()
    }

    pub(crate) fn roots(&self) -> PathBuf {
        self.0.path().join("ca.pem")
    }

    fn trusted(&self) -> Roots {
        Roots::from_pem(&fs::read(self.roots()).unwrap()).unwrap()
    }
}

/// Begins the extensions of an intermediate that expires at once.
const EXPIRED: &str = "# expired\n";
/// The extensions of the first intermediate, where tokens do not bring it.
const NOT_BROUGHT: &str = "# not brought\nbasicConstraints=critical,CA:TRUE\n";

/// Paths over intermediates, by name: the extensions of each from the roots downwards, and whether the
/// path holds.
fn paths() -> Vec<(&'static str, Vec<&'static str>, bool)> {
    const OPEN: &str = "basicConstraints=CA:TRUE\n";
    const LAST: &str =
        "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign,cRLSign\n";
    const ONE_MORE: &str = "basicConstraints=critical,CA:TRUE,pathlen:1\n";
    const STAMPING: &str = "basicConstraints=CA:TRUE\nextendedKeyUsage=timeStamping\n";
    const SERVER: &str = "basicConstraints=CA:TRUE\nextendedKeyUsage=serverAuth\n";
    const LEAF: &str = "basicConstraints=critical,CA:FALSE\n";
    const KEY_NOT_CERTIFYING: &str =
        "basicConstraints=critical,CA:TRUE\nkeyUsage=digitalSignature\n";
    const KEY_FOR_NOTHING: &str = "basicConstraints=critical,CA:TRUE\n2.5.29.15=DER:03:01:00\n";
    const CRITICAL: &str = "basicConstraints=critical,CA:TRUE\n1.2.3.4=critical,DER:05:00\n";
    const EXPIRED_CA: &str = "# expired\nbasicConstraints=critical,CA:TRUE\n";
    vec![
        ("stamp-below-one", vec![CA], true),
        ("stamp-below-two", vec![CA, CA], true),
        ("stamp-below-six", vec![CA; 6], true),
        ("stamp-below-seven", vec![CA; 7], false),
        ("stamp-below-one-without-usage", vec![OPEN], true),
        ("stamp-below-one-for-stamps", vec![STAMPING], true),
        ("stamp-path-length-kept", vec![ONE_MORE, LAST], true),
        ("stamp-path-length-exceeded", vec![LAST, CA], false),
        ("stamp-below-a-leaf", vec![LEAF], false),
        ("stamp-below-one-without-constraints", vec!["subjectKeyIdentifier=hash\n"], false),
        ("stamp-below-a-leaf-below-one", vec![CA, LEAF], false),
        ("stamp-below-a-key-that-does-not-certify", vec![KEY_NOT_CERTIFYING], false),
        ("stamp-below-a-key-that-does-not-certify-below-one", vec![CA, KEY_NOT_CERTIFYING], false),
        ("stamp-below-a-key-for-nothing", vec![KEY_FOR_NOTHING], false),
        ("stamp-below-one-for-servers", vec![SERVER], false),
        ("stamp-below-one-with-unknown-critical", vec![CRITICAL], false),
        ("stamp-below-one-expired", vec![EXPIRED_CA], false),
        ("stamp-below-one-below-an-expired", vec![EXPIRED_CA, CA], false),
        ("stamp-below-one-not-brought", vec![NOT_BROUGHT], false),
        ("stamp-below-two-first-not-brought", vec![NOT_BROUGHT, CA], false),
    ]
}

/// Every case of [`paths`]. All are to be checked with the authority's roots.
pub(crate) fn path_cases(authority: &Authority) -> Vec<Case> {
    let operator = Operator::new();
    let draft = stamped(authority, &operator);
    let text = String::from_utf8(draft.files["timestamps/1.txt"].clone()).unwrap();
    let mut cases = Vec::new();
    for (name, path, holds) in paths() {
        let token = authority.token_below(&path, &text);
        let bundle = draft.clone().file("timestamps/1.tst", token).signed_by(&operator);
        let (verdict, code) = if holds { ("valid", "") } else { ("wrong-key", "stamp-untrusted") };
        cases.push(Case { name, bundle, verdict, code });
    }
    cases
}

/// A bundle with a stamp over a checkpoint that is younger than the one that the bundle rests on.
fn stamped(authority: &Authority, operator: &Operator) -> Draft {
    let draft = Draft::of(&bundle(operator, &records(), Some("trace-1")));
    let head: serde_json::Value =
        serde_json::from_slice(&draft.files["checkpoints/head.json"]).unwrap();
    let mut above: Vec<Hash> = (0..9_u8).map(|n| leaf_hash(&[n])).collect();
    above[3] = leaf_hash(head["leaf"].as_str().unwrap().as_bytes());
    let path = Prover::new(&*above, 9).unwrap().inclusion(3).unwrap();
    let proof: Vec<String> = path.iter().map(Hash::to_base64).collect();
    let checkpoint = Checkpoint::new(ORIGIN, 9, root_of(&above));
    let note = SignedCheckpoint::sign(checkpoint, &operator.installation).unwrap();
    let text = note.note().text().to_owned();
    draft
        .file("timestamps/1.tst", authority.token(&text, "-sha256"))
        .file("timestamps/1.txt", text)
        .file("timestamps/1.checkpoint", note.to_string())
        .file("timestamps/1.json", serde_json::json!({ "proof": proof }).to_string())
}

/// Every case, by name. All are to be checked with the authority's roots.
#[allow(clippy::vec_init_then_push, reason = "a list that grows downwards reads best")]
pub(crate) fn cases(authority: &Authority, other: &Authority) -> Vec<Case> {
    let operator = Operator::new();
    let one = || stamped(authority, &operator);
    let sign = |draft: Draft| draft.signed_by(&operator);
    let mut cases = Vec::new();
    let mut case = |name, bundle, verdict, code| cases.push(Case { name, bundle, verdict, code });
    case("stamp-good", sign(one()), "valid", "");
    let text = String::from_utf8(one().files["timestamps/1.txt"].clone()).unwrap();
    let b = sign(one().file("timestamps/1.tst", authority.token("another text\n", "-sha256")));
    case("stamp-over-another-text", b, "bad-proof", "stamp-invalid");
    let b = sign(one().file("timestamps/1.txt", "another text\n"));
    case("stamp-beside-another-text", b, "bad-proof", "stamp-invalid");
    let b = sign(one().file("timestamps/1.tst", other.token(&text, "-sha256")));
    case("stamp-of-another-authority", b, "wrong-key", "stamp-untrusted");
    // Nobody takes SHA-1 for a proof, and nobody says that it is one.
    let b = sign(one().file("timestamps/1.tst", authority.token(&text, "-sha1")));
    case("stamp-not-checked", b, "valid", "");
    let flipped = |from_end: usize| {
        let mut draft = one();
        let token = draft.files.get_mut("timestamps/1.tst").unwrap();
        let at = token.len() - from_end;
        token[at] ^= 1;
        draft
    };
    case("stamp-signature-changed", sign(flipped(1)), "bad-proof", "stamp-invalid");
    let mut draft = one();
    let token = draft.files.get_mut("timestamps/1.tst").unwrap();
    let at = token.windows(4).position(|w| w == b"\x18\x0f20").unwrap();
    token[at + 5] ^= 1;
    case("stamp-time-changed", sign(draft), "bad-proof", "stamp-invalid");
    case(
        "stamp-not-der",
        sign(one().file("timestamps/1.tst", "token")),
        "bad-proof",
        "stamp-invalid",
    );
    let mut draft = one();
    draft.files.get_mut("timestamps/1.tst").unwrap().push(0);
    case("stamp-with-bytes-behind", sign(draft), "bad-proof", "stamp-invalid");
    let long = vec![0x30; stamp::TOKEN_BYTES_MAX + 1];
    case(
        "stamp-too-long",
        sign(one().file("timestamps/1.tst", long)),
        "bad-proof",
        "stamp-invalid",
    );
    let note = one().files["checkpoints/installation"].clone();
    let text = SignedCheckpoint::parse(&note).unwrap().note().text().to_owned();
    let b = one()
        .file("timestamps/1.tst", authority.token(&text, "-sha256"))
        .file("timestamps/1.txt", text)
        .file("timestamps/1.checkpoint", note);
    case("stamp-proof-of-another-size", sign(b), "bad-proof", "stamp-proof");
    let b = sign(one().file("timestamps/1.json", r#"{"proof":["x"]}"#));
    case("stamp-proof-malformed", b, "refused", "malformed-file");
    let mut draft = one();
    draft.files.remove("timestamps/1.json");
    case("stamp-without-proof", sign(draft), "missing", "file-missing");
    let thief = stamped(authority, &Operator::with_seed(8));
    let names = ["tst", "txt", "checkpoint", "json"].map(|ending| format!("timestamps/1.{ending}"));
    let b = names.iter().fold(one(), |draft, name| draft.file(name, thief.files[name].clone()));
    case("stamp-over-another-key", sign(b), "wrong-key", "checkpoint-signature");
    let note = one().files["timestamps/1.checkpoint"].clone();
    let mut many = one();
    for n in 2..20 {
        let name = format!("timestamps/{n}.tst");
        many = many.file(&name, note.clone());
    }
    case("stamps-too-many", sign(many), "refused", "malformed-file");
    cases
}

#[test]
fn every_stamp_and_what_passes_for_one_is_told_by_its_name() {
    for kind in KINDS {
        let Some(authority) = Authority::new(kind) else { return };
        let other = Authority::new(KINDS[0]).unwrap();
        for case in cases(&authority, &other) {
            let demands = Demands { roots: authority.trusted(), ..Demands::default() };
            let report = check(&case.bundle, &demands);
            let name = (kind.0, case.name);
            assert_eq!(said(&report), case.expected(), "{name:?}: {:?}", report.faults);
            if case.name == "stamp-good" {
                let [stamp] = &*report.stamps else { panic!("{:?}", report.stamps) };
                assert!(stamp.trusted && stamp.time.starts_with("20"), "{stamp:?}");
            }
            let not_checked = report.qualifiers.contains(&"stamp-not-checked");
            assert_eq!(not_checked, case.name == "stamp-not-checked", "{name:?}");
        }
    }
}

#[test]
fn a_path_over_intermediates_holds_only_if_each_may_certify_the_next() {
    for kind in [KINDS[0], KINDS[2]] {
        let Some(authority) = Authority::new(kind) else { return };
        for case in path_cases(&authority) {
            let demands = Demands { roots: authority.trusted(), ..Demands::default() };
            let report = check(&case.bundle, &demands);
            let name = (kind.0, case.name);
            assert_eq!(said(&report), case.expected(), "{name:?}: {:?}", report.faults);
            assert!(report.stamps.iter().all(|stamp| stamp.trusted), "{name:?}");
        }
    }
}

#[test]
fn a_stamp_of_an_authority_that_nobody_vouches_for_is_said_to_be_one() {
    let Some(authority) = Authority::new(KINDS[2]) else { return };
    let operator = Operator::new();
    let good = stamped(&authority, &operator).signed_by(&operator);
    let report = check(&good, &Demands::default());
    assert_eq!(said(&report).0, "valid", "{:?}", report.faults);
    assert!(report.qualifiers.contains(&"stamp-authority-unknown"), "{:?}", report.qualifiers);
    assert!(!report.stamps[0].trusted);
    // Its signature is looked at all the same.
    let mut draft = stamped(&authority, &operator);
    *draft.files.get_mut("timestamps/1.tst").unwrap().last_mut().unwrap() ^= 1;
    let report = check(&draft.signed_by(&operator), &Demands::default());
    assert_eq!(said(&report), ("bad-proof".into(), vec!["stamp-invalid".into()]));
}

#[test]
fn no_changed_byte_of_a_token_changes_what_it_says() {
    let Some(authority) = Authority::new(KINDS[2]) else { return };
    let operator = Operator::new();
    let draft = stamped(&authority, &operator);
    let (token, text) = (&draft.files["timestamps/1.tst"], &draft.files["timestamps/1.txt"]);
    let roots = authority.trusted();
    let good = stamp::verify(token, text, &roots).unwrap();
    for at in 0..token.len() {
        let mut changed = token.clone();
        changed[at] ^= 1 << (at % 8);
        // Certificates that are not needed may differ.
        let said = stamp::verify(&changed, text, &roots);
        assert!(said.as_ref().is_err() || said.as_ref() == Ok(&good), "byte {at}");
    }
}

#[test]
fn a_stamp_dates_the_head_and_nothing_else() {
    let Some(authority) = Authority::new(KINDS[2]) else { return };
    let operator = Operator::new();
    let draft = stamped(&authority, &operator);
    let mut head = Leaf::new(LeafKind::Head, RecordId([201; 16]), "server", 1);
    head.facts.insert("log".into(), "another".into());
    let mut above: Vec<Hash> = (0..9_u8).map(|n| leaf_hash(&[n])).collect();
    above[3] = leaf_hash(&head.to_bytes().unwrap());
    let note =
        SignedCheckpoint::sign(Checkpoint::new(ORIGIN, 9, root_of(&above)), &operator.installation)
            .unwrap();
    let text = note.note().text().to_owned();
    let bundle = draft
        .file("timestamps/1.tst", authority.token(&text, "-sha256"))
        .file("timestamps/1.txt", text)
        .file("timestamps/1.checkpoint", note.to_string())
        .signed_by(&operator);
    let demands = Demands { roots: authority.trusted(), ..Demands::default() };
    assert_eq!(said(&check(&bundle, &demands)), ("bad-proof".into(), vec!["stamp-proof".into()]));
}
