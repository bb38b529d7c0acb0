//! What is in force: prices and rules.

use axum::extract::State;
use exhibit_model::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Caller, Read, ReadTraces},
    problem::{Problem, ProblemBody},
    view::Data,
};

/// Rules in force.
#[derive(Serialize, ToSchema)]
pub(crate) struct Rules {
    /// How many rules and detectors.
    loaded: usize,
    /// Hash over them all, hex; stands in every ledger leaf.
    hash: String,
    /// The files they come from.
    files: Vec<RuleFile>,
    /// Why the last change did not take effect; null when it did.
    last_error: Option<String>,
    /// Rules that tell a channel which is not there, with file and line.
    warnings: Vec<String>,
}

/// A rule file.
#[derive(Serialize, ToSchema)]
struct RuleFile {
    /// Its name.
    name: String,
    /// SHA-256 of its content, hex.
    sha256: String,
}

/// Prices in force, USD per 1 M tokens.
#[utoipa::path(get, path = "/api/v1/settings/pricing", tag = "settings",
    responses((status = 200, body = Data<Object>), (status = 401, body = ProblemBody)))]
pub(crate) async fn pricing(
    State(app): State<Shared>,
    _caller: Caller<ReadTraces>,
) -> Result<Data<Json>, Problem> {
    let listing = serde_json::to_value(app.recorder.pricing());
    Ok(Data { data: listing.map_err(|error| Problem::internal(&error))? })
}

/// Rules in force.
#[utoipa::path(get, path = "/api/v1/settings/rules", tag = "settings",
    responses((status = 200, body = Data<Rules>), (status = 403, body = ProblemBody)))]
pub(crate) async fn rules(State(app): State<Shared>, _caller: Caller<Read>) -> Data<Rules> {
    let rules = app.recorder.rules();
    let file = |(name, sha256)| RuleFile { name, sha256 };
    Data {
        data: Rules {
            loaded: rules.loaded,
            hash: rules.hash,
            files: rules.files.into_iter().map(file).collect(),
            last_error: rules.last_error,
            warnings: rules.warnings,
        },
    }
}
