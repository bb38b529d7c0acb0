//! Accounts: register, log in and out, who am I. Answers are bare.

use std::net::IpAddr;

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use exhibit_recorder::{Error, Who};
use exhibit_store::Login;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Anyone, Ask, Caller, Peer, cookie, origin},
    extract::Small,
    problem::{Problem, ProblemBody},
};

/// A new account.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Registration {
    /// E-mail address.
    email: String,
    /// At least ten characters.
    password: String,
    /// Name to show.
    #[serde(default)]
    display_name: Option<String>,
}

/// Who wants in.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Credentials {
    /// E-mail address.
    email: String,
    /// Password.
    password: String,
}

/// The claim of a new installation.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Claim {
    /// The one-time token of the set-up link.
    token: String,
    #[serde(flatten)]
    registration: Registration,
}

/// An account.
#[derive(Serialize, ToSchema)]
pub(crate) struct Account {
    /// Its id.
    user_id: String,
    /// E-mail address.
    email: String,
    /// The role in the first workspace, the personal one.
    role: &'static str,
    /// Name to show.
    display_name: Option<String>,
    /// The workspaces it may enter, the personal one first.
    workspaces: Vec<Place>,
}

/// A workspace and the role in it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Place {
    /// Public id; name it in `X-Exhibit-Workspace` to act there.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// The role there.
    pub(crate) role: Option<&'static str>,
}

impl Account {
    pub(crate) fn of(login: &Login) -> Self {
        Self {
            user_id: login.user.id.0.clone(),
            email: login.user.email.clone(),
            role: login.members.first().map_or("member", |m| m.role.as_str()),
            display_name: login.user.display_name.clone(),
            workspaces: places(&login.members),
        }
    }
}

pub(crate) fn places(members: &[exhibit_model::Member]) -> Vec<Place> {
    let place = |m: &exhibit_model::Member| Place {
        id: m.workspace.public_id.clone(),
        name: m.workspace.name.clone(),
        role: Some(m.role.as_str()),
    };
    members.iter().map(place).collect()
}

/// Where a request for an account comes from. Pages of other origins are turned away, or they could
/// log their visitor into an account of theirs.
pub(crate) struct Visitor {
    headers: HeaderMap,
    address: Option<IpAddr>,
}

impl FromRequestParts<Shared> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<Peer>().map(|p| p.0);
        let ask =
            Ask { headers: &parts.headers, method: &Method::POST, uri: Some(&parts.uri), peer };
        if origin::is_foreign(&app.config.cors_origins, &ask) {
            return Err(Problem::forbidden(
                "cross-origin",
                "A page of another origin may not do this.",
            ));
        }
        Ok(Self { headers: parts.headers.clone(), address: peer.map(|p| p.ip()) })
    }
}

impl Visitor {
    /// The address of the other end.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    pub(crate) fn secure(&self, app: &Shared) -> bool {
        app.config.secure_cookies || cookie::came_over_tls(&self.headers)
    }
}

async fn hashing(app: &Shared) -> Result<tokio::sync::SemaphorePermit<'_>, Problem> {
    app.hashing.acquire().await.map_err(|_| Problem::busy(1_000))
}

/// Opens a session and answers with the account.
async fn enter(
    app: &Shared,
    visitor: &Visitor,
    email: &str,
    password: &str,
    status: StatusCode,
) -> Result<Response, Problem> {
    let (token, login) = app.recorder.login(email, password).await?;
    let mut response = (status, Json(Account::of(&login))).into_response();
    set(&mut response, cookie::open(&token.0, visitor.secure(app)));
    Ok(response)
}

pub(crate) fn set(response: &mut Response, cookie: Option<HeaderValue>) {
    if let Some(value) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
}

/// Make an account with a workspace of its own.
#[utoipa::path(post, path = "/api/v1/auth/register", tag = "accounts", security(()),
    request_body = Registration,
    responses((status = 201, body = Account), (status = 403, body = ProblemBody),
        (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn register(
    State(app): State<Shared>,
    _visitor: Visitor,
    Small(new): Small<Registration>,
) -> Result<Response, Problem> {
    if !app.config.registration_open {
        return Err(Problem::forbidden(
            "registration-closed",
            "This installation takes no registrations; ask its administrator for an account.",
        ));
    }
    let _permit = hashing(&app).await?;
    let name = new.display_name.as_deref();
    let login = app.recorder.register(&new.email, &new.password, name).await?;
    Ok((StatusCode::CREATED, Json(Account::of(&login))).into_response())
}

/// Log in: sets the session cookie.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "accounts", security(()),
    request_body = Credentials,
    responses((status = 200, body = Account), (status = 401, body = ProblemBody),
        (status = 429, body = ProblemBody)))]
pub(crate) async fn login(
    State(app): State<Shared>,
    visitor: Visitor,
    Small(who): Small<Credentials>,
) -> Result<Response, Problem> {
    app.rates.check_login(visitor.address, &who.email)?;
    let _permit = hashing(&app).await?;
    let entered = app.recorder.login(&who.email, &who.password).await;
    let (token, login) = entered.map_err(|error| match error {
        Error::Unauthorized => {
            app.rates.login_failed(visitor.address, &who.email);
            Problem::unauthenticated("wrong-password", "E-mail address or password are wrong.")
        }
        other => other.into(),
    })?;
    let mut response = Json(Account::of(&login)).into_response();
    set(&mut response, cookie::open(&token.0, visitor.secure(&app)));
    Ok(response)
}

/// Log out: ends the session.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "accounts", security(()),
    responses((status = 204)))]
pub(crate) async fn logout(
    State(app): State<Shared>,
    visitor: Visitor,
) -> Result<Response, Problem> {
    if let Some(token) = cookie::session(&visitor.headers) {
        app.recorder.logout(token).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    set(&mut response, cookie::close(visitor.secure(&app)));
    Ok(response)
}

/// Who asks.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    /// `user`, `key` or `local`.
    kind: &'static str,
    /// The account, or the key's owner.
    user_id: Option<String>,
    /// E-mail address of an account.
    email: Option<String>,
    /// Name to show.
    display_name: Option<String>,
    /// Role in the workspace.
    role: Option<&'static str>,
    /// The key's id.
    key_id: Option<String>,
    /// The key's name.
    key_name: Option<String>,
    /// The workspace this request acts in.
    workspace: String,
    /// What it may do there.
    scopes: Vec<&'static str>,
    /// All workspaces the account may enter.
    workspaces: Vec<Place>,
}

/// Who am I, and what may I do?
#[utoipa::path(get, path = "/api/v1/auth/me", tag = "accounts",
    responses((status = 200, body = Me), (status = 401, body = ProblemBody)))]
pub(crate) async fn me(
    State(app): State<Shared>,
    caller: Caller<Anyone>,
) -> Result<Json<Me>, Problem> {
    let mut me = Me {
        kind: "local",
        user_id: None,
        email: None,
        display_name: None,
        role: None,
        key_id: None,
        key_name: None,
        workspace: caller.workspace_public.clone(),
        scopes: caller.scopes.iter().map(exhibit_model::Scope::as_str).collect(),
        workspaces: Vec::new(),
    };
    match &caller.who {
        Who::Key { id, name, owner } => {
            me.kind = "key";
            me.key_id = Some(id.0.clone());
            me.key_name = Some(name.clone());
            me.user_id = owner.as_ref().map(|o| o.0.clone());
        }
        Who::User { id, email, display_name, role } => {
            me.kind = "user";
            me.user_id = Some(id.0.clone());
            me.email = Some(email.clone());
            me.display_name.clone_from(display_name);
            me.role = Some(role.as_str());
            me.workspaces = places(&app.recorder.memberships(id).await?);
        }
        Who::Local => {}
    }
    Ok(Json(me))
}

/// Claim a new installation by its one-time link: makes the account that owns the workspace
/// `default`, and logs it in.
#[utoipa::path(post, path = "/api/v1/auth/setup", tag = "accounts", security(()),
    request_body = Claim,
    responses((status = 201, body = Account), (status = 401, body = ProblemBody),
        (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn setup(
    State(app): State<Shared>,
    visitor: Visitor,
    Small(claim): Small<Claim>,
) -> Result<Response, Problem> {
    app.rates.check_login(visitor.address, "setup")?;
    let _permit = hashing(&app).await?;
    let Registration { email, password, display_name } = claim.registration;
    let name = display_name.as_deref();
    let claimed = app.recorder.claim_setup(&claim.token, &email, &password, name).await;
    claimed.map_err(|error| match error {
        Error::Unauthorized => {
            app.rates.login_failed(visitor.address, "setup");
            Problem::unauthenticated(
                "setup-link",
                "This set-up link was used or replaced. The server prints a fresh one when it \
                 starts, as long as nobody owns the installation.",
            )
        }
        other => other.into(),
    })?;
    enter(&app, &visitor, &email, &password, StatusCode::CREATED).await
}
