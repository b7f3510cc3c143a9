//! Motion JPEG in AVI: what is written here is read back here, and by every player.

mod pace;
mod read;
mod take_up;
mod write;

pub use read::AviReader;
pub use take_up::take_up;
pub use write::AviWriter;

/// Handler and compression code of Motion JPEG.
const MJPG: &[u8; 4] = b"MJPG";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::error::media::Error;
    use crate::media::mark::Origin;
    use crate::media::source::{Next, Source};
    use crate::media::testing::{gradient, largest_difference};

    fn collect(reader: &mut AviReader) -> Vec<crate::frame::Frame> {
        let mut frames = Vec::new();
        while let Next::Frame(captured) = reader.next(Duration::ZERO).unwrap() {
            frames.push(captured.frame);
        }
        frames
    }

    #[test]
    fn what_was_written_is_read_back_with_its_times() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clip.avi");
        let mut writer = AviWriter::create(&path, (48, 32), false, Some(Origin::Generated)).unwrap();
        let mut pictures = Vec::new();
        for i in 0..5u64 {
            let mut picture = gradient(48, 32);
            picture.iter_mut().for_each(|p| *p = p.saturating_add(10 * i as u8));
            writer.add(&picture, Duration::from_millis(80 * i)).unwrap();
            pictures.push(picture);
        }
        assert_eq!(writer.finish().unwrap(), path);

        let mut reader = AviReader::open(&path).unwrap().unwrap();
        assert!(reader.describe().contains("48x32") && reader.describe().contains("12.5"));
        let frames = collect(&mut reader);
        assert_eq!(frames.len(), 5);
        for (i, frame) in frames.iter().enumerate() {
            assert_eq!(frame.index, i as u64);
            assert!(frame.time.abs_diff(Duration::from_millis(80 * i as u64)) < Duration::from_millis(1));
            assert!(largest_difference(&frame.picture, &pictures[i]) < 25);
        }
    }

    /// A clip was written at one mean rate, whatever its frames' times.
    #[test]
    fn times_that_vary_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (steady, path) = (dir.path().join("steady.avi"), dir.path().join("clip.avi"));
        for times in [
            vec![0u64, 33, 67, 100, 300, 500, 700],
            vec![1000, 1200, 1233, 1267],
            vec![5, 36, 75, 104, 150, 2155],
        ] {
            let mut writers = [&steady, &path].map(|p| AviWriter::create(p, (48, 32), true, None).unwrap());
            let mut pictures = Vec::new();
            for (i, ms) in times.iter().enumerate() {
                let mut picture = gradient(48, 32);
                picture.iter_mut().for_each(|p| *p = p.saturating_add(20 * i as u8));
                writers[0].add(&picture, Duration::from_millis(40 * i as u64)).unwrap();
                writers[1].add(&picture, Duration::from_millis(*ms)).unwrap();
                pictures.push(picture);
            }
            writers.into_iter().for_each(|w| drop(w.finish().unwrap()));
            let mut source = AviReader::open(&path).unwrap().unwrap();
            assert_eq!(source.frames(), Some(times.len() as u64));
            let (frames, same) =
                (collect(&mut source), collect(&mut AviReader::open(&steady).unwrap().unwrap()));
            assert_eq!(frames.len(), times.len());
            for (i, (frame, same)) in frames.iter().zip(&same).enumerate() {
                let wanted = Duration::from_millis(times[i] - times[0]);
                assert!(frame.time.abs_diff(wanted) <= Duration::from_millis(1), "{i}: {:?}", frame.time);
                assert_eq!((frame.index, &frame.picture), (i as u64, &same.picture));
            }
        }
    }

    #[test]
    fn a_cut_or_foreign_file_is_told_from_a_whole_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clip.avi");
        let mut writer = AviWriter::create(&path, (32, 32), false, None).unwrap();
        for i in 0..3 {
            writer.add(&gradient(32, 32), Duration::from_millis(i * 40)).unwrap();
        }
        writer.finish().unwrap();
        let whole = fs::read(&path).unwrap();
        for length in [13, 100, 300, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(matches!(AviReader::open(&path), Err(Error::Damaged { .. })), "{length} bytes");
        }
        let mut other_codec = whole.clone();
        while let Some(at) = other_codec.windows(4).position(|w| w == MJPG) {
            other_codec[at..at + 4].copy_from_slice(b"XVID");
        }
        fs::write(&path, &other_codec).unwrap();
        assert!(AviReader::open(&path).unwrap().is_none());
    }

    /// 30 GB were asked for, or the reader died and the clip had no frames.
    #[test]
    fn sizes_that_are_none_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clip.avi");
        let mut writer = AviWriter::create(&path, (32, 32), false, None).unwrap();
        writer.add(&gradient(32, 32), Duration::ZERO).unwrap();
        writer.finish().unwrap();
        let mut content = fs::read(&path).unwrap();
        for side in [8193u32, 100_000, u32::MAX] {
            // Width and height stand in `avih`.
            content[64..68].copy_from_slice(&side.to_le_bytes());
            content[68..72].copy_from_slice(&side.to_le_bytes());
            fs::write(&path, &content).unwrap();
            let refused = AviReader::open(&path).unwrap_err().to_string();
            assert!(
                refused.contains(&format!("{side}x{side} pixels")) && refused.contains("clip.avi"),
                "{refused}"
            );
        }
    }

    #[test]
    fn what_came_before_a_failure_is_saved() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clip.avi");
        let mut writer = AviWriter::create(&path, (320, 240), false, None).unwrap();
        for i in 0..30 {
            writer.add(&gradient(320, 240), Duration::from_millis(i * 40)).unwrap();
        }
        assert_eq!(writer.salvage().unwrap(), path);
        let left = collect(&mut AviReader::open(&path).unwrap().unwrap()).len();
        assert!((15..30).contains(&left), "{left}");
        let empty = AviWriter::create(&dir.path().join("empty.avi"), (32, 32), false, None).unwrap();
        assert!(empty.salvage().is_err());
    }

    #[test]
    fn a_recording_without_frames_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clip.avi");
        drop(AviWriter::create(&path, (32, 32), false, None).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
