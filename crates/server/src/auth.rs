//! Who asks, and whether they may.
//!
//! A handler names what it needs in its signature: [`Caller<Ingest>`](Caller) is a caller who may
//! write traces. [`credential`](self::credential) finds what a request brings, [`identify`] asks the
//! recorder who that is, `origin` keeps other sites from using a browser's cookie, `rate` bounds how
//! often. Ingest never looks at cookies.

pub(crate) mod cookie;
pub(crate) mod credential;
pub(crate) mod origin;
pub(crate) mod rate;

use std::{marker::PhantomData, net::SocketAddr, ops::Deref};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, Method, Uri, request::Parts},
};
use exhibit_model::{Scope, Scopes};
use exhibit_recorder::{Caller as Known, Who};

use crate::{app::Shared, problem::Problem};

use self::credential::Credential;

/// The other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Header by which the command line on the same machine acts with full rights.
pub(crate) const LOCAL_TOKEN: &str = "x-exhibit-local-token";
/// Header that names one of the caller's workspaces by public id.
pub(crate) const WORKSPACE: &str = "x-exhibit-workspace";

/// What a handler needs of its caller.
pub(crate) trait Need: Send + Sync + 'static {
    /// Any of these is enough. Empty: whoever is known.
    const ANY_OF: &'static [Scope];
    /// Whether a browser's session will do.
    const SESSIONS: bool;
}

macro_rules! needs {
    ($($(#[$doc:meta])* $name:ident: $any_of:expr, $sessions:literal;)+) => {
        $($(#[$doc])*
        pub(crate) struct $name;
        impl Need for $name {
            const ANY_OF: &'static [Scope] = $any_of;
            const SESSIONS: bool = $sessions;
        })+
    };
}

needs! {
    /// May write traces. Knows no cookies.
    Ingest: &[Scope::Ingest], false;
    /// May read the workspace.
    Read: &[Scope::Read], true;
    /// May read traces: readers, and writers who look at what they wrote.
    ReadTraces: &[Scope::Read, Scope::Ingest], true;
    /// May take evidence and other exports away.
    Export: &[Scope::Export], true;
    /// May act on reviews.
    Review: &[Scope::Review], true;
    /// May run traces again at the cost of the workspace's provider.
    Replay: &[Scope::Replay], true;
    /// May change keys, members and settings.
    Admin: &[Scope::Admin], true;
    /// Anybody who is known.
    Anyone: &[], true;
}

/// Somebody who has what `N` needs.
pub(crate) struct Caller<N: Need> {
    known: Known,
    need: PhantomData<fn() -> N>,
}

impl<N: Need> Deref for Caller<N> {
    type Target = Known;
    fn deref(&self) -> &Known {
        &self.known
    }
}

impl<N: Need> FromRequestParts<Shared> for Caller<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<Peer>().map(|p| p.0);
        let ask =
            Ask { headers: &parts.headers, method: &parts.method, uri: Some(&parts.uri), peer };
        let known = authorise::<N>(app, &ask).await?;
        Ok(Self { known, need: PhantomData })
    }
}

/// What a request says about its sender.
pub(crate) struct Ask<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) method: &'a Method,
    pub(crate) uri: Option<&'a Uri>,
    pub(crate) peer: Option<SocketAddr>,
}

impl Ask<'_> {
    fn is_loopback(&self) -> bool {
        self.peer.is_some_and(|p| p.ip().to_canonical().is_loopback())
    }

    /// The workspace it names, by header or as `?workspace=`.
    fn workspace(&self) -> Option<&str> {
        let header = self.headers.get(WORKSPACE).and_then(|v| v.to_str().ok());
        header.or_else(|| {
            let pairs = self.uri?.query()?.split('&');
            pairs.filter_map(|pair| pair.strip_prefix("workspace=")).find(|v| !v.is_empty())
        })
    }
}

/// Finds out who asks, whether they may, and whether they ask too often.
pub(crate) async fn authorise<N: Need>(app: &Shared, ask: &Ask<'_>) -> Result<Known, Problem> {
    let known = identify(app, ask, N::SESSIONS).await?;
    check::<N>(known.scopes)?;
    app.rates.check(&known)?;
    Ok(known)
}

fn check<N: Need>(scopes: Scopes) -> Result<(), Problem> {
    match N::ANY_OF.first() {
        Some(first) if !N::ANY_OF.iter().any(|s| scopes.has(*s)) => {
            Err(Problem::missing_scope(*first))
        }
        _ => Ok(()),
    }
}

/// Whether a caller has what `N` needs.
pub(crate) fn require<N: Need>(caller: &Known) -> Result<(), Problem> {
    check::<N>(caller.scopes)
}

/// Who asks. The installation's own token comes first, then a key, then a session, then the open door
/// on loopback.
pub(crate) async fn identify(
    app: &Shared,
    ask: &Ask<'_>,
    sessions: bool,
) -> Result<Known, Problem> {
    if let Some(token) = ask.headers.get(LOCAL_TOKEN) {
        return local(app, ask, token.as_bytes()).await;
    }
    if let Some(Credential(secret)) = credential::find(ask.headers) {
        return by_key(app, &secret).await;
    }
    if sessions && let Some(token) = cookie::session(ask.headers) {
        origin::check(&app.config.cors_origins, ask)?;
        return by_session(app, token, ask.workspace()).await;
    }
    if !sessions && let Some(caller) = keyless(app, ask).await? {
        return Ok(caller);
    }
    Err(Problem::unauthenticated(
        "no-key",
        "No key came with this request. Send one as `Authorization: Bearer exk_…` or `X-API-Key: \
         exk_…`; create one with `exhibit keys create` or in the dashboard under Keys.",
    ))
}

/// Who holds a key.
pub(crate) async fn by_key(app: &Shared, secret: &str) -> Result<Known, Problem> {
    Ok(app.recorder.key_caller(secret).await?)
}

/// Who is logged in, in the workspace named. One of others looks like one that is not there.
async fn by_session(app: &Shared, token: &str, workspace: Option<&str>) -> Result<Known, Problem> {
    if let Some(caller) = app.recorder.session_caller(token, workspace).await? {
        return Ok(caller);
    }
    if workspace.is_some() && app.recorder.session_caller(token, None).await?.is_some() {
        return Err(Problem::not_found("workspace"));
    }
    Err(Problem::unauthenticated("session-expired", "The session has ended. Log in again."))
}

async fn local(app: &Shared, ask: &Ask<'_>, token: &[u8]) -> Result<Known, Problem> {
    let right = std::str::from_utf8(token).is_ok_and(|t| app.recorder.local_token_matches(t));
    if !right || !ask.is_loopback() {
        return Err(Problem::unauthenticated(
            "local-token",
            "This is not the local administrator token of this installation, or the request does \
             not come from its machine.",
        ));
    }
    let workspace = match ask.workspace() {
        Some(public_id) => app
            .recorder
            .workspace(public_id)
            .await?
            .ok_or_else(|| Problem::not_found("workspace"))?,
        None => app.recorder.default_workspace().await?,
    };
    Ok(Known {
        workspace: workspace.id,
        workspace_public: workspace.public_id,
        scopes: Scopes::all(),
        who: Who::Local,
    })
}

/// The open door: only where an operator opened it, only from loopback, never for a web page.
async fn keyless(app: &Shared, ask: &Ask<'_>) -> Result<Option<Known>, Problem> {
    let Some(public_id) = &app.config.keyless_workspace else { return Ok(None) };
    if !ask.is_loopback() || origin::is_foreign(&app.config.cors_origins, ask) {
        return Ok(None);
    }
    let workspace = app.recorder.workspace(public_id).await?;
    Ok(workspace.map(|workspace| Known {
        workspace: workspace.id,
        workspace_public: workspace.public_id,
        scopes: [Scope::Ingest].into_iter().collect(),
        who: Who::Local,
    }))
}
