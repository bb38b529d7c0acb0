//! The pages `docs/reference/config.md` and `docs/reference/cli.md`, made from the code: the comments
//! of the configuration's fields and the command line's own help.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{Config, Kind, alias, flatten, keys, variable_of};

/// Where the fields are documented: the section of the configuration, its struct, its source.
const SOURCES: &[(&str, &str, &str)] = &[
    ("", "Config", include_str!("../config.rs")),
    ("otlp", "Otlp", include_str!("../config.rs")),
    ("archive", "ColdArchive", include_str!("../config.rs")),
    ("encryption", "Encryption", include_str!("../config.rs")),
    ("outside", "Outside", include_str!("../config.rs")),
    ("provider", "ProviderConfig", include_str!("../../../provider/src/config.rs")),
    ("proxy", "Proxy", include_str!("../config.rs")),
    ("limits", "Limits", include_str!("../../../model/src/limits.rs")),
];

/// The comment of every key.
fn comments() -> BTreeMap<String, String> {
    let mut comments = BTreeMap::new();
    for (section, name, source) in SOURCES {
        let start = format!("pub struct {name} {{");
        let crate_start = format!("pub(crate) struct {name} {{");
        let mut inside = false;
        let mut comment = String::new();
        for line in source.lines() {
            let text = line.trim();
            if line == start || line == crate_start {
                inside = true;
            } else if inside && line == "}" {
                break;
            } else if let Some(part) = text.strip_prefix("///").filter(|_| inside) {
                if !comment.is_empty() {
                    comment.push(' ');
                }
                comment.push_str(part.trim());
            } else if let Some(field) = field_name(text).filter(|_| inside) {
                let key = if section.is_empty() {
                    field.to_owned()
                } else {
                    format!("{section}.{field}")
                };
                comments.insert(key, std::mem::take(&mut comment));
            }
        }
    }
    comments
}

fn field_name(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("pub ").or_else(|| text.strip_prefix("pub(crate) "))?;
    rest.split_once(':').map(|(name, _)| name)
}

/// `docs/reference/config.md`.
pub(crate) fn config_page() -> String {
    let comments = comments();
    let mut defaults = BTreeMap::new();
    if let Ok(toml::Value::Table(table)) = toml::Value::try_from(Config::default()) {
        flatten("", &table, &mut |key, value| {
            defaults.insert(key, value.to_string());
        });
    }
    defaults.insert("data_dir".to_owned(), "$XDG_DATA_HOME/exhibit".to_owned());
    let mut page = String::from(
        "# Configuration\n\n\
         <!-- Made by `exhibit reference config`; a test compares it. -->\n\n\
         Settings come from, in this order, the later winning: defaults, a file, environment \
         variables, flags. The file is `exhibit.toml` in the working directory, else in the data \
         directory, or the one that `--config` or `EXHIBIT_CONFIG` names. Unknown keys are refused. \
         Lists in variables are JSON or comma-separated. `exhibit config show --origin` tells what is \
         in force and why; `exhibit serve --check` tries it.\n\n\
         The data directory is `data` in the working directory where that holds an installation, else \
         `$XDG_DATA_HOME/exhibit`, else `~/.local/share/exhibit`, else `exhibit-data` in the working \
         directory. Paths in a file are relative to the file.\n",
    );
    let section_of = |key: &str| key.rsplit_once('.').map(|(section, _)| section.to_owned());
    let mut keys = keys();
    keys.sort_by_key(|(key, _)| section_of(key));
    let mut section = None;
    for (key, kind) in keys {
        let here = section_of(&key);
        if section.as_ref() != Some(&here) {
            let title = here.as_deref().map_or("General".to_owned(), |name| format!("`[{name}]`"));
            let _ = write!(
                page,
                "\n## {title}\n\n| key | variable | default | meaning |\n|---|---|---|---|\n"
            );
            section = Some(here);
        }
        let name = key.rsplit('.').next().unwrap_or(&key);
        let default = defaults.get(&key).map_or_else(String::new, |d| format!("`{d}`"));
        let comment = comments.get(&key).cloned().unwrap_or_default().replace('|', "\\|");
        let unit = if kind == Kind::Switch { " (`true` or `false`)" } else { "" };
        let _ =
            writeln!(page, "| `{name}` | `{}` | {default} | {comment}{unit} |", variable_of(&key));
    }
    page.push_str("\n## Variables of other programs\n\n| variable | effect |\n|---|---|\n");
    for (name, effect) in alias::NAMES {
        let _ = writeln!(page, "| `{name}` | {effect} |");
    }
    page.push_str(
        "\nExhibit's own variables win over these. The keys of LLM providers (`OPENAI_API_KEY`, \
         `ANTHROPIC_API_KEY`, `GEMINI_API_KEY`, …) are read from their usual variables and never from \
         the file.\n",
    );
    page
}

/// `docs/reference/cli.md`.
pub(crate) fn cli_page(mut command: clap::Command) -> String {
    command.build();
    let mut page = String::from(
        "# Command line\n\n<!-- Made by `exhibit reference cli`; a test compares it. -->\n\n\
         The binary answers to the names `exhibit` and `tracellm`.\n",
    );
    add(&mut page, &command, "exhibit");
    page
}

fn add(page: &mut String, command: &clap::Command, name: &str) {
    let help = command.clone().term_width(96).render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
    for inner in command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
        add(page, inner, &format!("{name} {}", inner.get_name()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_documented() {
        let comments = comments();
        for (key, _) in keys() {
            assert!(comments.get(&key).is_some_and(|c| c.len() > 10), "{key} has no comment");
        }
        // An optional one shows only where `keys` gives it a value.
        let known: Vec<String> = keys().into_iter().map(|(key, _)| key).collect();
        let sections: Vec<&str> = SOURCES.iter().map(|(section, _, _)| *section).collect();
        for key in comments.keys().filter(|key| !sections.contains(&key.as_str())) {
            assert!(known.contains(key), "{key} is missing from `keys`");
        }
    }
}
