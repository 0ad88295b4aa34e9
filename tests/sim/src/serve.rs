//! Listeners on loopback, plain and with TLS.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
};

use axum::Router;
use axum_server::{
    Handle,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::connection::TapAcceptor;

/// Binds a port of the loopback interface; 0 takes a free one.
pub(crate) fn bind(port: u16) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves plain HTTP until the handle shuts it down.
pub(crate) fn plain(
    listener: TcpListener,
    router: Router,
    acceptor: TapAcceptor,
    handle: Handle<SocketAddr>,
) -> std::io::Result<()> {
    let server = axum_server::from_tcp(listener)?.http1_only().acceptor(acceptor).handle(handle);
    tokio::spawn(server.serve(router.into_make_service()));
    Ok(())
}

/// Serves HTTPS until the handle shuts it down.
pub(crate) fn tls(
    listener: TcpListener,
    router: Router,
    identity: &Identity,
    acceptor: TapAcceptor,
    handle: Handle<SocketAddr>,
) -> std::io::Result<()> {
    let config = RustlsConfig::from_config(Arc::clone(&identity.config));
    let acceptor = RustlsAcceptor::new(config).acceptor(acceptor);
    let server = axum_server::from_tcp(listener)?.http1_only().acceptor(acceptor).handle(handle);
    tokio::spawn(server.serve(router.into_make_service()));
    Ok(())
}

/// A certificate for loopback, and the authority that signed it.
pub(crate) struct Identity {
    /// The authority's certificate.
    pub ca_pem: String,
    config: Arc<rustls::ServerConfig>,
}

impl Identity {
    /// Makes an authority of this simulation's own and a certificate for `127.0.0.1` and `localhost`.
    pub fn make() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut authority = CertificateParams::new(Vec::<String>::new())?;
        authority.distinguished_name.push(DnType::CommonName, "Holdfast simulation");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate()?;
        let authority_cert = authority.self_signed(&authority_key)?;
        let issuer = Issuer::new(authority, authority_key);

        let server = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])?;
        let server_key = KeyPair::generate()?;
        let server_cert = server.signed_by(&server_key, &issuer)?;

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![server_cert.der().clone(), authority_cert.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der())),
            )?;
        Ok(Self { ca_pem: authority_cert.pem(), config: Arc::new(config) })
    }
}
