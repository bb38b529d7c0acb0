//! Workspaces and who is in them.

use axum::{extract::State, http::StatusCode};
use exhibit_model::Role;
use exhibit_recorder::{Error, Who};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::account::{Place, places};
use crate::{
    app::Shared,
    auth::{Admin, Anyone, Caller, Read},
    extract::Small,
    problem::{Problem, ProblemBody},
    view::Data,
};

/// Somebody in a workspace.
#[derive(Serialize, ToSchema)]
pub(crate) struct MemberView {
    /// Id of the account.
    user_id: String,
    /// E-mail address.
    email: String,
    /// Name to show.
    display_name: Option<String>,
    /// `admin`, `member`, `reviewer` or `auditor`.
    role: &'static str,
}

/// Who is to have which role.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seat {
    /// E-mail address of an account.
    email: String,
    /// `admin`, `member`, `reviewer` or `auditor`.
    role: String,
}

/// The members of the workspace.
#[utoipa::path(get, path = "/api/v1/members", tag = "workspaces",
    responses((status = 200, body = Data<Vec<MemberView>>)))]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller<Read>,
) -> Result<Data<Vec<MemberView>>, Problem> {
    let members = app.recorder.members(caller.workspace).await?;
    let view = |(user, role): (exhibit_model::User, Role)| MemberView {
        user_id: user.id.0,
        email: user.email,
        display_name: user.display_name,
        role: role.as_str(),
    };
    Ok(Data { data: members.into_iter().map(view).collect() })
}

/// Add somebody with an account to the workspace, or change their role.
#[utoipa::path(put, path = "/api/v1/members", tag = "workspaces", request_body = Seat,
    responses((status = 204), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn put(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Small(seat): Small<Seat>,
) -> Result<StatusCode, Problem> {
    let role = Role::parse(&seat.role).ok_or_else(|| {
        let detail = "The role must be admin, member, reviewer or auditor.";
        Problem::unprocessable("invalid", detail).with("field", "role")
    })?;
    match app.recorder.put_member(caller.workspace, &seat.email, role).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(Error::NotFound) => Err(Problem::not_found("account")),
        Err(error) => Err(error.into()),
    }
}

/// What a new workspace is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewWorkspace {
    /// Its name: one line of at most 100 characters.
    name: String,
}

/// Make a workspace, as a project beside one's own; who makes it is its admin.
#[utoipa::path(post, path = "/api/v1/workspaces", tag = "workspaces", request_body = NewWorkspace,
    responses((status = 201, body = Data<Place>), (status = 403, body = ProblemBody),
        (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn found(
    State(app): State<Shared>,
    caller: Caller<Anyone>,
    Small(new): Small<NewWorkspace>,
) -> Result<(StatusCode, Data<Place>), Problem> {
    let refused = || {
        let detail =
            "Only somebody with an account of their own may make a workspace; register or log in.";
        Problem::forbidden("account-needed", detail)
    };
    let Who::User { id, .. } = &caller.who else { return Err(refused()) };
    let made = match app.recorder.found_workspace(id, &new.name).await {
        Err(Error::Unauthorized) => return Err(refused()),
        made => made?,
    };
    let role = Some(Role::Admin.as_str());
    Ok((StatusCode::CREATED, Data { data: Place { id: made.public_id, name: made.name, role } }))
}

/// The workspaces the caller may enter.
#[utoipa::path(get, path = "/api/v1/workspaces", tag = "workspaces",
    responses((status = 200, body = Data<Vec<Place>>)))]
pub(crate) async fn workspaces(
    State(app): State<Shared>,
    caller: Caller<Anyone>,
) -> Result<Data<Vec<Place>>, Problem> {
    if let Who::User { id, .. } = &caller.who {
        return Ok(Data { data: places(&app.recorder.memberships(id).await?) });
    }
    let workspace = app.recorder.workspace(&caller.workspace_public).await?;
    let place = |w: exhibit_model::Workspace| Place { id: w.public_id, name: w.name, role: None };
    Ok(Data { data: workspace.into_iter().map(place).collect() })
}
