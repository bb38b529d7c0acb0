//! Where notices go: `notifications.yaml` beside the rules, read strictly.

use serde::Deserialize;
use serde_json::{Value, json};

/// A way to tell somebody.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Channel {
    /// Its name, as `notify: {channel: …}` says it.
    pub name: String,
    /// How it is told.
    #[serde(flatten)]
    pub way: Way,
}

/// How a channel is told.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Way {
    /// A POST signed by the Standard Webhooks scheme.
    Webhook {
        /// Where to.
        url: String,
        /// Environment variable with the secret: `whsec_` and base64.
        secret_env: String,
        /// Events that it listens to, as beginnings such as `review.`; all when empty.
        #[serde(default)]
        events: Vec<String>,
        /// Whether it may lead to a private address.
        #[serde(default)]
        allow_private: bool,
    },
    /// An incoming webhook of Slack, or of what reads the same payload.
    Slack {
        /// Environment variable with the URL, which is a secret by itself.
        url_env: String,
        /// As of a webhook.
        #[serde(default)]
        events: Vec<String>,
        /// As of a webhook.
        #[serde(default)]
        allow_private: bool,
    },
    /// A message over SMTP.
    Email {
        /// `host:port`.
        smtp: String,
        /// `tls` (from the start), `starttls`, or `none`.
        #[serde(default)]
        security: Security,
        /// Name to log in with.
        #[serde(default)]
        user: Option<String>,
        /// Environment variable with the password.
        #[serde(default)]
        password_env: Option<String>,
        /// The sender.
        from: String,
        /// The recipients.
        to: Vec<String>,
        /// As of a webhook.
        #[serde(default)]
        events: Vec<String>,
    },
}

/// How a mail server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// Encrypted from the start.
    Tls,
    /// Encrypted after a first word; refused where the server cannot.
    #[default]
    Starttls,
    /// Not at all.
    None,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    channels: Vec<Channel>,
}

impl Channel {
    /// Whether it wants to hear of an event.
    pub(crate) fn listens(&self, event: &str) -> bool {
        let (Way::Webhook { events, .. } | Way::Slack { events, .. } | Way::Email { events, .. }) =
            &self.way;
        events.is_empty() || events.iter().any(|start| event.starts_with(start.as_str()))
    }

    /// What may be shown of it.
    pub(crate) fn shown(&self) -> Value {
        let (kind, to, events) = match &self.way {
            // A path may be a secret; the host is not.
            Way::Webhook { url, events, .. } => {
                let host = url.split('/').take(3).collect::<Vec<_>>().join("/");
                ("webhook", host.rsplit('@').next().unwrap_or_default().to_owned(), events)
            }
            Way::Slack { url_env, events, .. } => ("slack", format!("${url_env}"), events),
            Way::Email { to, events, .. } => ("email", to.join(", "), events),
        };
        json!({ "name": self.name, "kind": kind, "to": to, "events": events })
    }
}

/// Reads the file; the error says where it is wrong.
pub(crate) fn read(text: &str) -> Result<Vec<Channel>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let file: File = serde_yaml_ng::from_str(text).map_err(|error| error.to_string())?;
    if file.version != 1 {
        return Err(format!("version: is {}; this version reads 1", file.version));
    }
    for (n, channel) in file.channels.iter().enumerate() {
        if channel.name.is_empty() || channel.name.len() > 64 {
            return Err(format!("channels[{n}].name: must have 1 to 64 characters"));
        }
        if file.channels.iter().take(n).any(|other| other.name == channel.name) {
            return Err(format!("channels[{n}]: there are two channels named `{}`", channel.name));
        }
        if let Way::Webhook { url, .. } = &channel.way
            && !(url.starts_with("https://") || url.starts_with("http://"))
        {
            return Err(format!("channels[{n}].url: must begin with https:// or http://"));
        }
        if matches!(&channel.way, Way::Email { to, .. } if to.is_empty()) {
            return Err(format!("channels[{n}].to: is empty"));
        }
    }
    Ok(file.channels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_read_and_mistakes_are_named() {
        let good = "version: 1\nchannels:\n  - {name: ops, kind: webhook, url: \"https://x.example/a\", \
                    secret_env: S, events: [review.]}\n  - {name: m, kind: email, smtp: \"h:587\", \
                    from: a@x.example, to: [b@x.example]}\n";
        let channels = read(good).unwrap();
        assert!(channels[0].listens("review.opened") && !channels[0].listens("rule.notify"));
        assert_eq!(channels[0].shown()["to"], "https://x.example");
        for (wrong, word) in [
            ("version: 2\n", "version"),
            ("version: 1\nchanels: []\n", "chanels"),
            ("version: 1\nchannels: [{name: a, kind: pager}]\n", "pager"),
            ("version: 1\nchannels: [{name: a, kind: slack, url_env: S, evnts: []}]\n", "evnts"),
            (
                "version: 1\nchannels: [{name: a, kind: webhook, url: \"ftp://x\", secret_env: S}]\n",
                "url",
            ),
        ] {
            assert!(read(wrong).unwrap_err().contains(word), "{wrong}");
        }
    }
}
