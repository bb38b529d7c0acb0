//! Passwords: Argon2id, on a blocking thread, and as slow for unknown addresses as for known ones.

use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};

use crate::{Error, Recorder};

/// Shortest password; length is what makes a password strong (NIST SP 800-63B, section 3.1.1.2).
const PASSWORD_CHARS_MIN: usize = 10;
/// Longest password: bounds the work of hashing.
const PASSWORD_BYTES_MAX: usize = 512;

impl Recorder {
    pub(super) async fn hash_password(&self, password: &str) -> Result<String, Error> {
        check_password_form(password)?;
        let mut salt = [0; 16];
        self.entropy.fill(&mut salt);
        let password = password.to_owned();
        blocking(move || {
            Argon2::default()
                .hash_password_with_salt(password.as_bytes(), &salt)
                .map(|hash| hash.to_string())
                .map_err(|error| Error::Internal(error.to_string()))
        })
        .await?
    }

    pub(super) async fn check_password(
        &self,
        password: &str,
        hash: Option<String>,
    ) -> Result<bool, Error> {
        if password.len() > PASSWORD_BYTES_MAX {
            return Ok(false);
        }
        let password = password.to_owned();
        blocking(move || {
            let Some(hash) = hash else {
                let _ = Argon2::default().hash_password_with_salt(password.as_bytes(), &[0; 16]);
                return false;
            };
            PasswordHash::new(&hash).is_ok_and(|hash| {
                Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
            })
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Internal(error.to_string()))
}

pub(super) fn check_password_form(password: &str) -> Result<(), Error> {
    let message = if password.chars().count() < PASSWORD_CHARS_MIN {
        format!("a password needs at least {PASSWORD_CHARS_MIN} characters")
    } else if password.len() > PASSWORD_BYTES_MAX {
        format!("a password has at most {PASSWORD_BYTES_MAX} bytes")
    } else {
        return Ok(());
    };
    Err(Error::Invalid { field: "password", message })
}
