//! USB over IP, the device's side: requests of the kernel's virtual host controller come in on a socket, answers go back
//! ("USB/IP protocol" of the Linux kernel's documentation). All numbers are big-endian.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::Result;

/// Where the controller takes sockets.
const ATTACH: &str = "/sys/devices/platform/vhci_hcd.0/attach";

/// Length of a header, both ways.
const HEADER: usize = 48;

const SUBMIT: u32 = 1;
const UNLINK: u32 = 2;
const SUBMITTED: u32 = 3;
const UNLINKED: u32 = 4;

/// What the kernel wants.
#[derive(Debug, PartialEq)]
pub enum Request {
    /// A transfer on the control endpoint; `data` is what comes with it.
    Control { number: u32, setup: [u8; 8], data: Vec<u8> },
    /// Room for so many bytes of the bulk endpoint.
    Bulk { number: u32, room: usize },
    /// Forget transfer `which`.
    Forget { number: u32, which: u32 },
}

/// The controller's port with this device in it.
pub struct Port {
    socket: UnixStream,
    unread: Vec<u8>,
}

impl Port {
    /// Plugs a device into the first port.
    pub fn plug() -> Result<Self> {
        let (ours, kernels) = UnixStream::pair()?;
        // Port, socket, bus and device number, speed: 3 is "high".
        let line = format!("0 {} {} 3", kernels.as_raw_fd(), 0x0001_0002);
        std::fs::write(ATTACH, line).map_err(|e| format!("{ATTACH}: {e}"))?;
        Ok(Self { socket: ours, unread: Vec::new() })
    }

    /// The next request, waiting at most `timeout` for one.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Request>> {
        if let Some(request) = self.parse()? {
            return Ok(Some(request));
        }
        self.socket.set_read_timeout(Some(timeout.max(Duration::from_millis(1))))?;
        let mut chunk = [0; 4096];
        match self.socket.read(&mut chunk) {
            Ok(0) => return Err("unplugged".into()),
            Ok(n) => self.unread.extend_from_slice(&chunk[..n]),
            // Stopping and continuing the process interrupts the wait.
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(e.into()),
        }
        self.parse()
    }

    fn parse(&mut self) -> Result<Option<Request>> {
        let Some(header) = self.unread.get(..HEADER) else { return Ok(None) };
        let word = |i: usize| u32::from_be_bytes([header[i], header[i + 1], header[i + 2], header[i + 3]]);
        let number = word(4);
        let (request, used) = match (word(0), word(16)) {
            (SUBMIT, 0) => {
                let mut setup = [0; 8];
                setup.copy_from_slice(&header[40..HEADER]);
                let sent = if word(12) == 0 { word(24) as usize } else { 0 };
                let Some(data) = self.unread.get(HEADER..HEADER + sent) else { return Ok(None) };
                (Request::Control { number, setup, data: data.to_vec() }, HEADER + sent)
            }
            (SUBMIT, _) => (Request::Bulk { number, room: word(24) as usize }, HEADER),
            (UNLINK, _) => (Request::Forget { number, which: word(20) }, HEADER),
            (other, _) => return Err(format!("the kernel sent command {other}").into()),
        };
        self.unread.drain(..used);
        Ok(Some(request))
    }

    /// Answers a transfer: `status` 0 or a negative error number, and `moved` bytes with what of them goes to the host.
    pub fn answer(&mut self, number: u32, status: i32, moved: usize, data: &[u8]) -> Result<()> {
        let mut reply = header(SUBMITTED, number, status);
        reply[24..28].copy_from_slice(&(moved as u32).to_be_bytes());
        reply.extend_from_slice(data);
        Ok(self.socket.write_all(&reply)?)
    }

    /// Says that a transfer was forgotten, or that it was answered before.
    pub fn forgotten(&mut self, number: u32, found: bool) -> Result<()> {
        const RESET: i32 = -104;
        Ok(self.socket.write_all(&header(UNLINKED, number, if found { RESET } else { 0 }))?)
    }
}

fn header(command: u32, number: u32, status: i32) -> Vec<u8> {
    let mut header = vec![0; HEADER];
    header[..4].copy_from_slice(&command.to_be_bytes());
    header[4..8].copy_from_slice(&number.to_be_bytes());
    header[20..24].copy_from_slice(&status.to_be_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_however_they_arrive() {
        let (mut kernel, socket) = UnixStream::pair().unwrap();
        let mut port = Port { socket, unread: Vec::new() };
        let mut control = header(SUBMIT, 7, 0);
        control[24..28].copy_from_slice(&2u32.to_be_bytes());
        control[40..48].copy_from_slice(&[0x21, 1, 0, 1, 1, 0, 2, 0]);
        control.extend_from_slice(b"ab");
        let mut unlink = header(UNLINK, 8, 7);
        unlink[20..24].copy_from_slice(&7u32.to_be_bytes());
        let all = [control, unlink].concat();
        let wait = Duration::from_millis(5);
        kernel.write_all(&all[..49]).unwrap();
        assert_eq!(port.next(wait).unwrap(), None);
        kernel.write_all(&all[49..]).unwrap();
        let setup = [0x21, 1, 0, 1, 1, 0, 2, 0];
        assert_eq!(
            port.next(wait).unwrap(),
            Some(Request::Control { number: 7, setup, data: b"ab".to_vec() })
        );
        assert_eq!(port.next(wait).unwrap(), Some(Request::Forget { number: 8, which: 7 }));
    }
}
