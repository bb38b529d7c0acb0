//! Proofs over HTTP: tlog-proof files, consistency proofs and tiles, made from the store's hashes.

use std::{ops::Range, sync::Arc};

use exhibit_ledger::{
    Hash, HashReader, SignedCheckpoint, TilePath, TlogProof, consistency_proof, inclusion_proof,
    tiles::{self, TileKind},
};
use exhibit_store::{LogId, Store, StoreError};
use tokio::runtime::Handle;

use crate::{Error, Recorder};

/// Hashes of one log for the proof makers, which know no async. Only for blocking threads.
pub(crate) struct StoreHashes {
    store: Arc<dyn Store>,
    log: LogId,
    runtime: Handle,
}

impl HashReader for StoreHashes {
    type Error = StoreError;

    fn hashes(&self, level: u8, range: Range<u64>) -> Result<Vec<Hash>, StoreError> {
        let read = self.store.hashes(self.log, level, range.start, range.end);
        Ok(self.runtime.block_on(read)?.into_iter().map(Hash).collect())
    }
}

impl Recorder {
    /// Runs `work` on a blocking thread with the hashes of a log.
    pub(crate) async fn with_hashes<T: Send + 'static>(
        &self,
        log: LogId,
        work: impl FnOnce(&StoreHashes) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let closed = |_| Error::Internal("the recorder is closed".into());
        let _turn = self.proving.acquire().await.map_err(closed)?;
        let hashes =
            StoreHashes { store: Arc::clone(&self.store), log, runtime: Handle::current() };
        tokio::task::spawn_blocking(move || work(&hashes))
            .await
            .map_err(|error| Error::Internal(error.to_string()))
    }

    /// The hashes of a log. Only for blocking threads.
    pub(crate) fn store_hashes(&self, log: LogId, runtime: Handle) -> StoreHashes {
        StoreHashes { store: Arc::clone(&self.store), log, runtime }
    }

    /// The way from one entry to the latest checkpoint, as a C2SP tlog-proof file. `None` while the
    /// entry is not under a checkpoint.
    pub async fn proof(&self, log: LogId, index: u64) -> Result<Option<String>, Error> {
        let Some(checkpoint) = self.store.checkpoint(log).await? else { return Ok(None) };
        if index >= checkpoint.size {
            return Ok(None);
        }
        let size = checkpoint.size;
        let path = self
            .with_hashes(log, move |hashes| inclusion_proof(hashes, index, size))
            .await?
            .map_err(|error| Error::Internal(error.to_string()))?;
        let checkpoint = SignedCheckpoint::parse(checkpoint.note.as_bytes())
            .map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Some(TlogProof { extra: None, index, path, checkpoint }.to_string()))
    }

    /// The consistency proof between two sizes of a log. `None` when the log is shorter.
    pub async fn consistency(
        &self,
        log: LogId,
        old: u64,
        new: u64,
    ) -> Result<Option<Vec<Hash>>, Error> {
        if old > new || new > self.store.head(log).await?.size {
            return Ok(None);
        }
        self.with_hashes(log, move |hashes| consistency_proof(hashes, old, new))
            .await?
            .map(Some)
            .map_err(|error| Error::Internal(error.to_string()))
    }

    /// A tile or entry bundle by its tlog-tiles path below `tile/`. `None` when the published log
    /// has no such tile.
    pub async fn tile(&self, log: LogId, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let Ok(path) = format!("tile/{path}").parse::<TilePath>() else { return Ok(None) };
        let size = self.store.checkpoint(log).await?.map_or(0, |c| c.size);
        let failed = |error: tiles::TileError| Error::Internal(error.to_string());
        let width = u64::from(path.width);
        let from = path.index.saturating_mul(256);
        match path.kind {
            TileKind::Entries => {
                if from.saturating_add(width) > size {
                    return Ok(None);
                }
                let leaves = self.store.leaves(log, from, from + width).await?;
                tiles::encode_entries(&leaves).map(Some).map_err(failed)
            }
            TileKind::Hashes { level } => {
                let shift = 8 * u32::from(level);
                if from.saturating_add(width) > size.checked_shr(shift).unwrap_or(0) {
                    return Ok(None);
                }
                let hashes = self.store.hashes(log, level, from, from + width).await?;
                let hashes: Vec<Hash> = hashes.into_iter().map(Hash).collect();
                tiles::encode_hashes(&hashes).map(Some).map_err(failed)
            }
        }
    }
}
