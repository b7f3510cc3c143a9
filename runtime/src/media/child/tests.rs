use super::*;

const SOON: Duration = Duration::from_secs(5);

fn open(line: &str) -> Result<ChildSource> {
    let options = SourceOptions { size: Some((2, 1)), patience: SOON, ..SourceOptions::default() };
    ChildSource::exec(&line.parse()?, &options)
}

fn shell(script: &str) -> String {
    format!("sh -c '{script}'")
}

/// Frames until the end or an error.
fn rest(source: &mut ChildSource) -> (Vec<u64>, Option<String>) {
    let mut indices = Vec::new();
    let start = Instant::now();
    while start.elapsed() < SOON {
        match source.next(Duration::from_millis(50)) {
            Ok(Next::Frame(captured)) => indices.push(captured.frame.index),
            Ok(Next::Waiting) => {}
            Ok(Next::End) => return (indices, None),
            Err(e) => return (indices, Some(e.to_string())),
        }
    }
    panic!("no end");
}

fn is_alive(pid: &str) -> bool {
    // A process that has ended and was not waited for is a zombie, state Z.
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|s| !s.contains(") Z "))
}

#[test]
fn a_childs_frames_come_to_an_end() {
    let mut source = open(&shell("for i in 1 2 3; do printf abcdef; sleep 0.05; done")).unwrap();
    assert!(source.is_live() && source.describe().contains("RGB, 2x1, 30 fps"));
    let (indices, error) = rest(&mut source);
    // On a busy machine an early one may have been replaced before it was asked for.
    assert_eq!((indices.last(), error), (Some(&2), None));
}

/// Frames that are due and not fetched make way for newer ones.
#[test]
fn the_newest_frame_wins_and_gaps_show() {
    let line = shell("i=0; while [ $i -lt 200 ]; do printf abcdef; i=$((i+1)); done; sleep 0.3");
    let options =
        SourceOptions { size: Some((2, 1)), fps: Some(1e6), patience: SOON, ..SourceOptions::default() };
    let mut source = ChildSource::exec(&line.parse().unwrap(), &options).unwrap();
    let mut indices = Vec::new();
    while let Next::Frame(captured) = source.next(Duration::from_secs(1)).unwrap() {
        indices.push(captured.frame.index);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(source.is_live() && indices.last() == Some(&199) && indices.len() < 20, "{indices:?}");
}

/// Of 120 frames that a program made of a file 1 to 4 were seen, and none was said to be dropped.
#[test]
fn frames_of_a_file_are_all_seen_however_fast_they_come() {
    let line = shell("i=0; while [ $i -lt 40 ]; do printf abcdef; i=$((i+1)); done");
    let options =
        SourceOptions { size: Some((2, 1)), fps: Some(50.0), patience: SOON, ..SourceOptions::default() };
    let mut source = ChildSource::exec(&line.parse().unwrap(), &options).unwrap();
    assert!(!source.is_live() && source.comes_once());
    // As long as a network takes to load.
    std::thread::sleep(Duration::from_millis(300));
    let (indices, error) = rest(&mut source);
    assert_eq!((indices, error), ((0..40).collect(), None));
}

/// The program was blamed for the signal that it got when nobody read on.
#[test]
fn a_program_that_sends_rubbish_is_told_what_it_sends() {
    let rubbish = shell("head -c 3000000 /dev/zero");
    let options = SourceOptions { patience: SOON, ..SourceOptions::default() };
    let refused = ChildSource::exec(&rubbish.parse().unwrap(), &options).err().unwrap().to_string();
    assert!(refused.contains("something else than y4m"), "{refused}");
}

#[test]
fn last_words_tell_why_a_child_failed() {
    let refused =
        open(&shell("echo first >&2; echo the lens is dirty >&2; exit 3")).err().unwrap().to_string();
    assert!(refused.contains("the lens is dirty") && refused.contains('3'), "{refused}");
    let mut source = open(&shell("printf abcdef; sleep 0.1; echo cable cut >&2; exit 1")).unwrap();
    let (indices, error) = rest(&mut source);
    assert!(indices.len() <= 1);
    assert!(error.unwrap().contains("cable cut"));
    let missing = open("no-such-program-here").err().unwrap().to_string();
    assert!(missing.contains("no-such-program-here"), "{missing}");
    let gst = Error::needs_program("gst-launch-1.0").to_string();
    assert!(gst.contains("gstreamer1.0-tools"), "{gst}");
}

#[test]
fn rubbish_is_not_worth_another_try() {
    let mut source = open(&shell("printf abcdefgh")).unwrap();
    let start = Instant::now();
    let error = loop {
        match source.next(Duration::from_millis(50)) {
            Ok(_) => assert!(start.elapsed() < SOON),
            Err(e) => break e,
        }
    };
    assert!(!error.is_lost_camera() && error.to_string().contains("within a frame"), "{error}");
    let mut source = open(&shell("printf abcdefgh; echo cable cut >&2; exit 1")).unwrap();
    let (_, error) = rest(&mut source);
    assert!(error.unwrap().contains("cable cut"));
}

#[test]
fn no_child_outlives_its_source() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    // The grandchild ignores the polite signal and is killed all the same.
    let inner = "trap \"\" TERM; while :; do sleep 0.1; done";
    let script =
        format!("({inner}) & echo $! >{}; while :; do printf abcdef; sleep 0.01; done", pid.display());
    let source = open(&shell(&script)).unwrap();
    let grandchild = std::fs::read_to_string(&pid).unwrap();
    assert!(is_alive(&grandchild));
    let start = Instant::now();
    drop(source);
    assert!(start.elapsed() < Duration::from_secs(2));
    std::thread::sleep(Duration::from_millis(100));
    assert!(!is_alive(&grandchild));
}

#[test]
fn a_silent_child_is_given_up() {
    let options = SourceOptions { patience: Duration::from_millis(200), ..SourceOptions::default() };
    let start = Instant::now();
    assert!(
        ChildSource::exec(&"sleep 60".parse().unwrap(), &options)
            .is_err_and(|e| e.to_string().contains("no picture"))
    );
    assert!(start.elapsed() < SOON);
}

/// ffmpeg repeats the whole address when it cannot connect, and the password stood in the error.
#[test]
fn a_password_is_not_repeated() {
    let words = ["sh", "-c", "echo rtsp://me:pass@cam/1: me:pass is wrong >&2; exit 1"].map(str::to_owned);
    let (mut process, _stdout) = Process::start(&words, Some("me:pass".to_owned())).unwrap();
    let status = process.wait(SOON);
    assert_eq!(process.reason(status), "rtsp://cam/1: *** is wrong (exit status: 1)");
}

/// No sensor and no image processor here: gst-launch has to find nothing else wrong with the line, and with a test picture
/// in place of the sensor frames have to come.
#[test]
fn the_pipeline_of_a_csi_camera_is_one_that_gstreamer_takes() {
    if !command::is_installed("gst-launch-1.0") {
        println!("skipped: gst-launch-1.0 is not installed");
        return;
    }
    let wanted = Wanted { size: Some((328, 242)), fps: Some(29.97) };
    // Eight divides the width; 242 is even.
    let words = command::csi(0, wanted).unwrap();
    let missing = std::process::Command::new(&words[0]).args(&words[1..]).output().unwrap();
    let said = String::from_utf8_lossy(&missing.stderr);
    assert!(said.contains("no element \"nvarguscamerasrc\"") && !said.contains("syntax"), "{said}");

    let stand_in = |word: &String| -> Vec<String> {
        let words: Vec<&str> = match word.as_str() {
            "nvarguscamerasrc" => vec!["videotestsrc", "is-live=true", "pattern=red"],
            "sensor-id=0" => vec![],
            "nvvidconv" => vec!["videoconvert"],
            other => return vec![other.replace("(memory:NVMM)", "")],
        };
        words.into_iter().map(str::to_owned).collect()
    };
    let line: Vec<String> = words.iter().flat_map(stand_in).collect();
    let line = shlex::try_join(line.iter().map(String::as_str)).unwrap();
    let options = SourceOptions { patience: SOON, ..SourceOptions::default() };
    let mut source = ChildSource::exec(&line.parse().unwrap(), &options).unwrap();
    assert!(source.describe().contains("y4m, 328x242, 29.97 fps"), "{}", source.describe());
    let start = Instant::now();
    let mut seen = 0;
    while seen < 10 {
        assert!(start.elapsed() < SOON);
        if let Next::Frame(captured) = source.next(Duration::from_millis(100)).unwrap() {
            let [r, g, b] = captured.frame.picture.get_pixel(300, 200).0;
            assert!(r > 245 && g < 10 && b < 10, "{r} {g} {b}");
            seen += 1;
        }
    }
}
