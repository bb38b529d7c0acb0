//! The clock of retention: rules are followed once a day, without anybody asking; so is the rule of the
//! archive, for what is kept.

use std::{sync::Arc, time::Duration};

use crate::{Error, Recorder};

/// A start is busy enough; what is due waits this long, or one interval where that is shorter.
const AFTER_START: Duration = Duration::from_mins(10);

impl Recorder {
    /// Follows the rules of every workspace, again and again.
    pub(crate) async fn run_retention_clock(self: &Arc<Self>) {
        let interval = Duration::from_millis(self.limits.retention_interval_ms.max(1));
        tokio::time::sleep(AFTER_START.min(interval)).await;
        loop {
            if let Err(error) = self.keep_all().await {
                tracing::warn!(%error, "retention failed; it runs again at its next time");
            }
            if let Err(error) = self.archive_all().await {
                tracing::warn!(%error, "archiving failed; it runs again at its next time");
            }
            tokio::time::sleep(interval).await;
        }
    }

    /// Follows the rules of every workspace that has some.
    pub async fn keep_all(self: &Arc<Self>) -> Result<(), Error> {
        for workspace in self.store.workspaces().await? {
            let keeping = self.keeping(workspace.id).await?;
            if !keeping.rules.iter().any(|rule| rule.keep_days.is_some()) {
                continue;
            }
            let report = self.run_retention(&workspace, "clock", false).await?;
            let (gone, held) =
                (report.gone.values().sum::<u64>(), report.held.values().sum::<u64>());
            if gone > 0 {
                tracing::info!(workspace = %workspace.name, gone, held, "retention took traces away");
            }
        }
        Ok(())
    }
}
