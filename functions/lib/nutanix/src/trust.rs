//! Which certificate of an appliance is trusted: a CA, exactly one certificate, or the Web's roots. Never any.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use holdfast_model::Trust;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

use crate::NutanixError;

/// TLS settings for a trust that is ours to verify; none where the platform's roots decide.
pub(crate) fn tls_config(trust: &Trust) -> Result<Option<ClientConfig>, NutanixError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::WebRoots => return Ok(None),
        Trust::Ca { pem } => ca_verifier(pem, &provider)?,
        Trust::Fingerprint { sha256 } => {
            Arc::new(Pinned { sha256: fingerprint(sha256)?, provider: Arc::clone(&provider) })
        }
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| NutanixError::Config(format!("TLS cannot be set up: {e}")))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Some(config))
}

fn ca_verifier(pem: &str, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, NutanixError> {
    let bad = |why: String| NutanixError::Config(format!("`trust.pem` is not a CA certificate in PEM form: {why}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|e| bad(e.to_string()))?;
        roots.add(certificate).map_err(|e| bad(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(bad("no `BEGIN CERTIFICATE` in it".to_owned()));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|e| bad(e.to_string()))?;
    Ok(verifier)
}

fn fingerprint(text: &str) -> Result<[u8; 32], NutanixError> {
    let bad = || NutanixError::Config(format!("`{text}` is not a SHA-256 fingerprint of 64 hexadecimal digits"));
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    if digits.len() != 64 || !digits.is_ascii() {
        return Err(bad());
    }
    let mut bytes = [0u8; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        let pair = digits.get(at * 2..at * 2 + 2).ok_or_else(bad)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
    }
    Ok(bytes)
}

/// Accepts exactly one certificate, by its SHA-256, and still wants proof that the peer holds its key.
#[derive(Debug)]
struct Pinned {
    sha256: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let seen: [u8; 32] = Sha256::digest(end_entity.as_ref()).into();
        if seen == self.sha256 {
            return Ok(ServerCertVerified::assertion());
        }
        let other = OtherError(Arc::new(OtherCertificate { seen }));
        Err(rustls::Error::InvalidCertificate(CertificateError::Other(other)))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[derive(Debug)]
struct OtherCertificate {
    seen: [u8; 32],
}

impl fmt::Display for OtherCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its SHA-256 fingerprint is ")?;
        self.seen.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl StdError for OtherCertificate {}

/// What the verifier said of the certificate, where a failed connection failed for that.
///
/// An I/O error hides the error inside it from `source()`, so both ways are walked.
pub(crate) fn certificate_refusal(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref::<rustls::Error>() {
            return Some(match why {
                CertificateError::Other(other) => other.0.to_string(),
                other => other.to_string(),
            });
        }
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_with_and_without_colons() {
        let plain = "00ff".repeat(16);
        let colons: Vec<&str> = (0..32).map(|i| if i % 2 == 0 { "00" } else { "FF" }).collect();
        assert_eq!(fingerprint(&plain).unwrap(), fingerprint(&colons.join(":")).unwrap());
        assert!(fingerprint("00ff").is_err());
        assert!(fingerprint(&"zz".repeat(32)).is_err());
    }

    #[test]
    fn a_text_without_certificate_is_no_ca() {
        let error = tls_config(&Trust::Ca { pem: "nothing".into() }).unwrap_err();
        assert!(error.to_string().contains("BEGIN CERTIFICATE"), "{error}");
    }

    #[test]
    fn a_refused_certificate_is_found_inside_an_io_error() {
        let refused = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let error = std::io::Error::new(std::io::ErrorKind::InvalidData, std::io::Error::other(refused));
        assert!(certificate_refusal(&error).is_some());
        assert!(certificate_refusal(&std::io::Error::other("down")).is_none());
    }
}
