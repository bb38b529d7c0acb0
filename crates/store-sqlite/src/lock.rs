//! One process per data directory.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

use exhibit_store::StoreError;

use crate::failure::{Result, io};

/// Holds the directory until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock; an error names the process that holds it.
    pub(crate) fn take(directory: &Path) -> Result<Self> {
        let path = directory.join("lock");
        let failed = |error: &std::io::Error| io(&format!("locking {}", path.display()), error);
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| failed(&e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The text is a courtesy; without it the lock still holds.
                let _ = file.read_to_string(&mut holder);
                let holder = holder.trim();
                let holder = if holder.is_empty() { "another process" } else { holder };
                return Err(StoreError::Failed(format!(
                    "{} is in use by {holder}; stop it or use another data directory",
                    directory.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
        file.set_len(0).map_err(|e| failed(&e))?;
        file.rewind().map_err(|e| failed(&e))?;
        writeln!(file, "process {}", std::process::id()).map_err(|e| failed(&e))?;
        Ok(Self { _file: file })
    }
}
