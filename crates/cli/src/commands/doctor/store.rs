//! The database: whether it opens, reaches the last signed checkpoint, and is of a healthy size.

use exhibit_model::Nanos;
use exhibit_store::LogId;

use crate::{config::Loaded, installation::Installation, sink};

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
    checks.extend(sink(loaded, &installation).await);
    checks
}

/// How far the sink came, where one is configured.
async fn sink(loaded: &Loaded, installation: &Installation) -> Option<Check> {
    let rule = match sink::rule(&loaded.config, &installation.recorder).await {
        Ok(rule) => rule?,
        Err(error) => return Some(Check::failure("sink", format!("{error:#}"))),
    };
    let standing = installation.recorder.sink_standing(rule.workspace, &rule.place).await;
    let place = &rule.place;
    Some(match standing {
        Err(error) => Check::failure("sink", error.to_string()),
        Ok(None) => Check::ok("sink", format!("nothing went to {place} yet")),
        Ok(Some(standing)) => {
            let at = |time: Nanos| time.to_rfc3339();
            let written = format!("{place} has had {} documents", standing.written);
            let refused = standing.refused;
            match (&standing.problem, standing.complete) {
                (Some((since, problem)), _) => {
                    let detail = format!("{place} takes nothing since {}: {problem}", at(*since));
                    Check::failure("sink", detail)
                        .hint("nothing is lost: the server goes on trying, and catches up")
                }
                (None, _) if refused > 0 => {
                    Check::warning("sink", format!("{written} and refused {refused}"))
                        .hint("`exhibit dead-letters list` says why")
                }
                (None, Some(complete)) if standing.behind > 0 => {
                    Check::ok("sink", format!("{written}; complete up to {}", at(complete)))
                }
                (None, None) => Check::ok("sink", format!("{written}; it is still being filled")),
                (None, Some(_)) => Check::ok("sink", format!("{written}; it is up to date")),
            }
        }
    })
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
