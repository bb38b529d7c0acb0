//! What the start has to do about encrypted payloads, and how their keys are destroyed.

use exhibit_model::{TraceId, WorkspaceId};
use exhibit_store::{DoomedSlot, SlotId, TraceKey};

use crate::{Error, Recorder, vault};

/// The setting that says which keys the payloads of this store are encrypted by.
pub const PAYLOAD_KEYS: &str = "payloads.keys";
const NO_MASTER: &str = "payloads in this data directory are encrypted, and no master key is given: set \
    encryption.key_file, EXHIBIT_ENCRYPTION_KEY or encryption.key_command to the key that was in force; \
    without it they cannot be read by anybody";
const OTHER_KEYS: &str = "keys/payloads.db is not the one that payloads in this data directory are \
    encrypted by: restore it from your backup of the keys; without it they cannot be read by anybody";

impl Recorder {
    /// Refuses to go on where the keys of encrypted payloads are missing.
    pub(crate) async fn check_sealing(&self) -> Result<(), Error> {
        let known = self.store.setting(PAYLOAD_KEYS).await?;
        match (self.keys.sealing(), known) {
            (_, None) => Ok(()),
            (None, Some(_)) => Err(Error::Conflict(NO_MASTER.to_owned())),
            (Some(sealing), Some(known)) if known == sealing.id() => Ok(()),
            (Some(_), Some(_)) => Err(Error::Conflict(OTHER_KEYS.to_owned())),
        }
    }

    /// The same, notes the keys that are in use from now on, and ends erasures that were broken off.
    pub(crate) async fn settle_sealing(&self) -> Result<(), Error> {
        self.check_sealing().await?;
        let Some(sealing) = self.keys.sealing() else { return Ok(()) };
        self.store.swap_setting(PAYLOAD_KEYS, None, Some(&sealing.id())).await?;
        let (mut gone, mut spared) = (Vec::new(), Vec::new());
        for doomed in sealing.doomed()? {
            let found = self.store.tombstones(doomed.workspace, &[doomed.tombstone]).await?;
            let erased = found.first().copied().unwrap_or(false);
            if erased { gone.push(doomed.slot) } else { spared.push(doomed.slot) }
        }
        if !gone.is_empty() {
            tracing::warn!(keys = gone.len(), "an erasure was broken off; it is ended now");
            sealing.destroy(&gone)?;
        }
        if !spared.is_empty() {
            sealing.spare(&spared)?;
        }
        Ok(())
    }

    /// Notes that the keys of these traces are about to be destroyed; which they are.
    pub(crate) async fn doom_keys(
        &self,
        workspace: WorkspaceId,
        traces: &[TraceId],
    ) -> Result<Vec<SlotId>, Error> {
        let Some(sealing) = self.keys.sealing() else { return Ok(Vec::new()) };
        let keys = self.store.trace_keys(workspace, traces).await?;
        let doomed: Vec<DoomedSlot> = traces
            .iter()
            .zip(&keys)
            .filter_map(|(trace, key): (_, &Option<TraceKey>)| {
                let slot = vault::slot(key.as_ref()?)?;
                Some(DoomedSlot { slot, workspace, tombstone: self.tombstone(workspace, trace) })
            })
            .collect();
        if !doomed.is_empty() {
            sealing.doom(&doomed)?;
        }
        Ok(doomed.iter().map(|one| one.slot).collect())
    }

    /// Destroys keys; backups of the database hold nothing that could be read any more.
    pub(crate) fn destroy_keys(&self, slots: &[SlotId]) -> Result<(), Error> {
        match self.keys.sealing() {
            Some(sealing) if !slots.is_empty() => Ok(sealing.destroy(slots)?),
            _ => Ok(()),
        }
    }
}
