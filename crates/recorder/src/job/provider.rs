//! The providers that a workspace's jobs call, and the one it has set for itself.
//!
//! A key that a workspace sets is kept encrypted under the installation's wrapping key, bound to its
//! workspace; it is never given back, and nothing here writes it to a log.

use std::{borrow::Cow, sync::Arc};

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit as _,
    aead::{Aead as _, Payload},
};
use exhibit_model::WorkspaceId;
use exhibit_provider::{ConfigError, Secret};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::JobError;
use crate::{
    Caller, Error, Recorder,
    account::act::Act,
    replay::{Models, ReplayError},
};

/// Version of what is kept.
const KEPT: u8 = 1;
const NONCE: usize = 12;

/// Gives the providers of workspaces. The composition root has one that knows the environment.
pub trait Providers: Send + Sync + 'static {
    /// The providers of a workspace, by its public id and what it has set for itself.
    ///
    /// # Errors
    /// When it has none, with what to set.
    fn models(
        &self,
        workspace: &str,
        own: Option<&OwnProvider>,
    ) -> Result<Arc<dyn Models>, ConfigError>;

    /// The provider that the environment gives to that workspace, by name, and its default model.
    fn of_environment(&self, workspace: &str) -> Result<(String, String), ConfigError>;
}

/// A provider that a workspace has set for itself.
#[derive(Clone)]
pub struct OwnProvider {
    /// `openai`, `openai-responses`, `anthropic`, `gemini` or `openrouter`.
    pub provider: String,
    /// Its key.
    pub api_key: Zeroizing<String>,
    /// The model to call when nothing else is said.
    pub model: Option<String>,
}

/// How it is kept, before it is sealed.
#[derive(Serialize, Deserialize)]
struct Plain<'a> {
    provider: Cow<'a, str>,
    api_key: Cow<'a, str>,
    model: Option<Cow<'a, str>>,
}

impl OwnProvider {
    /// Takes a provider's name, its key, and the model to call when nothing else is said.
    pub fn new(provider: String, api_key: String, model: Option<String>) -> Self {
        Self { provider, api_key: Zeroizing::new(api_key), model }
    }
}

impl std::fmt::Debug for OwnProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnProvider").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// What is shown of a workspace's provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProviderShown {
    /// `workspace`, `environment`, or `none`.
    pub source: &'static str,
    /// Its name.
    pub provider: Option<String>,
    /// The model that is called when nothing else is said.
    pub model: Option<String>,
    /// Why no provider can be used, and what to set.
    pub missing: Option<String>,
}

impl Recorder {
    pub(super) async fn models(
        &self,
        workspace: WorkspaceId,
        public: &str,
    ) -> Result<Arc<dyn Models>, JobError> {
        let own = self.own_provider(workspace).await?;
        let providers =
            self.jobs.providers.get().ok_or(ReplayError::from(ConfigError::NoProvider))?;
        Ok(providers.models(public, own.as_ref()).map_err(ReplayError::from)?)
    }

    /// Which provider a workspace's replays and ablations call.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn provider_shown(
        &self,
        workspace: WorkspaceId,
        public: &str,
    ) -> Result<ProviderShown, Error> {
        if let Some(own) = self.own_provider(workspace).await? {
            return Ok(ProviderShown {
                source: "workspace",
                provider: Some(own.provider),
                model: own.model,
                missing: None,
            });
        }
        let found = match self.jobs.providers.get() {
            Some(providers) => providers.of_environment(public),
            None => Err(ConfigError::NoProvider),
        };
        Ok(match found {
            Ok((provider, model)) => ProviderShown {
                source: "environment",
                provider: Some(provider),
                model: Some(model),
                missing: None,
            },
            Err(error) => ProviderShown {
                source: "none",
                provider: None,
                model: None,
                missing: Some(error.to_string()),
            },
        })
    }

    /// Sets a workspace's provider.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that no provider with an address of its own has, or a key that
    /// cannot be one.
    pub async fn set_own_provider(&self, by: &Caller, own: &OwnProvider) -> Result<(), Error> {
        const NAMES: [&str; 5] =
            ["openai", "openai-responses", "anthropic", "gemini", "openrouter"];
        if !NAMES.contains(&own.provider.as_str()) {
            let message = format!("choose one of {}", NAMES.join(", "));
            return Err(Error::Invalid { field: "provider", message });
        }
        Secret::new(&own.api_key)
            .map_err(|error| Error::Invalid { field: "api_key", message: error.to_string() })?;
        let plain = Plain {
            provider: own.provider.as_str().into(),
            api_key: own.api_key.as_str().into(),
            model: own.model.as_deref().map(Into::into),
        };
        let plain = serde_json::to_vec(&plain).map(Zeroizing::new);
        let plain = plain.map_err(|error| Error::Internal(error.to_string()))?;
        let mut nonce = [0; NONCE];
        self.entropy.fill(&mut nonce);
        let workspace = by.workspace;
        let payload = Payload { msg: &plain, aad: &aad(workspace) };
        let sealed = self.provider_cipher().encrypt(&nonce.into(), payload);
        let sealed = sealed.map_err(|_| Error::Internal("a setting could not be sealed".into()))?;
        let value = [&[KEPT][..], &nonce, &sealed].concat();
        let held = self.store.setting(&setting(workspace)).await?;
        let name = setting(workspace);
        if !self.store.swap_setting(&name, held.as_deref(), Some(&value)).await? {
            return Err(Error::Busy { retry_after_ms: 100 });
        }
        let (provider, model) = (Some(own.provider.clone()), own.model.clone());
        self.keep_act(workspace, &Act::ProviderSet { provider, model, by: by.name() }).await
    }

    /// Takes a workspace's provider away. False: there was none.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn drop_own_provider(&self, by: &Caller) -> Result<bool, Error> {
        let name = setting(by.workspace);
        let Some(held) = self.store.setting(&name).await? else { return Ok(false) };
        if !self.store.swap_setting(&name, Some(&held), None).await? {
            return Err(Error::Busy { retry_after_ms: 100 });
        }
        let act = Act::ProviderSet { provider: None, model: None, by: by.name() };
        self.keep_act(by.workspace, &act).await?;
        Ok(true)
    }

    async fn own_provider(&self, workspace: WorkspaceId) -> Result<Option<OwnProvider>, Error> {
        let Some(held) = self.store.setting(&setting(workspace)).await? else { return Ok(None) };
        let open = || {
            let (version, rest) = held.split_first()?;
            let (nonce, sealed) = rest.split_at_checked(NONCE)?;
            let nonce: [u8; NONCE] = nonce.try_into().ok()?;
            let payload = Payload { msg: sealed, aad: &aad(workspace) };
            let plain = self.provider_cipher().decrypt(&nonce.into(), payload).ok()?;
            let plain = Zeroizing::new(plain);
            let plain: Plain<'_> = serde_json::from_slice(&plain).ok()?;
            (*version == KEPT).then(|| OwnProvider {
                provider: plain.provider.into_owned(),
                api_key: Zeroizing::new(plain.api_key.into_owned()),
                model: plain.model.map(Cow::into_owned),
            })
        };
        let own = open().ok_or_else(|| {
            Error::Conflict(
                "The provider's key of this workspace does not open under this installation's keys; \
                 set it again."
                    .to_owned(),
            )
        })?;
        Ok(Some(own))
    }

    fn provider_cipher(&self) -> ChaCha20Poly1305 {
        let key = Zeroizing::new(self.keys.derive("providers"));
        ChaCha20Poly1305::new((&*key).into())
    }
}

fn setting(workspace: WorkspaceId) -> String {
    format!("provider.{}", workspace.0)
}

/// A key opens only in the workspace it was set for.
fn aad(workspace: WorkspaceId) -> Vec<u8> {
    [b"provider".as_slice(), &workspace.0.to_be_bytes()].concat()
}
