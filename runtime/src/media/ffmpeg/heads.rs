//! What `ffmpeg` prints of each picture that it sends.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

/// A picture that is on its way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Head {
    /// Microseconds; none where the clip does not say.
    pub time_us: Option<i64>,
    /// Pixels.
    pub size: (u32, u32),
    /// Width and height of a pixel, in any unit.
    pub pixel: (u32, u32),
    /// ffmpeg's name of their layout.
    pub layout: String,
}

impl Head {
    /// Of a line; none if it is of something else.
    fn parse(line: &str) -> Option<Self> {
        line.contains("showinfo").then_some(())?;
        let (_, line) = line.split_once("] n:")?;
        let pair = |text: &str, by: char| -> Option<(u32, u32)> {
            let (a, b) = text.split_once(by)?;
            Some((a.parse().ok()?, b.parse().ok()?))
        };
        let pixel = pair(field(line, " sar:")?, '/')?;
        Some(Self {
            time_us: field(line, " pts:")?.parse().ok(),
            size: pair(field(line, " s:")?, 'x')?,
            pixel: if pixel.0 == 0 || pixel.1 == 0 { (1, 1) } else { pixel },
            layout: field(line, " fmt:")?.to_owned(),
        })
    }
}

/// What follows a name and its colon.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_once(name)?.1.split_whitespace().next()
}

/// Reads to the end, so that the child never waits for us. The last line that tells of something wrong is left in `said`.
pub(super) fn read(stderr: impl Read, heads: &SyncSender<Head>, said: &Arc<Mutex<String>>) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A line may be as long as what a clip says of itself.
        match reader.by_ref().take(1 << 16).read_until(b'\n', &mut line) {
            Ok(n) if n > 0 => {}
            _ => return,
        }
        let text = String::from_utf8_lossy(&line);
        if let Some(head) = Head::parse(&text) {
            // Whoever is gone wants no more; the child is ended then.
            heads.send(head).ok();
        } else if text.contains("rror") || text.contains("nvalid") || text.contains("o such") {
            *said.lock().unwrap_or_else(PoisonError::into_inner) = crate::error::one_line(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_old_and_new_versions_are_read() {
        let old = "[Parsed_showinfo_1 @ 0x5] n:   1 pts:  33333 pts_time:0.033333 pos:     3659 fmt:yuv420p sar:0/1 \
                   s:320x240 i:P iskey:0 type:B";
        let new = "[Parsed_showinfo_4 @ 0x5] n:   1 pts:  33333 pts_time:0.033333 duration:  33333 \
                   duration_time:0.033333 fmt:yuv420p cl:left sar:2/1 s:320x240 i:P iskey:0 type:B";
        for (line, pixel) in [(old, (1, 1)), (new, (2, 1))] {
            let head = Head { time_us: Some(33_333), size: (320, 240), pixel, layout: "yuv420p".to_owned() };
            assert_eq!(Head::parse(line), Some(head));
        }
        let unsaid = old.replace("pts:  33333", "pts: NOPTS");
        assert_eq!(Head::parse(&unsaid).unwrap().time_us, None);
        for other in ["", "Stream #0:0: Video", "[Parsed_showinfo_1 @ 0x5] color_range:unknown"] {
            assert_eq!(Head::parse(other), None);
        }
    }
}
