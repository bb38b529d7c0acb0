//! The carrying itself, between a data directory and a cluster.
//!
//! Marks in both stores say how far it is: the target that something arrives, from the first step to the
//! last; the source that it was moved, once the last comparison is done. In this order no instant leaves
//! two installations that both take writes.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use exhibit_recorder::{Keys, OsEntropy};
use exhibit_store::{
    AccountStore as _, LogId,
    carry::{ARRIVING, Carry, MOVED, Moved, Progress, pass},
};
use exhibit_store_cluster::ClusterStore;
use exhibit_store_sqlite::{Options, SqliteStore};
use indicatif::{ProgressBar, ProgressStyle};

use super::Way;
use crate::{
    commands::restore::copy_keys,
    config::Loaded,
    data_dir::DataDir,
    failure::{Exit, Failure},
    installation::not_installed,
    opened::{self, KEYS},
    output::Output,
};

/// How long to wait for the lead of a node that died.
const LEAD_WAIT: Duration = Duration::from_secs(15);
/// How long to wait between comparisons with a source that is written to.
const PAUSE: Duration = Duration::from_secs(1);
/// Records and rows of a comparison below which the rest fits into the pause of the last one.
const FEW: u64 = 2_000;
/// Comparisons after which the last one is made although the source is written to faster.
const PASSES: u32 = 30;

/// Carries an installation over.
pub(super) async fn carry(
    way: Way,
    once: bool,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    match way {
        Way::Up(dir) => up(&dir, once, loaded, output).await,
        Way::Down(dir) => down(&dir, once, loaded, output).await,
    }
}

fn embedded(loaded: &Loaded) -> Options {
    // The index is built from the records at the next start.
    Options { search: false, ..Options::of(&loaded.config.limits) }
}

async fn up(from: &Path, once: bool, loaded: &Loaded, output: Output) -> anyhow::Result<Exit> {
    let data = DataDir::new(from);
    if !data.is_installed() {
        return Err(not_installed(&data).into());
    }
    let whose = Keys::open(from, &OsEntropy)?.fingerprint();
    let to = opened::cluster_store(loaded, false).await?;
    let to = Arc::new(to);
    let carried = up_to(&data, &whose, &to, once, loaded, output).await;
    to.close().await;
    if carried? {
        output.line(format!("{} was moved to the cluster", from.display()))?;
        output.hint(
            "start nodes with EXHIBIT_STORE=cluster; each needs the keys of this directory in its own",
        );
        output.hint("check it: EXHIBIT_STORE=cluster exhibit verify");
    }
    Ok(Exit::Done)
}

async fn up_to(
    data: &DataDir,
    whose: &str,
    to: &Arc<ClusterStore>,
    once: bool,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<bool> {
    let begun = Instant::now();
    while !to.leads() {
        if begun.elapsed() > LEAD_WAIT {
            return Err(Failure::new("a node runs on the cluster")
                .hint("stop all of them; start them again when everything was carried over")
                .into());
        }
        tokio::time::sleep(PAUSE).await;
    }
    let bar = Bar::new(output);
    let mut passes = 0;
    loop {
        passes += 1;
        let free = data.holder()?.is_none();
        let (path, options) = (data.path().to_owned(), embedded(loaded));
        let from = tokio::task::spawn_blocking(move || {
            if free {
                SqliteStore::open(&path, options)
            } else {
                SqliteStore::open_read_only(&path, options)
            }
        });
        let from = from.await?.with_context(|| format!("cannot open {}", data.path().display()))?;
        if passes == 1 {
            let known = to.setting(KEYS).await?;
            if known.is_some_and(|known| known != whose.as_bytes()) {
                return Err(occupied("the cluster").into());
            }
            if begin(&from, &**to, whose, "the cluster").await? {
                return Ok(true);
            }
            to.swap_setting(KEYS, None, Some(whose.as_bytes())).await?;
        }
        if free && !once {
            finish(&from, &**to, whose, "a cluster", &bar).await?;
            tokio::task::spawn_blocking(move || from.close()).await?;
            return Ok(true);
        }
        let moved = pass(&from, &**to, &bar).await?;
        bar.tell(output, passes, &moved);
        tokio::task::spawn_blocking(move || from.close()).await?;
        if once {
            return Ok(false);
        }
        if passes == 1 {
            output.note("a server runs on the source; stop it and this ends within seconds");
        }
        wait_free(data).await?;
    }
}

/// Until the source is free, or long enough that it is worth comparing again.
async fn wait_free(data: &DataDir) -> anyhow::Result<()> {
    for _ in 0..10 {
        if data.holder()?.is_none() {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn down(to: &Path, once: bool, loaded: &Loaded, output: Output) -> anyhow::Result<Exit> {
    let from = opened::cluster_store(loaded, true).await?;
    let whose = from.setting(KEYS).await?.and_then(|bytes| String::from_utf8(bytes).ok());
    let whose = whose.ok_or_else(|| Failure::usage("there is no installation in the cluster"))?;
    let data = DataDir::new(to);
    data.create()?;
    if !data.is_installed() {
        copy_keys(&loaded.config.data_dir.join("keys"), &to.join("keys"))?;
    }
    if Keys::open(to, &OsEntropy)?.fingerprint() != whose {
        let message = "the keys in the target directory are not those of the cluster";
        return Err(Failure::new(message)
            .hint("name the directory of a node with --data-dir")
            .into());
    }
    let (path, options) = (to.to_owned(), embedded(loaded));
    let target = tokio::task::spawn_blocking(move || SqliteStore::open(&path, options)).await?;
    let target = target.with_context(|| format!("cannot open {}", to.display()))?;
    let bar = Bar::new(output);
    let mut done = begin(&from, &target, &whose, &to.display().to_string()).await?;
    let mut passes = 0;
    while !done {
        passes += 1;
        let moved = pass(&from, &target, &bar).await?;
        bar.tell(output, passes, &moved);
        if once {
            break;
        }
        if moved.records + moved.rows <= FEW || passes >= PASSES {
            finish(&from, &target, &whose, &to.display().to_string(), &bar).await?;
            done = true;
        }
    }
    tokio::task::spawn_blocking(move || target.close()).await?;
    from.close().await;
    if done {
        output.line(format!("the cluster was moved to {}", to.display()))?;
        output.hint(format!(
            "stop its nodes, and start: exhibit serve --data-dir '{}'",
            to.display()
        ));
        output.hint(format!("check it: exhibit verify --data-dir '{}'", to.display()));
    }
    Ok(Exit::Done)
}

fn occupied(target: &str) -> Failure {
    Failure::new(format!("{target} holds another installation"))
        .hint("name databases or a directory that are empty; nothing is ever overwritten")
}

/// Marks the target, unless something else is in it. Whether everything was carried over before and only
/// the mark was left.
async fn begin(
    from: &dyn Carry,
    to: &dyn Carry,
    whose: &str,
    target: &str,
) -> anyhow::Result<bool> {
    let arriving = to.setting(ARRIVING).await?;
    if arriving.as_ref().is_some_and(|mark| mark != whose.as_bytes()) {
        return Err(occupied(target).into());
    }
    if let Some(moved) = from.setting(MOVED).await? {
        if arriving.is_some() {
            to.swap_setting(ARRIVING, arriving.as_deref(), None).await?;
            return Ok(true);
        }
        let moved = String::from_utf8_lossy(&moved).into_owned();
        return Err(Failure::new(format!("this installation was moved to {moved} already")).into());
    }
    if arriving.is_none() {
        if !to.workspaces().await?.is_empty() {
            return Err(occupied(target).into());
        }
        to.swap_setting(ARRIVING, None, Some(whose.as_bytes())).await?;
    }
    Ok(false)
}

/// The last comparison, while nobody writes; then the marks.
async fn finish(
    from: &dyn Carry,
    to: &dyn Carry,
    whose: &str,
    target: &str,
    bar: &Bar,
) -> anyhow::Result<()> {
    from.freeze().await?;
    let compared = last(from, to, bar).await;
    if let Err(error) = compared {
        from.thaw(None).await?;
        return Err(error);
    }
    from.thaw(Some(target)).await?;
    to.swap_setting(ARRIVING, Some(whose.as_bytes()), None).await?;
    bar.0.finish_and_clear();
    Ok(())
}

async fn last(from: &dyn Carry, to: &dyn Carry, bar: &Bar) -> anyhow::Result<()> {
    pass(from, to, bar).await?;
    let mut logs = vec![LogId::Installation];
    logs.extend(from.workspaces().await?.iter().map(|w| LogId::Workspace(w.id)));
    for log in logs {
        let (ours, theirs) = (from.head(log).await?, to.head(log).await?);
        if ours != theirs {
            anyhow::bail!("the head of {log:?} is not what it was; nothing was switched over");
        }
    }
    Ok(())
}

/// A bar on the terminal, or nothing.
struct Bar(ProgressBar);

impl Bar {
    fn new(output: Output) -> Self {
        if !output.draws_progress() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(0);
        let style = "{bar:32} {human_pos}/{human_len} records, {per_sec}, {eta} left ({msg})";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    fn tell(&self, output: Output, passes: u32, moved: &Moved) {
        self.0.suspend(|| {
            let Moved { rows, traces, records, cells } = moved;
            output.note(format!(
                "comparison {passes}: carried {traces} traces with {records} records, {rows} rows, \
                 {cells} sums"
            ));
        });
    }
}

impl Progress for Bar {
    fn total(&self, records: u64) {
        self.0.set_position(0);
        self.0.set_length(records);
    }

    fn records(&self, n: u64) {
        self.0.inc(n);
    }

    fn doing(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }
}
