//! The database: whether it opens, reaches the last signed checkpoint, and is of a healthy size.

use exhibit_store::LogId;

use crate::{config::Loaded, installation::Installation};

use super::{super::trace::now, Check};

/// A log of changes this large says that something keeps it from being taken over.
const WAL_BYTES_HIGH: u64 = 512 << 20;

pub(super) async fn check(loaded: &Loaded) -> Vec<Check> {
    let mut checks = vec![sizes(loaded)];
    let installation = match Installation::open_to_read(loaded).await {
        Ok(installation) => installation,
        Err(error) => {
            checks.push(Check::failure("database", format!("{error:#}")));
            return checks;
        }
    };
    checks.push(Check::ok("database", "it opens and reaches the last signed checkpoint"));
    checks.push(match installation.store.checkpoint(LogId::Installation).await {
        Ok(Some(checkpoint)) if checkpoint.signed > now() => {
            let detail =
                format!("the last checkpoint was signed at {}", checkpoint.signed.to_rfc3339());
            Check::failure("clock", format!("{detail}, which lies in the future"))
                .hint("set the clock; records would get wrong times")
        }
        Ok(Some(checkpoint)) => {
            let size = checkpoint.size;
            Check::ok("clock", format!("past the last checkpoint, which covers {size} leaves"))
        }
        Ok(None) => Check::ok("clock", "nothing was signed yet"),
        Err(error) => Check::failure("database", error.to_string()),
    });
    checks
}

fn sizes(loaded: &Loaded) -> Check {
    let (mut all, mut wal) = (0, 0);
    for entry in std::fs::read_dir(&loaded.config.data_dir).into_iter().flatten().flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        all += meta.len();
        if entry.file_name().to_string_lossy().ends_with("-wal") {
            wal += meta.len();
        }
    }
    let detail = format!("{} MiB, of which {} MiB write-ahead log", all >> 20, wal >> 20);
    if wal > WAL_BYTES_HIGH {
        Check::warning("size", detail).hint("a long read keeps it from shrinking; restart readers")
    } else {
        Check::ok("size", detail)
    }
}
