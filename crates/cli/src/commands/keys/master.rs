//! `exhibit keys make-master`, `rotate-master`, `copy-payload-keys`: the keys of encrypted payloads.

use exhibit_recorder::{MasterKey, OsEntropy, Sealing};
use exhibit_store_sqlite::{Options, SlotFile, SqliteStore};
use serde_json::json;

use crate::{
    args::{KeysCopyPayloadKeys, KeysMakeMaster, KeysRotateMaster},
    config::Loaded,
    data_dir::{DataDir, write_private},
    encryption::{Source, slots_path},
    failure::{Exit, Failure},
    installation::{in_use, not_installed},
    output::Output,
};

/// Makes a master key.
pub(super) fn make(args: &KeysMakeMaster, loaded: &Loaded, output: Output) -> anyhow::Result<Exit> {
    let path = loaded.environment.cwd.join(&args.file);
    if path.exists() {
        return Err(Failure::usage(format!(
            "{} exists; a key is never overwritten",
            path.display()
        ))
        .into());
    }
    let key = MasterKey::make(&OsEntropy);
    write_private(&path, key.to_text().as_bytes())?;
    if output.json {
        output.json(&json!({ "file": path, "fingerprint": key.fingerprint() }))?;
        return Ok(Exit::Done);
    }
    output.line(format!("{}  {}", key.fingerprint(), path.display()))?;
    output.hint("keep a copy apart from the data directory: without it payloads cannot be read");
    Ok(Exit::Done)
}

/// Puts another master key in the place of the present one.
pub(super) fn rotate(
    args: &KeysRotateMaster,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let data = DataDir::new(&loaded.config.data_dir);
    if !data.is_installed() {
        return Err(not_installed(&data).into());
    }
    if let Some(holder) = data.holder()? {
        return Err(in_use(&data, &holder).into());
    }
    let path = slots_path(data.path());
    let old = Source::of(loaded)?.filter(|_| path.exists()).ok_or_else(|| {
        Failure::usage("no payload is encrypted here")
            .hint("set encryption.key_file to encrypt those that come")
    })?;
    let new = new_source(args, loaded)?;
    let (old, new) = (old.key()?, new.key()?);
    if old.fingerprint() == new.fingerprint() {
        return Err(Failure::usage("the new master key is the present one").into());
    }
    // Holds the directory for as long as it takes.
    let options = Options { search: false, ..Options::of(&loaded.config.limits) };
    let store = SqliteStore::open(data.path(), options)?;
    let slots = SlotFile::open(&path)?;
    let keys = Sealing::rotate(&slots, &old, &new, &OsEntropy)?;
    store.close();
    if output.json {
        output.json(&json!({
            "old": old.fingerprint(), "new": new.fingerprint(), "keys": keys
        }))?;
        return Ok(Exit::Done);
    }
    let (old, new) = (old.fingerprint(), new.fingerprint());
    output.line(format!("{new} has taken the place of {old}; {keys} keys are wrapped anew"))?;
    output.hint("change the configuration before the next start; nothing opens with the old key");
    output.hint("copies of keys/payloads.db made before still open with it: replace them");
    Ok(Exit::Done)
}

fn new_source(args: &KeysRotateMaster, loaded: &Loaded) -> Result<Source, Failure> {
    if let Some(path) = &args.new_file {
        return Ok(Source::File(loaded.environment.cwd.join(path)));
    }
    if let Some(command) = &args.new_command {
        return Ok(Source::Command(command.clone()));
    }
    let name = args.new_env.as_deref().unwrap_or_default();
    let value = loaded.environment.get(name).map(str::to_owned);
    let missing = || Failure::usage(format!("there is no variable {name}"));
    value.map(Source::Text).ok_or_else(missing)
}

/// Copies the keys of payloads as they are now, whether a server runs or not.
pub(super) fn copy(
    args: &KeysCopyPayloadKeys,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let path = slots_path(&loaded.config.data_dir);
    if !path.exists() {
        return Err(Failure::usage("no payload is encrypted here").into());
    }
    let target = loaded.environment.cwd.join(&args.target);
    SlotFile::open_read_only(&path)?.copy(&target)?;
    if output.json {
        output.json(&json!({ "file": target }))?;
        return Ok(Exit::Done);
    }
    output.line(target.display().to_string())?;
    output.hint("what is erased from now on lives on in this copy: let it expire");
    Ok(Exit::Done)
}
