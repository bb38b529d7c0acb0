//! What the server says when it is ready: addresses always; on a fresh installation the set-up link,
//! a first key with lines to copy, and what to do with the epoch key.

use std::path::PathBuf;

use exhibit_model::{Scope, Scopes};
use exhibit_recorder::{Caller, KeyPrefix, NewKey, Recorder, Who};
use exhibit_server::Addresses;
use serde_json::json;

use crate::{
    config::Loaded,
    installation::Installation,
    output::{Output, Style},
};

/// Everything it says.
pub(super) struct Welcome {
    url: String,
    bound: Addresses,
    setup_url: Option<String>,
    first_key: Option<String>,
    epoch_key: Option<PathBuf>,
}

impl Welcome {
    /// Makes what a fresh installation needs.
    pub(super) async fn prepare(
        installation: &Installation,
        url: String,
        bound: Addresses,
        first_start: bool,
    ) -> anyhow::Result<Self> {
        let recorder = &installation.recorder;
        let token = recorder.setup_token().await?;
        let first_key = first_key(recorder).await?;
        // Said once; `exhibit doctor` repeats it for as long as the key is there.
        let epoch_key = installation.keys.epoch_key().filter(|_| first_start).map(Into::into);
        let setup_url = token.map(|token| format!("{url}/setup?token={token}"));
        Ok(Self { url, bound, setup_url, first_key, epoch_key })
    }

    /// Prints it, to standard output.
    pub(super) fn print(&self, loaded: &Loaded, output: Output) -> std::io::Result<()> {
        let texts = |addresses: &[std::net::SocketAddr]| {
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let main = texts(&self.bound.main);
        let (http, grpc) = (texts(&self.bound.otlp_http), texts(&self.bound.otlp_grpc));
        if output.json {
            return output.json(&json!({
                "event": "ready",
                "version": env!("CARGO_PKG_VERSION"),
                "pid": std::process::id(),
                "url": self.url,
                "listen": main,
                "otlp_http": http,
                "otlp_grpc": grpc,
                "data_dir": loaded.config.data_dir,
                "setup_url": self.setup_url,
                "first_key": self.first_key,
            }));
        }
        let bold = |text: &str| output.styled(Style::Bold, text);
        let list = |addresses: &[String]| match addresses {
            [] => "off".to_owned(),
            addresses => addresses.join(", "),
        };
        output.line(format!(
            "{} {} is ready: {}",
            bold("Exhibit"),
            env!("CARGO_PKG_VERSION"),
            bold(&self.url)
        ))?;
        output.line(format!("  Dashboard, API  {}", list(&main)))?;
        output.line(format!("  OTLP/HTTP       {}", list(&http)))?;
        output.line(format!("  OTLP/gRPC       {}", list(&grpc)))?;
        output.line(format!("  Data            {}", loaded.config.data_dir.display()))?;
        let rules = loaded.config.rules_dir.as_ref();
        let rules = rules.map_or_else(|| "built in".to_owned(), |dir| dir.display().to_string());
        output.line(format!("  Rules           {rules}"))?;
        if let Some(workspace) = &loaded.config.keyless_ingest {
            output.line(format!("  Keyless ingest  from this machine into {workspace}"))?;
        }
        if let Some(link) = &self.setup_url {
            output.line(format!(
                "\n{} (works once; a restart gives a new link)",
                bold("Create the first account")
            ))?;
            output.line(format!("  {link}"))?;
        }
        if let Some(key) = &self.first_key {
            self.print_key(key, output)?;
        }
        if let Some(path) = &self.epoch_key {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            output.line(format!(
                "\n{} (it authorises a new log after a restore or a stolen key)",
                bold("Take the epoch key offline")
            ))?;
            output.line(format!("  mv '{}' /path/to/offline/media/{name}", path.display()))?;
        }
        Ok(())
    }

    fn print_key(&self, key: &str, output: Output) -> std::io::Result<()> {
        let bold = |text: &str| output.styled(Style::Bold, text);
        let now = jiff::Timestamp::now();
        let otlp =
            self.bound.otlp_http.first().map_or_else(|| self.url.clone(), |a| super::local_url(*a));
        output.line(format!("\n{} (scopes ingest, read; shown once)", bold("Your first key")))?;
        output.line(format!("  {key}"))?;
        output.line(format!("\n{}", bold("Send a first span")))?;
        output.line(format!(
            "  curl {}/api/v1/ingest/spans -H 'Authorization: Bearer {key}' \\",
            self.url
        ))?;
        output.line("    -H 'Content-Type: application/json' \\")?;
        output.line(format!(
            "    -d '{{\"batch\":[{{\"trace_id\":\"first\",\"span_id\":\"s1\",\"name\":\"hello\",\"span_type\":\"llm\",\"status\":\"ok\",\"start_time\":\"{now:.3}\",\"end_time\":\"{now:.3}\",\"model\":\"gpt-4o-mini\",\"tokens_in\":12,\"tokens_out\":34,\"input\":{{\"prompt\":\"Hello\"}},\"output\":{{\"response\":\"Hi!\"}}}}]}}'"
        ))?;
        output.line(format!("\n{}", bold("Or point any OpenTelemetry exporter here")))?;
        output.line(format!("  export OTEL_EXPORTER_OTLP_ENDPOINT={otlp}"))?;
        output.line("  export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf")?;
        output.line(format!("  export OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20{key}"))
    }
}

/// A key for the default workspace, where it never had one.
async fn first_key(recorder: &Recorder) -> anyhow::Result<Option<String>> {
    let workspace = recorder.default_workspace().await?;
    if !recorder.keys(workspace.id).await?.is_empty() {
        return Ok(None);
    }
    let by = Caller {
        workspace: workspace.id,
        workspace_public: workspace.public_id,
        scopes: Scopes::all(),
        who: Who::Local,
    };
    let new = NewKey {
        workspace: workspace.id,
        name: "first key".to_owned(),
        scopes: [Scope::Ingest, Scope::Read].into_iter().collect(),
        expires: None,
        prefix: KeyPrefix::Exk,
    };
    let (secret, _) = recorder.create_key(&by, new).await?;
    Ok(Some(secret))
}
