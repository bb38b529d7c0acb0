//! A whole log of a server elsewhere, read from outside: every entry bundle is fetched, the tree is
//! built again, and compared with the signed checkpoint and with every head that the installation's log
//! states. Bodies are not read: an entry bundle names nobody.

use std::collections::BTreeMap;

use anyhow::Context as _;
use exhibit_ledger::{
    Frontier, Hash, Leaf, LeafKind, SignedCheckpoint, TilePath, VerifierKey, leaf_hashes,
    succession::epoch_of,
    tiles::{self, TILE_WIDTH},
};
use exhibit_recorder::verify::{Fault, Verdict};
use serde::Serialize;

use crate::{
    args::VerifyArgs,
    config::Loaded,
    failure::{Exit, Failure},
    output::Output,
    remote::{Remote, Right},
};

use super::{exit, pin::Pin, rest, verdict_line};

/// Heads of a log by size.
type Heads = BTreeMap<u64, Hash>;

/// What was found.
#[derive(Debug, Serialize)]
struct Finding {
    verdict: Verdict,
    qualifiers: Vec<&'static str>,
    log: String,
    key: String,
    tree_size: u64,
    installation_size: u64,
    heads: usize,
    faults: Vec<Fault>,
}

/// One log of the server.
struct Log<'r> {
    remote: &'r Remote,
    workspace: &'r str,
    path: &'static str,
    key: VerifierKey,
    checkpoint: SignedCheckpoint,
}

/// Runs the command.
pub(super) async fn run(
    args: &VerifyArgs,
    url: &str,
    pin: Option<&Pin>,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let key = args.api_key.clone().or_else(|| loaded.config.api_key.clone());
    let key = key.ok_or_else(|| {
        Failure::usage("the server wants a key").hint("give it with --api-key or EXHIBIT_API_KEY")
    })?;
    let remote = Remote::new(url, Right::Key(key))?;
    let installation = Log::open(&remote, &args.workspace, "api/v1/ledger/installation").await?;
    let log = Log::open(&remote, &args.workspace, "api/v1/ledger").await?;
    let (Some(installation), Some(log)) = (installation, log) else {
        return Err(Failure::undecided("the server has signed nothing yet").into());
    };
    let successions = remote.get("api/v1/ledger/installation/successions", &[], &args.workspace);
    let successions: Vec<String> = successions
        .await?
        .and_then(|mut answer| answer.get_mut("data").map(serde_json::Value::take))
        .and_then(|data| serde_json::from_value(data).ok())
        .unwrap_or_default();

    let mut finding = Finding {
        verdict: Verdict::Valid,
        qualifiers: vec!["key-self-asserted", "unwitnessed"],
        log: log.key.name().to_owned(),
        key: log.key.to_string(),
        tree_size: log.checkpoint.checkpoint().size,
        installation_size: installation.checkpoint.checkpoint().size,
        heads: 0,
        faults: Vec::new(),
    };
    if log.key.public_key() != installation.key.public_key() {
        finding.fault(&log, Verdict::WrongKey, None, "its key is not the installation's");
    }
    let mut stated = BTreeMap::new();
    installation.read(&Heads::new(), &mut finding, &mut stated).await?;
    let wanted = stated.remove(&below(log.key.name())).unwrap_or_default();
    finding.heads = wanted.len();
    let size = log.checkpoint.checkpoint().size;
    if wanted.get(&size).is_none_or(|root| *root != log.checkpoint.checkpoint().root)
        && wanted.last_key_value().is_some_and(|(last, _)| *last >= size)
    {
        finding.fault(
            &log,
            Verdict::Forked,
            Some(size),
            "the installation's log states another head",
        );
    }
    log.read(&wanted, &mut finding, &mut BTreeMap::new()).await?;
    if let Some(pin) = pin {
        let Finding { key, verdict, qualifiers, faults, .. } = &mut finding;
        pin.apply(key, &successions, verdict, qualifiers, faults);
    }
    if output.json {
        output.json(&finding)?;
        return Ok(exit(finding.verdict));
    }
    verdict_line(finding.verdict, output)?;
    output.line(format!("Log:        {}", finding.log))?;
    output.line(format!("Key:        {}", finding.key))?;
    output.line(format!("Leaves:     {}", finding.tree_size))?;
    let (heads, above) = (finding.heads, finding.installation_size);
    output.line(format!("Heads:      {heads} stated among {above} entries of the installation"))?;
    rest(&finding.qualifiers, &finding.faults, output)?;
    Ok(exit(finding.verdict))
}

/// What follows the installation's name, whatever the epoch: the same log in all of them.
fn below(origin: &str) -> String {
    let (top, rest) = origin.rsplit_once('/').unwrap_or((origin, ""));
    format!("{}/{rest}", epoch_of(top).0)
}

impl<'r> Log<'r> {
    /// Key and checkpoint of a log; none while nothing is signed.
    async fn open(
        remote: &'r Remote,
        workspace: &'r str,
        path: &'static str,
    ) -> anyhow::Result<Option<Self>> {
        let fetch = |what| remote.bytes(format!("{path}/{what}"), workspace);
        let key = fetch("key").await?.context("the server has no key of its log")?;
        let key = String::from_utf8_lossy(&key).trim().parse::<VerifierKey>();
        let key = key.map_err(|error| Failure::undecided(format!("the log's key: {error}")))?;
        let Some(note) = fetch("checkpoint").await? else { return Ok(None) };
        let checkpoint = SignedCheckpoint::parse(&note)
            .map_err(|error| Failure::undecided(format!("the checkpoint: {error}")))?;
        checkpoint
            .verify(key.name(), &key)
            .map_err(|error| Failure::new(format!("wrong-key: {}: {error}", key.name())))?;
        Ok(Some(Self { remote, workspace, path, key, checkpoint }))
    }

    /// Reads every entry; compares with `wanted` heads and the checkpoint; gathers stated heads.
    async fn read(
        &self,
        wanted: &Heads,
        finding: &mut Finding,
        stated: &mut BTreeMap<String, Heads>,
    ) -> anyhow::Result<()> {
        let head = self.checkpoint.checkpoint();
        let mut frontier = Frontier::default();
        let mut at: u64 = 0;
        while at < head.size {
            let index = at / u64::from(TILE_WIDTH);
            let tile = TilePath::entries(index, head.size).context("a tile beyond the log")?;
            let bytes = self.remote.bytes(format!("{}/{tile}", self.path), self.workspace).await?;
            let Some(bytes) = bytes else {
                finding.fault(self, Verdict::Missing, Some(at), "an entry bundle is not there");
                return Ok(());
            };
            let Ok(entries) = tiles::parse_entries(&bytes, tile.width) else {
                finding.fault(self, Verdict::Altered, Some(at), "an entry bundle does not read");
                return Ok(());
            };
            for (entry, hash) in entries.iter().zip(leaf_hashes(&entries)) {
                match Leaf::parse(entry) {
                    Ok(leaf) => note_head(&leaf, stated),
                    Err(_) => {
                        finding.fault(self, Verdict::Altered, Some(at), "an entry does not read");
                    }
                }
                frontier.append(hash);
                at += 1;
                if wanted.get(&at).is_some_and(|root| *root != frontier.root()) {
                    let what = "the entries before are not those that were signed";
                    finding.fault(self, Verdict::Forked, Some(at), what);
                    return Ok(());
                }
            }
        }
        if frontier.root() != head.root {
            finding.fault(self, Verdict::Forked, None, "the entries do not lead to the checkpoint");
        }
        Ok(())
    }
}

/// Remembers what a leaf states about the head of another log.
fn note_head(leaf: &Leaf, stated: &mut BTreeMap<String, Heads>) {
    if leaf.kind != LeafKind::Head {
        return;
    }
    let fact = |name: &str| leaf.facts.get(name).map(String::as_str);
    let size = fact("size").and_then(|size| size.parse().ok());
    let root = fact("root").and_then(|root| Hash::from_hex(root).ok());
    if let (Some(log), Some(size), Some(root)) = (fact("log"), size, root) {
        stated.entry(below(log)).or_default().insert(size, root);
    }
}

impl Finding {
    fn fault(&mut self, log: &Log<'_>, verdict: Verdict, index: Option<u64>, what: &str) {
        self.verdict = self.verdict.max(verdict);
        self.faults.push(Fault {
            verdict,
            trace_id: None,
            span_id: None,
            log: Some(log.key.name().to_owned()),
            index,
            what: what.to_owned(),
        });
    }
}
