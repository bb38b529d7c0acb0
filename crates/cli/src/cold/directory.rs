//! A directory as cold storage: one file per object, written beside and renamed, readable by its owner only.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use exhibit_store::{Archive, ObjectId, StoreError};

/// The directory.
#[derive(Debug)]
pub(super) struct Directory(PathBuf);

impl Directory {
    /// Makes it where it is missing.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        make(path).with_context(|| format!("archive.to: cannot use {}", path.display()))?;
        Ok(Self(path.to_owned()))
    }

    fn write(&self, object: ObjectId, bytes: &[u8]) -> std::io::Result<()> {
        let path = self.0.join(object.path());
        let dir = path.parent().unwrap_or(&self.0);
        let is_new = !dir.is_dir();
        make(dir)?;
        let fresh = path.with_extension("new");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let mut out = options.open(&fresh)?;
        out.write_all(bytes)?;
        out.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(dir)?.sync_all()?;
        if is_new {
            // Its name, and that of the directory above, which may be new too.
            for above in dir.ancestors().skip(1).take(2) {
                File::open(above)?.sync_all()?;
            }
        }
        Ok(())
    }

    fn read(&self, object: ObjectId, offset: u64, bytes: u32) -> std::io::Result<Vec<u8>> {
        let mut file = File::open(self.0.join(object.path()))?;
        // What is said of its length is not believed before there is as much.
        if file.metadata()?.len() < offset.saturating_add(u64::from(bytes)) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        file.seek(SeekFrom::Start(offset))?;
        let mut found = vec![0; bytes as usize];
        file.read_exact(&mut found)?;
        Ok(found)
    }
}

impl Archive for Directory {
    fn put(&self, object: ObjectId, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.write(object, &bytes).map_err(|error| failed("writing", object, &error))
    }

    fn get(
        &self,
        object: ObjectId,
        offset: u64,
        bytes: u32,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        match self.read(object, offset, bytes) {
            Ok(found) => Ok(Some(found)),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) =>
            {
                Ok(None)
            }
            Err(error) => Err(failed("reading", object, &error)),
        }
    }

    fn remove(&self, object: ObjectId) -> Result<(), StoreError> {
        match fs::remove_file(self.0.join(object.path())) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(failed("removing", object, &error))
            }
            _ => Ok(()),
        }
    }
}

fn failed(doing: &str, object: ObjectId, error: &std::io::Error) -> StoreError {
    StoreError::Failed(format!("{doing} the archived object {}: {error}", object.path()))
}

/// Makes a directory that only its owner may enter.
fn make(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}
