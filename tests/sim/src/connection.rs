//! A client's connection: who is at the other end, and how to cut it.
//!
//! Every listener wraps its sockets in [`Tapped`], so that a handler can close the connection without an answer, as a
//! lost network would.

use std::{
    future::{Ready, ready},
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::{Extension, middleware::AddExtension};
use axum_server::accept::Accept;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tower::Layer;

use crate::faults::client::{Callers, Client};

/// One accepted connection; an extension of every request that arrives on it.
#[derive(Debug, Clone)]
pub struct Connection(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    peer: SocketAddr,
    local: SocketAddr,
    cut: AtomicBool,
    callers: Arc<Callers>,
    client: OnceLock<Option<Client>>,
}

impl Connection {
    fn new(peer: SocketAddr, local: SocketAddr, callers: Arc<Callers>) -> Self {
        Self(Arc::new(Inner { peer, local, cut: AtomicBool::new(false), callers, client: OnceLock::new() }))
    }

    /// Makes every later read and write fail: the client gets no answer on this connection any more.
    pub fn cut(&self) {
        self.0.cut.store(true, Ordering::SeqCst);
    }

    fn is_cut(&self) -> bool {
        self.0.cut.load(Ordering::SeqCst)
    }

    /// The process at the other end, if it runs on this machine and may be looked at.
    pub fn client(&self) -> Option<&Client> {
        self.0.client.get_or_init(|| self.0.callers.find(self.0.peer, self.0.local)).as_ref()
    }
}

/// Accepts sockets, wraps them in [`Tapped`] and adds the [`Connection`] to the requests.
#[derive(Debug, Clone)]
pub struct TapAcceptor(Arc<Callers>);

impl TapAcceptor {
    /// For callers as of [`Callers::new`].
    pub fn new(all_here: bool) -> Self {
        Self(Arc::new(Callers::new(all_here)))
    }
}

impl<S> Accept<TcpStream, S> for TapAcceptor {
    type Stream = Tapped;
    type Service = AddExtension<S, Connection>;
    type Future = Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(tap(stream, self.0.clone()).map(|tapped| {
            let service = Extension(tapped.connection.clone()).layer(service);
            (tapped, service)
        }))
    }
}

fn tap(stream: TcpStream, callers: Arc<Callers>) -> io::Result<Tapped> {
    stream.set_nodelay(true)?;
    let connection = Connection::new(stream.peer_addr()?, stream.local_addr()?, callers);
    Ok(Tapped { stream, connection })
}

/// A socket that its [`Connection`] can cut.
#[derive(Debug)]
pub struct Tapped {
    stream: TcpStream,
    connection: Connection,
}

impl Tapped {
    fn alive(&self) -> io::Result<()> {
        if self.connection.is_cut() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

impl AsyncRead for Tapped {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.alive()?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.alive()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.alive()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
