//! `exhibit serve`.

use std::path::PathBuf;

use clap::Args;

use crate::config::{LogFormat, StoreKind};

/// Options of `exhibit serve`.
#[derive(Debug, Args, Default)]
pub(crate) struct ServeArgs {
    /// Address of dashboard and API; repeatable. The first must be free, a further one may be taken
    /// [default: 127.0.0.1:3000 and 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<String>,
    /// Address of the OTLP/HTTP receiver, or `off` [default: 127.0.0.1:4318]
    #[arg(long, value_name = "ADDR")]
    pub(crate) otlp_http: Option<String>,
    /// Address of the OTLP/gRPC receiver, or `off` [default: 127.0.0.1:4317]
    #[arg(long, value_name = "ADDR")]
    pub(crate) otlp_grpc: Option<String>,
    /// Directory with pricing.yaml, detectors/*.yaml and policies/*.yaml [default: ./rules, else
    /// rules in the data directory, else the rules built in]
    #[arg(long, value_name = "DIR")]
    pub(crate) rules_dir: Option<PathBuf>,
    /// Where traces are kept: in the data directory, or in PostgreSQL and ClickHouse [default: embedded]
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<StoreKind>,
    /// PostgreSQL of the cluster; better in EXHIBIT_POSTGRES_URL, since other users see command lines
    #[arg(long, value_name = "URL")]
    pub(crate) postgres_url: Option<String>,
    /// ClickHouse of the cluster; better in EXHIBIT_CLICKHOUSE_URL
    #[arg(long, value_name = "URL")]
    pub(crate) clickhouse_url: Option<String>,
    /// Build no full-text search index
    #[arg(long)]
    pub(crate) no_search: bool,
    /// Accept spans without a key, from this machine only, into this workspace
    #[arg(long, value_name = "WORKSPACE")]
    pub(crate) keyless_ingest: Option<String>,
    /// Speak MongoDB's wire protocol at this address, for TraceLLM's client; beyond this machine only
    /// with TLS (`mongo_tls_cert`, `mongo_tls_key`) and keys [default: off]
    #[arg(long, value_name = "ADDR")]
    pub(crate) mongo_listen: Option<String>,
    /// Write every sealed trace to a MongoDB; better in EXHIBIT_MONGO_SINK, since other users see command
    /// lines
    #[arg(long, value_name = "URL")]
    pub(crate) mongo_sink: Option<String>,
    /// Serve TraceLLM's REST API and WebSocket at this loopback address [default: off]
    #[arg(long, value_name = "ADDR")]
    pub(crate) tracellm_listen: Option<String>,
    /// Origin that browsers may call the API from; repeatable
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) cors_origin: Vec<String>,
    /// What to log, such as `info` or `exhibit_recorder=debug` [default: info]
    #[arg(long, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// Form of the log [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// Mark a running span incomplete after this long without an update [default: 15m]
    #[arg(long, value_name = "DURATION")]
    pub(crate) stale_after: Option<String>,
    /// Seal a trace this long after its root has ended [default: 30s]
    #[arg(long, value_name = "DURATION")]
    pub(crate) seal_after: Option<String>,
    /// Check configuration, addresses and rules, and exit
    #[arg(long)]
    pub(crate) check: bool,
}
