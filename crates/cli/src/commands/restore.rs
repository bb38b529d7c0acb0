//! `exhibit restore`: a data directory from a backup and the keys that belong to it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use exhibit_ledger::SignedCheckpoint;

use crate::{
    args::RestoreArgs,
    config::Loaded,
    data_dir::DataDir,
    failure::{Exit, Failure},
    output::Output,
};

use super::backup::{FORM, MANIFEST, Manifest};

/// The guard beside the keys: the last checkpoint that was signed.
const GUARD: &str = "guard";

/// Runs the command.
pub(crate) fn run(args: &RestoreArgs, loaded: &Loaded, output: Output) -> anyhow::Result<Exit> {
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
    let rolled_back = is_older_than_guard(&keys, &manifest)?;
    if rolled_back && !args.accept_rollback {
        return Err(Failure::new(
            "a checkpoint later than this backup was signed: restoring it takes the log back",
        )
        .hint("restore a newer backup, or the newer database")
        .hint(
            "if nothing newer exists, say so with --accept-rollback; whoever kept a later \
             checkpoint will see that the log was taken back",
        )
        .into());
    }

    data.create()?;
    if keys != in_place {
        copy_keys(&keys, &in_place)?;
    }
    if rolled_back {
        let guard = in_place.join(GUARD);
        let kept = in_place.join("guard.before-restore");
        fs::rename(&guard, &kept)
            .with_context(|| format!("cannot set {} aside", guard.display()))?;
    }
    copy_tree(&backup, data.path())?;
    if output.json {
        output.json(&serde_json::json!({
            "data_dir": data.path(), "origin": manifest.origin, "rolled_back": rolled_back
        }))?;
        return Ok(Exit::Done);
    }
    output.line(format!("restored {} into {}", manifest.origin, data.path().display()))?;
    if rolled_back {
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
    if signer.verifier().to_string() != manifest.key {
        return Err(Failure::new(format!(
            "these keys belong to {}, the backup to {}",
            signer.verifier().name(),
            manifest.origin
        ))
        .into());
    }
    Ok(())
}

/// Whether a later checkpoint was signed than the backup is known to reach.
fn is_older_than_guard(keys: &Path, manifest: &Manifest) -> anyhow::Result<bool> {
    let Ok(guard) = fs::read(keys.join(GUARD)) else { return Ok(false) };
    let guard = SignedCheckpoint::parse(&guard)
        .map_err(|_| Failure::new(format!("{} does not read", keys.join(GUARD).display())))?;
    let reached = match &manifest.checkpoint {
        Some(note) => SignedCheckpoint::parse(note.as_bytes())
            .map_err(|_| Failure::new("the backup's checkpoint does not read"))?
            .checkpoint()
            .size,
        None => 0,
    };
    Ok(guard.checkpoint().size > reached)
}

fn copy_keys(from: &Path, to: &Path) -> anyhow::Result<()> {
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
        for entry in fs::read_dir(&from).with_context(|| format!("cannot read {}", from.display()))? {
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
