//! Rule files as people edit them. Rules hold for the whole installation: its own files are shown to members
//! of the workspace `default` and changed by its admins; what is shipped is shown to everybody.

use axum::extract::{Path, State};
use exhibit_model::Json;
use exhibit_recorder::{
    Caller as Known, RuleFile, RuleFileRefusal, RuleListing, RuleOrigin, RuleProblem,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Admin, Caller, Read, require},
    extract::Small,
    problem::{Problem, ProblemBody},
    view::Data,
};

/// The workspace whose members run the installation.
const OPERATORS: &str = "default";
/// It may name addresses that are secret.
const CHANNELS: &str = "notifications.yaml";

fn may_read(caller: &Known, file: &RuleFile) -> bool {
    let inside = caller.workspace_public == OPERATORS;
    let allowed = if file.name == CHANNELS { require::<Admin>(caller).is_ok() } else { true };
    file.origin != RuleOrigin::Own || (inside && allowed)
}

/// Rules of the installation are changed from the workspace that runs it.
pub(crate) fn operator(caller: &Known) -> Result<(), Problem> {
    if caller.workspace_public == OPERATORS {
        return Ok(());
    }
    let detail = "Rules hold for the whole installation. Its admins, those of the workspace `default`, \
                  change them there.";
    Err(Problem::forbidden("not-operator", detail))
}

/// The rule files there are.
#[derive(Serialize, ToSchema)]
pub(crate) struct RuleFilesView {
    /// Whether the caller may write them.
    may_write: bool,
    /// Why nobody can, where there is no directory to write to.
    not_writable: Option<&'static str>,
    /// The files: `name`, `origin` (`own`, `shipped`, `pack`), `in_force`, `shipped`, `sha256`.
    #[schema(value_type = Vec<Object>)]
    files: Vec<RuleFile>,
}

/// The rule files: those of the directory, those that are shipped, and packs to take over.
#[utoipa::path(get, path = "/api/v1/govern/files", tag = "governance",
    responses((status = 200, body = Data<RuleFilesView>), (status = 403, body = ProblemBody)))]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller<Read>,
) -> Result<Data<RuleFilesView>, Problem> {
    let has_dir = app.recorder.has_rules_dir();
    let may = require::<Admin>(&caller).is_ok() && operator(&caller).is_ok();
    let why = "This server runs without a directory of rules; start it with --rules-dir.";
    let mut files = app.recorder.rule_files()?;
    files.retain(|file| may_read(&caller, file));
    Ok(Data {
        data: RuleFilesView {
            may_write: may && has_dir,
            not_writable: (!has_dir).then_some(why),
            files,
        },
    })
}

/// A rule file with its text.
#[derive(Serialize, ToSchema)]
pub(crate) struct RuleFileText {
    /// The file.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    file: RuleFile,
    /// Its text.
    text: String,
}

/// One rule file with its text.
#[utoipa::path(get, path = "/api/v1/govern/files/{*name}", tag = "governance",
    params(("name" = String, Path, description = "Such as `policies/gdpr.yaml`")),
    responses((status = 200, body = Data<RuleFileText>), (status = 404, body = ProblemBody)))]
pub(crate) async fn one(
    State(app): State<Shared>,
    caller: Caller<Read>,
    Path(name): Path<String>,
) -> Result<Data<RuleFileText>, Problem> {
    let mut files = app.recorder.rule_files()?.into_iter();
    let file = files.find(|file| file.name == name && may_read(&caller, file));
    let file = file.ok_or_else(|| Problem::not_found("rule file"))?;
    Ok(Data { data: RuleFileText { text: file.text.clone(), file } })
}

/// A file to be checked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proposed {
    /// Its name, such as `policies/gdpr.yaml`.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
}

/// Something that is wrong with a file.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProblemInFile {
    /// The file.
    file: String,
    /// The line, counted from 1.
    line: Option<usize>,
    /// Where in it, such as a rule.
    place: String,
    /// What is wrong, and what to do.
    message: String,
}

impl ProblemInFile {
    fn of(problem: RuleProblem) -> Self {
        let RuleProblem { file, line, place, message } = problem;
        Self { file, line, place, message }
    }
}

/// What came of a check.
#[derive(Serialize, ToSchema)]
pub(crate) struct Checked {
    /// Whether the rules would load with it.
    ok: bool,
    /// What is wrong, in all files at once.
    problems: Vec<ProblemInFile>,
    /// The policies that the file holds, with their rules and how many tests of each passed.
    #[schema(value_type = Vec<Object>)]
    policies: Vec<Json>,
    /// The detectors that it holds.
    #[schema(value_type = Vec<Object>)]
    detectors: Vec<Json>,
}

fn checked(name: &str, listing: &RuleListing) -> Result<Checked, Problem> {
    let json = |value: serde_json::Result<Json>| value.map_err(|error| Problem::internal(&error));
    let policies = listing.policies.iter().filter(|it| it.file == name);
    let detectors = listing.detectors.iter().filter(|it| it.file == name);
    Ok(Checked {
        ok: true,
        problems: Vec::new(),
        policies: policies.map(|it| json(serde_json::to_value(it))).collect::<Result<_, _>>()?,
        detectors: detectors.map(|it| json(serde_json::to_value(it))).collect::<Result<_, _>>()?,
    })
}

/// Check a rule file with all others around it, its examples and tests included. Nothing is changed.
#[utoipa::path(post, path = "/api/v1/govern/check", tag = "governance", request_body = Proposed,
    responses((status = 200, body = Data<Checked>), (status = 422, body = ProblemBody)))]
pub(crate) async fn check(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Small(proposed): Small<Proposed>,
) -> Result<Data<Checked>, Problem> {
    operator(&caller)?;
    let name = proposed.name.clone();
    let data = match app.recorder.check_rule_file(proposed.name, proposed.text).await {
        Ok(listing) => checked(&name, &listing)?,
        Err(RuleFileRefusal::Other(error)) => return Err(error.into()),
        Err(RuleFileRefusal::Rules(error)) => Checked {
            ok: false,
            problems: error.problems().into_iter().map(ProblemInFile::of).collect(),
            policies: Vec::new(),
            detectors: Vec::new(),
        },
    };
    Ok(Data { data })
}

/// A file to be written.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Its text; null removes the file, so that the shipped one of its name is in force again.
    text: Option<String>,
    /// `sha256` of the file that was changed; it is refused when somebody else was faster.
    #[serde(default)]
    sha256: Option<String>,
}

/// What is in force now.
#[derive(Serialize, ToSchema)]
pub(crate) struct InForce {
    /// Hash over prices, detectors and policies, hex.
    hash: String,
    /// How many rules and detectors.
    loaded: usize,
}

/// Write a rule file, or remove it. It is in force when this answers; one that does not load is refused
/// with what is wrong in `problems`, and the rules in force stay.
#[utoipa::path(put, path = "/api/v1/govern/files/{*name}", tag = "governance", request_body = Wanted,
    params(("name" = String, Path, description = "Such as `policies/gdpr.yaml`")),
    responses((status = 200, body = Data<InForce>), (status = 403, body = ProblemBody),
        (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn put(
    State(app): State<Shared>,
    caller: Caller<Admin>,
    Path(name): Path<String>,
    Small(wanted): Small<Wanted>,
) -> Result<Data<InForce>, Problem> {
    operator(&caller)?;
    match app.recorder.set_rule_file(&caller, name, wanted.text, wanted.sha256).await {
        Ok(rules) => Ok(Data { data: InForce { hash: rules.hash, loaded: rules.loaded } }),
        Err(RuleFileRefusal::Other(error)) => Err(error.into()),
        Err(RuleFileRefusal::Rules(error)) => {
            let problems: Vec<ProblemInFile> =
                error.problems().into_iter().map(ProblemInFile::of).collect();
            let first = problems.first().map(|p| p.message.clone()).unwrap_or_default();
            let detail = format!("The rules do not load with it; those in force stay. {first}");
            let problems = serde_json::to_value(problems).unwrap_or_default();
            Err(Problem::unprocessable("rules", detail).with("problems", problems))
        }
    }
}
