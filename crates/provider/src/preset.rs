//! The providers that can be named, and what is known about each: protocol, address, where the key
//! stands. The only table of its kind; a further OpenAI-compatible service is one more row.

use crate::transport::AuthHeader;
use reqwest::Url;
use std::net::IpAddr;

/// Which wire protocol a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    OpenAi,
    /// OpenAI's Responses API.
    Responses,
    Anthropic,
    Gemini,
    Ollama,
}

/// One provider that can be chosen by name.
#[derive(Debug)]
pub(crate) struct Preset {
    /// Names it is chosen by; the first is the one shown.
    pub(crate) names: &'static [&'static str],
    /// `gen_ai.provider.name`.
    pub(crate) recorded_as: &'static str,
    pub(crate) protocol: Protocol,
    pub(crate) auth: AuthHeader,
    /// Variables that may hold the key, first wins. Empty: it works without one.
    pub(crate) key_variables: &'static [&'static str],
    /// Whether the default address answers without a key.
    pub(crate) keyless: bool,
    /// The variable that may hold the base URL.
    pub(crate) base_variable: Option<&'static str>,
    /// The base URL when nothing else is said; `None` when there cannot be one.
    pub(crate) base_url: Option<&'static str>,
    /// The model when nothing else is said; `None` when it depends on the server.
    pub(crate) model: Option<&'static str>,
}

/// All of them.
pub(crate) static PRESETS: &[Preset] = &[
    Preset {
        names: &["openai", "openai-compatible"],
        recorded_as: "openai",
        protocol: Protocol::OpenAi,
        auth: AuthHeader::Bearer,
        key_variables: &["OPENAI_API_KEY"],
        keyless: false,
        base_variable: Some("OPENAI_BASE_URL"),
        base_url: Some("https://api.openai.com/v1"),
        model: Some("gpt-4o"),
    },
    Preset {
        names: &["openai-responses"],
        recorded_as: "openai",
        protocol: Protocol::Responses,
        auth: AuthHeader::Bearer,
        // Chosen by name only: the same key speaks the more common protocol too.
        key_variables: &["OPENAI_API_KEY"],
        keyless: false,
        base_variable: Some("OPENAI_BASE_URL"),
        base_url: Some("https://api.openai.com/v1"),
        model: Some("gpt-4o"),
    },
    Preset {
        names: &["anthropic"],
        recorded_as: "anthropic",
        protocol: Protocol::Anthropic,
        auth: AuthHeader::XApiKey,
        key_variables: &["ANTHROPIC_API_KEY"],
        keyless: false,
        base_variable: Some("ANTHROPIC_BASE_URL"),
        base_url: Some("https://api.anthropic.com"),
        model: Some("claude-haiku-4-5"),
    },
    Preset {
        names: &["gemini", "google"],
        recorded_as: "gcp.gemini",
        protocol: Protocol::Gemini,
        auth: AuthHeader::XGoogApiKey,
        key_variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        keyless: false,
        base_variable: Some("GEMINI_BASE_URL"),
        base_url: Some("https://generativelanguage.googleapis.com"),
        model: Some("gemini-2.5-flash"),
    },
    Preset {
        names: &["ollama"],
        recorded_as: "ollama",
        protocol: Protocol::Ollama,
        auth: AuthHeader::Bearer,
        key_variables: &["OLLAMA_API_KEY"],
        keyless: true,
        base_variable: Some("OLLAMA_HOST"),
        base_url: Some("http://127.0.0.1:11434"),
        model: Some("llama3.2"),
    },
    Preset {
        names: &["azure"],
        recorded_as: "azure.ai.openai",
        protocol: Protocol::OpenAi,
        auth: AuthHeader::ApiKey,
        key_variables: &["AZURE_OPENAI_API_KEY"],
        keyless: false,
        base_variable: Some("AZURE_OPENAI_ENDPOINT"),
        base_url: None,
        model: None,
    },
    Preset {
        names: &["openrouter"],
        recorded_as: "openrouter",
        protocol: Protocol::OpenAi,
        auth: AuthHeader::Bearer,
        key_variables: &["OPENROUTER_API_KEY"],
        keyless: false,
        base_variable: None,
        base_url: Some("https://openrouter.ai/api/v1"),
        model: Some("openai/gpt-4o"),
    },
    Preset {
        names: &["vllm"],
        recorded_as: "vllm",
        protocol: Protocol::OpenAi,
        auth: AuthHeader::Bearer,
        key_variables: &["VLLM_API_KEY"],
        keyless: true,
        base_variable: None,
        base_url: Some("http://127.0.0.1:8000/v1"),
        model: None,
    },
    Preset {
        names: &["lmstudio"],
        recorded_as: "lmstudio",
        protocol: Protocol::OpenAi,
        auth: AuthHeader::Bearer,
        key_variables: &[],
        keyless: true,
        base_variable: None,
        base_url: Some("http://127.0.0.1:1234/v1"),
        model: None,
    },
];

impl Preset {
    /// The name that is shown.
    pub(crate) fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    /// The row with this name, in any case.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.names.iter().any(|n| n.eq_ignore_ascii_case(name)))
    }
}

/// Services that speak the common protocol, by the end of their host name, and how to record them.
static KNOWN_HOSTS: &[(&str, &str)] = &[
    ("api.openai.com", "openai"),
    ("openrouter.ai", "openrouter"),
    ("api.groq.com", "groq"),
    ("api.deepseek.com", "deepseek"),
    ("api.mistral.ai", "mistral_ai"),
    ("api.x.ai", "x_ai"),
    ("api.perplexity.ai", "perplexity"),
    ("api.together.xyz", "together"),
    ("api.fireworks.ai", "fireworks"),
    ("api.cerebras.ai", "cerebras"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    (".openai.azure.com", "azure.ai.openai"),
    (".services.ai.azure.com", "azure.ai.openai"),
    (".cognitiveservices.azure.com", "azure.ai.openai"),
];

/// How to record an OpenAI-compatible service and where its key goes: by its host where that is
/// known, else as the preset says.
pub(crate) fn recognise(preset: &Preset, base_url: &str) -> (&'static str, AuthHeader) {
    let host = host(base_url);
    let known = KNOWN_HOSTS
        .iter()
        .find(|(end, _)| host.as_deref().is_some_and(|host| host.ends_with(end)))
        .map(|(_, name)| *name);
    match known {
        Some("azure.ai.openai") => ("azure.ai.openai", AuthHeader::ApiKey),
        Some(name) => (name, preset.auth),
        None => (preset.recorded_as, preset.auth),
    }
}

/// The host of a URL.
pub(crate) fn host(url: &str) -> Option<String> {
    Url::parse(url).ok()?.host_str().map(str::to_owned)
}

/// A base URL from what people write: a bare `host`, `host:port` or `:port` is Ollama's way and
/// gets its scheme and port; the address a server listens on everywhere is reached on this machine.
pub(crate) fn complete_host(text: &str) -> String {
    let text = text.trim();
    let (bare, text) = match text.split_once("://") {
        Some(_) => (false, text.to_owned()),
        None if text.starts_with(':') => (true, format!("http://127.0.0.1{text}")),
        None => (true, format!("http://{text}")),
    };
    let Ok(mut url) = Url::parse(&text) else { return text };
    if bare && url.port().is_none() && !text.ends_with(":80") {
        let _ = url.set_port(Some(11434));
    }
    match url.host_str() {
        Some("0.0.0.0") => drop(url.set_host(Some("127.0.0.1"))),
        Some("[::]") => drop(url.set_host(Some("[::1]"))),
        _ => {}
    }
    url.into()
}

/// Checks a base URL: `http` or `https`, a host, no credentials in it, and no key sent in the clear
/// to a place outside the local network. The reason never repeats the URL, which may hold secrets.
pub(crate) fn check_base_url(text: &str, with_key: bool) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("it must begin with http:// or https://".to_owned());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("it names no host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it must not hold a user name or password".to_owned());
    }
    if with_key && url.scheme() == "http" && !is_local(&url) {
        return Err(
            "a key is not sent over plain http:// to a public host; use https://".to_owned()
        );
    }
    Ok(url)
}

/// Whether a host is on this machine or, by its address or name, in a local network.
fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(IpAddr::V4(a)) => a.is_loopback() || a.is_private() || a.is_link_local(),
        Ok(IpAddr::V6(a)) => a.is_loopback() || a.is_unique_local() || a.is_unicast_link_local(),
        Err(_) => {
            let local_ends = [
                ".localhost",
                ".local",
                ".lan",
                ".internal",
                ".home.arpa",
                ".cluster.local",
                ".svc",
            ];
            !host.contains('.') || local_ends.iter().any(|end| host.ends_with(end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_ollama_host_gets_scheme_and_port() {
        let cases = [
            ("localhost", "http://localhost:11434/"),
            ("0.0.0.0", "http://127.0.0.1:11434/"),
            ("0.0.0.0:1234", "http://127.0.0.1:1234/"),
            (":9", "http://127.0.0.1:9/"),
            ("[::]:7", "http://[::1]:7/"),
            ("https://ollama.example", "https://ollama.example/"),
        ];
        for (given, expected) in cases {
            assert_eq!(complete_host(given), expected, "{given}");
        }
    }

    #[test]
    fn a_key_goes_in_the_clear_only_within_the_local_network() {
        for url in
            ["http://localhost:1/v1", "http://10.1.2.3", "http://ollama:11434", "http://[::1]:1"]
        {
            assert!(check_base_url(url, true).is_ok(), "{url}");
        }
        for url in ["http://api.example.com/v1", "http://8.8.8.8", "http://10.1.2.3.example.com"] {
            assert!(check_base_url(url, true).is_err(), "{url}");
            assert!(check_base_url(url, false).is_ok(), "{url}");
        }
        for url in ["ftp://x", "file:///etc", "api.example.com", "https://u:p@x/", "http://", ""] {
            assert!(check_base_url(url, false).is_err(), "{url}");
        }
    }

    #[test]
    fn every_preset_is_found_by_each_of_its_names_and_no_name_is_taken_twice() {
        let names: Vec<_> = PRESETS.iter().flat_map(|preset| preset.names).collect();
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name), "{name}");
            assert!(Preset::named(&name.to_uppercase()).is_some(), "{name}");
        }
    }
}
