//! The store that the configuration asks for, opened: in the data directory, or the cluster's.

use std::sync::Arc;

use anyhow::Context as _;
use exhibit_recorder::Keys;
use exhibit_store::{
    AccountStore, Store, Unsealer,
    carry::{ARRIVING, MOVED},
};
use exhibit_store_sqlite::{Options, PayloadSources, SqliteStore};

use crate::{
    cold,
    config::{Loaded, StoreKind},
    encryption::{self, Later},
    failure::Failure,
};

/// Why a cluster is not backed up by this program.
pub(crate) const NO_BACKUP: &str = "a cluster is backed up with its databases' own tools: pg_dump or a \
     base backup of PostgreSQL first, then BACKUP DATABASE in ClickHouse; see docs/guide/scaling.md";

/// An open store, as what it is.
pub(crate) enum Opened {
    /// In the data directory.
    Embedded(Arc<SqliteStore>, Arc<Later>),
    /// In PostgreSQL and ClickHouse.
    #[cfg(feature = "cluster")]
    Cluster(cluster::Node),
}

impl Opened {
    /// Opens it to write.
    pub(crate) async fn to_write(loaded: &Loaded) -> anyhow::Result<Self> {
        if loaded.config.store == StoreKind::Cluster {
            return cluster(loaded, false).await;
        }
        let (path, (options, later)) = (loaded.config.data_dir.clone(), options(loaded)?);
        let store = tokio::task::spawn_blocking(move || SqliteStore::open(&path, options)).await?;
        let failed =
            || format!("cannot open the data directory {}", loaded.config.data_dir.display());
        let store = store.with_context(failed)?;
        check_whole(&store).await?;
        Ok(Self::Embedded(Arc::new(store), later))
    }

    /// Opens it to read.
    pub(crate) async fn to_read(loaded: &Loaded) -> anyhow::Result<Self> {
        if loaded.config.store == StoreKind::Cluster {
            return cluster(loaded, true).await;
        }
        let (path, (options, later)) = (loaded.config.data_dir.clone(), options(loaded)?);
        let opened = move || SqliteStore::open_read_only(&path, options);
        let store = tokio::task::spawn_blocking(opened).await?;
        let failed =
            || format!("cannot read the data directory {}", loaded.config.data_dir.display());
        Ok(Self::Embedded(Arc::new(store.with_context(failed)?), later))
    }

    /// The contract.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Embedded(store, _) => Arc::clone(store) as Arc<dyn Store>,
            #[cfg(feature = "cluster")]
            Self::Cluster(node) => Arc::clone(&node.store) as Arc<dyn Store>,
        }
    }

    /// The embedded store; an error where it is another.
    #[allow(clippy::unnecessary_wraps, reason = "there is one store without the feature `cluster`")]
    pub(crate) fn embedded(&self) -> anyhow::Result<Arc<SqliteStore>> {
        match self {
            Self::Embedded(store, _) => Ok(Arc::clone(store)),
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => Err(Failure::usage(NO_BACKUP).into()),
        }
    }

    /// Tells the store what opens sealed payloads. Refuses keys that are not those of the cluster: what one
    /// node wraps another must read.
    #[allow(clippy::unused_async, reason = "there is one store without the feature `cluster`")]
    pub(crate) async fn check_keys(&self, keys: &Keys) -> anyhow::Result<()> {
        match self {
            Self::Embedded(_, unsealer) => {
                unsealer.set(keys.unsealer());
                Ok(())
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(node) => node.check_keys(keys).await,
        }
    }

    /// Closes it.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Embedded(store, _) => tokio::task::spawn_blocking(move || store.close()).await?,
            #[cfg(feature = "cluster")]
            Self::Cluster(node) => node.store.close().await,
        }
        Ok(())
    }
}

/// Refuses to write to a store that was moved away, or that is only half there.
async fn check_whole(store: &dyn AccountStore) -> anyhow::Result<()> {
    if let Some(moved) = store.setting(MOVED).await? {
        let moved = String::from_utf8_lossy(&moved).into_owned();
        return Err(Failure::new(format!("this installation was moved to {moved}"))
            .hint("start it there; what is here stays as it was, and can be read and verified")
            .into());
    }
    if store.setting(ARRIVING).await?.is_some() {
        return Err(Failure::new(
            "another installation is being moved here, and not all of it has arrived",
        )
        .hint("run `exhibit migrate` again as before; it goes on where it stopped")
        .into());
    }
    Ok(())
}

fn options(loaded: &Loaded) -> anyhow::Result<(Options, Arc<Later>)> {
    let archive = cold::open(loaded)?.map(|rule| rule.archive);
    let later = Arc::new(Later::default());
    let unsealer: Arc<dyn Unsealer> = Arc::clone(&later) as _;
    let options = Options {
        search: encryption::searches(loaded),
        payloads: PayloadSources { unsealer: Some(unsealer), archive },
        ..Options::of(&loaded.config.limits)
    };
    Ok((options, later))
}

#[cfg(not(feature = "cluster"))]
#[allow(clippy::unused_async, reason = "with the feature `cluster` it waits for the databases")]
async fn cluster(_: &Loaded, _: bool) -> anyhow::Result<Opened> {
    let message = "this binary was built without the cluster store";
    Err(Failure::usage(message).hint("build it with `make build-cluster`").into())
}

#[cfg(feature = "cluster")]
use cluster::open as cluster;
#[cfg(feature = "cluster")]
pub(crate) use cluster::{KEYS, store as cluster_store};

#[cfg(feature = "cluster")]
mod cluster {
    //! A node of a cluster.

    use std::{
        fs::{File, OpenOptions, TryLockError},
        io::Write as _,
        path::Path,
        sync::Arc,
    };

    use anyhow::Context as _;
    use exhibit_recorder::{Keys, Recorder};
    use exhibit_store::AccountStore as _;
    use exhibit_store_cluster::{ClusterStore, ForeignCommit, OpenError, Options};
    use tokio::sync::broadcast::error::RecvError;

    use super::Opened;
    use crate::{config::Loaded, failure::Failure};

    /// The setting that says whose keys a cluster was made with.
    pub(crate) const KEYS: &str = "cluster.keys";

    /// An open node.
    pub(crate) struct Node {
        pub(crate) store: Arc<ClusterStore>,
        /// One process per data directory, which holds keys and the guard.
        _lock: Option<File>,
    }

    /// Opens a node.
    pub(super) async fn open(loaded: &Loaded, passive: bool) -> anyhow::Result<Opened> {
        let lock = if passive { None } else { Some(lock(&loaded.config.data_dir)?) };
        let store = Arc::new(store(loaded, passive).await?);
        if !passive {
            super::check_whole(&*store).await?;
        }
        Ok(Opened::Cluster(Node { store, _lock: lock }))
    }

    /// Connects to the databases.
    pub(crate) async fn store(loaded: &Loaded, passive: bool) -> anyhow::Result<ClusterStore> {
        let config = &loaded.config;
        let missing = |name: &str, variable: &str| {
            Failure::usage(format!("the cluster store needs {name}"))
                .hint(format!("set {variable}, or {name} in exhibit.toml"))
        };
        let postgres = config
            .postgres_url
            .as_ref()
            .ok_or_else(|| missing("postgres_url", "EXHIBIT_POSTGRES_URL"))?;
        let clickhouse = config
            .clickhouse_url
            .as_ref()
            .ok_or_else(|| missing("clickhouse_url", "EXHIBIT_CLICKHOUSE_URL"))?;
        let mut options = Options::new(postgres, clickhouse);
        options.database.clone_from(&config.clickhouse_database);
        options.limits = config.limits.clone();
        options.passive = passive;
        options.carry_words = config.search;
        ClusterStore::open(options).await.map_err(|error| match error {
            error @ OpenError::Address { .. } => {
                anyhow::Error::from(Failure::usage(error.to_string()))
            }
            error => Failure::new(format!("the cluster cannot be used: {error}")).into(),
        })
    }

    fn lock(directory: &Path) -> anyhow::Result<File> {
        let path = directory.join("lock");
        let failed = || format!("cannot lock {}", path.display());
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .with_context(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!("{} is in use by another process", directory.display());
                return Err(Failure::new(message).into());
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(failed),
        }
        file.set_len(0).with_context(failed)?;
        writeln!(file, "process {}", std::process::id()).with_context(failed)?;
        Ok(file)
    }

    impl Node {
        pub(super) async fn check_keys(&self, keys: &Keys) -> anyhow::Result<()> {
            let mine = keys.fingerprint();
            if self.store.swap_setting(KEYS, None, Some(mine.as_bytes())).await? {
                return Ok(());
            }
            let theirs = self.store.setting(KEYS).await?;
            if theirs.as_deref() == Some(mine.as_bytes()) {
                return Ok(());
            }
            let message = "the keys in this data directory are not those of the cluster";
            let hint = "copy the directory `keys` of the first node into this data directory";
            Err(Failure::new(message).hint(hint).into())
        }
    }

    impl Opened {
        /// Tells the recorder what other nodes do, from now on.
        pub(crate) fn hear_others(&self, recorder: &Arc<Recorder>) {
            let Self::Cluster(node) = self else { return };
            recorder.share();
            let (store, recorder) = (Arc::clone(&node.store), Arc::clone(recorder));
            let mut foreign = store.foreign_commits();
            tokio::spawn(async move {
                loop {
                    match foreign.recv().await {
                        Ok(ForeignCommit::Commit { workspace, sequence, traces }) => {
                            recorder.hear_commit();
                            if !recorder.is_watched(workspace) {
                                continue;
                            }
                            match store.committed(workspace, sequence, &traces).await {
                                Ok(found) => {
                                    for (trace, spans) in found {
                                        recorder.hear_trace(workspace, sequence, trace, &spans);
                                    }
                                }
                                Err(_) => recorder.hear_gap(),
                            }
                        }
                        Ok(ForeignCommit::Act) => recorder.hear_act(),
                        Ok(ForeignCommit::Review { workspace, id }) => {
                            if recorder.hear_review(workspace, &id).await.is_err() {
                                recorder.hear_gap();
                            }
                        }
                        Ok(ForeignCommit::Gap) | Err(RecvError::Lagged(_)) => recorder.hear_gap(),
                        Err(RecvError::Closed) => return,
                    }
                }
            });
        }
    }
}
