//! `exhibit keys create|list|revoke|rotate-signing`, and the keys of encrypted payloads.

mod encrypt;
mod master;
mod rotate;

use serde_json::{Value, json};

use crate::{
    args::{KeysCommand, KeysCreate, KeysList, KeysRevoke},
    config::{Loaded, parse_expiry},
    door::{Door, Need},
    failure::{Exit, Failure},
    output::{Output, Table, clipped},
    remote::Remote,
};

/// Where keys are on the API.
const PATH: &str = "api/v1/keys";

/// Runs the command.
pub(crate) async fn run(
    command: KeysCommand,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let need = match &command {
        KeysCommand::RotateSigning(args) => return rotate::run(args, loaded, output).await,
        KeysCommand::MakeMaster(args) => return master::make(args, loaded, output),
        KeysCommand::RotateMaster(args) => return master::rotate(args, loaded, output),
        KeysCommand::EncryptStored => return encrypt::run(loaded, output).await,
        KeysCommand::CopyPayloadKeys(args) => return master::copy(args, loaded, output),
        KeysCommand::List(_) => Need::Read,
        KeysCommand::Create(_) | KeysCommand::Revoke(_) => Need::Administer,
    };
    let door = Door::open(loaded, need).await?;
    let done = match command {
        KeysCommand::Create(args) => create(&args, &door.remote, output).await,
        KeysCommand::List(args) => list(&args, &door.remote, output).await,
        KeysCommand::Revoke(args) => revoke(&args, &door.remote, output).await,
        _ => Ok(Exit::Done),
    };
    door.close(need).await?;
    done
}

async fn create(args: &KeysCreate, remote: &Remote, output: Output) -> anyhow::Result<Exit> {
    let scopes = exhibit_model::Scopes::parse(&args.scopes).map_err(|word| {
        Failure::usage(format!("`{word}` is not a scope"))
            .hint("scopes are ingest, read, review, export, replay and admin")
    })?;
    let now = super::trace::now();
    let expires = args.expires.as_deref().map(|text| parse_expiry(text, now)).transpose();
    let expires = expires.map_err(|error| Failure::usage(format!("--expires: {error}")))?;
    let body = json!({
        "name": args.name,
        "scopes": scopes,
        "expires_at": expires.map(exhibit_model::Nanos::to_rfc3339),
        "prefix": args.prefix.as_str(),
    });
    let mut answer = remote.post(PATH, &body, &args.workspace).await?;
    let secret = answer.get("key").and_then(Value::as_str).map(str::to_owned);
    let secret = secret.ok_or_else(|| Failure::new("the server's answer holds no key"))?;
    let key = answer.get_mut("data").map(Value::take).unwrap_or_default();
    if output.json {
        // The key comes first: people and scripts look for it.
        let mut ordered = serde_json::Map::new();
        ordered.insert("key".to_owned(), secret.into());
        if let Value::Object(rest) = key {
            ordered.extend(rest);
        }
        output.json(&ordered)?;
        return Ok(Exit::Done);
    }
    output.line(&secret)?;
    output.note(format!(
        "{} may {} in workspace {}; the key is not shown again",
        key.get("id").and_then(Value::as_str).unwrap_or("the key"),
        scopes,
        args.workspace
    ));
    Ok(Exit::Done)
}

async fn list(args: &KeysList, remote: &Remote, output: Output) -> anyhow::Result<Exit> {
    let answer = remote.get(PATH, &[], &args.workspace).await?;
    let mut answer = answer.ok_or_else(|| Failure::new("the server has no list of keys"))?;
    let Some(Value::Array(mut keys)) = answer.get_mut("data").map(Value::take) else {
        anyhow::bail!("the server's list of keys has another shape than expected");
    };
    if !args.all {
        keys.retain(|key| state(key) == "active");
    }
    if output.json {
        output.json(&json!({"data": keys}))?;
        return Ok(Exit::Done);
    }
    let mut table =
        Table::new(&["ID", "NAME", "PREFIX", "SCOPES", "CREATED", "LAST USED", "EXPIRES", "STATE"]);
    for key in &keys {
        let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or("-");
        let scopes = key.get("scopes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        table.row(vec![
            text("id").to_owned(),
            clipped(text("name"), 32),
            format!("{}…", text("prefix")),
            scopes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
            day(text("created_at")),
            day(text("last_used_at")),
            day(text("expires_at")),
            state(key).to_owned(),
        ]);
    }
    for line in table.lines() {
        output.line(line)?;
    }
    Ok(Exit::Done)
}

/// `active`, `expired` or `revoked`.
fn state(key: &Value) -> &str {
    key.get("status").and_then(Value::as_str).unwrap_or("unknown")
}

fn day(stamp: &str) -> String {
    stamp.split('T').next().unwrap_or(stamp).to_owned()
}

async fn revoke(args: &KeysRevoke, remote: &Remote, output: Output) -> anyhow::Result<Exit> {
    let well_formed = args.id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !well_formed || args.id.is_empty() {
        return Err(Failure::usage("this is not the id of a key")
            .hint("ids start with key_; `exhibit keys list` shows them")
            .into());
    }
    if !remote.delete(&format!("{PATH}/{}", args.id), &args.workspace).await? {
        return Err(Failure::new(format!(
            "there is no active key {} in {}",
            args.id, args.workspace
        ))
        .hint("`exhibit keys list --all` shows every key")
        .into());
    }
    if output.json {
        output.json(&json!({"id": args.id, "revoked": true}))?;
    } else {
        output.line(format!("{} is revoked", args.id))?;
    }
    Ok(Exit::Done)
}
