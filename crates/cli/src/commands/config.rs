//! `exhibit config show`.

use serde_json::{Map, Value, json};

use crate::{
    args::ConfigCommand,
    config::{Loaded, SECRET_KEYS, flatten},
    failure::Exit,
    output::{Output, Style},
};

/// Shows every setting in force.
pub(crate) fn run(
    command: &ConfigCommand,
    loaded: &Loaded,
    output: Output,
) -> anyhow::Result<Exit> {
    let ConfigCommand::Show { origin } = command;
    let toml::Value::Table(table) = toml::Value::try_from(&loaded.config)? else {
        anyhow::bail!("the configuration is not a table");
    };
    let mut rows = Vec::new();
    flatten("", &table, &mut |key, value| {
        let secret = SECRET_KEYS.contains(&key.as_str());
        let value = if secret { toml::Value::from("(set, not shown)") } else { value.clone() };
        rows.push((key, value));
    });
    let from =
        |key: &str| loaded.origins.get(key).map_or("default".to_owned(), ToString::to_string);
    if output.json {
        let object: Map<String, Value> = rows
            .into_iter()
            .map(|(key, value)| {
                let origin = from(&key);
                (key, json!({"value": value, "origin": origin}))
            })
            .collect();
        output.json(&object)?;
        return Ok(Exit::Done);
    }
    for (key, value) in rows {
        let line = format!("{key} = {value}");
        if *origin {
            let origin = output.styled(Style::Dim, &format!("# {}", from(&key)));
            output.line(format!("{line}  {origin}"))?;
        } else {
            output.line(line)?;
        }
    }
    loaded.notices.iter().for_each(|notice| output.note(notice));
    Ok(Exit::Done)
}
