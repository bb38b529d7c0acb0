//! One trace of a server elsewhere: its evidence is asked for and checked here, not believed.

use exhibit_ledger::{Hash, SignedCheckpoint, VerifierKey, leaf_hash, verify_inclusion};
use exhibit_model::TraceId;
use exhibit_recorder::verify::{Fault, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    args::VerifyArgs,
    config::Loaded,
    failure::{Exit, Failure},
    output::Output,
    remote::{Remote, Right},
};

use super::{erased::Certificate, exit, pin::Pin, rest, verdict_line};

/// The evidence, as `GET /api/v1/traces/{id}/verification` gives it.
#[derive(Debug, Deserialize)]
struct Evidence {
    trace_id: String,
    verdict: String,
    log: String,
    key: String,
    checkpoint: Option<String>,
    #[serde(default)]
    records: Vec<Record>,
    /// Of a trace that was erased.
    #[serde(flatten)]
    certificate: Option<Certificate>,
    #[serde(default)]
    successions: Vec<String>,
    #[serde(default)]
    gaps: Vec<Value>,
    #[serde(default)]
    faults: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Record {
    span_id: String,
    index: Option<u64>,
    leaf: Option<String>,
    fingerprint: Option<String>,
    #[serde(default)]
    proof: Vec<String>,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Finding {
    trace_id: String,
    verdict: Verdict,
    /// The server's own word.
    server_verdict: String,
    qualifiers: Vec<&'static str>,
    log: String,
    key: String,
    tree_size: u64,
    records: usize,
    /// Place of the certificate in the log, of a trace that was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<u64>,
    /// Leaf hash of the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    faults: Vec<Fault>,
}

/// Runs the command.
pub(super) async fn run(
    args: &VerifyArgs,
    url: &str,
    id: &TraceId,
    pin: Option<&Pin>,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let key = args.api_key.clone().or_else(|| loaded.config.api_key.clone());
    let key = key.ok_or_else(|| {
        Failure::usage("the server wants a key").hint("give it with --api-key or EXHIBIT_API_KEY")
    })?;
    let remote = Remote::new(url, Right::Key(key))?;
    let path = format!("api/v1/traces/{id}/verification");
    let answer = remote.get(&path, &[], &args.workspace).await?;
    let mut answer = answer.ok_or_else(|| Failure::new(format!("the server has no trace {id}")))?;
    let data = answer.get_mut("data").map(Value::take).unwrap_or_default();
    let evidence: Evidence = serde_json::from_value(data)
        .map_err(|error| Failure::undecided(format!("the evidence does not read: {error}")))?;

    let finding = judge(&evidence, id, pin);
    if output.json {
        output.json(&finding)?;
        return Ok(exit(finding.verdict));
    }
    verdict_line(finding.verdict, output)?;
    super::place_lines(id, &finding.log, &finding.key, output)?;
    let (records, size) = (finding.records, finding.tree_size);
    match &evidence.certificate {
        Some(certificate) => certificate.print(size, output)?,
        None => {
            output.line(format!("Records:    {records} under a checkpoint of {size} leaves"))?;
        }
    }
    rest(&finding.qualifiers, &finding.faults, output)?;
    Ok(exit(finding.verdict))
}

/// Checks the signature, every leaf and every proof.
fn judge(evidence: &Evidence, id: &TraceId, pin: Option<&Pin>) -> Finding {
    let mut finding = Finding {
        trace_id: id.to_string(),
        verdict: match &evidence.certificate {
            Some(_) => Verdict::ErasedWithCertificate,
            None => Verdict::Valid,
        },
        server_verdict: evidence.verdict.clone(),
        qualifiers: vec!["key-self-asserted", "unwitnessed"],
        log: evidence.log.clone(),
        key: evidence.key.clone(),
        tree_size: 0,
        records: evidence.records.len(),
        certificate: evidence.certificate.as_ref().map(Certificate::index),
        fingerprint: evidence.certificate.as_ref().map(Certificate::fingerprint),
        faults: Vec::new(),
    };
    if !evidence.gaps.is_empty() {
        finding.qualifiers.push("gaps");
    }
    if evidence.trace_id != id.as_str() {
        finding.fault(Verdict::BadProof, None, "the evidence is about another trace");
    }
    let claimed = finding.verdict;
    let sound = |verdict| verdict == claimed && evidence.faults.is_empty();
    match server_verdict(&evidence.verdict) {
        Some(Verdict::Valid) if sound(Verdict::Valid) => {}
        Some(Verdict::ErasedWithCertificate) if sound(Verdict::ErasedWithCertificate) => {}
        Some(Verdict::Pending) => finding.verdict = finding.verdict.max(Verdict::Pending),
        other => {
            let verdict = other.filter(|v| *v > Verdict::Pending).unwrap_or(Verdict::Altered);
            finding.fault(verdict, None, "the server itself says that something is wrong");
        }
    }
    match signed_head(evidence) {
        Ok(Some((size, root))) => {
            finding.tree_size = size;
            for record in &evidence.records {
                check(&mut finding, record, size, &root);
            }
            finding.erased(evidence, Some((size, root)));
        }
        Ok(None) => {
            finding.verdict = finding.verdict.max(Verdict::Pending);
            finding.erased(evidence, None);
        }
        Err((verdict, what)) => finding.fault(verdict, None, what),
    }
    if evidence.records.is_empty() && evidence.certificate.is_none() {
        finding.verdict = finding.verdict.max(Verdict::Unverifiable);
    }
    if let Some(pin) = pin {
        let Finding { key, verdict, qualifiers, faults, .. } = &mut finding;
        pin.apply(key, &evidence.successions, verdict, qualifiers, faults);
    }
    finding
}

fn server_verdict(word: &str) -> Option<Verdict> {
    let all = [
        Verdict::Valid,
        Verdict::ErasedWithCertificate,
        Verdict::Pending,
        Verdict::Unverifiable,
        Verdict::Reordered,
        Verdict::Truncated,
        Verdict::Missing,
        Verdict::Altered,
        Verdict::Forked,
        Verdict::WrongKey,
        Verdict::BadProof,
    ];
    all.into_iter().find(|verdict| super::word(*verdict) == word)
}

/// Size and root that the log's key has signed.
fn signed_head(evidence: &Evidence) -> Result<Option<(u64, Hash)>, (Verdict, &'static str)> {
    let Some(note) = &evidence.checkpoint else { return Ok(None) };
    let signed = SignedCheckpoint::parse(note.as_bytes())
        .map_err(|_| (Verdict::BadProof, "the checkpoint does not read"))?;
    let key: VerifierKey =
        evidence.key.parse().map_err(|_| (Verdict::WrongKey, "the log's key does not read"))?;
    signed
        .verify(&evidence.log, &key)
        .map_err(|_| (Verdict::WrongKey, "the checkpoint is not signed by the log's key"))?;
    Ok(Some((signed.checkpoint().size, signed.checkpoint().root)))
}

fn check(finding: &mut Finding, record: &Record, size: u64, root: &Hash) {
    let Some(index) = record.index.filter(|index| *index < size) else {
        finding.verdict = finding.verdict.max(Verdict::Pending);
        return;
    };
    let Some(leaf) = &record.leaf else {
        return finding.fault(Verdict::Missing, Some(record), "the leaf is not there");
    };
    let hash = leaf_hash(leaf.as_bytes());
    if record.fingerprint.as_deref() != Some(hash.to_hex().as_str()) {
        return finding.fault(Verdict::Altered, Some(record), "the leaf has another fingerprint");
    }
    let path: Result<Vec<Hash>, _> =
        record.proof.iter().map(|text| Hash::from_base64(text)).collect();
    let holds = path.is_ok_and(|path| verify_inclusion(index, size, &hash, &path, root).is_ok());
    if !holds {
        finding.fault(Verdict::BadProof, Some(record), "the proof does not lead to the checkpoint");
    }
}

impl Finding {
    /// Checks the certificate of an erased trace. That it is this trace's only the server can tell: it
    /// names traces by a digest under a key of the installation.
    fn erased(&mut self, evidence: &Evidence, head: Option<(u64, Hash)>) {
        let Some(certificate) = &evidence.certificate else { return };
        self.qualifiers.push("trace-named-by-server");
        match certificate.check(head) {
            Ok(()) => {}
            Err((Verdict::Pending, _)) => self.verdict = self.verdict.max(Verdict::Pending),
            Err((verdict, what)) => self.fault(verdict, None, what),
        }
    }

    fn fault(&mut self, verdict: Verdict, record: Option<&Record>, what: &str) {
        self.verdict = self.verdict.max(verdict);
        self.faults.push(Fault {
            verdict,
            trace_id: Some(self.trace_id.clone()),
            span_id: record.map(|r| r.span_id.clone()),
            log: None,
            index: record.and_then(|r| r.index),
            what: what.to_owned(),
        });
    }
}
