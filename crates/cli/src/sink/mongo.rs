//! A MongoDB as a sink: documents as TraceLLM's programs write and read them, in the collection `traces`.
//!
//! A document's `_id` is made of its name, so writing it again replaces it, and of several documents with
//! one `trace_id` only ours is ever touched. What is said about failures never holds the password.

mod document;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use exhibit_recorder::{Sink, SinkDocument, SinkName, SpanDetail, Unwritten};
use exhibit_store::TraceRow;
use mongodb::{
    Client, Database,
    bson::{Bson, Document, doc},
    options::{ClientOptions, ConnectionString, HostInfo},
};
use tokio::sync::OnceCell;

use super::Place;
use crate::failure::Failure;

const COLLECTION: &str = "traces";
/// The database where the URL names none.
const DATABASE: &str = "tracellm";
/// How long a server of the set is looked for, unless the URL says otherwise.
const SELECTION: Duration = Duration::from_secs(10);
/// How long one command may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// Bytes of one command: MongoDB takes 16 MiB, and a little more around one document.
const COMMAND_BYTES: usize = 12 << 20;

/// Errors of single documents that trying again does not mend: bad value, cannot parse, no such field,
/// document validation, `$`, `.` and empty names, nested too deeply, duplicate of another document, too
/// large.
const FOR_GOOD: &[i32] = &[2, 9, 14, 15, 52, 55, 56, 57, 121, 10334, 11000, 17419, 17420];
const DUPLICATE: i32 = 11_000;

/// A MongoDB.
struct Mongo {
    url: String,
    database: String,
    /// What no message may hold.
    secrets: Vec<String>,
    connected: OnceCell<Database>,
}

/// Reads a URL; nobody is asked yet.
pub(super) fn open(url: &str) -> Result<Place, Failure> {
    // The parser's own words may repeat the password.
    let wrong = |what: &str| {
        Failure::usage(format!("mongo_sink: {what}"))
            .hint("it looks like mongodb://user:password@host:27017/database")
    };
    let read = ConnectionString::parse(url).map_err(|_| wrong("the URL does not read"))?;
    let unacknowledged = read.write_concern.as_ref().is_some_and(|concern| {
        matches!(concern.w, Some(mongodb::options::Acknowledgment::Nodes(0)))
    });
    if unacknowledged {
        return Err(wrong("w=0 would lose documents; leave it out, or ask for more"));
    }
    let hosts = match &read.host_info {
        HostInfo::DnsRecord(name) => format!("mongodb+srv://{}", name.to_lowercase()),
        HostInfo::HostIdentifiers(hosts) => {
            let mut hosts: Vec<String> =
                hosts.iter().map(|host| host.to_string().to_lowercase()).collect();
            hosts.sort_unstable();
            format!("mongodb://{}", hosts.join(","))
        }
        _ => return Err(wrong("its hosts do not read")),
    };
    let database = read.default_database.clone().unwrap_or_else(|| DATABASE.to_owned());
    let password = read.credential.as_ref().and_then(|credential| credential.password.clone());
    let name = format!("{hosts}/{database}.{COLLECTION}");
    let secrets = [password, encoded_password(url), Some(url.to_owned())];
    let secrets = secrets.into_iter().flatten().filter(|secret| !secret.is_empty()).collect();
    let connected = OnceCell::new();
    let sink = Mongo { url: url.to_owned(), database, secrets, connected };
    Ok(Place { sink: Arc::new(sink), name })
}

/// The password as it stands in the URL.
fn encoded_password(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let (user, _) = rest.split_once('@')?;
    user.split_once(':').map(|(_, password)| password.to_owned())
}

impl Mongo {
    async fn database(&self) -> Result<&Database, String> {
        let connect = async || {
            let mut options = ClientOptions::parse(&self.url).await?;
            options.app_name.get_or_insert_with(|| "exhibit".to_owned());
            options.server_selection_timeout.get_or_insert(SELECTION);
            options.connect_timeout.get_or_insert(SELECTION);
            options.max_pool_size.get_or_insert(2);
            Ok(Client::with_options(options)?.database(&self.database))
        };
        self.connected
            .get_or_try_init(connect)
            .await
            .map_err(|error: mongodb::error::Error| self.told(&error))
    }

    /// An error in words, without secrets.
    fn told(&self, error: &mongodb::error::Error) -> String {
        self.clean(error.kind.to_string())
    }

    fn clean(&self, mut text: String) -> String {
        for secret in &self.secrets {
            text = text.replace(secret, "…");
        }
        text
    }

    async fn run(&self, mut command: Document) -> Result<Document, String> {
        let database = self.database().await?;
        let concern = database.write_concern().and_then(|concern| {
            mongodb::bson::serialize_to_document(concern).ok().filter(|held| !held.is_empty())
        });
        // A majority is what survives the loss of a server.
        let concern = concern.unwrap_or_else(|| doc! { "w": "majority", "wtimeout": 30_000 });
        if !command.contains_key("ping") {
            command.insert("writeConcern", concern);
        }
        let answer = tokio::time::timeout(PATIENCE, database.run_command(command)).await;
        let answer = answer.map_err(|_| "it did not answer in time".to_owned())?;
        let answer = answer.map_err(|error| self.told(&error))?;
        if let Ok(problem) = answer.get_document("writeConcernError") {
            let message = problem.get_str("errmsg").unwrap_or("the write concern was not met");
            return Err(self.clean(message.to_owned()));
        }
        Ok(answer)
    }

    /// Replaces documents; `first` is the place of the first among all that are written.
    async fn replace(
        &self,
        documents: &[SinkDocument],
        first: usize,
    ) -> Result<Vec<Unwritten>, String> {
        let mut updates = Vec::with_capacity(documents.len());
        for document in documents {
            let read = Document::from_reader(document.bytes.as_slice());
            let read = read.map_err(|_| "a document does not read".to_owned())?;
            let id = document::id(&document.name);
            updates.push(doc! { "q": { "_id": id }, "u": read, "upsert": true, "multi": false });
        }
        let command = doc! { "update": COLLECTION, "updates": updates, "ordered": false };
        let answer = self.run(command).await?;
        self.unwritten(&answer, first)
    }

    fn unwritten(&self, answer: &Document, first: usize) -> Result<Vec<Unwritten>, String> {
        let mut unwritten = Vec::new();
        for error in answer.get_array("writeErrors").into_iter().flatten() {
            let Bson::Document(error) = error else { continue };
            let number = |name: &str| match error.get(name) {
                Some(Bson::Int32(number)) => *number,
                Some(Bson::Int64(number)) => i32::try_from(*number).unwrap_or(-1),
                Some(Bson::Double(number)) => *number as i32,
                _ => -1,
            };
            let message = self.clean(error.get_str("errmsg").unwrap_or("no reason").to_owned());
            let code = number("code");
            // Two writers of one new document: the next try replaces it.
            let race = code == DUPLICATE && message.contains("index: _id_ ");
            let index = usize::try_from(number("index"));
            match index {
                Ok(index) if FOR_GOOD.contains(&code) && !race => {
                    let reason = format!("{message} (error {code})");
                    unwritten.push(Unwritten { index: first + index, reason });
                }
                _ => return Err(format!("{message} (error {code})")),
            }
        }
        Ok(unwritten)
    }
}

#[async_trait]
impl Sink for Mongo {
    async fn greet(&self) -> Result<(), String> {
        self.run(doc! { "ping": 1 }).await.map(drop)
    }

    fn encode(
        &self,
        name: &SinkName,
        row: &TraceRow,
        spans: &[SpanDetail],
    ) -> Result<Vec<u8>, String> {
        document::encode(name, row, spans)
    }

    async fn write(&self, documents: &[SinkDocument]) -> Result<Vec<Unwritten>, String> {
        let mut unwritten = Vec::new();
        let mut first = 0;
        while let Some(rest) = documents.get(first..).filter(|rest| !rest.is_empty()) {
            let mut bytes = 0;
            let fits = |one: &&SinkDocument| {
                bytes += one.bytes.len();
                bytes <= COMMAND_BYTES
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let some = rest.get(..count).unwrap_or_default();
            unwritten.extend(self.replace(some, first).await?);
            first += count;
        }
        Ok(unwritten)
    }

    async fn remove(&self, names: &[SinkName]) -> Result<(), String> {
        let ids: Vec<Bson> = names.iter().map(|name| document::id(name).into()).collect();
        let deletes = vec![doc! { "q": { "_id": { "$in": ids } }, "limit": 0 }];
        let answer = self.run(doc! { "delete": COLLECTION, "deletes": deletes }).await?;
        match self.unwritten(&answer, 0)?.into_iter().next() {
            None => Ok(()),
            Some(unwritten) => Err(unwritten.reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> String {
        ["p%40", "ss", "w0rd"].concat()
    }

    #[test]
    fn a_place_is_named_without_what_opens_it() {
        let url = format!("mongodb://ann:{}@b.example:27018,A.example/shop?w=1", secret());
        let place = open(&url).ok().unwrap();
        assert_eq!(place.name, "mongodb://a.example:27017,b.example:27018/shop.traces");
        let bare = open("mongodb://localhost").ok().unwrap();
        assert_eq!(bare.name, "mongodb://localhost:27017/tracellm.traces");
        let srv = open("mongodb+srv://ann:x@Cluster.Example.com/").ok().unwrap();
        assert_eq!(srv.name, "mongodb+srv://cluster.example.com/tracellm.traces");
    }

    #[test]
    fn what_does_not_read_is_refused_without_repeating_it() {
        for url in [
            format!("mongodb://ann:{}@:0/", secret()),
            format!("mongodb://ann:{}@host/a?authMechanism=none", secret()),
            format!("postgres://ann:{}@host/a", secret()),
            format!("mongodb://ann:{}:x@host", secret()),
            format!("mongodb://ann:{}@host/?w=0", secret()),
        ] {
            let failure = open(&url).err().unwrap().to_string();
            assert!(failure.starts_with("mongo_sink: ") && !failure.contains("w0rd"), "{failure}");
        }
    }

    #[test]
    fn errors_are_told_apart_and_told_without_secrets() {
        let url = format!("mongodb://ann:{}@h/", secret());
        let read = ConnectionString::parse(&url).unwrap();
        let password = read.credential.unwrap().password.unwrap();
        let mongo = Mongo {
            url: url.clone(),
            database: DATABASE.into(),
            secrets: vec![password.clone(), secret(), url],
            connected: OnceCell::new(),
        };
        let answer = |code: i32, message: &str| {
            doc! { "ok": 1, "writeErrors": [{ "index": 1, "code": code, "errmsg": message }] }
        };
        let refused = mongo.unwritten(&answer(121, &format!("no {password}")), 7).unwrap();
        assert_eq!(refused, [Unwritten { index: 8, reason: "no … (error 121)".into() }]);
        assert!(mongo.unwritten(&answer(DUPLICATE, "index: trace_id_1 dup key"), 0).is_ok());
        assert!(mongo.unwritten(&answer(DUPLICATE, "index: _id_ dup key"), 0).is_err());
        assert!(mongo.unwritten(&answer(10_107, "not primary"), 0).is_err());
        assert!(mongo.unwritten(&doc! { "ok": 1 }, 0).unwrap().is_empty());
    }
}
