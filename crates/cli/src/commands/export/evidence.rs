//! `exhibit export evidence` and `exhibit export spans`: one file, or a series that goes on where it was
//! interrupted.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    args::{ExportEvidence, ExportSpans},
    commands::verify::bar,
    failure::{Exit, Failure},
    output::Output,
    remote::Remote,
};

const PATH: &str = "api/v1/evidence";

/// How far a series is; stands beside its first bundle while it is not complete.
#[derive(Debug, Serialize, Deserialize)]
struct Series {
    /// What was asked for: another question does not go on with this series.
    asked: serde_json::Value,
    /// Bundles that are whole.
    written: u32,
    /// Where the next begins.
    cursor: String,
}

/// Runs the command.
pub(super) async fn run(
    args: &ExportEvidence,
    remote: &Remote,
    output: Output,
) -> anyhow::Result<Exit> {
    let since = args.since_checkpoint.as_ref().map(|path| {
        fs::read_to_string(path)
            .map_err(|e| Failure::usage(format!("--since-checkpoint {}: {e}", path.display())))
    });
    let asked = json!({
        "trace_id": args.trace,
        "filter": args.filter,
        "withhold": args.withhold,
        "since_checkpoint": since.transpose()?,
        "limit": args.traces_per_bundle,
    });
    series(PATH, &asked, &args.out, &args.workspace, remote, output).await?;
    output.hint(format!("check it with `exhibit verify {}`", args.out.display()));
    Ok(Exit::Done)
}

/// Writes spans as they are shown.
pub(super) async fn spans(
    args: &ExportSpans,
    remote: &Remote,
    output: Output,
) -> anyhow::Result<Exit> {
    let format = args.format.as_str();
    let asked = json!({
        "trace_id": args.trace,
        "filter": args.filter,
        "format": format,
        "limit": args.traces_per_file,
    });
    let extension = if format == "otlp" { "otlp.jsonl" } else { format };
    let out = args.out.clone().unwrap_or_else(|| format!("spans.{extension}").into());
    series("api/v1/export/spans", &asked, &out, &args.workspace, remote, output).await?;
    Ok(Exit::Done)
}

/// Writes one file, or a series that goes on where it was interrupted.
async fn series(
    from: &str,
    asked: &serde_json::Value,
    out: &Path,
    workspace: &str,
    remote: &Remote,
    output: Output,
) -> anyhow::Result<()> {
    let state = out.with_extension("resume.json");
    let (mut written, mut cursor) = match resumed(&state, asked) {
        Some(series) => {
            output.note(format!("{} files are whole; going on after them", series.written));
            (series.written, Some(series.cursor))
        }
        None => (0, None),
    };
    let mut files = Vec::new();
    loop {
        let mut body = asked.clone();
        body["cursor"] = json!(cursor);
        let path = numbered(out, written + 1);
        cursor = one(remote, from, &body, workspace, &path, output).await?;
        written += 1;
        files.push(path.display().to_string());
        if !output.json {
            output.line(path.display().to_string())?;
        }
        let Some(next) = &cursor else { break };
        let series = Series { asked: asked.clone(), written, cursor: next.clone() };
        fs::write(&state, serde_json::to_vec(&series)?)
            .with_context(|| format!("cannot write {}", state.display()))?;
    }
    if state.exists() {
        fs::remove_file(&state).with_context(|| format!("cannot remove {}", state.display()))?;
    }
    if output.json {
        output.json(&json!({ "files": files }))?;
    }
    Ok(())
}

fn resumed(state: &Path, asked: &serde_json::Value) -> Option<Series> {
    let series: Series = serde_json::from_slice(&fs::read(state).ok()?).ok()?;
    (series.asked == *asked).then_some(series)
}

/// `evidence.zip`, `evidence-2.zip`, …
fn numbered(out: &Path, number: u32) -> PathBuf {
    if number == 1 {
        return out.to_owned();
    }
    let stem = out.file_stem().unwrap_or_default().to_string_lossy();
    let extension = out.extension().map(|e| format!(".{}", e.to_string_lossy()));
    out.with_file_name(format!("{stem}-{number}{}", extension.unwrap_or_default()))
}

/// Writes one bundle whole or not at all; gives where the next one begins.
pub(super) async fn one(
    remote: &Remote,
    from: &str,
    body: &serde_json::Value,
    workspace: &str,
    path: &Path,
    output: Output,
) -> anyhow::Result<Option<String>> {
    let mut response = remote.download(from, body, workspace).await?;
    let header =
        |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let next = header("x-exhibit-next-cursor");
    let bar = bar::stream(output);
    bar.set_message(format!("({} traces)", header("x-exhibit-traces").unwrap_or_default()));
    let part = path.with_extension("part");
    let failed = || format!("cannot write {}", part.display());
    let mut file = fs::File::create(&part).with_context(failed)?;
    loop {
        let piece = response.chunk().await.map_err(|error| {
            Failure::new(format!("the file broke off: {}", error.without_url()))
                .hint("run the same command again; files of a series that are whole are kept")
        })?;
        let Some(piece) = piece else { break };
        file.write_all(&piece).with_context(failed)?;
        bar.inc(piece.len() as u64);
    }
    file.sync_all().with_context(failed)?;
    fs::rename(&part, path).with_context(|| format!("cannot write {}", path.display()))?;
    bar.finish_and_clear();
    Ok(next)
}
