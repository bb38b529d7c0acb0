//! Witnesses and time-stamp authorities, as configured: read from files, asked over HTTP.

use std::{fs, time::Duration};

use async_trait::async_trait;
use exhibit_evidence::stamp::Roots;
use exhibit_ledger::Policy;
use exhibit_recorder::{Outside, Post};

use crate::{
    config::{Config, Loaded},
    failure::Failure,
    remote,
};

/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 128 << 10;
/// How long a witness or authority may take.
const WITHIN: Duration = Duration::from_secs(15);

/// Whom the configuration names.
pub(crate) fn outside(loaded: &Loaded) -> anyhow::Result<Outside> {
    let Config { outside, .. } = &loaded.config;
    let cwd = &loaded.environment.cwd;
    let read = |key: &str, path: &std::path::Path| {
        let path = cwd.join(path);
        fs::read(&path)
            .map_err(|error| Failure::usage(format!("outside.{key}: {}: {error}", path.display())))
    };
    let policy = match &outside.witness_policy {
        None => None,
        Some(path) => {
            let bytes = read("witness_policy", path)?;
            let wrong = |what: &dyn std::fmt::Display| {
                Failure::usage(format!("outside.witness_policy: {}: {what}", path.display()))
            };
            let text = std::str::from_utf8(&bytes).map_err(|error| wrong(&error))?;
            let policy = Policy::parse(text).map_err(|error| wrong(&error))?;
            let urls = policy.witnesses.iter().filter_map(|w| w.url.as_deref());
            for url in urls {
                check_url("witness_policy", url)?;
            }
            Some(policy)
        }
    };
    let roots = match &outside.timestamp_roots {
        None => Roots::default(),
        Some(path) => Roots::from_pem(&read("timestamp_roots", path)?)
            .map_err(|error| Failure::usage(format!("outside.timestamp_roots: {error}")))?,
    };
    for url in &outside.timestamp_urls {
        check_url("timestamp_urls", url)?;
    }
    Ok(Outside {
        policy,
        witness_every: Duration::from_millis(outside.witness_every_ms),
        authorities: outside.timestamp_urls.clone(),
        roots,
        stamp_every: Duration::from_millis(outside.timestamp_every_ms),
    })
}

fn check_url(key: &str, url: &str) -> Result<(), Failure> {
    let parsed = reqwest::Url::parse(url).ok();
    let web = parsed.is_some_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
    if web {
        return Ok(());
    }
    Err(Failure::usage(format!("outside.{key}: this is not the URL of a server")))
}

/// The way out.
pub(crate) struct Web(reqwest::Client);

impl Web {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(remote::tls(true)?)
            .user_agent(concat!("exhibit/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(5))
            .timeout(WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self(client))
    }
}

#[async_trait]
impl Post for Web {
    async fn post(
        &self,
        url: &str,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), String> {
        let words = |error: reqwest::Error| remote::causes(&error.without_url());
        let request = self.0.post(url).header("content-type", content_type).body(body);
        let mut response = request.send().await.map_err(words)?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(words)? {
            if bytes.len() + piece.len() > ANSWER_BYTES_MAX {
                return Err("its answer is too long".to_owned());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok((status, bytes))
    }
}
