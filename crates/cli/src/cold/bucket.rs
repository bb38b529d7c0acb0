//! A bucket of an S3-compatible store as cold storage.

use std::sync::Arc;

use anyhow::Context as _;
use exhibit_store::{Archive, ObjectId, StoreError};
use object_store::{ObjectStore, ObjectStoreExt as _, aws::AmazonS3Builder, path::Path};
use tokio::runtime::Handle;

use crate::{config::Loaded, failure::Failure};

/// The bucket behind the contract's blocking calls, which come from threads for blocking work.
#[derive(Debug)]
struct Bucket {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    runtime: Handle,
}

impl Bucket {
    fn path(&self, object: ObjectId) -> Path {
        object.path().split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }
}

impl Archive for Bucket {
    fn put(&self, object: ObjectId, bytes: Vec<u8>) -> Result<(), StoreError> {
        let done = self.runtime.block_on(self.objects.put(&self.path(object), bytes.into()));
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
        match self.runtime.block_on(self.objects.get_range(&path, offset..end)) {
            Ok(found) if found.len() == bytes as usize => Ok(Some(found.to_vec())),
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => match self.runtime.block_on(self.objects.head(&path)) {
                // It is there and the range is not: it was cut.
                Ok(meta) if meta.size < end => Ok(None),
                _ => Err(failed("reading", object, &error)),
            },
        }
    }

    fn remove(&self, object: ObjectId) -> Result<(), StoreError> {
        match self.runtime.block_on(self.objects.delete(&self.path(object))) {
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
pub(super) fn open(loaded: &Loaded, place: &str) -> anyhow::Result<Arc<dyn Archive>> {
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let prefix = Path::parse(prefix).context("archive.to: the path in the bucket")?;
    let mut builder = AmazonS3Builder::new().with_bucket_name(bucket);
    for (name, value) in &loaded.environment.variables {
        let Some(name) = name.strip_prefix("AWS_") else { continue };
        if let Ok(key) = format!("aws_{}", name.to_ascii_lowercase()).parse() {
            builder = builder.with_config(key, value);
        }
    }
    let objects = builder.build().map_err(|error| {
        Failure::usage(format!("archive.to: {error}")).hint(
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and, beyond AWS, AWS_ENDPOINT_URL",
        )
    })?;
    Ok(Arc::new(Bucket { objects: Arc::new(objects), prefix, runtime: Handle::current() }))
}
