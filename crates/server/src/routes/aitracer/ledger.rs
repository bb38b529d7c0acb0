//! AITracer's published routes for reading one record and verifying it, answered from our ledger.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use exhibit_recorder::verify::{Answer, Verdict};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Caller, ReadTraces},
    extract::{Small, trace_id},
    problem::{Problem, ProblemBody},
    routes::retention,
};

/// One recorded interaction with its place in the ledger. Of one that was erased: that it was, with its
/// certificate and its place; `createdAt` and `integrityHash` went with it.
#[utoipa::path(get, path = "/api/ledger/{id}", tag = "ledger",
    params(("id" = String, Path, description = "The trace's id")),
    responses((status = 200, body = Object), (status = 404, body = ProblemBody)))]
pub(crate) async fn entry(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = trace_id(&id)?;
    let found = app.recorder.trace_with_spans(caller.workspace, &id, 100).await?;
    let Some((row, spans)) = found else {
        let erasure = app.recorder.erasure_verification(caller.workspace, &id).await?;
        let erasure = erasure.ok_or_else(|| Problem::not_found("trace"))?;
        let mut body = form(&erasure.answer);
        body["createdAt"] = Json::Null;
        body["integrityHash"] = Json::Null;
        body["verificationRecords"] = json!([]);
        body["certificate"] =
            serde_json::to_value(erasure).map_err(|error| Problem::internal(&error))?;
        return Ok(axum::Json(body).into_response());
    };
    let verification = app.recorder.verification(caller.workspace, &id).await?;
    let verification = verification.ok_or_else(|| Problem::not_found("trace"))?;
    let mut body = form(&verification.answer);
    body["createdAt"] = row.first_received.to_rfc3339().into();
    body["integrityHash"] = verification.answer.fingerprint.into();
    body["verificationRecords"] = spans.iter().map(super::verification).collect();
    Ok(axum::Json(body).into_response())
}

/// What is said of every entry.
fn form(answer: &Answer) -> Json {
    json!({
        "id": answer.trace_id,
        "interactionId": answer.trace_id,
        "algorithm": "SHA-256",
        "verdict": answer.verdict,
        "qualifiers": answer.qualifiers,
        "log": answer.log,
        "treeSize": answer.tree_size,
        "checkpoint": answer.checkpoint,
    })
}

/// What to verify.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Attestation {
    /// The trace's id, as the ingest answer and `GET /api/ledger/{id}` give it.
    #[serde(alias = "attestationId", alias = "traceId", alias = "trace_id", alias = "id")]
    attestation_id: String,
    /// A fingerprint that one of its records or seals should have.
    #[serde(default, alias = "interactionHash")]
    interaction_hash: Option<String>,
}

/// Whether an interaction is still what was sealed.
#[utoipa::path(post, path = "/api/verification/verify", tag = "ledger", request_body = Attestation,
    responses((status = 200, body = Object), (status = 404, body = ProblemBody)))]
pub(crate) async fn verify(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Small(asked): Small<Attestation>,
) -> Result<Response, Problem> {
    let id = trace_id(&asked.attestation_id)?;
    let Some(found) = app.recorder.verification(caller.workspace, &id).await? else {
        let certificate = retention::erasure(&app, caller.workspace, &id).await?;
        let certificate = certificate.ok_or_else(|| Problem::not_found("trace"))?;
        let body = json!({
            "attestation_id": id, "valid": false, "verdict": certificate["verdict"],
            "certificate": certificate,
        });
        return Ok(axum::Json(body).into_response());
    };
    let records = found.records.iter().filter_map(|record| record.fingerprint.as_deref());
    let mut known = records.chain(found.seals.iter().map(|seal| seal.fingerprint.as_str()));
    let matches = asked.interaction_hash.as_deref().map(|hash| {
        let hash = hash.trim().trim_start_matches("sha256:").to_ascii_lowercase();
        known.any(|fingerprint| fingerprint == hash)
    });
    let answer = &found.answer;
    let holds = answer.verdict == Verdict::Valid;
    let body = json!({
        "attestation_id": id,
        "valid": holds && matches != Some(false),
        "verdict": answer.verdict,
        "hash_matches": matches,
        "integrityHash": answer.fingerprint,
        "qualifiers": answer.qualifiers,
        "faults": answer.faults,
        "url": format!("/api/v1/traces/{id}/verification"),
    });
    Ok(axum::Json(body).into_response())
}
