//! Which provider to call: chosen from the environment and the configuration file.
//!
//! The environment wins over the file, and what the file says about one provider is never used for
//! another. No error repeats a key or a URL.

use crate::options::ClientOptions;
use crate::preset::{PRESETS, Preset, Protocol, check_base_url, complete_host, host, recognise};
use crate::secret::Secret;
use crate::transport::Connection;
use crate::{Anthropic, Gemini, Ollama, OpenAiCompatible, OpenAiResponses, Provider};
use serde::{Deserialize, Serialize};

/// The provider section of the configuration file. It names where a key is, never the key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderConfig {
    /// `openai`, `openai-responses`, `anthropic`, `gemini`, `ollama`, `azure`, `openrouter`, `vllm` or
    /// `lmstudio`.
    pub provider: Option<String>,
    /// Base URL, for example `http://127.0.0.1:8000/v1`.
    pub base_url: Option<String>,
    /// Name of the environment variable that holds the key.
    pub api_key_env: Option<String>,
    /// The model to call when nothing else is said.
    pub model: Option<String>,
}

/// Why no provider can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Nothing says which provider to call.
    #[error(
        "no LLM provider is configured. Set one of OPENAI_API_KEY, ANTHROPIC_API_KEY, \
         GEMINI_API_KEY or OLLAMA_HOST, or OPENAI_BASE_URL for an OpenAI-compatible server. \
         EXHIBIT_PROVIDER ({names}) and EXHIBIT_MODEL choose among them", names = provider_names()
    )]
    NoProvider,
    /// The environment's provider is not for everybody here.
    #[error(
        "this workspace has no LLM provider. An admin sets one with PUT /api/v1/settings/provider; \
         the operator lends the one of the server's environment to workspaces that \
         EXHIBIT_PROVIDER_WORKSPACES names"
    )]
    NotForWorkspace,
    /// The provider is known but its key is not there.
    #[error("{provider} needs a key: set {}", variables.join(" or "))]
    MissingKey {
        /// The provider.
        provider: String,
        /// Variables that may hold it.
        variables: Vec<String>,
    },
    /// A name that no provider has.
    #[error("{origin} names a provider that does not exist; choose one of {}", provider_names())]
    UnknownProvider {
        /// Where the name stands.
        origin: String,
    },
    /// A base URL that cannot be used.
    #[error("{origin} is not a usable base URL: {reason}")]
    BadBaseUrl {
        /// Where it stands.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// The provider has no address of its own.
    #[error("{provider} needs a base URL: set {variable} or provider.base_url")]
    MissingBaseUrl {
        /// The provider.
        provider: String,
        /// The variable to set.
        variable: String,
    },
    /// A variable's value cannot be a key.
    #[error("{variable} does not hold a usable key: {reason}")]
    BadKey {
        /// The variable.
        variable: String,
        /// What is wrong.
        reason: String,
    },
    /// The provider serves whatever it was started with, so the model must be named.
    #[error("{provider} has no default model: set EXHIBIT_MODEL or provider.model")]
    NoModel {
        /// The provider.
        provider: String,
    },
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up: {reason}")]
    Client {
        /// The cause.
        reason: String,
    },
}

impl ConfigError {
    /// A short, stable name for records and scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoProvider => "no_provider",
            Self::NotForWorkspace => "not_for_workspace",
            Self::MissingKey { .. } => "missing_key",
            Self::UnknownProvider { .. } => "unknown_provider",
            Self::BadBaseUrl { .. } => "bad_base_url",
            Self::MissingBaseUrl { .. } => "missing_base_url",
            Self::BadKey { .. } => "bad_key",
            Self::NoModel { .. } => "no_model",
            Self::Client { .. } => "client",
        }
    }
}

fn provider_names() -> String {
    PRESETS.iter().map(Preset::name).collect::<Vec<_>>().join(", ")
}

/// Chooses the provider and its default model with default waits and limits.
///
/// `EXHIBIT_PROVIDER` decides, then `config.provider`, then which keys are there: OpenAI,
/// Anthropic, Gemini, Ollama in this order, unless `EXHIBIT_MODEL` begins with the name of a model
/// family of one that is there. An empty variable counts as not set.
///
/// # Errors
/// [`ConfigError`] with the variable to set.
pub fn from_env(
    lookup: &dyn Fn(&str) -> Option<String>,
    config: Option<&ProviderConfig>,
) -> Result<(Box<dyn Provider>, String), ConfigError> {
    from_env_with(lookup, config, ClientOptions::default())
}

/// [`from_env`] with waits, attempts and limits of the caller's choosing.
///
/// # Errors
/// As [`from_env`].
pub fn from_env_with(
    lookup: &dyn Fn(&str) -> Option<String>,
    config: Option<&ProviderConfig>,
    options: ClientOptions,
) -> Result<(Box<dyn Provider>, String), ConfigError> {
    let nothing = ProviderConfig::default();
    let sources = Sources { lookup, config: config.unwrap_or(&nothing) };
    let preset = sources.preset()?;
    // What the file says about another provider is not for this one.
    let named = sources.config.provider.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let same = named.is_none_or(|name| preset.names.iter().any(|n| n.eq_ignore_ascii_case(name)));
    let sources = Sources { config: if same { sources.config } else { &nothing }, ..sources };

    let (origin, base_url) = sources.base_url(preset)?;
    let key = sources.key(preset, &base_url)?;
    let model = sources
        .variable("EXHIBIT_MODEL")
        .or_else(|| filled(sources.config.model.as_deref()))
        .or_else(|| preset.model.map(str::to_owned))
        .ok_or_else(|| ConfigError::NoModel { provider: preset.name().to_owned() })?;
    check_base_url(&base_url, key.is_some())
        .map_err(|reason| ConfigError::BadBaseUrl { origin, reason })?;

    let (name, auth) = match preset.protocol {
        Protocol::OpenAi | Protocol::Responses => recognise(preset, &base_url),
        _ => (preset.recorded_as, preset.auth),
    };
    let connection = Connection { name: name.to_owned(), base_url, key, auth, options };
    let provider: Box<dyn Provider> = match preset.protocol {
        Protocol::OpenAi => Box::new(OpenAiCompatible::new(connection)?),
        Protocol::Responses => Box::new(OpenAiResponses::new(connection)?),
        Protocol::Anthropic => Box::new(Anthropic::new(connection)?),
        Protocol::Gemini => Box::new(Gemini::new(connection)?),
        Protocol::Ollama => Box::new(Ollama::new(connection)?),
    };
    Ok((provider, model))
}

/// The two places where a setting may stand.
struct Sources<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    config: &'a ProviderConfig,
}

impl Sources<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        filled((self.lookup)(name).as_deref())
    }

    fn preset(&self) -> Result<&'static Preset, ConfigError> {
        let named = [
            ("EXHIBIT_PROVIDER", self.variable("EXHIBIT_PROVIDER")),
            ("provider.provider", filled(self.config.provider.as_deref())),
        ];
        if let Some((origin, name)) = named.into_iter().find_map(|(o, n)| Some((o, n?))) {
            return Preset::named(&name)
                .ok_or_else(|| ConfigError::UnknownProvider { origin: origin.to_owned() });
        }
        // A base URL alone means a server that speaks the common protocol.
        if filled(self.config.base_url.as_deref()).is_some() {
            return Preset::named("openai").ok_or(ConfigError::NoProvider);
        }
        let there: Vec<&Preset> = PRESETS.iter().filter(|preset| self.is_there(preset)).collect();
        let model = self.variable("EXHIBIT_MODEL").or_else(|| filled(self.config.model.as_deref()));
        let family = match model.unwrap_or_default() {
            model if model.starts_with("claude") => Protocol::Anthropic,
            model if model.starts_with("gemini") => Protocol::Gemini,
            _ => Protocol::OpenAi,
        };
        there
            .iter()
            .find(|preset| preset.protocol == family)
            .or(there.first())
            .copied()
            .ok_or(ConfigError::NoProvider)
    }

    /// Whether the environment speaks of a provider without naming it.
    fn is_there(&self, preset: &Preset) -> bool {
        let key = preset.key_variables.iter().any(|name| self.variable(name).is_some());
        let base_is_enough = preset.keyless || preset.name() == "openai";
        let base = preset.base_variable.is_some_and(|name| self.variable(name).is_some());
        let config_key = self
            .config
            .api_key_env
            .as_deref()
            .is_some_and(|name| preset.key_variables.contains(&name));
        key || (base && base_is_enough) || config_key
    }

    /// The base URL and where it stands.
    fn base_url(&self, preset: &Preset) -> Result<(String, String), ConfigError> {
        let from_variable =
            preset.base_variable.and_then(|name| Some((name.to_owned(), self.variable(name)?)));
        let from_file =
            || Some(("provider.base_url".to_owned(), filled(self.config.base_url.as_deref())?));
        let (origin, text) = match from_variable.or_else(from_file) {
            Some(found) => found,
            None => match preset.base_url {
                Some(text) => ("the default address".to_owned(), text.to_owned()),
                None => {
                    return Err(ConfigError::MissingBaseUrl {
                        provider: preset.name().to_owned(),
                        variable: preset.base_variable.unwrap_or_default().to_owned(),
                    });
                }
            },
        };
        Ok(match preset.name() {
            "ollama" => (origin, complete_host(&text)),
            "azure" => (origin, azure_base(&text)),
            _ => (origin, text),
        })
    }

    fn key(&self, preset: &Preset, base_url: &str) -> Result<Option<Secret>, ConfigError> {
        let own = filled(self.config.api_key_env.as_deref());
        let names: Vec<&str> = match &own {
            Some(name) => vec![name.as_str()],
            None => preset.key_variables.to_vec(),
        };
        for name in &names {
            if let Some(text) = self.variable(name) {
                return Secret::new(&text).map(Some).map_err(|error| ConfigError::BadKey {
                    variable: (*name).to_owned(),
                    reason: error.to_string(),
                });
            }
        }
        // Another server than the provider's own may well want no key.
        let elsewhere = preset.base_url.is_some_and(|own| host(own) != host(base_url));
        if own.is_none() && (preset.keyless || elsewhere) {
            return Ok(None);
        }
        Err(ConfigError::MissingKey {
            provider: preset.name().to_owned(),
            variables: names.into_iter().map(str::to_owned).collect(),
        })
    }
}

/// Azure's resource address gets the path of its OpenAI-compatible interface; an address that has
/// a path already (a deployment, a gateway) stays.
fn azure_base(text: &str) -> String {
    match reqwest::Url::parse(text) {
        Ok(mut url) if url.path() == "/" => {
            url.set_path("/openai/v1");
            url.into()
        }
        _ => text.to_owned(),
    }
}

fn filled(text: Option<&str>) -> Option<String> {
    text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}
