//! Prices, detectors and policies: loaded from files, reloaded when they change.
//!
//! A broken file keeps the old rules and says so; no span waits for a reload. Every change that takes
//! effect is a leaf in the installation's log.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use exhibit_govern::{FingerprintKey, RuleSet};
use exhibit_ledger::{Hash, Leaf, LeafKind};
use exhibit_model::RecordId;
use exhibit_pricing::{PriceBook, PriceListing};
use notify::Watcher as _;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    Error, Keys, Recorder,
    accept::finish,
    notice::channel::{self, Channel},
};

/// Quiet time after a change before files are read: editors write in several steps.
const SETTLE: Duration = Duration::from_millis(200);

/// Where rules come from.
#[derive(Debug, Clone, Default)]
pub struct RuleSource {
    /// A directory with `pricing.yaml`, `notifications.yaml`, `detectors/*.yaml` and `policies/*.yaml`. They lie over the set
    /// that is built into the binary: a file of the same name replaces ours.
    pub dir: Option<PathBuf>,
}

/// Rules that do not load.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// A file could not be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The price file is wrong.
    #[error(transparent)]
    Prices(#[from] exhibit_pricing::PriceError),
    /// The file of channels is wrong.
    #[error("{file}: {message}")]
    Channels {
        /// Its name.
        file: &'static str,
        /// What is wrong, and where.
        message: String,
    },
    /// Detectors or policies are wrong.
    #[error(transparent)]
    Rules(#[from] exhibit_govern::RuleErrors),
}

impl From<RulesError> for Error {
    fn from(error: RulesError) -> Self {
        Self::Invalid { field: "rules", message: error.to_string() }
    }
}

/// What settings pages show.
#[derive(Debug, Clone)]
pub struct RulesView {
    /// Files in force: name and SHA-256 of the content, hex.
    pub files: Vec<(String, String)>,
    /// How many rules and detectors.
    pub loaded: usize,
    /// Hash over them all, hex; stands in every leaf.
    pub hash: String,
    /// Why the last change did not take effect.
    pub last_error: Option<String>,
    /// What is in force and will not do what it says, with file and line.
    pub warnings: Vec<String>,
}

/// A consistent set, in force together.
pub(crate) struct Loaded {
    pub(crate) prices: PriceBook,
    pub(crate) rules: RuleSet,
    pub(crate) channels: Vec<Channel>,
    /// Rules that tell a channel which is not there. They are in force: what else they do counts, and a
    /// channel may be written after the rule.
    warnings: Vec<exhibit_govern::RuleProblem>,
    files: Vec<(String, String)>,
    hash: [u8; 32],
}

impl Loaded {
    /// Rule files as they would be in force: a directory's over those built in, and further ones,
    /// given as name and text, over both.
    pub(crate) fn with_files(
        source: &RuleSource,
        fingerprints: &[u8; 32],
        own: Vec<(String, String)>,
    ) -> Result<RuleSet, RulesError> {
        let mut files = own_files(source)?;
        // A policy of the same name gives way, whatever its file is called.
        let twin = |text: &str| {
            let name = policy_name(text);
            name.is_some() && own.iter().any(|(_, mine)| policy_name(mine) == name)
        };
        files.retain(|(name, text)| !own.iter().any(|(mine, _)| mine == name) && !twin(text));
        for (name, text) in exhibit_govern::shipped() {
            if twin(text) && !own.iter().any(|(mine, _)| mine == name) {
                files.push(((*name).to_owned(), String::new()));
            }
        }
        files.extend(own);
        let files = exhibit_govern::overlay(files);
        Ok(RuleSet::load(&files, FingerprintKey::new(*fingerprints))?)
    }

    /// Says in the log what will not do what it says.
    fn warn(&self) {
        for warning in &self.warnings {
            tracing::warn!(rule = %warning, "a rule tells nobody");
        }
    }

    /// Hash over prices and rules.
    pub(crate) fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Reads the files; what was compiled `before` from the same texts is taken as it is.
    fn read(
        source: &RuleSource,
        fingerprints: &[u8; 32],
        before: Option<&Self>,
    ) -> Result<Self, RulesError> {
        Self::read_with(source, fingerprints, None, before)
    }

    /// The same, as it would be with one file of the directory written (or, without a text, removed).
    pub(crate) fn read_with(
        source: &RuleSource,
        fingerprints: &[u8; 32],
        change: Option<(&str, Option<&str>)>,
        before: Option<&Self>,
    ) -> Result<Self, RulesError> {
        let single = |name: &str| match (&source.dir, change) {
            (_, Some((changed, text))) if changed == name => Ok(text.map(str::to_owned)),
            (Some(dir), _) => read_optional(&dir.join(name)),
            (None, _) => Ok(None),
        };
        let pricing = single("pricing.yaml")?;
        let channels = single("notifications.yaml")?.unwrap_or_default();
        let channels = channel::read(&channels)
            .map_err(|message| RulesError::Channels { file: "notifications.yaml", message })?;
        let mut detectors_and_policies = own_files(source)?;
        if let Some((name, text)) = change.filter(|(name, _)| name.contains('/')) {
            detectors_and_policies.retain(|(held, _)| held != name);
            detectors_and_policies.extend(text.map(|text| (name.to_owned(), text.to_owned())));
        }
        let mut detectors_and_policies = exhibit_govern::overlay(detectors_and_policies);
        detectors_and_policies.sort();
        let pricing = pricing.unwrap_or_else(|| exhibit_pricing::SHIPPED.to_owned());
        let mut files = vec![("pricing.yaml".to_owned(), digest(pricing.as_bytes()))];
        let prices = match before.filter(|before| before.files.first() == files.first()) {
            Some(before) => before.prices.clone(),
            None => PriceBook::from_yaml(&pricing, "pricing.yaml")?,
        };
        let key = FingerprintKey::new(*fingerprints);
        let rules = match before {
            Some(before) => before.rules.load_next(&detectors_and_policies, key)?,
            None => RuleSet::load(&detectors_and_policies, key)?,
        };
        let known: Vec<&str> = channels.iter().map(|channel| &*channel.name).collect();
        let warnings = rules.unknown_channels(&known, &detectors_and_policies);
        files.extend(detectors_and_policies.iter().map(|(n, t)| (n.clone(), digest(t.as_bytes()))));
        let hash = exhibit_ledger::node_hash(&Hash(prices.hash()), &Hash(rules.hash())).0;
        Ok(Self { prices, rules, channels, warnings, files, hash })
    }
}

/// What the rules of a source would not do as they say, with file and line.
///
/// # Errors
/// They do not load.
pub fn rule_warnings(source: &RuleSource) -> Result<Vec<exhibit_govern::RuleProblem>, RulesError> {
    Ok(Loaded::read(source, &[0; 32], None)?.warnings)
}

/// The detectors and policies of a source's own directory.
pub(crate) fn own_files(source: &RuleSource) -> Result<Vec<(String, String)>, RulesError> {
    let Some(dir) = &source.dir else { return Ok(Vec::new()) };
    if !dir.is_dir() {
        let source = io::Error::new(io::ErrorKind::NotFound, "there is no such directory");
        return Err(RulesError::File { path: dir.clone(), source });
    }
    let mut files = Vec::new();
    for sub in ["detectors", "policies", "constitution"] {
        for path in yaml_files(&dir.join(sub))? {
            files.push((format!("{sub}/{}", file_name(&path)), read(&path)?));
        }
    }
    Ok(files)
}

/// The name in a policy file, without reading the rest of it.
fn policy_name(text: &str) -> Option<&str> {
    let value = text.lines().find_map(|line| line.strip_prefix("policy:"))?;
    let value = value.split(" #").next().unwrap_or_default().trim();
    Some(value.trim_matches(['"', '\'']))
}

/// Checks rule files without putting them in force: a source's with one more file, given as name and
/// text, over them.
///
/// # Errors
/// What does not load, with file, line and reason.
pub fn try_rules(
    source: &RuleSource,
    file: (String, String),
) -> Result<exhibit_govern::RuleListing, RulesError> {
    Ok(Loaded::with_files(source, &[0; 32], vec![file])?.listing())
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn read(path: &Path) -> Result<String, RulesError> {
    fs::read_to_string(path).map_err(|source| RulesError::File { path: path.to_owned(), source })
}

pub(crate) fn read_optional(path: &Path) -> Result<Option<String>, RulesError> {
    if path.exists() { read(path).map(Some) } else { Ok(None) }
}

fn yaml_files(dir: &Path) -> Result<Vec<PathBuf>, RulesError> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |source| RulesError::File { path: dir.to_owned(), source };
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .map_err(failed)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    files.retain(|path| path.extension().is_some_and(|e| e == "yaml" || e == "yml"));
    files.sort();
    Ok(files)
}

/// The rules in force, and where they come from.
pub(crate) struct Rules {
    pub(crate) source: RuleSource,
    fingerprints: [u8; 32],
    current: ArcSwap<Loaded>,
    last_error: Mutex<Option<String>>,
    /// Files are written one after the other.
    pub(crate) writing: Mutex<()>,
    reloading: Mutex<()>,
}

impl Rules {
    /// The key of fingerprints.
    pub(crate) fn fingerprints(&self) -> &[u8; 32] {
        &self.fingerprints
    }

    pub(crate) fn open(source: RuleSource, keys: &Keys) -> Result<Self, RulesError> {
        let fingerprints = keys.derive("fingerprints");
        let loaded = Loaded::read(&source, &fingerprints, None)?;
        loaded.warn();
        Ok(Self {
            source,
            fingerprints,
            current: ArcSwap::from_pointee(loaded),
            last_error: Mutex::new(None),
            writing: Mutex::new(()),
            reloading: Mutex::new(()),
        })
    }

    /// The set in force; a batch uses one set throughout.
    pub(crate) fn current(&self) -> Arc<Loaded> {
        self.current.load_full()
    }

    /// Reads the files again. Returns whether another set is in force. One at a time: what was read first
    /// must not come into force last.
    pub(crate) fn reload(&self) -> bool {
        let _turn = self.reloading.lock();
        let held = self.current();
        match Loaded::read(&self.source, &self.fingerprints, Some(&held)) {
            Ok(loaded) => {
                *self.last_error.lock() = None;
                let changed = loaded.hash != held.hash;
                if changed || loaded.channels != held.channels {
                    loaded.warn();
                    self.current.store(Arc::new(loaded));
                }
                changed
            }
            Err(error) => {
                tracing::error!(%error, "the rule files do not load; the old rules stay in force");
                *self.last_error.lock() = Some(error.to_string());
                false
            }
        }
    }
}

impl Recorder {
    /// Prices in force.
    pub fn pricing(&self) -> PriceListing {
        self.rules.current().prices.listing()
    }

    /// Policies and detectors in force.
    pub fn rule_listing(&self) -> exhibit_govern::RuleListing {
        self.rules.current().rules.listing()
    }

    /// Rules in force.
    pub fn rules(&self) -> RulesView {
        let loaded = self.rules.current();
        RulesView {
            files: loaded.files.clone(),
            loaded: loaded.rules.rules_loaded(),
            hash: hex::encode(loaded.hash),
            last_error: self.rules.last_error.lock().clone(),
            warnings: loaded.warnings.iter().map(ToString::to_string).collect(),
        }
    }

    /// Reads the rule files again when they change.
    pub(crate) async fn run_rule_reload(&self) {
        let Some(dir) = self.rules.source.dir.clone() else { return };
        let changed = Arc::new(Notify::new());
        let notify = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|e| !e.kind.is_access()) {
                notify.notify_one();
            }
        });
        let mut watcher = match watcher {
            Ok(watcher) => watcher,
            Err(error) => {
                tracing::warn!(%error, "rule files cannot be watched; restart to load changes");
                return;
            }
        };
        if let Err(error) = watcher.watch(&dir, notify::RecursiveMode::Recursive) {
            tracing::warn!(%error, "rule files cannot be watched; restart to load changes");
            return;
        }
        // Files may have changed between the start and the first watch.
        changed.notify_one();
        loop {
            changed.notified().await;
            tokio::time::sleep(SETTLE).await;
            if self.rules.reload() {
                tracing::info!(hash = %self.rules().hash, "new rules are in force");
                if let Err(error) = self.record_rules("reload").await {
                    tracing::error!(%error, "the change of rules could not be recorded");
                }
            }
        }
    }

    /// Records the rules in force, unless the last record says the same.
    pub(crate) async fn record_rules(&self, cause: &'static str) -> Result<(), Error> {
        const SETTING: &str = "rules.hash";
        let hash = self.rules.current().hash;
        let held = self.store.setting(SETTING).await?;
        if held.as_deref() == Some(&hash) {
            return Ok(());
        }
        let received = u64::try_from(self.now().0).unwrap_or(0);
        let mut leaf = Leaf::new(
            LeafKind::RuleChange,
            RecordId::mint(&*self.entropy).0.into(),
            "server",
            received,
        );
        leaf.rules = Some(Hash(hash));
        leaf.facts.insert("cause".into(), cause.to_owned());
        leaf.facts.insert("files".into(), self.rules.current().files.len().to_string());
        self.store.publish(&[], vec![finish(&leaf)?]).await?;
        self.store.swap_setting(SETTING, held.as_deref(), Some(&hash)).await?;
        Ok(())
    }
}
