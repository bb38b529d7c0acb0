//! `exhibit backup`: a consistent copy of the database, with the server up or down, and a manifest.

use std::{fs, path::Path};

use anyhow::Context as _;
use exhibit_model::Nanos;
use exhibit_recorder::Recorder;
use exhibit_store::LogId;
use exhibit_store_sqlite::SqliteStore;
use serde::{Deserialize, Serialize};

use crate::{
    args::BackupArgs,
    config::Loaded,
    control,
    data_dir::{DataDir, write_private},
    failure::{Exit, Failure},
    installation::{Installation, not_installed},
    output::Output,
};

/// Name of the manifest in a backup.
pub(super) const MANIFEST: &str = "backup.json";
/// Version of the backup's form.
pub(super) const FORM: u32 = 1;

/// What a backup says about itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Version of the form.
    pub(super) form: u32,
    /// Version of the program.
    pub(super) version: String,
    /// Origin of the installation's log: tells which keys belong to it.
    pub(super) origin: String,
    /// Verifier key of the installation's log.
    pub(super) key: String,
    /// When it was made, RFC 3339.
    pub(super) created: String,
    /// The last signed checkpoint before the copy was made; the copy holds at least as much.
    pub(super) checkpoint: Option<String>,
}

impl Manifest {
    async fn of(recorder: &Recorder, now: Nanos) -> anyhow::Result<Self> {
        Ok(Self {
            form: FORM,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            origin: recorder.log_origin(LogId::Installation),
            key: recorder.verifier_key(LogId::Installation)?,
            created: now.to_rfc3339(),
            checkpoint: recorder.checkpoint(LogId::Installation).await?,
        })
    }
}

/// Runs the command.
pub(crate) async fn run(
    args: &BackupArgs,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let data = DataDir::new(&loaded.config.data_dir);
    if !data.is_installed() {
        return Err(not_installed(&data).into());
    }
    let target = loaded.environment.cwd.join(&args.target);
    prepare(&target)?;
    let now = super::trace::now();
    let manifest = if let Some(server) = data.running()? {
        let control = server.control.ok_or_else(|| {
            Failure::new("the running server takes no backups").hint("it may be of another version")
        })?;
        let installation = Installation::open_to_read(loaded).await?;
        let manifest = Manifest::of(&installation.recorder, now).await?;
        drop(installation);
        control::backup(control, data.local_token()?, target.clone()).await?;
        manifest
    } else {
        let installation = Installation::open(loaded).await?;
        let manifest = Manifest::of(&installation.recorder, now).await?;
        installation
            .opened
            .embedded()?
            .backup(&target, |_| ())
            .await
            .context("the backup failed")?;
        installation.close().await?;
        manifest
    };
    check(&target).await?;
    // The manifest comes last: its presence says that the backup is whole.
    write_private(&target.join(MANIFEST), &serde_json::to_vec_pretty(&manifest)?)?;
    if output.json {
        output.json(&serde_json::json!({"backup": target, "manifest": manifest}))?;
    } else {
        output.line(format!("backed up to {}", target.display()))?;
        output.hint(format!(
            "keys are not in it; keep a copy of {} apart from it",
            data.path().join("keys").display()
        ));
    }
    Ok(Exit::Done)
}

/// Reads the copy back: a backup that cannot be read is none.
async fn check(target: &Path) -> anyhow::Result<()> {
    let path = target.to_owned();
    tokio::task::spawn_blocking(move || SqliteStore::verify_backup(&path))
        .await?
        .context("the copy was made, but does not read")?;
    // Reading leaves these behind; they hold nothing.
    for name in ["exhibit.db-wal", "exhibit.db-shm"] {
        let path = target.join(name);
        if name.ends_with("-shm") || path.metadata().is_ok_and(|meta| meta.len() == 0) {
            let _ = fs::remove_file(path);
        }
    }
    Ok(())
}

/// An empty directory that only its owner can read.
fn prepare(target: &Path) -> anyhow::Result<()> {
    if target.exists() {
        let mut entries =
            fs::read_dir(target).with_context(|| format!("cannot read {}", target.display()))?;
        if entries.next().is_some() {
            return Err(Failure::usage(format!("{} is not empty", target.display()))
                .hint("name a new directory for each backup")
                .into());
        }
    }
    DataDir::new(target).create()
}
