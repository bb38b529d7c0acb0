//! TLS for provider calls: ring, TLS 1.2 and 1.3, and whom to trust.
//!
//! The machine's own trust store comes first, because it holds a company's own authorities; a
//! machine without one (a bare container) gets Mozilla's list that is built in.

use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// A client configuration. Without `trust` nobody is trusted, which costs nothing to set up and is
/// enough for plain HTTP.
pub(crate) fn config(trust: bool) -> Result<ClientConfig, String> {
    let roots = if trust { roots() } else { RootCertStore::empty() };
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!(%error, "a part of the machine's trust store cannot be read");
    }
    let (added, _) = roots.add_parsable_certificates(native.certs);
    if added == 0 {
        tracing::debug!("the machine has no trust store; the built-in roots are used");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_always_somebody_to_trust() {
        assert!(!super::roots().is_empty());
        assert!(super::config(true).is_ok());
    }
}
