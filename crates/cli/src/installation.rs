//! Opens what is in a data directory: keys, store, rules, and the recorder over them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use exhibit_recorder::{Error, Keys, OsEntropy, Parts, Recorder, RuleSource, SystemClock};
use exhibit_store::Store;

use crate::{
    cold,
    config::{Loaded, StoreKind},
    data_dir::DataDir,
    encryption,
    failure::Failure,
    opened::Opened,
    outside::outside,
};

/// How long the end waits for reviews that are being opened.
const FOLLOW_UP_WAIT: Duration = Duration::from_secs(10);

/// An open data directory.
pub(crate) struct Installation {
    /// The use cases.
    pub(crate) recorder: Arc<Recorder>,
    /// The store under them.
    pub(crate) store: Arc<dyn Store>,
    /// The same, as what it is.
    pub(crate) opened: Opened,
    /// The keys.
    pub(crate) keys: Arc<Keys>,
}

impl Installation {
    /// Opens it to write; makes what is missing. Holds the directory until the store is dropped.
    pub(crate) async fn open(loaded: &Loaded) -> anyhow::Result<Self> {
        let data = DataDir::new(&loaded.config.data_dir);
        data.create()?;
        if let Some(holder) = data.holder()? {
            return Err(in_use(&data, &holder).into());
        }
        let opened = Opened::to_write(loaded).await?;
        let rules = RuleSource { dir: rules_dir(loaded).or_else(|| own_rules_dir(&data)) };
        encryption::check_slots(loaded, &*opened.store()).await?;
        let (parts, store, keys) = Self::parts(loaded, &opened, rules, true)?;
        opened.check_keys(&keys).await?;
        if encryption::is_on(loaded) && !encryption::searches(loaded) {
            data.drop_index()?;
        }
        let outside = outside(loaded)?;
        let archive = cold::open(loaded)?;
        let recorder = Recorder::open(parts).await.map_err(explained)?;
        if let Some(archive) = archive {
            recorder.set_archive(archive);
        }
        recorder.trust(outside);
        Ok(Self { recorder, store, opened, keys })
    }

    /// Opens it to read, whether a server runs on it or not. Writes nothing.
    pub(crate) async fn open_to_read(loaded: &Loaded) -> anyhow::Result<Self> {
        let data = DataDir::new(&loaded.config.data_dir);
        if !data.is_installed() {
            return Err(not_installed(&data).into());
        }
        let opened = Opened::to_read(loaded).await?;
        encryption::check_slots(loaded, &*opened.store()).await?;
        let (parts, store, keys) = Self::parts(loaded, &opened, RuleSource::default(), false)?;
        if loaded.config.store == StoreKind::Embedded {
            opened.check_keys(&keys).await?;
        }
        let outside = outside(loaded)?;
        let recorder = Recorder::open_read_only(parts).await.map_err(explained)?;
        recorder.trust(outside);
        Ok(Self { recorder, store, opened, keys })
    }

    /// Signs what was written, and closes the store.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        // What is not done by then is done after the next start, when the traces are sealed.
        let _ = tokio::time::timeout(FOLLOW_UP_WAIT, self.recorder.followed_up()).await;
        // A commit whose caller went away may still wait in the writer's queue; this waits behind it.
        self.store.swap_setting("cli.barrier", Some(b"never"), None).await?;
        self.recorder.publish_checkpoints().await?;
        self.opened.close().await
    }

    fn parts(
        loaded: &Loaded,
        opened: &Opened,
        rules: RuleSource,
        to_write: bool,
    ) -> anyhow::Result<(Parts, Arc<dyn Store>, Arc<Keys>)> {
        let store = opened.store();
        let keys = Arc::new(encryption::open_keys(loaded, to_write)?);
        let parts = Parts {
            store: Arc::clone(&store),
            limits: loaded.config.limits.clone(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            keys: Arc::clone(&keys),
            rules,
            search: encryption::searches(loaded),
        };
        Ok((parts, store, keys))
    }
}

/// A recorder's error as a person should read it.
fn explained(error: Error) -> anyhow::Error {
    match error {
        Error::Invalid { field: "rules", message } => {
            Failure::usage(format!("the rules do not load: {message}"))
                .hint("`exhibit doctor` checks every rule file")
                .into()
        }
        error => error.into(),
    }
}

/// A directory that another process holds.
pub(crate) fn in_use(data: &DataDir, holder: &str) -> Failure {
    let what = data.last_server().filter(|server| holder == format!("process {}", server.pid));
    let what = what.map_or_else(String::new, |server| format!(" (the server at {})", server.url));
    Failure::new(format!(
        "the data directory {} is in use by {holder}{what}",
        data.path().display()
    ))
    .hint("stop that process, or name another directory with --data-dir")
}

/// A directory without an installation.
pub(crate) fn not_installed(data: &DataDir) -> Failure {
    Failure::usage(format!("there is no installation in {}", data.path().display())).hint(
        "name the directory with --data-dir or EXHIBIT_DATA_DIR, or start a server on it with \
         `exhibit serve`",
    )
}

/// Where the rules are: as configured, else as the last server on the directory had it, else where
/// they are looked for.
pub(crate) fn rules_dir(loaded: &Loaded) -> Option<PathBuf> {
    let configured = loaded.config.rules_dir.clone();
    let last =
        || DataDir::new(&loaded.config.data_dir).last_server().map(|server| server.rules_dir);
    configured.or_else(|| last().unwrap_or_else(|| discovered_rules(loaded)))
}

/// A directory for rules that are written by the API, where there is none: empty, so that what is shipped is
/// in force.
fn own_rules_dir(data: &DataDir) -> Option<PathBuf> {
    let dir = data.path().join("rules");
    std::fs::create_dir_all(&dir).ok().map(|()| dir)
}

/// Rules in the working directory, else in the data directory.
pub(crate) fn discovered_rules(loaded: &Loaded) -> Option<PathBuf> {
    let holds_rules = |dir: &PathBuf| {
        ["pricing.yaml", "detectors", "policies"].iter().any(|name| dir.join(name).exists())
    };
    [loaded.environment.cwd.join("rules"), loaded.config.data_dir.join("rules")]
        .into_iter()
        .find(holds_rules)
}
