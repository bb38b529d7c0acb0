//! A bucket of an S3-compatible store as cold storage, with Object Lock where that is asked for.

use std::{fmt, sync::Arc};

use anyhow::Context as _;
use exhibit_store::{Archive, ObjectId, StoreError};
use jiff::{SignedDuration, Timestamp};
use object_store::{
    ClientOptions, ObjectStore, ObjectStoreExt as _,
    aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum},
    path::Path,
};
use parking_lot::Mutex;
use reqwest::header::{HeaderMap, HeaderValue};
use tokio::runtime::Handle;

use crate::{
    config::{Loaded, LockMode},
    failure::Failure,
};

const DAY_S: i64 = 86_400;

/// The bucket behind the contract's blocking calls, which come from threads for blocking work.
struct Bucket {
    reading: Arc<dyn ObjectStore>,
    writing: Writing,
    prefix: Path,
    runtime: Handle,
}

/// What writes: it sends headers of its own along.
struct Writing {
    access: Access,
    /// Object Lock, for as many days: what is written can be removed by nobody before its day.
    lock: Option<(LockMode, u32)>,
    /// The client of today: the headers, and so the client that sends them, change with the day.
    today: Mutex<Option<(i64, Arc<dyn ObjectStore>)>>,
}

/// How the bucket is reached. Holds secrets.
struct Access {
    bucket: String,
    settings: Vec<(AmazonS3ConfigKey, String)>,
}

impl Access {
    /// A client that sends these headers along, signed.
    fn open(&self, headers: HeaderMap) -> object_store::Result<Arc<dyn ObjectStore>> {
        let options = ClientOptions::new().with_default_headers(headers);
        let start = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_client_options(options)
            .with_checksum_algorithm(Checksum::SHA256);
        let set = |builder: AmazonS3Builder, (key, value): &(AmazonS3ConfigKey, String)| {
            builder.with_config(*key, value)
        };
        Ok(Arc::new(self.settings.iter().fold(start, set).build()?))
    }
}

impl Writing {
    /// The client of today.
    fn client(&self) -> anyhow::Result<Arc<dyn ObjectStore>> {
        let day = Timestamp::now().as_second().div_euclid(DAY_S);
        let mut today = self.today.lock();
        if let Some((_, client)) = today.as_ref().filter(|(of, _)| *of == day) {
            return Ok(Arc::clone(client));
        }
        let mut headers = HeaderMap::new();
        // A bucket that locks by itself takes nothing without it.
        headers.insert("x-amz-sdk-checksum-algorithm", HeaderValue::from_static("SHA256"));
        if let Some((mode, days)) = self.lock {
            let mode = match mode {
                LockMode::Governance => "GOVERNANCE",
                LockMode::Compliance => "COMPLIANCE",
            };
            let tomorrow = Timestamp::from_second(day.saturating_add(1).saturating_mul(DAY_S))?;
            let until = tomorrow.checked_add(SignedDuration::from_secs(i64::from(days) * DAY_S))?;
            headers.insert("x-amz-object-lock-mode", HeaderValue::from_static(mode));
            let until = HeaderValue::from_str(&until.to_string())?;
            headers.insert("x-amz-object-lock-retain-until-date", until);
        }
        let client = self.access.open(headers)?;
        *today = Some((day, Arc::clone(&client)));
        Ok(client)
    }
}

impl Bucket {
    fn path(&self, object: ObjectId) -> Path {
        object.path().split('/').fold(self.prefix.clone(), Path::join)
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.prefix)
    }
}

impl Archive for Bucket {
    fn put(&self, object: ObjectId, bytes: Vec<u8>) -> Result<(), StoreError> {
        let writer = self.writing.client();
        let writer = writer
            .map_err(|error| StoreError::Failed(format!("writing to the archive: {error}")))?;
        let done = self.runtime.block_on(writer.put(&self.path(object), bytes.into()));
        done.map(drop).map_err(|error| failed("writing", object, &error))
    }

    fn get(
        &self,
        object: ObjectId,
        offset: u64,
        bytes: u32,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let end = offset.saturating_add(u64::from(bytes));
        let path = self.path(object);
        match self.runtime.block_on(self.reading.get_range(&path, offset..end)) {
            Ok(found) if found.len() == bytes as usize => Ok(Some(found.to_vec())),
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => match self.runtime.block_on(self.reading.head(&path)) {
                // It is there and the range is not: it was cut.
                Ok(meta) if meta.size < end => Ok(None),
                _ => Err(failed("reading", object, &error)),
            },
        }
    }

    fn remove(&self, object: ObjectId) -> Result<(), StoreError> {
        match self.runtime.block_on(self.reading.delete(&self.path(object))) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("removing", object, &error)),
        }
    }
}

fn failed(doing: &str, object: ObjectId, error: &object_store::Error) -> StoreError {
    StoreError::Failed(format!("{doing} the archived object {}: {error}", object.path()))
}

/// Opens `bucket/path`, with credentials and endpoint from the usual variables (`AWS_ACCESS_KEY_ID`,
/// `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`, …). Call it on the runtime.
pub(super) fn open(
    loaded: &Loaded,
    place: &str,
    lock: Option<(LockMode, u32)>,
) -> anyhow::Result<Arc<dyn Archive>> {
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let prefix = Path::parse(prefix).context("archive.to: the path in the bucket")?;
    let mut settings = Vec::new();
    for (name, value) in &loaded.environment.variables {
        let Some(name) = name.strip_prefix("AWS_") else { continue };
        let key: Option<AmazonS3ConfigKey> =
            format!("aws_{}", name.to_ascii_lowercase()).parse().ok();
        // What is written is checked by SHA-256, which the headers of writing name.
        let key = key.filter(|key| !matches!(key, AmazonS3ConfigKey::Checksum));
        settings.extend(key.map(|key| (key, value.clone())));
    }
    // The client asks the process for its cryptography and panics where there is none; whoever was first
    // has set the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let access = Access { bucket: bucket.to_owned(), settings };
    let reading = access.open(HeaderMap::new()).map_err(|error| {
        Failure::usage(format!("archive.to: {error}")).hint(
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and, beyond AWS, AWS_ENDPOINT_URL",
        )
    })?;
    let writing = Writing { access, lock, today: Mutex::default() };
    Ok(Arc::new(Bucket { reading, writing, prefix, runtime: Handle::current() }))
}
