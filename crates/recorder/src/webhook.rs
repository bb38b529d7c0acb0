//! Signatures on what outside services deliver.
//!
//! A workspace may have a signing secret. It is derived from the installation's keys and a number, so
//! that nothing that could sign is ever stored; making a new one changes the number.

use exhibit_model::{Nanos, WorkspaceId};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::{Error, Recorder};

/// A delivery may be this old, or this far ahead of our clock.
const TOLERANCE_NS: i64 = 5 * 60 * 1_000_000_000;

/// What a delivery says about itself.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// Seconds since the epoch, as the header has them.
    pub timestamp: &'a str,
    /// `v1=` and the HMAC-SHA256 of `<timestamp>.<body>`, hex.
    pub signature: &'a str,
    /// The body as it was sent.
    pub body: &'a [u8],
}

/// Why a delivery is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryFault {
    /// Too old, too far ahead, or not a number.
    #[error("the delivery's timestamp is missing or more than five minutes from now")]
    Time,
    /// Not made with the workspace's secret over this timestamp and body.
    #[error("the signature is not that of this body under the workspace's signing secret")]
    Signature,
}

impl Recorder {
    /// The signing secret of a workspace, where it has one.
    pub async fn webhook_secret(&self, workspace: WorkspaceId) -> Result<Option<String>, Error> {
        let held = self.store.setting(&setting(workspace)).await?;
        Ok(held.map(|number| self.derived(workspace, &number)))
    }

    /// Makes a new signing secret; the one before stops working.
    pub async fn renew_webhook_secret(&self, workspace: WorkspaceId) -> Result<String, Error> {
        let name = setting(workspace);
        let held = self.store.setting(&name).await?;
        let mut number = [0; 16];
        self.entropy.fill(&mut number);
        if !self.store.swap_setting(&name, held.as_deref(), Some(&number)).await? {
            return Err(Error::Busy { retry_after_ms: 100 });
        }
        Ok(self.derived(workspace, &number))
    }

    /// Takes the signing secret away: deliveries need no signature any more. False: there was none.
    pub async fn drop_webhook_secret(&self, workspace: WorkspaceId) -> Result<bool, Error> {
        let name = setting(workspace);
        let Some(held) = self.store.setting(&name).await? else { return Ok(false) };
        Ok(self.store.swap_setting(&name, Some(&held), None).await?)
    }

    fn derived(&self, workspace: WorkspaceId, number: &[u8]) -> String {
        let text = [&workspace.0.to_be_bytes()[..], number].concat();
        format!("whs_{}", hex::encode(mac(&self.keys.derive("webhooks"), &[&text])))
    }
}

/// Whether a delivery was signed with a secret, lately.
pub fn check_delivery(
    secret: &str,
    delivery: Delivery<'_>,
    now: Nanos,
) -> Result<(), DeliveryFault> {
    let seconds: i64 = delivery.timestamp.trim().parse().map_err(|_| DeliveryFault::Time)?;
    let at = seconds.checked_mul(1_000_000_000).ok_or(DeliveryFault::Time)?;
    if now.0.saturating_sub(at).saturating_abs() > TOLERANCE_NS {
        return Err(DeliveryFault::Time);
    }
    let stated = delivery.signature.trim().strip_prefix("v1=").unwrap_or_default();
    let stated = hex::decode(stated).map_err(|_| DeliveryFault::Signature)?;
    let parts = [delivery.timestamp.trim().as_bytes(), b".", delivery.body];
    let right: bool = mac(secret.as_bytes(), &parts).ct_eq(&stated).into();
    if right { Ok(()) } else { Err(DeliveryFault::Signature) }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn setting(workspace: WorkspaceId) -> String {
    format!("webhook-signing.{}", workspace.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_believed_as_signed_and_in_time_only() {
        let now = Nanos(1_800_000_000_000_000_000);
        let body = br#"{"alert":1}"#;
        let signed = mac(b"whs_x", &[b"1800000000", b".", body]);
        let signature = format!("v1={}", hex::encode(signed));
        let good = Delivery { timestamp: "1800000000", signature: &signature, body };
        assert_eq!(check_delivery("whs_x", good, now), Ok(()));
        assert_eq!(check_delivery("whs_y", good, now), Err(DeliveryFault::Signature));
        let late = Nanos(now.0 + 2 * TOLERANCE_NS);
        assert_eq!(check_delivery("whs_x", good, late), Err(DeliveryFault::Time));
        for signature in ["", "v1=", "v1=zz", "deadbeef"] {
            let bad = Delivery { signature, ..good };
            assert_eq!(check_delivery("whs_x", bad, now), Err(DeliveryFault::Signature));
        }
        let changed = Delivery { body: b"{}", ..good };
        assert_eq!(check_delivery("whs_x", changed, now), Err(DeliveryFault::Signature));
    }
}
