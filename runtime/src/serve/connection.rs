//! A connection that must get on: who sends or takes next to nothing is cut off, however cleverly it drips.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::places::{Phase, Place};

/// How long [`LEAST`] bytes may be waited for, in either direction.
const PEER: Duration = Duration::from_secs(8);

/// Bytes that a peer moves in that time at least, unless there are fewer: 8 kB a second.
const LEAST: usize = 64 << 10;

/// Bytes on their way to a peer that the system may hold: what is held grows old.
const IN_FLIGHT: usize = 128 << 10;

/// One direction: what was moved since the last [`LEAST`] bytes, and how long that was waited for.
#[derive(Default)]
struct Pace {
    bytes: usize,
    waited: Duration,
}

impl Pace {
    /// How long may still be waited.
    fn left(&self) -> Duration {
        PEER.saturating_sub(self.waited)
    }

    fn count(&mut self, bytes: usize, waited: Duration) {
        self.bytes += bytes;
        self.waited += waited;
        if self.bytes >= LEAST {
            *self = Self::default();
        }
    }
}

/// A peer's end of a connection.
pub(super) struct Connection<'a> {
    stream: &'a TcpStream,
    place: &'a Place,
    /// What it does while it takes nothing.
    phase: Phase,
    received: Pace,
    sent: Pace,
    until: Instant,
}

impl<'a> Connection<'a> {
    /// A connection that holds `place`.
    ///
    /// # Errors
    /// It is gone already.
    pub fn new(stream: &'a TcpStream, place: &'a Place) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        rustix::net::sockopt::set_socket_send_buffer_size(stream, IN_FLIGHT)?;
        let (received, sent) = (Pace::default(), Pace::default());
        Ok(Self { stream, place, phase: Phase::Idle, received, sent, until: Instant::now() })
    }

    /// Says what it does from now on.
    pub fn does(&mut self, phase: Phase) {
        self.phase = phase;
        self.place.does(phase);
    }

    /// Reading ends after this long, whatever comes.
    pub fn read_for(&mut self, within: Duration) {
        self.until = Instant::now() + within;
    }
}

/// A time limit of a socket must be more than nothing.
fn some(left: Duration) -> io::Result<Option<Duration>> {
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
}

impl Read for Connection<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let start = Instant::now();
        let left = self.received.left().min(self.until.saturating_duration_since(start));
        self.stream.set_read_timeout(some(left)?)?;
        let n = self.stream.read(buffer)?;
        self.received.count(n, start.elapsed());
        Ok(n)
    }
}

impl Write for Connection<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let start = Instant::now();
        self.stream.set_write_timeout(some(self.sent.left())?)?;
        self.place.does(Phase::Taking);
        let n = self.stream.write(buffer)?;
        self.place.does(self.phase);
        self.sent.count(n, start.elapsed());
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_drips_has_less_and_less_time() {
        let mut pace = Pace::default();
        for _ in 0..7 {
            pace.count(1, Duration::from_secs(1));
        }
        assert_eq!(pace.left(), Duration::from_secs(1));
        pace.count(1, Duration::from_secs(1));
        assert!(pace.left().is_zero() && some(pace.left()).is_err());
        let mut steady = Pace::default();
        for _ in 0..1000 {
            steady.count(LEAST / 4, Duration::from_secs(1));
            assert!(steady.left() >= Duration::from_secs(4));
        }
    }
}
