//! What was just recorded gets its checkpoint within a fraction of a second: wait for it, so that a
//! look at a running server does not find everything pending.

use std::time::{Duration, Instant};

use crate::{config::Loaded, data_dir::DataDir, installation::Installation};

/// Longest wait; under steady load there is always something new.
const PATIENCE: Duration = Duration::from_secs(3);

/// Waits until a running server has signed what there is. Without one nothing will change.
pub(super) async fn wait(installation: &Installation, loaded: &Loaded) -> anyhow::Result<()> {
    let data = DataDir::new(&loaded.config.data_dir);
    let started = Instant::now();
    while data.holder()?.is_some()
        && started.elapsed() < PATIENCE
        && !installation.store.unpublished().await?.is_empty()
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
