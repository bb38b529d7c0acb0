//! Small notes that a product's client keeps beside its traces (its projects), bounded in number.

use exhibit_model::{Json, WorkspaceId};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::{Error, Recorder};

/// Longest note, bytes of JSON.
const NOTE_BYTES_MAX: usize = 4 << 10;
/// How often a note is tried when others write at the same moment.
const ROUNDS: usize = 8;

impl Recorder {
    /// Keeps a note. Of a kind's notes the newest `most` stay.
    pub async fn note(
        &self,
        workspace: WorkspaceId,
        kind: &str,
        note: Json,
        most: usize,
    ) -> Result<(), Error> {
        if note.to_string().len() > NOTE_BYTES_MAX {
            let message = format!("at most {NOTE_BYTES_MAX} bytes are kept");
            return Err(Error::Invalid { field: "document", message });
        }
        let name = setting(workspace, kind);
        for _ in 0..ROUNDS {
            let held = self.store.setting(&name).await?;
            let mut notes = read(held.as_deref());
            notes.push(note.clone());
            let surplus = notes.len().saturating_sub(most);
            notes.drain(..surplus);
            let value = serde_json::to_vec(&notes).unwrap_or_default();
            if self.store.swap_setting(&name, held.as_deref(), Some(&value)).await? {
                return Ok(());
            }
        }
        Err(Error::Busy { retry_after_ms: 100 })
    }

    /// The notes of a kind, oldest first.
    pub async fn notes(&self, workspace: WorkspaceId, kind: &str) -> Result<Vec<Json>, Error> {
        let held = self.store.setting(&setting(workspace, kind)).await?;
        Ok(read(held.as_deref()))
    }

    /// A digest that tells a secret again and cannot be tested without the installation's keys.
    pub fn keyed_digest(&self, purpose: &str, text: &str) -> String {
        let key = self.keys.derive(purpose);
        // HMAC takes keys of every length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { return String::new() };
        mac.update(text.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }
}

fn setting(workspace: WorkspaceId, kind: &str) -> String {
    format!("notes.{kind}.{}", workspace.0)
}

fn read(held: Option<&[u8]>) -> Vec<Json> {
    held.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default()
}
