//! API keys of a workspace.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use exhibit_model::{ApiKey, ApiKeyId, Nanos, Scope, Scopes};
use exhibit_recorder::{KeyPrefix, NewKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Admin, Caller},
    extract::Small,
    problem::{Problem, ProblemBody},
    view::Data,
};

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct Key {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// How it starts, to recognise it by.
    prefix: String,
    /// What it may do.
    scopes: Vec<&'static str>,
    /// `active`, `expired` or `revoked`.
    status: &'static str,
    /// Whose it is.
    owner: Option<String>,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339; null: never.
    expires_at: Option<String>,
    /// RFC 3339.
    revoked_at: Option<String>,
    /// RFC 3339, to the minute.
    last_used_at: Option<String>,
}

impl Key {
    fn of(key: &ApiKey, now: Nanos) -> Self {
        Self {
            id: key.id.0.clone(),
            name: key.name.clone(),
            prefix: key.prefix.clone(),
            scopes: key.scopes.iter().map(Scope::as_str).collect(),
            status: match key.revoked {
                Some(_) => "revoked",
                None if key.is_active(now) => "active",
                None => "expired",
            },
            owner: key.owner.as_ref().map(|o| o.0.clone()),
            created_at: key.created.to_rfc3339(),
            expires_at: key.expires.map(Nanos::to_rfc3339),
            revoked_at: key.revoked.map(Nanos::to_rfc3339),
            last_used_at: key.last_used.map(Nanos::to_rfc3339),
        }
    }
}

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Its name.
    name: String,
    /// What it may do: a list, or words separated by commas.
    #[schema(value_type = Vec<String>, example = json!(["ingest"]))]
    scopes: Words,
    /// When it stops working, RFC 3339.
    #[serde(default)]
    expires_at: Option<String>,
    /// Or after how many days.
    #[serde(default)]
    expires_in_days: Option<u32>,
    /// `exk_` (the default), `akt_` or `sk-at-`: for clients that look at it.
    #[serde(default)]
    prefix: Option<String>,
}

/// A list of words, or words separated by commas.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    List(Vec<String>),
    Text(String),
}

/// A new key. This is the only answer with its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct Created {
    /// The secret.
    key: String,
    /// The key without it.
    data: Key,
}

/// The keys of the workspace, newest first.
#[utoipa::path(get, path = "/api/v1/keys", tag = "keys",
    responses((status = 200, body = Data<Vec<Key>>), (status = 403, body = ProblemBody)))]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller<Admin>,
) -> Result<Data<Vec<Key>>, Problem> {
    let keys = app.recorder.keys(caller.workspace).await?;
    let now = app.recorder.now();
    Ok(Data { data: keys.iter().map(|key| Key::of(key, now)).collect() })
}

/// Make a key. The secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/keys", tag = "keys", request_body = Wanted,
    responses((status = 201, body = Created), (status = 403, body = ProblemBody),
        (status = 422, body = ProblemBody)))]
pub(crate) async fn create(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Small(wanted): Small<Wanted>,
) -> Result<Response, Problem> {
    let new = wanted.read(caller.workspace, app.recorder.now())?;
    let (key, held) = app.recorder.create_key(&caller, new).await?;
    let data = Key::of(&held, app.recorder.now());
    Ok((StatusCode::CREATED, Json(Created { key, data })).into_response())
}

impl Wanted {
    fn read(self, workspace: exhibit_model::WorkspaceId, now: Nanos) -> Result<NewKey, Problem> {
        let invalid = |field: &'static str, detail: String| {
            Problem::unprocessable("invalid", detail).with("field", field)
        };
        let words = match self.scopes {
            Words::List(list) => list.join(","),
            Words::Text(text) => text,
        };
        let scopes = Scopes::parse(&words).map_err(|word| {
            let known: Vec<_> = Scope::ALL.iter().map(|s| s.as_str()).collect();
            let known = known.join(", ");
            invalid("scopes", format!("There is no scope `{word}`; there are {known}."))
        })?;
        let expires = match (self.expires_at.as_deref(), self.expires_in_days) {
            (Some(text), None) => Some(Nanos::parse_rfc3339(text).ok_or_else(|| {
                invalid(
                    "expires_at",
                    "expires_at must be a time such as 2027-01-01T00:00:00Z.".into(),
                )
            })?),
            (None, Some(days)) => Some(Nanos(
                now.0.saturating_add(i64::from(days).saturating_mul(86_400_000_000_000)),
            )),
            (None, None) => None,
            (Some(_), Some(_)) => {
                return Err(invalid(
                    "expires_at",
                    "Send either expires_at or expires_in_days, not both.".into(),
                ));
            }
        };
        let prefix = match self.prefix.as_deref() {
            None => KeyPrefix::default(),
            Some(text) => KeyPrefix::parse(text).ok_or_else(|| {
                invalid("prefix", "The prefix must be exk_, akt_ or sk-at-.".into())
            })?,
        };
        Ok(NewKey { workspace, name: self.name, scopes, expires, prefix })
    }
}

/// Revoke a key: it stops working at once.
#[utoipa::path(delete, path = "/api/v1/keys/{id}", tag = "keys",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub(crate) async fn revoke(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    if app.recorder.revoke_key(caller.workspace, &ApiKeyId(id)).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("active key"))
    }
}
