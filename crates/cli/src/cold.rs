//! The cold archive as configured: a directory, or a bucket of an S3-compatible store (feature `s3`).

#[cfg(feature = "s3")]
mod bucket;
mod directory;

use std::sync::Arc;

use exhibit_recorder::ArchiveRule;
use exhibit_store::Archive;

use crate::{
    config::{ColdArchive, Loaded, LockMode, StoreKind},
    failure::Failure,
};

/// A hundred years, as object stores allow.
const LOCK_DAYS_MAX: u32 = 36_500;

/// The configured archive; none where none is. Call it on the runtime.
pub(crate) fn open(loaded: &Loaded) -> anyhow::Result<Option<ArchiveRule>> {
    let config = &loaded.config.archive;
    let Some(to) = &config.to else { return Ok(None) };
    if loaded.config.store == StoreKind::Cluster {
        return Err(Failure::usage("archive.to: the cluster store has no archive")
            .hint("move old partitions with ClickHouse's own storage policies")
            .into());
    }
    let archive: Arc<dyn Archive> = match to.strip_prefix("s3://") {
        Some(place) => bucket(loaded, place, lock(config)?)?,
        None if lock(config)?.is_some() => {
            let message = "archive.lock: a directory has no Object Lock";
            return Err(Failure::usage(message).hint("take it out, or name a bucket").into());
        }
        None => Arc::new(directory::Directory::open(&loaded.environment.cwd.join(to))?),
    };
    Ok(Some(ArchiveRule { archive, place: to.clone(), after_days: config.after_days }))
}

/// How objects are locked, and for how many days.
fn lock(config: &ColdArchive) -> Result<Option<(LockMode, u32)>, Failure> {
    match (config.lock, config.lock_days) {
        (None, None) => Ok(None),
        (Some(mode), Some(days @ 1..=LOCK_DAYS_MAX)) => Ok(Some((mode, days))),
        (Some(_), Some(_)) => {
            Err(Failure::usage(format!("archive.lock_days takes 1 to {LOCK_DAYS_MAX}")))
        }
        _ => Err(Failure::usage("archive.lock and archive.lock_days go together")),
    }
}

#[cfg(feature = "s3")]
use bucket::open as bucket;

#[cfg(not(feature = "s3"))]
fn bucket(_: &Loaded, _: &str, _: Option<(LockMode, u32)>) -> anyhow::Result<Arc<dyn Archive>> {
    let message = "archive.to: this binary was built without buckets";
    Err(Failure::usage(message).hint("build it with `--features s3`, or name a directory").into())
}
