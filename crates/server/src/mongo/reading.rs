//! Reading: what a filter finds, in which order, and which of its fields.
//!
//! Documents are made of traces while they are looked at, newest first, and let go again unless they belong
//! to the answer. The answer is bounded; a client that asks for more is told to ask for less.

use bson::{Bson, Document, doc};
use exhibit_model::{Json, JsonMap, Scope};

use super::{
    commands::{Answer, Refused, Session, known_collection, workspace},
    query,
    value::{self, Found},
};
use crate::{app::Shared, problem::Problem, tracellm::documents};

/// Most that is held for one answer: what fits into one message.
const HELD_BYTES_MAX: usize = 40_000_000;

/// Shows each document that a filter finds, newest first, until `visit` has enough.
async fn each(
    app: &Shared,
    session: &Session,
    collection: &str,
    filter: &Document,
    visit: &mut (dyn FnMut(Found) -> Result<bool, Refused> + Send),
) -> Result<(), Refused> {
    known_collection(collection)?;
    let workspace = workspace(app, session, &[Scope::Read, Scope::Ingest]).await?;
    let recorder = &app.recorder;
    let mut outcome = Ok(());
    let mut look = |map: JsonMap| {
        let found = Found::of(map);
        let more = match query::matches(filter, &found.fields) {
            Ok(true) => visit(found),
            Ok(false) => Ok(true),
            Err(unknown) => Err(unknown.into()),
        };
        more.unwrap_or_else(|refused| {
            outcome = Err(refused);
            false
        })
    };
    if collection != "traces" {
        for map in notes(app, session, collection, filter).await? {
            if !look(map) {
                break;
            }
        }
    } else if let Ok(id) = filter.get_str("trace_id") {
        documents::one(recorder, workspace, id).await?.map(look);
    } else {
        documents::walk(recorder, workspace, documents::LOOKED_AT_MAX, &mut look).await?;
    }
    outcome
}

/// Projects and keys that were noted.
async fn notes(
    app: &Shared,
    session: &Session,
    collection: &str,
    filter: &Document,
) -> Result<Vec<JsonMap>, Refused> {
    let recorder = &app.recorder;
    let workspace = workspace(app, session, &[Scope::Read, Scope::Ingest]).await?;
    let notes = recorder.notes(workspace, collection).await.map_err(Problem::from)?;
    let mut all: Vec<JsonMap> =
        notes.into_iter().filter_map(|note| note.as_object().cloned()).collect();
    // A key is found again by whoever shows it, and by nobody else.
    let shown = filter.get_str("key").ok();
    let digest = shown.map(|key| recorder.keyed_digest("client-key", key));
    for map in &mut all {
        let held = map.shift_remove("key_digest");
        if let (Some(Json::String(held)), Some(digest), Some(key)) = (held, &digest, shown)
            && held == *digest
        {
            map.insert("key".to_owned(), key.into());
        }
    }
    if collection == "api_keys" {
        all.retain(|map| map.contains_key("key"));
    }
    Ok(all)
}

/// The documents that a filter finds: the first `most`, or all of them.
async fn found(
    app: &Shared,
    session: &Session,
    collection: &str,
    filter: &Document,
    most: usize,
) -> Result<Vec<Found>, Refused> {
    let (mut all, mut bytes) = (Vec::new(), 0);
    let mut keep = |found: Found| {
        bytes += found.weight();
        if bytes > HELD_BYTES_MAX {
            let message = "the documents found are more than 40 MB together; ask for fewer, with a limit \
                           or by trace_id";
            return Err(Refused::new(146, "ExceededMemoryLimit", message));
        }
        all.push(found);
        Ok(all.len() < most)
    };
    each(app, session, collection, filter, &mut keep).await?;
    Ok(all)
}

/// A count that a command may give; none, or zero, is no bound.
fn whole(command: &Document, name: &str) -> usize {
    let number = command.get(name).and_then(|value| value::json_of(value).as_f64());
    number.map_or(0, |n| n.abs() as usize)
}

/// An answer that is complete in one batch.
pub(super) fn cursor(collection: &str, batch: Vec<Document>) -> Document {
    doc! { "cursor": { "firstBatch": batch, "id": 0_i64, "ns": format!("exhibit.{collection}") } }
}

/// The order in which documents are looked at anyway.
fn is_newest_first(order: &Document) -> bool {
    let mut fields = order.iter();
    match (fields.next(), fields.next()) {
        (None, _) => true,
        (Some((field, way)), None) => {
            field == "created_at" && value::json_of(way).as_f64().is_some_and(|n| n < 0.0)
        }
        _ => false,
    }
}

pub(super) async fn find(
    app: &Shared,
    session: &Session,
    collection: &str,
    command: &Document,
) -> Answer {
    let part = |name: &str| command.get_document(name).cloned().unwrap_or_default();
    let (filter, order, projection) = (part("filter"), part("sort"), part("projection"));
    let (skip, limit) = (whole(command, "skip"), whole(command, "limit"));
    let limit = if limit == 0 { usize::MAX } else { limit };
    let enough = if is_newest_first(&order) { skip.saturating_add(limit) } else { usize::MAX };
    let mut all = found(app, session, collection, &filter, enough).await?;
    if !order.is_empty() {
        query::sort(&mut all, &order);
    }
    let page = all.into_iter().skip(skip).take(limit);
    let batch = page.map(|found| Ok(found.shown(&projection)?)).collect::<Result<_, Refused>>()?;
    Ok(cursor(collection, batch))
}

async fn counted(
    app: &Shared,
    session: &Session,
    collection: &str,
    filter: &Document,
) -> Result<usize, Refused> {
    let mut count = 0;
    let mut add = |_: Found| {
        count += 1;
        Ok(true)
    };
    each(app, session, collection, filter, &mut add).await?;
    Ok(count)
}

pub(super) async fn count(
    app: &Shared,
    session: &Session,
    collection: &str,
    command: &Document,
) -> Answer {
    let filter = command.get_document("query").cloned().unwrap_or_default();
    let count = counted(app, session, collection, &filter).await?;
    Ok(doc! { "n": i32::try_from(count).unwrap_or(i32::MAX) })
}

pub(super) async fn distinct(
    app: &Shared,
    session: &Session,
    collection: &str,
    command: &Document,
) -> Answer {
    let missing = |_| Refused::new(9, "FailedToParse", "distinct needs a key");
    let key = command.get_str("key").map_err(missing)?.to_owned();
    let filter = command.get_document("query").cloned().unwrap_or_default();
    let (mut values, mut bytes): (Vec<Json>, usize) = (Vec::new(), 0);
    let mut add = |found: Found| {
        let held = match query::at(&found.fields, &key) {
            Some(Json::Array(items)) => items.clone(),
            held => held.cloned().into_iter().collect(),
        };
        for value in held.into_iter().filter(|value| !values.contains(value)).collect::<Vec<_>>() {
            bytes += value::weight(&value);
            values.push(value);
        }
        if bytes > HELD_BYTES_MAX {
            let message = "the distinct values are more than 40 MB together";
            return Err(Refused::new(146, "ExceededMemoryLimit", message));
        }
        Ok(true)
    };
    each(app, session, collection, &filter, &mut add).await?;
    let values: Vec<Bson> = values.iter().map(|one| value::field(&key, one)).collect();
    Ok(doc! { "values": values })
}

pub(super) async fn aggregate(
    app: &Shared,
    session: &Session,
    collection: &str,
    command: &Document,
) -> Answer {
    let unknown = |stage: &str| {
        let message = format!(
            "The stage {stage} is not understood here; use $match, $sort, $skip, $limit, $count, and \
             $group that counts"
        );
        Refused::new(40324, "Location40324", message)
    };
    let stages = command.get_array("pipeline").map_err(|_| unknown("(none)"))?;
    let mut stages = stages.as_slice();
    let mut filter = Document::new();
    // The first stage is answered while looking, and so is a count that follows it.
    if let Some((Bson::Document(stage), rest)) = stages.split_first()
        && let Ok(first) = stage.get_document("$match")
    {
        (filter, stages) = (first.clone(), rest);
    }
    let last = |stage: &Bson| {
        let (name, body) = stage.as_document().and_then(|stage| stage.iter().next())?;
        match (name.as_str(), body) {
            ("$count", Bson::String(field)) => Some(Count::Field(field.clone())),
            ("$group", Bson::Document(group)) => Some(Count::Group(group.clone())),
            _ => None,
        }
    };
    if let [only] = stages
        && let Some(as_) = last(only)
    {
        let count = counted(app, session, collection, &filter).await?;
        return as_.answer(collection, count).ok_or_else(|| unknown("$group"));
    }
    let mut all = found(app, session, collection, &filter, usize::MAX).await?;
    for (n, stage) in stages.iter().enumerate() {
        if n + 1 == stages.len()
            && let Some(as_) = last(stage)
        {
            return as_.answer(collection, all.len()).ok_or_else(|| unknown("$group"));
        }
        let stage = stage.as_document().and_then(|stage| stage.iter().next());
        let Some((name, body)) = stage else { return Err(unknown("(empty)")) };
        let number = || value::json_of(body).as_f64().map_or(0, |n| n.max(0.0) as usize);
        match (name.as_str(), body) {
            ("$match", Bson::Document(filter)) => {
                let mut kept = Vec::with_capacity(all.len());
                for found in all {
                    if query::matches(filter, &found.fields)? {
                        kept.push(found);
                    }
                }
                all = kept;
            }
            ("$sort", Bson::Document(order)) => query::sort(&mut all, order),
            ("$skip", _) => all = all.split_off(number().min(all.len())),
            ("$limit", _) => all.truncate(number()),
            (other, _) => return Err(unknown(other)),
        }
    }
    let whole = Document::new();
    let batch = all.into_iter().map(|found| Ok(found.shown(&whole)?));
    Ok(cursor(collection, batch.collect::<Result<_, Refused>>()?))
}

/// A last stage that counts.
enum Count {
    Field(String),
    Group(Document),
}

impl Count {
    /// None for a group that does something else.
    fn answer(self, collection: &str, count: usize) -> Option<Document> {
        let counted = match self {
            Self::Field(field) => doc! { field: i32::try_from(count).unwrap_or(i32::MAX) },
            Self::Group(group) => counting(&group, count)?,
        };
        Some(cursor(collection, if count == 0 { Vec::new() } else { vec![counted] }))
    }
}

/// `{_id: constant, n: {$sum: 1}}`: how drivers count documents.
fn counting(group: &Document, count: usize) -> Option<Document> {
    let mut out = Document::new();
    for (field, value) in group {
        let value = match (field.as_str(), value) {
            ("_id", Bson::Document(_) | Bson::Array(_)) => return None,
            ("_id", Bson::String(text)) if text.starts_with('$') => return None,
            ("_id", constant) => constant.clone(),
            (_, Bson::Document(sum)) => {
                let step =
                    value::json_of(sum.get("$sum")?).as_f64().filter(|n| n.fract() == 0.0)?;
                Bson::Int32(i32::try_from(count).ok()?.checked_mul(step as i32)?)
            }
            _ => return None,
        };
        out.insert(field, value);
    }
    Some(out)
}
