//! The commands that are answered.

use bson::{Binary, Bson, DateTime, Document, doc, spec::BinarySubtype};
use exhibit_capture::{Context, dialect::tracellm};
use exhibit_model::{Json, Scope, Scopes, WorkspaceId};

use super::{query::NotKnown, reading, value};
use crate::{app::Shared, auth, problem::Problem};

/// The version that drivers are told: of MongoDB 7.
const WIRE_VERSION: i32 = 21;
const COLLECTIONS: [&str; 3] = ["traces", "projects", "api_keys"];

/// What a connection has shown about itself.
#[derive(Default)]
pub(super) struct Session {
    /// The workspace and rights of the key that was shown.
    known: Option<(WorkspaceId, Scopes)>,
    /// Whether it may do nothing before it has shown one.
    needs_a_key: bool,
}

impl Session {
    /// A connection that may come from anywhere.
    pub(super) fn that_needs_a_key() -> Self {
        Self { known: None, needs_a_key: true }
    }
}

/// An error as MongoDB numbers it.
pub(super) struct Refused {
    code: i32,
    name: &'static str,
    message: String,
}

impl Refused {
    pub(super) fn new(code: i32, name: &'static str, message: impl Into<String>) -> Self {
        Self { code, name, message: message.into() }
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        match problem.status.as_u16() {
            401 => Self::new(18, "AuthenticationFailed", problem.detail),
            403 => Self::new(13, "Unauthorized", problem.detail),
            503 | 429 => Self::new(91, "ShutdownInProgress", problem.detail),
            500.. => Self::new(1, "InternalError", problem.detail),
            _ => Self::new(2, "BadValue", problem.detail),
        }
    }
}

impl From<NotKnown> for Refused {
    fn from(NotKnown(what): NotKnown) -> Self {
        let message = format!(
            "{what} is not understood here; use equality, $or, $and, $gt, $gte, $lt, $lte, $ne, $in, $exists; \
             in a projection, names with 1 or 0"
        );
        Self::new(2, "BadValue", message)
    }
}

pub(super) type Answer = Result<Document, Refused>;

/// Answers a command. Errors are answers too.
pub(super) async fn run(app: &Shared, session: &mut Session, command: &Document) -> Document {
    match dispatch(app, session, command).await {
        Ok(mut answer) => {
            answer.insert("ok", 1.0);
            answer
        }
        Err(refused) => doc! {
            "ok": 0.0, "errmsg": refused.message, "code": refused.code, "codeName": refused.name,
        },
    }
}

async fn dispatch(app: &Shared, session: &mut Session, command: &Document) -> Answer {
    let Some((name, target)) = command.iter().next() else {
        return Err(Refused::new(59, "CommandNotFound", "The command is empty"));
    };
    let target = target.as_str().unwrap_or_default();
    match name.as_str() {
        "hello" | "ismaster" | "isMaster" => Ok(hello(command)),
        "ping" | "endSessions" | "killCursors" | "logout" => Ok(doc! {}),
        "buildInfo" | "buildinfo" => Ok(doc! {
            "version": "7.0.0", "versionArray": [7, 0, 0, 0], "maxBsonObjectSize": 16_777_216,
            "gitVersion": "exhibit", "modules": [], "debug": false, "bits": 64,
        }),
        "saslStart" => login(app, session, command).await,
        "createIndexes" => Ok(doc! {
            "numIndexesBefore": 1, "numIndexesAfter": 1, "note": "documents are found without them",
        }),
        "listCollections" => Ok(reading::cursor(
            "$cmd.listCollections",
            COLLECTIONS.iter().map(|name| doc! { "name": *name, "type": "collection" }).collect(),
        )),
        "listDatabases" => Ok(doc! {
            "databases": [{ "name": "exhibit", "sizeOnDisk": 1_i64, "empty": false }],
            "totalSize": 1_i64,
        }),
        "insert" => insert(app, session, target, command).await,
        "find" => reading::find(app, session, target, command).await,
        "count" => reading::count(app, session, target, command).await,
        "aggregate" => reading::aggregate(app, session, target, command).await,
        "distinct" => reading::distinct(app, session, target, command).await,
        "update" | "delete" | "findAndModify" | "drop" | "dropDatabase" | "renameCollection" => {
            let message =
                "What is recorded here stays as it is; it can be neither changed nor deleted";
            Err(Refused::new(115, "CommandNotSupported", message))
        }
        other => {
            let message =
                format!("no such command: '{}'", other.chars().take(60).collect::<String>());
            Err(Refused::new(59, "CommandNotFound", message))
        }
    }
}

fn hello(command: &Document) -> Document {
    let mut answer = doc! {
        "ismaster": true, "isWritablePrimary": true, "helloOk": true,
        "maxBsonObjectSize": 16_777_216, "maxMessageSizeBytes": 48_000_000,
        "maxWriteBatchSize": 100_000, "localTime": DateTime::now(),
        "minWireVersion": 0, "maxWireVersion": WIRE_VERSION, "readOnly": false,
    };
    if command.contains_key("saslSupportedMechs") {
        answer.insert("saslSupportedMechs", ["PLAIN"].as_slice());
    }
    answer
}

/// PLAIN (RFC 4616): authorisation id, user, password, separated by NUL. The password is the key.
async fn login(app: &Shared, session: &mut Session, command: &Document) -> Answer {
    let refused = |message: &str| Refused::new(18, "AuthenticationFailed", message);
    if command.get_str("mechanism").ok() != Some("PLAIN") {
        return Err(refused("Use authMechanism=PLAIN with an Exhibit key as password"));
    }
    let payload = command.get_binary_generic("payload").map_err(|_| refused("No payload"))?;
    let password = payload.split(|byte| *byte == 0).nth(2).unwrap_or_default();
    let key = std::str::from_utf8(password).map_err(|_| refused("The key is not text"))?;
    let known = auth::by_key(app, key).await?;
    session.known = Some((known.workspace, known.scopes));
    let payload = Binary { subtype: BinarySubtype::Generic, bytes: Vec::new() };
    Ok(doc! { "conversationId": 1, "done": true, "payload": payload })
}

/// Where a session acts, if it may.
pub(super) async fn workspace(
    app: &Shared,
    session: &Session,
    scopes: &[Scope],
) -> Result<WorkspaceId, Refused> {
    if let Some((workspace, held)) = session.known {
        return if scopes.iter().any(|scope| held.has(*scope)) {
            Ok(workspace)
        } else {
            Err(Problem::missing_scope(*scopes.first().unwrap_or(&Scope::Read)).into())
        };
    }
    if session.needs_a_key {
        let message = "Authenticate with authMechanism=PLAIN and an Exhibit key as password";
        return Err(Refused::new(13, "Unauthorized", message));
    }
    let named = app.config.mongo_workspace.as_deref().unwrap_or("default");
    let found = app.recorder.workspace(named).await.map_err(Problem::from)?;
    let missing =
        || Refused::new(13, "Unauthorized", "The workspace of this listener does not exist");
    Ok(found.ok_or_else(missing)?.id)
}

pub(super) fn known_collection(collection: &str) -> Result<(), Refused> {
    if COLLECTIONS.contains(&collection) {
        return Ok(());
    }
    let message = format!("There are the collections {}", COLLECTIONS.join(", "));
    Err(Refused::new(73, "InvalidNamespace", message))
}

async fn insert(app: &Shared, session: &Session, collection: &str, command: &Document) -> Answer {
    known_collection(collection)?;
    let documents = command
        .get_array("documents")
        .map_err(|_| Refused::new(9, "FailedToParse", "insert needs a list of documents"))?;
    let workspace = workspace(app, session, &[Scope::Ingest]).await?;
    if collection != "traces" {
        // Projects follow from traces; keys are made elsewhere and never kept in the clear.
        return notes(app, workspace, collection, documents).await;
    }
    let mut taken = 0;
    let mut errors: Vec<Document> = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        let outcome = match document {
            Bson::Document(document) => record(app, workspace, document).await,
            _ => Err("a document is expected".to_owned()),
        };
        match outcome {
            Ok(()) => taken += 1,
            Err(message) => {
                let index = i32::try_from(index).unwrap_or(i32::MAX);
                errors.push(doc! { "index": index, "code": 121, "errmsg": message });
            }
        }
    }
    let mut answer = doc! { "n": taken };
    if !errors.is_empty() {
        answer.insert("writeErrors", errors);
    }
    Ok(answer)
}

async fn record(app: &Shared, workspace: WorkspaceId, document: &Document) -> Result<(), String> {
    let map = value::to_json(document);
    let recorder = &app.recorder;
    let context = Context { received: recorder.now(), limits: recorder.limits(), labels: &[] };
    let decoded = match tracellm::decode(map.clone(), &context) {
        Ok(decoded) => decoded,
        Err(error) => {
            let mut kept = map;
            kept.shift_remove("api_key");
            let refused = exhibit_capture::Rejected {
                index: 0,
                pointer: error.pointer().unwrap_or_default().to_owned(),
                reason: error.to_string(),
                span_id: None,
                trace_id: kept.get("trace_id").and_then(Json::as_str).map(str::to_owned),
                body: Some(Json::Object(kept)),
            };
            recorder.bury(workspace, "tracellm", &[refused]).await;
            return Err(error.to_string());
        }
    };
    let accepted = recorder.accept(workspace, decoded).await;
    let accepted = accepted.map_err(|error| Problem::from(error).detail)?;
    match accepted.rejected.first() {
        Some(refused) => Err(refused.reason.clone()),
        None => Ok(()),
    }
}

/// Most projects and keys that are remembered of a workspace.
const NOTES_MAX: usize = 1_000;

/// Remembers projects as they are, and of keys only what tells them again.
async fn notes(
    app: &Shared,
    workspace: WorkspaceId,
    collection: &str,
    documents: &[Bson],
) -> Answer {
    let mut taken = 0;
    for document in documents.iter().filter_map(Bson::as_document) {
        let mut map = value::to_json(document);
        map.shift_remove("_id");
        if let Some(Json::String(key)) = map.shift_remove("key") {
            map.insert(
                "key_digest".to_owned(),
                app.recorder.keyed_digest("client-key", &key).into(),
            );
        }
        map.shift_remove("api_key");
        let done = app.recorder.note(workspace, collection, Json::Object(map), NOTES_MAX).await;
        done.map_err(Problem::from)?;
        taken += 1;
    }
    Ok(doc! { "n": taken })
}
