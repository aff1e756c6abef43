//! A stream that remembers when it was last written to: the end of the phase `send`.
//!
//! Nothing is read before something was written. Some servers answer before they are asked (a gateway that is full, a port that
//! greets), and the HTTP library takes such an answer for a broken connection: which of the two would be a matter of luck.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// When a stream was last written to.
#[derive(Debug, Clone, Default)]
pub(super) struct LastWrite(Arc<Mutex<Option<Instant>>>);

impl LastWrite {
    pub(super) fn at(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// The stream.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    last_write: LastWrite,
    is_written: bool,
    /// Who wants to read and must wait.
    reader: Option<Waker>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S) -> (Self, LastWrite) {
        let last_write = LastWrite::default();
        let watched = Self { stream, last_write: last_write.clone(), is_written: false, reader: None };
        (watched, last_write)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_written {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(result) = &written {
            if result.is_ok() {
                self.last_write.now();
            }
            // An error too: what came before it may explain it.
            self.is_written = true;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
