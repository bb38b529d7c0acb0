//! The configuration: one struct, filled from defaults, `exhibit.toml`, `EXHIBIT_*` variables and
//! flags, in this order. Unknown keys are refused, and every error names its source.
//!
//! A setting is one field of [`Config`] with its doc comment. Its key in the file is the field's
//! path, its variable is `EXHIBIT_` and the path in capitals (see [`variable_of`]); the reference
//! page is made from the same comments (`reference`). `layers` puts the sources together, `alias`
//! knows the names that other programs use.

mod address;
mod alias;
mod duration;
mod layers;
pub(crate) mod reference;

use std::path::PathBuf;

use clap::ValueEnum;
use exhibit_model::Limits;
use exhibit_provider::ProviderConfig;
use serde::{Deserialize, Serialize};

pub(crate) use address::{Address, parse_address};
pub(crate) use duration::{parse_duration_ms, parse_expiry};
pub(crate) use layers::{Environment, Loaded, Override, load};

/// Everything that can be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Directory that holds everything: database, keys, search index. Created when missing.
    pub(crate) data_dir: PathBuf,
    /// Where traces are kept: `embedded` (in the data directory) or `cluster` (in PostgreSQL and ClickHouse;
    /// the data directory then holds the keys, the same on every node). `cluster` needs a binary that was
    /// built with it (`make build-cluster`).
    pub(crate) store: StoreKind,
    /// PostgreSQL of the cluster, such as `postgres://user:password@host:5432/exhibit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) postgres_url: Option<String>,
    /// ClickHouse of the cluster, such as `http://user:password@host:8123`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) clickhouse_url: Option<String>,
    /// Database in ClickHouse; made when it is missing.
    pub(crate) clickhouse_database: String,
    /// Addresses of dashboard, API and WebSocket: `host:port`, or a port on 127.0.0.1; port 0 takes a
    /// free one. The first must be free; a further one that is taken is a warning.
    pub(crate) listen: Vec<String>,
    /// Directory with `pricing.yaml`, `detectors/*.yaml` and `policies/*.yaml`; read again when a file
    /// changes. Unset: `./rules` if it holds such files, else `rules` in the data directory, else the
    /// rules built in. What the directory lacks is taken from the rules built in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rules_dir: Option<PathBuf>,
    /// Whether full-text search is kept.
    pub(crate) search: bool,
    /// Workspace that takes spans without a key, from this machine only. Unset: every request needs a
    /// key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keyless_ingest: Option<String>,
    /// Address where MongoDB's wire protocol is spoken (TraceLLM's client writes by it), or `off`. Without
    /// TLS an address on this machine, and no key is asked for.
    pub(crate) mongo_listen: String,
    /// Workspace that its clients write to and read without a key.
    pub(crate) mongo_workspace: String,
    /// PEM file of the certificates for TLS on `mongo_listen`. With TLS every client has to show a key, as
    /// the password of PLAIN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mongo_tls_cert: Option<PathBuf>,
    /// PEM file of its private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mongo_tls_key: Option<PathBuf>,
    /// MongoDB to whose collection `traces` every sealed trace goes, such as
    /// `mongodb://user:password@host:27017/tracellm`. Needs a binary built with `--features mongo-sink`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mongo_sink: Option<String>,
    /// Workspace whose traces go there.
    pub(crate) mongo_sink_workspace: String,
    /// Address on this machine of TraceLLM's REST API and WebSocket, or `off`.
    pub(crate) tracellm_listen: String,
    /// Workspace that they are about.
    pub(crate) tracellm_workspace: String,
    /// Workspaces whose replays and ablations may call the LLM provider of the server's environment,
    /// at its cost. Others set a provider of their own.
    pub(crate) provider_workspaces: Vec<String>,
    /// Origins that browsers may call the API from, such as `https://app.example.com`.
    pub(crate) cors_origins: Vec<String>,
    /// Whether anybody who reaches the server may make an account (with a workspace of its own). The
    /// set-up link works either way.
    pub(crate) registration: bool,
    /// Whether session cookies are marked `Secure` on plain connections too. They always are when a
    /// proxy says that the client came over TLS.
    pub(crate) secure_cookies: bool,
    /// What to log: a level, or a filter such as `info,exhibit_recorder=debug`.
    pub(crate) log: String,
    /// Form of the log: `text` or `json` (one object per line).
    pub(crate) log_format: LogFormat,
    /// Where the server sends traces of its own work, as OTLP/HTTP: a collector such as
    /// `http://127.0.0.1:4318`. Unset: nowhere. Headers, timeout and sampling come from OpenTelemetry's usual
    /// variables (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER`, …).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) own_traces: Option<String>,
    /// Server that commands talk to. Unset: the one that runs on the data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// Key for that server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) api_key: Option<String>,
    /// Receivers of OpenTelemetry.
    pub(crate) otlp: Otlp,
    /// Witnesses and time-stamp authorities, who make the log independent of its operator.
    pub(crate) outside: Outside,
    /// Encryption of payloads at rest, on while a key is given. One of `key`, `key_file`, `key_command`.
    pub(crate) encryption: Encryption,
    /// Cold archive: payloads of old traces in other storage.
    pub(crate) archive: ColdArchive,
    /// The LLM provider that `exhibit trace`, replays and ablations call.
    pub(crate) provider: ProviderConfig,
    /// Where the provider proxy passes calls on to.
    pub(crate) proxy: Proxy,
    /// The bounds of the system. None is infinite.
    pub(crate) limits: Limits,
}

/// Where the provider proxy passes calls on to: the providers themselves, or servers that speak their
/// protocols.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Proxy {
    /// Base URL behind `/proxy/openai/v1`, with its version.
    pub(crate) openai: String,
    /// Base URL behind `/proxy/anthropic`.
    pub(crate) anthropic: String,
    /// Base URL behind `/proxy/gemini`.
    pub(crate) gemini: String,
}

/// Receivers of OpenTelemetry beside `/v1/traces` on the main address.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Otlp {
    /// Address of OTLP/HTTP, or `off`.
    pub(crate) http: String,
    /// Address of OTLP/gRPC, or `off`.
    pub(crate) grpc: String,
}

/// Outside eyes. Without any of them verdicts say `unwitnessed`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Outside {
    /// File with the witnesses and their quorum (C2SP tlog-policy). Those with a URL are asked to
    /// cosign the installation's checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) witness_policy: Option<PathBuf>,
    /// Time between two questions to the witnesses, milliseconds.
    pub(crate) witness_every_ms: u64,
    /// URLs of time-stamp authorities (RFC 3161).
    pub(crate) timestamp_urls: Vec<String>,
    /// File with the certificates (PEM) that vouch for them. Unset: tokens are kept, but not trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timestamp_roots: Option<PathBuf>,
    /// Time between two time stamps, milliseconds; none is asked for while the log stands still.
    pub(crate) timestamp_every_ms: u64,
}

/// Encryption of payloads at rest: those of traces that begin while a key is given.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Encryption {
    /// The master key, 64 hexadecimal digits or base64; better in its variable than in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// File that holds the master key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_file: Option<PathBuf>,
    /// Command, run by the shell, whose first line of output is the master key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_command: Option<String>,
    /// Keep full-text search all the same. The index holds every word of payloads in plain.
    pub(crate) plain_index: bool,
}

/// Cold archive: payloads of sealed traces move to other storage, encrypted; everything else stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ColdArchive {
    /// A directory, or, in a binary built with `--features s3`, `s3://bucket/path` with credentials from the
    /// usual `AWS_` variables. Keep it set while payloads are there: they are read from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<String>,
    /// Days after a trace was last added to when its payloads move by themselves. Unset: only when
    /// `exhibit archive run` says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after_days: Option<u32>,
    /// Object Lock on what goes to a bucket that has it: `governance` (whoever has the right may lift it) or
    /// `compliance` (nobody may). Wants `lock_days`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lock: Option<LockMode>,
    /// Days, counted from the end of the day on which they go, for which objects are locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lock_days: Option<u32>,
}

/// How objects of an archive are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LockMode {
    /// Who has the right to may lift it.
    Governance,
    /// Nobody may lift it before its time.
    Compliance,
}

/// Where traces are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StoreKind {
    /// In the data directory.
    Embedded,
    /// In PostgreSQL and ClickHouse.
    Cluster,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::new(),
            store: StoreKind::Embedded,
            postgres_url: None,
            clickhouse_url: None,
            clickhouse_database: "exhibit".to_owned(),
            listen: vec!["127.0.0.1:3000".to_owned(), "127.0.0.1:8000".to_owned()],
            rules_dir: None,
            search: true,
            keyless_ingest: None,
            mongo_listen: "off".to_owned(),
            mongo_workspace: "default".to_owned(),
            mongo_tls_cert: None,
            mongo_tls_key: None,
            mongo_sink: None,
            mongo_sink_workspace: "default".to_owned(),
            tracellm_listen: "off".to_owned(),
            tracellm_workspace: "default".to_owned(),
            provider_workspaces: vec!["default".to_owned()],
            cors_origins: vec!["http://localhost:3000".to_owned()],
            registration: true,
            secure_cookies: false,
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            own_traces: None,
            url: None,
            api_key: None,
            otlp: Otlp::default(),
            outside: Outside::default(),
            encryption: Encryption::default(),
            archive: ColdArchive::default(),
            provider: ProviderConfig::default(),
            proxy: Proxy::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Proxy {
    fn default() -> Self {
        let exhibit_server::Proxy { openai, anthropic, gemini, .. } =
            exhibit_server::Proxy::default();
        Self { openai, anthropic, gemini }
    }
}

impl Default for Outside {
    fn default() -> Self {
        Self {
            witness_policy: None,
            witness_every_ms: 5_000,
            timestamp_urls: Vec::new(),
            timestamp_roots: None,
            timestamp_every_ms: 3_600_000,
        }
    }
}

impl Default for Otlp {
    fn default() -> Self {
        Self { http: "127.0.0.1:4318".to_owned(), grpc: "127.0.0.1:4317".to_owned() }
    }
}

/// Keys whose values are never printed.
pub(crate) const SECRET_KEYS: &[&str] =
    &["api_key", "postgres_url", "clickhouse_url", "mongo_sink", "encryption.key"];

/// The environment variable of a key.
pub(crate) fn variable_of(key: &str) -> String {
    match key {
        // The names under which the provider crate reads them itself.
        "provider.provider" => "EXHIBIT_PROVIDER".to_owned(),
        "provider.model" => "EXHIBIT_MODEL".to_owned(),
        key => format!("EXHIBIT_{}", key.replace('.', "_").to_uppercase()),
    }
}

/// What a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    List,
    Switch,
    Number,
}

/// Every key, in the order of the fields, with what it holds.
pub(crate) fn keys() -> Vec<(String, Kind)> {
    let set = || Some(String::new());
    let full = Config {
        rules_dir: Some(PathBuf::new()),
        postgres_url: set(),
        clickhouse_url: set(),
        mongo_tls_cert: Some(PathBuf::new()),
        mongo_tls_key: Some(PathBuf::new()),
        mongo_sink: set(),
        keyless_ingest: set(),
        own_traces: set(),
        url: set(),
        api_key: set(),
        outside: Outside {
            witness_policy: Some(PathBuf::new()),
            timestamp_roots: Some(PathBuf::new()),
            ..Outside::default()
        },
        encryption: Encryption {
            key: set(),
            key_file: Some(PathBuf::new()),
            key_command: set(),
            plain_index: false,
        },
        archive: ColdArchive {
            to: set(),
            after_days: Some(0),
            lock: Some(LockMode::Governance),
            lock_days: Some(0),
        },
        provider: ProviderConfig {
            provider: set(),
            base_url: set(),
            api_key_env: set(),
            model: set(),
        },
        ..Config::default()
    };
    let mut keys = Vec::new();
    if let Ok(toml::Value::Table(table)) = toml::Value::try_from(full) {
        flatten("", &table, &mut |key, value| {
            let kind = match value {
                toml::Value::Integer(_) | toml::Value::Float(_) => Kind::Number,
                toml::Value::Boolean(_) => Kind::Switch,
                toml::Value::Array(_) => Kind::List,
                _ => Kind::Text,
            };
            keys.push((key, kind));
        });
    }
    keys
}

/// Calls `each` for every value of a table, with its path.
pub(crate) fn flatten(
    prefix: &str,
    table: &toml::Table,
    each: &mut impl FnMut(String, &toml::Value),
) {
    for (name, value) in table {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => flatten(&path, inner, each),
            value => each(path, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_key_and_a_variable() {
        let keys = keys();
        assert!(keys.contains(&("otlp.grpc".into(), Kind::Text)));
        assert!(keys.contains(&("limits.body_bytes_max".into(), Kind::Number)));
        assert!(keys.contains(&("search".into(), Kind::Switch)));
        assert_eq!(variable_of("limits.body_bytes_max"), "EXHIBIT_LIMITS_BODY_BYTES_MAX");
        assert_eq!(variable_of("provider.model"), "EXHIBIT_MODEL");
        let mut variables: Vec<_> = keys.iter().map(|(key, _)| variable_of(key)).collect();
        variables.sort();
        variables.dedup();
        assert_eq!(variables.len(), keys.len());
    }
}
