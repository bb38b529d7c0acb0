//! TLS to PostgreSQL, as `sslmode` and `sslrootcert` in its address ask for it.
//!
//! The words are those of PostgreSQL's own clients, so an address that works with `psql` works here; what
//! would have to be ignored is refused by name. The handshake's signature is checked in every mode, so
//! that the password's channel binding holds; whose certificate it is only where a mode says so.

mod parameters;
mod verifier;

use std::{path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_postgres::{Config, Socket, config::SslMode, tls::MakeTlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::OpenError;

use verifier::Verifier;

/// A connection to PostgreSQL, with TLS or without.
pub(crate) type Connection =
    tokio_postgres::Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// What `sslmode` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// None.
    Disable,
    /// Where the server offers it, whoever it is.
    Prefer,
    /// Always, whoever it is.
    Require,
    /// With a certificate that the roots vouch for.
    VerifyCa,
    /// And that names the host.
    VerifyFull,
}

/// Who vouches for the server.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Roots {
    /// Nobody was named.
    Unnamed,
    /// Whoever the machine trusts.
    System,
    /// The certificates of a PEM file.
    File(PathBuf),
}

/// The address of PostgreSQL, read.
pub(crate) struct Address {
    /// Without what concerns certificates.
    pub(crate) config: Config,
    mode: Mode,
    roots: Roots,
}

/// The protocol's name in the handshake; PostgreSQL 17 asks for it where `sslnegotiation=direct`.
const PROTOCOL: &[u8] = b"postgresql";

impl Address {
    /// Reads an address; its errors repeat nothing of it that may be a secret.
    pub(crate) fn parse(text: &str) -> Result<Self, OpenError> {
        let (mut named, mut roots) = (None, Roots::Unnamed);
        let mut refused = None;
        let rest = parameters::take(text, |name, value| {
            match name {
                "sslmode" => match value.parse() {
                    Ok(mode) => named = Some(mode),
                    Err(reason) => refused = refused.take().or(Some(reason)),
                },
                "sslrootcert" if value == "system" => roots = Roots::System,
                "sslrootcert" => roots = Roots::File(PathBuf::from(value)),
                "sslnegotiation" => return false,
                _ if name.starts_with("ssl") => {
                    let reason = format!(
                        "{name} is not supported; sslmode, sslrootcert and sslnegotiation are"
                    );
                    refused = refused.take().or(Some(reason));
                }
                _ => return false,
            }
            true
        });
        if let Some(reason) = refused {
            return Err(wrong(reason));
        }
        let mut mode = named.unwrap_or(Mode::Prefer);
        match (mode, &roots) {
            (Mode::Disable | Mode::Prefer, Roots::System | Roots::File(_)) => {
                let reason = "sslrootcert has no effect with this sslmode; say sslmode=verify-full, \
                              or verify-ca where the certificate does not name the host";
                return Err(wrong(reason));
            }
            (Mode::VerifyCa | Mode::Require, Roots::System) => {
                let reason = "sslrootcert=system trusts every public authority, so the certificate \
                              must name the host: say sslmode=verify-full";
                return Err(wrong(reason));
            }
            (Mode::VerifyCa, Roots::Unnamed) => {
                let reason = "sslmode=verify-ca needs sslrootcert, a PEM file with the authority's \
                              certificate";
                return Err(wrong(reason));
            }
            // As PostgreSQL's own clients do.
            (Mode::Require, Roots::File(_)) => mode = Mode::VerifyCa,
            (Mode::VerifyFull, Roots::Unnamed) => roots = Roots::System,
            _ => {}
        }
        // The parser's words do not repeat what was written, which may hold a password.
        let mut config: Config =
            rest.parse().map_err(|error: tokio_postgres::Error| wrong(error.to_string()))?;
        config.ssl_mode(match mode {
            Mode::Disable => SslMode::Disable,
            // A handshake needs the name of a host.
            Mode::Prefer if config.get_hosts().is_empty() => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        });
        Ok(Self { config, mode, roots })
    }

    /// What makes the connections. The file of roots is read now.
    pub(crate) fn connector(&self) -> Result<MakeRustlsConnect, OpenError> {
        let failed = |error: rustls::Error| wrong(format!("TLS cannot be used: {error}"));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(failed)?;
        let mut config = match self.mode {
            Mode::VerifyFull => builder.with_root_certificates(self.roots()?).with_no_client_auth(),
            Mode::VerifyCa => {
                let verifier = Verifier::signed_by(self.roots()?, provider);
                builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(verifier))
                    .with_no_client_auth()
            }
            Mode::Disable | Mode::Prefer | Mode::Require => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Verifier::anybody(provider)))
                .with_no_client_auth(),
        };
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(MakeRustlsConnect::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, OpenError> {
        let mut store = RootCertStore::empty();
        match &self.roots {
            Roots::Unnamed => {}
            Roots::System => {
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if store.is_empty() {
                    let reason = "this machine trusts no authority; name one with sslrootcert";
                    return Err(wrong(reason));
                }
            }
            Roots::File(path) => {
                let named = |error: &str| wrong(format!("sslrootcert {}: {error}", path.display()));
                let pem = std::fs::read(path).map_err(|error| named(&error.to_string()))?;
                for one in CertificateDer::pem_slice_iter(&pem) {
                    let one = one.map_err(|_| named("it is not PEM"))?;
                    store.add(one).map_err(|error| named(&error.to_string()))?;
                }
                if store.is_empty() {
                    return Err(named("no certificate is in it"));
                }
            }
        }
        Ok(store)
    }
}

impl std::str::FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            "allow" => return Err("sslmode=allow is not supported; say prefer or disable".into()),
            _ => {
                let words = "disable, prefer, require, verify-ca or verify-full";
                return Err(format!("sslmode takes {words}"));
            }
        })
    }
}

fn wrong(reason: impl Into<String>) -> OpenError {
    OpenError::Address { name: "postgres-url", reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Mode, Roots, SslMode), String> {
        Address::parse(text)
            .map(|read| (read.mode, read.roots, read.config.get_ssl_mode()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_words_of_other_clients_mean_the_same_here() {
        let file = || Roots::File("/etc/ca.pem".into());
        for (asked, mode, roots, ssl) in [
            ("", Mode::Prefer, Roots::Unnamed, SslMode::Prefer),
            ("sslmode=disable", Mode::Disable, Roots::Unnamed, SslMode::Disable),
            ("sslmode=prefer", Mode::Prefer, Roots::Unnamed, SslMode::Prefer),
            ("sslmode=require", Mode::Require, Roots::Unnamed, SslMode::Require),
            ("sslmode=require&sslrootcert=/etc/ca.pem", Mode::VerifyCa, file(), SslMode::Require),
            (
                "sslrootcert=%2Fetc%2Fca.pem&sslmode=verify-full",
                Mode::VerifyFull,
                file(),
                SslMode::Require,
            ),
            ("sslmode=verify-full", Mode::VerifyFull, Roots::System, SslMode::Require),
        ] {
            let url = format!("postgres://ann:a%3Fb@host:5433/base?{asked}&connect_timeout=3");
            assert_eq!(read(&url), Ok((mode, roots.clone(), ssl)), "{url}");
            let pairs = asked.replace('&', " ").replace("%2F", "/");
            let pairs = format!("host=host password='it''s' {pairs} user=ann");
            let pairs = pairs.replace("''", "\\'");
            assert_eq!(read(&pairs), Ok((mode, roots, ssl)), "{pairs}");
        }
        let nameless = read("hostaddr=127.0.0.1 user=ann").unwrap();
        assert_eq!(nameless.2, SslMode::Disable, "a handshake needs a name");
    }

    #[test]
    fn what_would_have_to_be_ignored_is_refused_by_name() {
        for (asked, words) in [
            ("sslmode=allow", "sslmode=allow is not supported"),
            ("sslmode=sometimes", "sslmode takes disable, prefer"),
            ("sslmode=prefer&sslrootcert=/ca.pem", "sslrootcert has no effect"),
            ("sslrootcert=/ca.pem", "sslrootcert has no effect"),
            ("sslmode=verify-ca", "needs sslrootcert"),
            ("sslmode=verify-ca&sslrootcert=system", "must name the host"),
            ("sslmode=verify-full&sslcert=/me.pem&sslkey=/me.key", "sslcert is not supported"),
            ("sslmode=verify-full&sslcrl=/crl", "sslcrl is not supported"),
        ] {
            let url = format!("postgres://ann:hidden@host/base?{asked}");
            let error = read(&url).unwrap_err();
            assert!(error.contains(words) && !error.contains("hidden"), "{asked}: {error}");
            let pairs = format!("host=h password=hidden {}", asked.replace('&', " "));
            let error = read(&pairs).unwrap_err();
            assert!(error.contains(words) && !error.contains("hidden"), "{asked}: {error}");
        }
    }

    #[test]
    fn a_file_of_roots_that_is_none_is_named() {
        let directory = std::env::temp_dir().join(format!("exhibit-roots-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let empty = directory.join("empty.pem");
        std::fs::write(&empty, "nothing\n").unwrap();
        for (path, words) in [(directory.join("none.pem"), "none.pem"), (empty, "no certificate")] {
            let url = format!("postgres://h/d?sslmode=verify-ca&sslrootcert={}", path.display());
            let error = Address::parse(&url).unwrap().connector().err().unwrap().to_string();
            assert!(error.contains(words), "{error}");
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
