//! `exhibit keys rotate-signing`: a new key signs checkpoints from now on.

use exhibit_ledger::{Hash, Succession, succession::Reason};
use exhibit_recorder::{HandOver, OsEntropy, hand_over};
use exhibit_store::{LedgerStore as _, LogId};
use exhibit_store_sqlite::{Options, SqliteStore};
use serde_json::json;

use crate::{
    args::KeysRotateSigning,
    config::Loaded,
    data_dir::DataDir,
    failure::{Exit, Failure},
    installation::{Installation, in_use, not_installed},
    output::Output,
};

/// Runs the command.
pub(super) async fn run(
    args: &KeysRotateSigning,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let data = DataDir::new(&loaded.config.data_dir);
    let keys = data.path().join("keys");
    if !(data.is_installed() || args.lost && keys.is_dir()) {
        return Err(not_installed(&data).into());
    }
    if let Some(holder) = data.holder()? {
        return Err(in_use(&data, &holder).into());
    }
    if args.lost && data.is_installed() {
        return Err(Failure::usage("the signing key is there")
            .hint("rotate it without --lost, or with --compromised if others may have it")
            .into());
    }
    let reason = if args.lost || args.compromised { Reason::Compromise } else { Reason::Rotation };
    let options = Options { search: false, ..Options::default() };
    let store = SqliteStore::open_read_only(data.path(), options)?;
    let head = store.head(LogId::Installation).await?;
    drop(store);
    let head = (head.size, Hash(head.root));
    let epoch_key = args.epoch_key.as_ref().map(|path| loaded.environment.cwd.join(path));
    let what = HandOver { reason, ended: head, continues: head, epoch_key: epoch_key.as_deref() };
    let done = hand_over(&keys, &what, &OsEntropy)?;
    // Opening enters it into the log and signs every log anew.
    Installation::open(loaded).await?.close().await?;
    tell(&done, output)
}

fn tell(done: &Succession, output: Output) -> anyhow::Result<Exit> {
    let (old, new) = (done.old.to_string(), done.new.to_string());
    if output.json {
        output.json(&json!({ "reason": done.reason.as_str(), "old": old, "new": new }))?;
        return Ok(Exit::Done);
    }
    output.line(format!("Key: {new}"))?;
    output.note(match done.reason {
        Reason::Rotation => format!("it takes over from {old}, which signed for it"),
        _ => format!("a new epoch; whoever pinned {old} must pin the new key"),
    });
    output.hint("make a copy of keys/ again; the one you have lacks the new key");
    Ok(Exit::Done)
}
