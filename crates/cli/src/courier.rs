//! Carries notifications out: signed webhooks, Slack, e-mail.
//!
//! The one place from which the server speaks to addresses that somebody configured. A name is resolved
//! here, every address it has must be a public one unless the channel allows others, and the connection goes
//! to exactly those addresses, so that a name cannot change its mind in between. Redirects are not followed.

mod address;
mod mail;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use exhibit_model::Nanos;
use exhibit_recorder::{Channel, Courier, Lost, Way};
use exhibit_store::Delivery;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Client, StatusCode, Url};
use serde_json::{Value, json};
use sha2::Sha256;

/// Lengths of a signing secret (Standard Webhooks, "Signature scheme").
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// How long a receiver may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The courier of a server.
pub(crate) struct Carrier {
    tls: rustls::ClientConfig,
}

impl Carrier {
    pub(crate) fn new() -> Result<Arc<Self>, rustls::Error> {
        Ok(Arc::new(Self { tls: crate::remote::tls(true)? }))
    }
}

fn lost(reason: impl Into<String>) -> Lost {
    Lost { reason: reason.into(), for_good: false }
}

fn given_up(reason: impl Into<String>) -> Lost {
    Lost { reason: reason.into(), for_good: true }
}

/// A secret out of the environment; its absence is put right by a restart, so it is tried again.
fn secret(name: &str) -> Result<String, Lost> {
    std::env::var(name).map_err(|_| lost(format!("the environment variable {name} is not set")))
}

#[async_trait]
impl Courier for Carrier {
    async fn carry(
        &self,
        channel: &Channel,
        delivery: &Delivery,
        now: Nanos,
    ) -> Result<String, Lost> {
        match &channel.way {
            Way::Webhook { url, secret_env, allow_private, .. } => {
                let key = secret(secret_env)?;
                let stamp = now.0.div_euclid(1_000_000_000).to_string();
                let signature = sign(&key, &delivery.id, &stamp, &delivery.body)?;
                let headers = [
                    ("webhook-id", delivery.id.clone()),
                    ("webhook-timestamp", stamp),
                    ("webhook-signature", signature),
                ];
                self.post(url, *allow_private, &headers, delivery.body.clone()).await
            }
            Way::Slack { url_env, allow_private, .. } => {
                let url = secret(url_env)?;
                self.post(&url, *allow_private, &[], slack(delivery).to_string()).await
            }
            Way::Email { .. } => mail::send(&channel.way, delivery, &words(delivery)).await,
        }
    }
}

impl Carrier {
    async fn post(
        &self,
        url: &str,
        allow_private: bool,
        headers: &[(&'static str, String)],
        body: String,
    ) -> Result<String, Lost> {
        let url = Url::parse(url).map_err(|_| given_up("the URL does not read"))?;
        let host = url.host_str().ok_or_else(|| given_up("the URL has no host"))?.to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        let addresses = resolve(&host, port, allow_private).await?;
        let client = Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .resolve_to_addrs(&host, &addresses)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .build()
            .map_err(|_| lost("the HTTP client cannot be set up"))?;
        let mut request = client
            .post(url)
            .header("content-type", "application/json")
            .header("user-agent", concat!("exhibit/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let answer = request.body(body).send().await.map_err(|error| {
            let what = if error.is_timeout() { "it took too long" } else { "it cannot be reached" };
            lost(what)
        })?;
        match answer.status() {
            status if status.is_success() => Ok(status.as_u16().to_string()),
            StatusCode::GONE => Err(given_up("410: the receiver wants no more")),
            status => Err(lost(format!("it answered {}", status.as_u16()))),
        }
    }
}

/// The addresses of a host, all of them such as may be spoken to.
async fn resolve(host: &str, port: u16, allow_private: bool) -> Result<Vec<SocketAddr>, Lost> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((bare, port)).await;
    let addresses: Vec<SocketAddr> =
        found.map_err(|_| lost("its name does not resolve"))?.take(16).collect();
    if addresses.is_empty() {
        return Err(lost("its name has no address"));
    }
    if !allow_private && addresses.iter().any(|address| !address::is_public(address.ip())) {
        return Err(given_up(
            "it leads to a private address; set `allow_private: true` on the channel if that is meant",
        ));
    }
    Ok(addresses)
}

/// The signature of the Standard Webhooks scheme, version 1: HMAC-SHA256 over `id.timestamp.body`.
fn sign(secret: &str, id: &str, stamp: &str, body: &str) -> Result<String, Lost> {
    let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
    let key = STANDARD.decode(encoded).map_err(|_| {
        given_up("the secret does not read; it is `whsec_` and base64 of 24 to 64 bytes")
    })?;
    if !KEY_BYTES.contains(&key.len()) {
        return Err(given_up("the secret must have 24 to 64 bytes, or others could guess it"));
    }
    let mut mac =
        Hmac::<Sha256>::new_from_slice(&key).map_err(|_| given_up("the secret cannot be used"))?;
    for piece in [id, ".", stamp, ".", body] {
        mac.update(piece.as_bytes());
    }
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

/// A delivery in a few lines.
fn words(delivery: &Delivery) -> String {
    let body: Value = serde_json::from_str(&delivery.body).unwrap_or_default();
    let data = body.get("data").unwrap_or(&Value::Null);
    let text = |name: &str| data.get(name).and_then(Value::as_str);
    let mut lines = vec![format!(
        "{}: {}",
        delivery.event,
        text("message").or_else(|| text("title")).unwrap_or("Exhibit")
    )];
    for (label, name) in [
        ("Rule", "rule"),
        ("Severity", "severity"),
        ("State", "state"),
        ("Queue", "queue"),
        ("Due", "due_at"),
        ("Review", "review_id"),
        ("Trace", "trace_id"),
        ("Span", "span_id"),
    ] {
        lines.extend(text(name).map(|value| format!("{label}: {value}")));
    }
    lines.join("\n")
}

/// The payload of Slack's incoming webhooks: a text for notifications and a block to read.
fn slack(delivery: &Delivery) -> Value {
    // Slack's own three escapes; nothing else of its markup comes from us.
    let text = words(delivery).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let first = text.lines().next().unwrap_or_default().to_owned();
    json!({
        "text": first,
        "blocks": [{ "type": "section", "text": { "type": "mrkdwn", "text": text } }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        // The example of the specification's reference libraries.
        let secret = ["whsec_", "MfKQ9r8GKYqr", "TwjUPD8ILPZIo2LaLaSw"].concat();
        let said =
            sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#);
        assert_eq!(said.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        for weak in ["whsec_***", "whsec_", "whsec_AQEB", ""] {
            assert!(sign(weak, "a", "1", "{}").unwrap_err().for_good, "{weak}");
        }
    }

    #[tokio::test]
    async fn a_private_address_is_reached_only_where_that_is_allowed() {
        for host in ["127.0.0.1", "10.0.0.8", "169.254.169.254", "[::1]", "[::ffff:192.168.0.1]"] {
            assert!(resolve(host, 80, false).await.unwrap_err().for_good, "{host}");
            assert!(resolve(host, 80, true).await.is_ok(), "{host}");
        }
        assert!(resolve("93.184.215.14", 443, false).await.is_ok());
    }

    #[tokio::test]
    async fn a_private_address_is_refused_however_it_is_spelled() {
        let carrier = Carrier::new().unwrap();
        for url in [
            "http://localhost/",
            "http://LOCALHOST/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://0/",
            "http://①②⑦.⓪.⓪.①/",
            "http://127。0。0。1/",
            "http://%31%32%37.0.0.1/",
            "http://[::ffff:7f00:1]/",
            "http://[0:0:0:0:0:ffff:127.0.0.1]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://[fe80::1]/",
            "http://public.example@127.0.0.1/",
            "http://127.0.0.1#@public.example/",
            "http://127.0.0.1\\@public.example/",
            "http:127.0.0.1/",
        ] {
            let lost = carrier.post(url, false, &[], String::new()).await.unwrap_err();
            assert!(lost.for_good && lost.reason.contains("private"), "{url}: {}", lost.reason);
        }
    }

    #[test]
    fn slack_reads_markup_as_text() {
        let delivery = Delivery {
            id: "m".into(),
            channel: "c".into(),
            event: "review.opened".into(),
            body: json!({"data": {"title": "<!channel> & more", "trace_id": "t"}}).to_string(),
            created: Nanos(0),
            next: None,
            attempts: 0,
            delivered: None,
            last: None,
        };
        let said = slack(&delivery);
        assert_eq!(said["text"], "review.opened: &lt;!channel&gt; &amp; more");
    }
}
