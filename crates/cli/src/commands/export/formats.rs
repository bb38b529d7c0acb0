//! `exhibit export audit-trail`, `statement`, `receipt`: formats that others read.

use std::{fs, path::Path};

use anyhow::Context as _;
use serde_json::json;

use super::evidence::one;
use crate::{
    args::{ExportAuditTrail, ExportReceipt, ExportStatement},
    failure::{Exit, Failure},
    output::Output,
    remote::Remote,
};

/// Writes an agent audit trail.
pub(super) async fn trail(
    args: &ExportAuditTrail,
    remote: &Remote,
    output: Output,
) -> anyhow::Result<Exit> {
    let body = json!({ "trace_id": args.trace, "filter": args.filter });
    let from = "api/v1/evidence/audit-trail";
    one(remote, from, &body, &args.workspace, &args.out, output).await?;
    written(&args.out, output)
}

/// Writes a statement about a trace.
pub(super) async fn statement(
    args: &ExportStatement,
    remote: &Remote,
    output: Output,
) -> anyhow::Result<Exit> {
    let from = format!("api/v1/traces/{}/statement", args.trace);
    let found = remote.get(&from, &[], &args.workspace).await?;
    let found = found.ok_or_else(|| Failure::new(format!("there is no trace {}", args.trace)))?;
    keep(&args.out, found.to_string().as_bytes())?;
    written(&args.out, output)
}

/// Writes a receipt of an entry.
pub(super) async fn receipt(
    args: &ExportReceipt,
    remote: &Remote,
    output: Output,
) -> anyhow::Result<Exit> {
    let from = format!("api/v1/ledger/receipt/{}", args.index);
    let found = remote.bytes(from, &args.workspace).await?;
    let missing = || Failure::new(format!("entry {} is not under a checkpoint", args.index));
    keep(&args.out, &found.ok_or_else(missing)?)?;
    written(&args.out, output)
}

fn keep(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn written(path: &Path, output: Output) -> anyhow::Result<Exit> {
    if output.json {
        output.json(&json!({ "files": [path.display().to_string()] }))?;
    } else {
        output.line(path.display().to_string())?;
    }
    Ok(Exit::Done)
}
