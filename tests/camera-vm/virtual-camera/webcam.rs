//! The webcam: answers what the kernel's video driver asks, and sends the clip's frames in time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::Result;
use crate::code::{self, Clip};
use crate::descriptors::{FORMATS, INTERVALS, Kind, TRANSFER, descriptor};
use crate::usbip::{Port, Request};

/// "Broken pipe": how a device refuses a request.
const STALL: i32 = -32;

/// Which format, size and interval; format and size count from 1, as in the descriptors.
#[derive(Clone, Copy)]
struct Choice {
    format: u8,
    size: u8,
    interval: u32,
}

impl Choice {
    /// The nearest one that there is to what the host proposed.
    fn from_wire(data: &[u8]) -> Option<Self> {
        let interval = u32::from_le_bytes(data.get(4..8)?.try_into().ok()?);
        let format = Some(data[2]).filter(|f| (1..=FORMATS.len() as u8).contains(f)).unwrap_or(1);
        let sizes = FORMATS[usize::from(format) - 1].sizes.len() as u8;
        let size = Some(data[3]).filter(|s| (1..=sizes).contains(s)).unwrap_or(1);
        let interval = INTERVALS.into_iter().min_by_key(|i| i.abs_diff(interval))?;
        Some(Self { format, size, interval })
    }

    fn kind(self) -> Kind {
        FORMATS[usize::from(self.format) - 1].kind
    }

    fn pixels(self) -> (u32, u32) {
        FORMATS[usize::from(self.format) - 1].sizes[usize::from(self.size) - 1]
    }

    /// The 26 bytes of a probe or commit control (section 4.3.1.1).
    fn wire(self) -> Vec<u8> {
        let (width, height) = self.pixels();
        let mut bytes = vec![1, 0, self.format, self.size];
        bytes.extend_from_slice(&self.interval.to_le_bytes());
        bytes.extend_from_slice(&[0; 10]);
        bytes.extend_from_slice(&(width * height * 2).to_le_bytes());
        bytes.extend_from_slice(&TRANSFER.to_le_bytes());
        bytes
    }
}

/// A frame on its way, and how much of it is gone.
struct Sending {
    data: Vec<u8>,
    sent: usize,
}

struct Webcam {
    port: Port,
    name: String,
    clip: Clip,
    /// Transfers that wait for data: number and room.
    waiting: VecDeque<(u32, usize)>,
    probed: Choice,
    committed: Choice,
    streaming: bool,
    sending: Option<Sending>,
    /// The next frame, and when it is due. JPEGs start anew at the clip's end, raw pictures go on counting.
    number: u16,
    due: Instant,
    /// Changes with every frame, so that the host sees where one ends.
    toggle: u8,
}

/// Plugs the webcam in and serves it until it is unplugged or the process ends.
pub fn run(clip: Clip, name: &str) -> Result<()> {
    let usual = Choice { format: 1, size: 1, interval: INTERVALS[0] };
    if clip.size != usual.pixels() {
        return Err(format!("the clip must have {:?} pixels, not {:?}", usual.pixels(), clip.size).into());
    }
    let mut webcam = Webcam {
        port: Port::plug()?,
        name: name.to_owned(),
        clip,
        waiting: VecDeque::new(),
        probed: usual,
        committed: usual,
        streaming: false,
        sending: None,
        number: 0,
        due: Instant::now(),
        toggle: 0,
    };
    println!("plugged in");
    loop {
        webcam.send()?;
        let idle = Duration::from_millis(200);
        let wait = if webcam.streaming && !webcam.waiting.is_empty() {
            webcam.due.saturating_duration_since(Instant::now()).min(idle)
        } else {
            idle
        };
        match webcam.port.next(wait)? {
            Some(Request::Control { number, setup, data }) => webcam.control(number, setup, &data)?,
            Some(Request::Bulk { number, room }) => webcam.waiting.push_back((number, room)),
            Some(Request::Forget { number, which }) => {
                let before = webcam.waiting.len();
                webcam.waiting.retain(|(n, _)| *n != which);
                webcam.port.forgotten(number, webcam.waiting.len() < before)?;
            }
            None => {}
        }
    }
}

impl Webcam {
    fn control(&mut self, number: u32, setup: [u8; 8], data: &[u8]) -> Result<()> {
        let [kind, request, value_low, value, index, _, length_low, length_high] = setup;
        let length = usize::from(u16::from_le_bytes([length_low, length_high]));
        let class = kind & 0x60 == 0x20;
        let reply = if class {
            self.video(request, value, index, data)
        } else {
            self.standard(request, value, value_low)
        };
        match reply {
            Some(reply) if kind & 0x80 != 0 => {
                let reply = &reply[..reply.len().min(length)];
                self.port.answer(number, 0, reply.len(), reply)
            }
            Some(_) => self.port.answer(number, 0, data.len(), &[]),
            None => self.port.answer(number, STALL, 0, &[]),
        }
    }

    /// Requests that every USB device knows; none refuses.
    fn standard(&mut self, request: u8, value: u8, value_low: u8) -> Option<Vec<u8>> {
        match request {
            6 => return descriptor(value, value_low, &self.name),
            // Status and interface.
            0 => return Some(vec![0, 0]),
            8 => return Some(vec![1]),
            10 => return Some(vec![0]),
            // The driver clears the endpoint, or sets the interface, to end a stream.
            1 | 11 => {
                self.streaming = false;
                self.sending = None;
            }
            _ => {}
        }
        Some(Vec::new())
    }

    /// Probe (1) and commit (2) of the streaming interface.
    fn video(&mut self, request: u8, control: u8, interface: u8, data: &[u8]) -> Option<Vec<u8>> {
        if interface != 1 || !matches!(control, 1 | 2) {
            return None;
        }
        match request {
            0x01 => {
                let choice = Choice::from_wire(data)?;
                if control == 1 {
                    self.probed = choice;
                } else {
                    self.committed = choice;
                    self.streaming = true;
                    self.sending = None;
                    self.due = Instant::now();
                }
                Some(Vec::new())
            }
            0x85 => Some(vec![26, 0]),
            // May be got and set.
            0x86 => Some(vec![3]),
            _ => Some(if control == 1 { self.probed } else { self.committed }.wire()),
        }
    }

    /// Fills the transfers that wait, as far as frames are due.
    fn send(&mut self) -> Result<()> {
        while self.streaming {
            let Some((number, room)) = self.waiting.front().copied() else { return Ok(()) };
            let sending = match &mut self.sending {
                Some(sending) => sending,
                None if Instant::now() < self.due => return Ok(()),
                None => {
                    let data = self.frame();
                    self.sending.insert(Sending { data, sent: 0 })
                }
            };
            self.waiting.pop_front();
            let end = sending.data.len().min(sending.sent + room.min(TRANSFER as usize) - 2);
            let last = end == sending.data.len();
            // Length of this header, and its bits: the toggle, end of frame, end of header (section 2.4.3.3).
            let mut payload = vec![2, 0x80 | u8::from(last) << 1 | self.toggle];
            payload.extend_from_slice(&sending.data[sending.sent..end]);
            sending.sent = end;
            if last {
                self.sending = None;
            }
            self.port.answer(number, 0, payload.len(), &payload)?;
        }
        Ok(())
    }

    /// The frame that is due now; the next one follows after the interval, or soon if this one is late.
    fn frame(&mut self) -> Vec<u8> {
        let number = self.number;
        self.number = number.wrapping_add(1);
        self.toggle ^= 1;
        let interval = Duration::from_nanos(u64::from(self.committed.interval) * 100);
        self.due = (self.due + interval).max(Instant::now());
        match self.committed.kind() {
            Kind::Mjpeg => self.clip.jpegs[usize::from(number) % self.clip.jpegs.len()].clone(),
            Kind::Yuyv => code::yuyv(&code::draw(number, self.committed.pixels())),
        }
    }
}
