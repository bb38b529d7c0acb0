//! TLS of a listener, from PEM files.

use std::{path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use crate::failure::Failure;

/// TLS 1.2 and 1.3 with this certificate and key; none where neither is set.
pub(super) fn of(
    certificates: Option<&Path>,
    key: Option<&Path>,
) -> Result<Option<Arc<ServerConfig>>, Failure> {
    let (certificates, key) = match (certificates, key) {
        (None, None) => return Ok(None),
        (Some(certificates), Some(key)) => (certificates, key),
        _ => return Err(Failure::usage("mongo_tls_cert and mongo_tls_key are wanted together")),
    };
    let unreadable = |path: &Path, error: &dyn std::fmt::Display| {
        Failure::usage(format!("{}: it is no PEM file that reads: {error}", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(certificates, &error))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(|error| Failure::usage(format!("mongo_tls_cert and mongo_tls_key: {error}")))?;
    Ok(Some(Arc::new(config)))
}
