//! Puts the sources of settings together, and remembers where each came from.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::Deserialize as _;

use super::{
    Config, Kind, alias,
    alias::{Alias, list, switch},
    flatten, keys, variable_of,
};
use crate::{data_dir::DataDir, failure::Failure};

/// The surroundings of the program, as an argument so that tests can make their own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// Environment variables.
    pub(crate) variables: BTreeMap<String, String>,
    /// Working directory.
    pub(crate) cwd: PathBuf,
}

impl Environment {
    /// The real ones. Variables that are not text are left out.
    pub(crate) fn real() -> Self {
        let text = |(k, v): (std::ffi::OsString, std::ffi::OsString)| {
            Some((k.into_string().ok()?, v.into_string().ok()?))
        };
        Self {
            variables: std::env::vars_os().filter_map(text).collect(),
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
        }
    }

    /// A variable that says something.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|v| v.trim()).filter(|v| !v.is_empty())
    }

    /// Where data lives unless somebody says otherwise: in `data` here where that is an installation, as
    /// `make run` makes it, else as the XDG base directory specification has it, else here.
    fn default_data_dir(&self) -> PathBuf {
        let here = self.cwd.join("data");
        if DataDir::new(&here).is_installed() {
            return here;
        }
        let home = || self.get("HOME").map(|home| Path::new(home).join(".local/share"));
        match self.get("XDG_DATA_HOME").map(PathBuf::from).filter(|p| p.is_absolute()).or_else(home)
        {
            Some(base) => base.join("exhibit"),
            None => self.cwd.join("exhibit-data"),
        }
    }
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File(PathBuf),
    Variable(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A setting that a flag overrides.
#[derive(Debug, Clone)]
pub(crate) struct Override {
    /// Key.
    pub(crate) key: &'static str,
    /// Value.
    pub(crate) value: toml::Value,
    /// The flag, as typed.
    pub(crate) flag: &'static str,
}

/// The configuration in force.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// Its values.
    pub(crate) config: Config,
    /// Where each key comes from; keys that are absent come from nowhere.
    pub(crate) origins: BTreeMap<String, Origin>,
    /// What the user should know about variables without effect.
    pub(crate) notices: Vec<String>,
    /// The environment it was read in.
    pub(crate) environment: Environment,
}

/// Reads every source. `config` is the file named by `--config`.
pub(crate) fn load(
    environment: Environment,
    config: Option<&Path>,
    overrides: Vec<Override>,
) -> Result<Loaded, Failure> {
    let mut layers = Layers::new(&environment)?;
    let flagged_dir = overrides.iter().any(|o| o.key == "data_dir");
    let data_dir_is_set = flagged_dir || environment.get("EXHIBIT_DATA_DIR").is_some();

    let file = config_file(&environment, config, data_dir_is_set, &overrides)?;
    if let Some(path) = &file {
        layers.file(path, &environment.cwd)?;
    }
    let known: BTreeMap<String, (String, Kind)> =
        keys().into_iter().map(|(key, kind)| (variable_of(&key), (key, kind))).collect();
    let named = data_dir_is_set || layers.origins.get("data_dir") != Some(&Origin::Default);
    for (name, value) in &environment.variables {
        layers.alias(name, value, named)?;
    }
    for (name, value) in &environment.variables {
        layers.variable(name, value, &known)?;
    }
    for Override { key, value, flag } in overrides {
        layers.set(key, value, Origin::Flag(flag.to_owned()))?;
    }
    let Layers { table, origins, notices } = layers;
    let config = Config::deserialize(table)
        .map_err(|error| Failure::usage(format!("configuration: {}", error.message())))?;
    let mut loaded = Loaded { config, origins, notices, environment };
    loaded.config.data_dir = loaded.environment.cwd.join(&loaded.config.data_dir);
    if let Some(dir) = &loaded.config.rules_dir {
        loaded.config.rules_dir = Some(loaded.environment.cwd.join(dir));
    }
    Ok(loaded)
}

/// Which file to read: the one that was named, else the one here, else the one among the data.
fn config_file(
    environment: &Environment,
    named: Option<&Path>,
    data_dir_is_set: bool,
    overrides: &[Override],
) -> Result<Option<PathBuf>, Failure> {
    const NAME: &str = "exhibit.toml";
    let variable = environment.get("EXHIBIT_CONFIG").map(PathBuf::from);
    if let Some(path) = named.map(Path::to_path_buf).or(variable) {
        let path = environment.cwd.join(path);
        if !path.is_file() {
            return Err(Failure::usage(format!(
                "the configuration file {} does not exist",
                path.display()
            )));
        }
        return Ok(Some(path));
    }
    let here = environment.cwd.join(NAME);
    if here.is_file() {
        return Ok(Some(here));
    }
    let flagged = overrides.iter().find(|o| o.key == "data_dir").and_then(|o| o.value.as_str());
    let dir = match flagged.or_else(|| environment.get("EXHIBIT_DATA_DIR")) {
        Some(dir) => environment.cwd.join(dir),
        None if data_dir_is_set => return Ok(None),
        None => environment.default_data_dir(),
    };
    Ok(Some(dir.join(NAME)).filter(|path| path.is_file()))
}

struct Layers {
    table: toml::Table,
    origins: BTreeMap<String, Origin>,
    notices: Vec<String>,
}

impl Layers {
    fn new(environment: &Environment) -> Result<Self, Failure> {
        let defaults = Config { data_dir: environment.default_data_dir(), ..Config::default() };
        let toml::Value::Table(table) = toml::Value::try_from(defaults)
            .map_err(|error| Failure::new(format!("defaults: {error}")))?
        else {
            return Err(Failure::new("the defaults are not a table"));
        };
        let mut origins = BTreeMap::new();
        flatten("", &table, &mut |key, _| {
            origins.insert(key, Origin::Default);
        });
        Ok(Self { table, origins, notices: Vec::new() })
    }

    /// Sets one key; the error names the source when the configuration does not read any more.
    fn set(&mut self, key: &str, value: toml::Value, origin: Origin) -> Result<(), Failure> {
        let mut table = &mut self.table;
        let mut path = key.split('.').peekable();
        while let Some(name) = path.next() {
            if path.peek().is_none() {
                table.insert(name.to_owned(), value);
                break;
            }
            let inner = table.entry(name).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            match inner {
                toml::Value::Table(inner) => table = inner,
                _ => return Err(Failure::usage(format!("{origin}: `{key}` is not a setting"))),
            }
        }
        if let Err(error) = Config::deserialize(self.table.clone()) {
            return Err(Failure::usage(format!("{origin}: {key}: {}", error.message())));
        }
        self.origins.insert(key.to_owned(), origin);
        Ok(())
    }

    fn file(&mut self, path: &Path, cwd: &Path) -> Result<(), Failure> {
        let shown = path.display();
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("{shown}: {error}")))?;
        let file: toml::Table = toml::from_str(&text).map_err(|error| {
            Failure::usage(format!("{shown}: {}", error.to_string().trim_end()))
        })?;
        // Read the file as it stands first: its errors name a line.
        toml::from_str::<Config>(&text).map_err(|error| {
            Failure::usage(format!("{shown}: {}", error.to_string().trim_end()))
        })?;
        let base = path.parent().unwrap_or(cwd);
        let mut settings = Vec::new();
        flatten("", &file, &mut |key, value| settings.push((key, value.clone())));
        for (key, value) in settings {
            let value = match (key.as_str(), value.as_str()) {
                // Paths in a file are relative to the file.
                (
                    "data_dir"
                    | "rules_dir"
                    | "mongo_tls_cert"
                    | "mongo_tls_key"
                    | "encryption.key_file",
                    Some(text),
                ) => base.join(text).to_string_lossy().into_owned().into(),
                ("archive.to", Some(text)) if !text.starts_with("s3://") => {
                    base.join(text).to_string_lossy().into_owned().into()
                }
                _ => value,
            };
            self.set(&key, value, Origin::File(path.to_owned()))?;
        }
        Ok(())
    }

    fn alias(&mut self, name: &str, value: &str, data_dir_is_set: bool) -> Result<(), Failure> {
        match alias::alias(name, value, data_dir_is_set) {
            Alias::Sets(key, value) => self.set(key, value, Origin::Variable(name.to_owned())),
            Alias::Ignored(reason) => {
                self.notices.push(format!("{name} is {reason}"));
                Ok(())
            }
            Alias::Refused(reason) => Err(Failure::usage(format!("{name}: {reason}"))),
            Alias::Unknown => Ok(()),
        }
    }

    fn variable(
        &mut self,
        name: &str,
        value: &str,
        known: &BTreeMap<String, (String, Kind)>,
    ) -> Result<(), Failure> {
        /// Variables of ours that are not settings: for the scripts around the program.
        const OTHERS: &[&str] = &["EXHIBIT_CONFIG", "EXHIBIT_KEY", "EXHIBIT_SHARED"];
        let Some((key, kind)) = known.get(name) else {
            if name.starts_with("EXHIBIT_") && !OTHERS.contains(&name) {
                self.notices.push(format!("{name} is not a setting and has no effect"));
            }
            return Ok(());
        };
        let text = value.trim();
        if text.is_empty() {
            return Ok(());
        }
        let wrong = |shape: &str| Failure::usage(format!("{name}: `{text}` is not {shape}"));
        let value = match kind {
            Kind::Text => text.into(),
            Kind::Switch => switch(text).ok_or_else(|| wrong("`true` or `false`"))?.into(),
            Kind::Number => text.parse::<i64>().map_err(|_| wrong("a whole number"))?.into(),
            Kind::List => {
                list(text).map_err(|reason| Failure::usage(format!("{name}: {reason}")))?
            }
        };
        self.set(key, value, Origin::Variable(name.to_owned()))
    }
}

#[cfg(test)]
mod tests;
