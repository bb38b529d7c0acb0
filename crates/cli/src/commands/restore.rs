//! `exhibit restore`: a data directory from a backup and the keys that belong to it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use exhibit_ledger::{
    Hash, VerifierKey,
    succession::{Reason, epoch_of},
};
use exhibit_recorder::{HandOver, OsEntropy, hand_over, head_in_guard};
use exhibit_store::{LedgerStore as _, LogId};
use exhibit_store_sqlite::{Options, SqliteStore};

use crate::{
    args::RestoreArgs,
    config::Loaded,
    data_dir::DataDir,
    failure::{Exit, Failure},
    installation::Installation,
    output::Output,
};

use super::backup::{FORM, MANIFEST, Manifest};

/// The guard beside the keys: the last checkpoint that was signed.
const GUARD: &str = "guard";

/// Runs the command.
pub(crate) async fn run(
    args: &RestoreArgs,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let backup = loaded.environment.cwd.join(&args.backup);
    let manifest = manifest(&backup)?;
    let data = DataDir::new(&loaded.config.data_dir);
    let in_place = data.path().join("keys");
    check_target(data.path())?;
    let keys = match &args.keys {
        Some(dir) if in_place.is_dir() => {
            return Err(Failure::usage(format!(
                "{} has keys already, and --keys names {}",
                data.path().display(),
                dir.display()
            ))
            .hint("use the one or the other")
            .into());
        }
        Some(dir) => loaded.environment.cwd.join(dir),
        None => in_place.clone(),
    };
    check_keys(&keys, &manifest)?;
    let new_keys = keys != in_place;
    data.create()?;
    let epoch_key = args.epoch_key.as_ref().map(|path| loaded.environment.cwd.join(path));
    let from = Sources { backup: &backup, keys: new_keys.then_some(&*keys), epoch: epoch_key };
    let restored = restore(&from, data.path(), args).await;
    let rolled_back = restored.inspect_err(|_| undo(data.path(), new_keys))?;
    if rolled_back && args.new_epoch {
        // Opening enters the epoch into the log and signs every log anew.
        Installation::open(loaded).await?.close().await?;
    }
    if output.json {
        output.json(&serde_json::json!({
            "data_dir": data.path(), "origin": manifest.origin, "rolled_back": rolled_back
        }))?;
        return Ok(Exit::Done);
    }
    output.line(format!("restored {} into {}", manifest.origin, data.path().display()))?;
    if rolled_back && args.new_epoch {
        output.warn(
            "the log was taken back and says so: a new epoch has begun; the checkpoint it no longer \
             reaches is kept in keys/guard.before-restore",
        );
        output.hint("pin the new key, and give it to your witnesses: exhibit verify prints it");
    } else if rolled_back {
        output.warn(
            "the log was taken back; the checkpoint it no longer reaches is kept in \
             keys/guard.before-restore",
        );
    }
    output.hint(format!("check it: exhibit verify --data-dir '{}'", data.path().display()));
    Ok(Exit::Done)
}

fn manifest(backup: &Path) -> anyhow::Result<Manifest> {
    let path = backup.join(MANIFEST);
    let text = fs::read(&path).map_err(|error| {
        Failure::usage(format!("{} is not a whole backup: {MANIFEST}: {error}", backup.display()))
    })?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .with_context(|| format!("{} does not read", path.display()))?;
    if manifest.form != FORM {
        return Err(Failure::new(format!(
            "the backup has form {}, this program knows form {FORM}",
            manifest.form
        ))
        .hint(format!("restore it with version {}", manifest.version))
        .into());
    }
    Ok(manifest)
}

/// The directory must not exist, or hold nothing but keys.
fn check_target(dir: &Path) -> anyhow::Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    for entry in entries {
        if entry?.file_name() != "keys" {
            return Err(Failure::usage(format!("{} is not empty", dir.display()))
                .hint("name a new directory with --data-dir; an installation is never overwritten")
                .into());
        }
    }
    Ok(())
}

/// The keys must be those under which the backup was made: with others nothing could be read or
/// proved.
fn check_keys(keys: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    let missing = |name: &str| {
        Failure::usage(format!("there is no {name} in {}", keys.display()))
            .hint("give the directory with the installation's keys with --keys")
    };
    for name in ["signing.key", "wrapping.key"] {
        if !keys.join(name).is_file() {
            return Err(missing(name).into());
        }
    }
    let text = fs::read_to_string(keys.join("signing.key")).context("signing.key")?;
    let signer = exhibit_ledger::NoteSigner::from_skey(text.trim())
        .map_err(|_| Failure::new("signing.key does not hold a key"))?;
    // The key may have been rotated since; the name of the installation stays.
    let backed_up = manifest.key.parse::<VerifierKey>();
    let theirs = backed_up.as_ref().map_or("", |key| epoch_of(key.name()).0);
    let ours = epoch_of(signer.verifier().name()).0;
    if ours != theirs {
        return Err(Failure::new(format!(
            "these keys belong to {}, the backup to {}",
            signer.verifier().name(),
            manifest.origin
        ))
        .into());
    }
    Ok(())
}

/// Where things are taken from.
struct Sources<'p> {
    backup: &'p Path,
    /// Where keys are copied from, unless they are in place.
    keys: Option<&'p Path>,
    epoch: Option<PathBuf>,
}

/// Puts everything in place. Returns whether the log was taken back.
async fn restore(from: &Sources<'_>, data: &Path, args: &RestoreArgs) -> anyhow::Result<bool> {
    let in_place = data.join("keys");
    if let Some(keys) = from.keys {
        copy_keys(keys, &in_place)?;
    }
    copy_tree(from.backup, data)?;
    SqliteStore::verify_backup(data).context("the database of the backup does not read")?;
    let guard = head_in_guard(&in_place)?;
    let options = Options { search: false, ..Options::default() };
    let store = SqliteStore::open_read_only(data, options)?;
    let head = store.head(LogId::Installation).await?;
    drop(store);
    let Some(guard) = guard.filter(|guard| guard.0 > head.size) else { return Ok(false) };
    if !args.accept_rollback && !args.new_epoch {
        return Err(Failure::new(
            "a checkpoint later than this backup was signed: restoring it takes the log back",
        )
        .hint("restore a newer backup, or the newer database")
        .hint(
            "if nothing newer exists, start a new epoch of the log with --new-epoch; without the \
             epoch key there is only --accept-rollback",
        )
        .into());
    }
    if args.new_epoch {
        let what = HandOver {
            reason: Reason::Restore,
            ended: guard,
            continues: (head.size, Hash(head.root)),
            epoch_key: from.epoch.as_deref(),
        };
        hand_over(&in_place, &what, &OsEntropy)?;
    }
    let guard = in_place.join(GUARD);
    let kept = in_place.join("guard.before-restore");
    fs::rename(&guard, &kept).with_context(|| format!("cannot set {} aside", guard.display()))?;
    Ok(true)
}

/// Takes away what a failed restore has put there, so that it can be tried again.
fn undo(data: &Path, new_keys: bool) {
    let entries = fs::read_dir(data).into_iter().flatten().flatten();
    for entry in entries.filter(|e| new_keys || e.file_name() != "keys") {
        let path = entry.path();
        let removed =
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        if let Err(error) = removed {
            tracing::debug!(%error, path = %path.display(), "not removed");
        }
    }
}

/// Copies a directory of keys, readable by its owner only.
pub(super) fn copy_keys(from: &Path, to: &Path) -> anyhow::Result<()> {
    copy_tree(from, to)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(to, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(to)? {
            fs::set_permissions(entry?.path(), fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

/// Copies files and directories, the manifest left out; every file is synced.
fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut waiting: Vec<(PathBuf, PathBuf)> = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = waiting.pop() {
        fs::create_dir_all(&to).with_context(|| format!("cannot create {}", to.display()))?;
        for entry in
            fs::read_dir(&from).with_context(|| format!("cannot read {}", from.display()))?
        {
            let entry = entry?;
            let (source, copy) = (entry.path(), to.join(entry.file_name()));
            if entry.file_type()?.is_dir() {
                waiting.push((source, copy));
            } else if entry.file_name() != MANIFEST {
                fs::copy(&source, &copy)
                    .and_then(|_| fs::File::open(&copy)?.sync_all())
                    .with_context(|| format!("cannot copy {}", source.display()))?;
            }
        }
        fs::File::open(&to)?.sync_all()?;
    }
    Ok(())
}
