use std::path::Path;

use clap::builder::ValueRange;

use super::file::commands;
use super::*;
use crate::cli::args::Command as Chosen;
use crate::cli::args::{ReenactArgs, WebcamArgs};

/// Values of every kind that a flag takes: the first that a flag's own definition accepts stands for it.
const SAMPLES: &[&str] = &[
    "2",
    "64",
    "null",
    "0.5",
    "640x480",
    "3x5",
    "0.05,80",
    "127.0.0.1",
    "12345678",
    "photo",
    "all",
    "warp",
    "cpu",
    "stored",
    "mjpg",
    "json",
    "largest",
    "mouth=1",
    "mouth=0,0.1",
    "eyes=seed:4",
    "batch=1,2",
];

/// What gives a flag a value in the file, and why no sample does.
fn sample(program: &Command, table: &str, arg: &Arg) -> Result<String, String> {
    let key = long_of(arg);
    let values = arg.get_num_args().unwrap_or(ValueRange::SINGLE);
    if !values.takes_values() {
        return Ok(format!("{key} = true"));
    }
    let mut refused = String::new();
    for text in SAMPLES {
        let list = vec![format!("{text:?}"); values.min_values()].join(", ");
        let value = if values.min_values() > 1 { format!("[{list}]") } else { format!("{text:?}") };
        let line = format!("{key} = {value}");
        match read(&format!("{table}\n{line}"), program) {
            Ok(_) => return Ok(line),
            Err(e) => refused = e,
        }
    }
    Err(format!("{table} {key}: add a value to SAMPLES that it takes: {refused}"))
}

fn read(text: &str, program: &Command) -> Result<ConfigFile, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    std::fs::write(&path, text).unwrap();
    ConfigFile::read(&path, program).map_err(|e| e.to_string())
}

/// Reads a command line beside a file with this text.
fn with(text: &str, line: &str) -> Result<Parsed, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    std::fs::write(&path, text).unwrap();
    let words = ["runtime".to_owned(), format!("--config={}", path.display())].into_iter();
    let words = words.chain(line.split_whitespace().map(str::to_owned)).map(OsString::from);
    parse(words.collect()).map_err(|refused| match refused {
        Refused::Line(e) => e.to_string(),
        Refused::File(e) => e.to_string(),
    })
}

fn webcam(text: &str, line: &str) -> WebcamArgs {
    let Chosen::Webcam(args) = with(text, &format!("webcam {line}")).unwrap().cli.command else {
        panic!("not webcam")
    };
    args
}

fn reenact(text: &str, line: &str) -> ReenactArgs {
    let Chosen::Reenact(args) = with(text, &format!("reenact {line}")).unwrap().cli.command else {
        panic!("not reenact")
    };
    args
}

/// A flag that is new is among these by itself: they come from the definition of the command line.
#[test]
fn the_file_sets_every_flag_of_every_command() {
    let program = program();
    let (mut n, mut set) = (0, 0);
    for command in commands(&program) {
        let name = command.get_name();
        let example = command.get_after_help().unwrap().to_string();
        let line = example.strip_prefix("Example: runtime ").unwrap().to_owned();
        for arg in settable(command) {
            let line_of_file = sample(&program, &format!("[{name}]"), arg).unwrap();
            let text = format!("[{name}]\n{line_of_file}");
            let parsed = with(&text, &line).unwrap_or_else(|e| panic!("{name}: {line_of_file}: {e}"));
            n += 1;
            set += usize::from(parsed.applied.is_some_and(|(_, flags)| flags == [long_of(arg)]));
        }
    }
    // Not set are those that the examples give, or that go with others only.
    assert!(n > 200 && 4 * set > 3 * n, "{set} of {n}");
    for arg in settable(&program) {
        let line = sample(&program, "", arg).unwrap();
        assert!(with(&line, "doctor").unwrap().applied.is_some_and(|(_, flags)| flags.len() == 1), "{line}");
    }
}

#[test]
fn the_line_wins_over_the_file_and_the_file_over_defaults() {
    let text = "threads = 3\n[webcam]\nviewers = 7\nfaces = 2\nout = [\"a.avi\", \"b.avi\"]\nmirror = true\nthreads = 5";
    let args = webcam(text, "");
    assert_eq!((args.live.viewers, args.faces, args.live.out.len(), args.live.mirror), (7, 2, 2, true));
    let args = webcam(text, "clip.mp4 --viewers 3 --out c.avi --mirror=false");
    assert_eq!((args.live.viewers, args.faces, args.live.out.len(), args.live.mirror), (3, 2, 1, false));
    assert_eq!(args.source.unwrap().to_string(), "clip.mp4");
    let threads = |line: &str| with(text, line).unwrap().cli.common.threads;
    assert_eq!((threads("webcam"), threads("doctor")), (Some(5), Some(3)));
    assert_eq!(
        (threads("--threads 9 webcam"), threads("webcam --threads 9 -- -odd-name")),
        (Some(9), Some(9))
    );
    // What the line says may rule out what the file does.
    assert!(webcam("[webcam]\nsmooth = \"1,2\"", "--no-smooth").live.smooth.is_none());
    assert!(reenact("[reenact]\ndriver = \"1\"", "-s a.png clip.mp4").driver.is_none());
    assert!(reenact("[reenact]\nsource = \"a.png\"\ndriver = \"1\"", "").driver.is_some());
    let serve = |line: &str| webcam("[webcam]\nserve = true\nlisten = \"127.0.0.1\"", line).live.page.serve;
    assert_eq!(
        (serve(""), serve("--serve 9000"), serve("--serve=false")),
        (Some(None), Some(Some(9000)), None)
    );
    assert_eq!(webcam("[webcam]\nserve = 9000", "clip.mp4").live.page.serve, Some(Some(9000)));
}

#[test]
fn what_a_run_has_no_use_for_gives_way() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display();
    let text = "[webcam]\nsize = \"640x480\"\nas-clip = true\nheadless = true\nlisten = \"127.0.0.1\"\nhost = [\"faces.example\"]\nloop = true\nformat = \"csv\"";
    let args = webcam(text, "Cargo.toml --out window");
    let live = &args.live;
    assert!(
        live.size.is_none() && !args.as_clip && !live.headless && live.page.listen.is_none() && live.r#loop
    );
    assert!(live.page.hosts.is_empty());
    let args = webcam(text, "--serve --keypoints k.csv");
    let live = &args.live;
    assert!(live.size.is_some() && live.headless && live.page.listen.is_some() && live.page.hosts.len() == 1);
    assert_eq!(args.format, crate::media::detections::DetectionFormat::Csv);
    assert!(webcam(text, &folder.to_string()).as_clip && !webcam(text, "-").live.r#loop);
    // On the line it is a contradiction that is told of.
    let Chosen::Webcam(args) = with("", "webcam clip.mp4 --as-clip").unwrap().cli.command else { panic!() };
    assert!(args.as_clip);
    let detect = with("[detect]\nno-names = true\nfaces = 2", "detect a.png").unwrap();
    assert_eq!(detect.applied.unwrap().1, ["faces"]);
    let text = "[edit]\nface = \"2\"\nserve = true\nframes = 9";
    let Chosen::Edit(args) = with(text, "edit seed:1 --out a.png").unwrap().cli.command else { panic!() };
    assert!(args.page.serve.is_none() && args.frames == 50);
    let args = reenact("[reenact]\nview = \"driver\"\nface = \"2\"", "-s seed:1 m.jsonl");
    assert_eq!((args.view, args.face), (None, crate::vision::choice::FaceChoice::Largest));
}

#[test]
fn what_is_wrong_is_named_with_its_file_table_and_key_and_what_is_known() {
    for (text, parts) in [
        (
            "[webcam]\nmirrored = true",
            &["c.toml: [webcam] mirrored: no such key", "headless, host, hud", "mirror,"][..],
        ),
        ("[webcan]\nmirror = true", &["[webcan]: no such table", "reenact"]),
        ("mirrored = true", &["mirrored: no such key; before all tables", "provider"]),
        ("mirror = true", &["mirror: not a flag of every command", "[webcam]"]),
        ("webcam = 3", &["webcam: this is a command: write its flags below [webcam]"]),
        ("[webcam]\nmirror = \"yes\"", &["[webcam] mirror: true or false is wanted, not string"]),
        ("[webcam]\nfps = true", &["[webcam] fps: text or a number is wanted, not boolean"]),
        ("[webcam]\nfps = [1, 2]", &["[webcam] fps: one value is wanted"]),
        ("[webcam]\nfps = 1000", &["[webcam] fps: must be a number from 0.1 to 240"]),
        ("[webcam]\nout = [1, [2]]", &["[webcam] out: text or a number is wanted, not array"]),
        ("[webcam]\nfps = 1979-05-27", &["not datetime"]),
        ("provider = \"gpu\"", &["c.toml: provider: unknown provider", "tensorrt"]),
        ("[webcam]\nhud = true\nno-hud = true", &["[webcam] hud and no-hud rule each other out"]),
        ("[webcam]\nfps = 3\nfps = 4", &["c.toml: line 3: duplicate key"]),
        ("[bench]\ncompare = [\"a.json\"]", &["[bench] compare:", "2"]),
        ("[bench]\ncold-child = true", &["cold-child: no such key"]),
        ("config = \"a\"", &["config: this is a command"]),
        ("[webcam]\nconfig = \"a\"", &["[webcam] config: no such key"]),
    ] {
        let error = with(text, "webcam clip.mp4").unwrap_err();
        assert_eq!(error.lines().count(), 1, "{error}");
        for part in parts {
            assert!(error.contains(part), "no {part:?}: {error}");
        }
    }
    // A switch that is off rules out nothing, and a wrong line is what is told of it alone.
    assert!(with("[webcam]\nhud = true\nno-hud = false", "webcam").is_ok());
    let error = with("[webcam]\nfps = 3", "webcam --mirrored").unwrap_err();
    assert!(error.contains("unexpected argument '--mirrored'"), "{error}");
    let missing = parse(["runtime", "webcam", "--config", "none.toml"].map(OsString::from).to_vec());
    let Err(Refused::File(e)) = missing else { panic!("read") };
    assert!(e.to_string().starts_with("none.toml: no such configuration file"), "{e}");
}

#[test]
fn an_empty_name_is_no_file_and_some_commands_need_none() {
    let read = |words: &[&str]| parse(words.iter().map(OsString::from).collect());
    assert!(read(&["runtime", "webcam", "--config="]).unwrap().applied.is_none());
    assert!(read(&["runtime", "--config", "none.toml", "completions", "bash"]).unwrap().applied.is_none());
    assert!(read(&["runtime", "config", "--config", "none.toml"]).unwrap().applied.is_none());
    assert!(read(&["runtime", "webcam", "--mirror=false", "--config="]).is_ok());
    for words in [
        &["runtime"][..],
        &["runtime", "webcam", "--help"],
        &["runtime", "nothing"],
        &["runtime", "doctor", "--mirror=false"],
        &["runtime", "webcam", "--max-frames=false"],
    ] {
        assert!(matches!(read(words), Err(Refused::Line(_))), "{words:?}");
    }
}

/// The remarks of a template, made keys: all of them are known, and every value is one that its flag takes, or a name for one.
#[test]
fn the_template_has_every_key() {
    let program = program();
    let text = crate::cli::config::template(&program);
    let bare = text.lines().filter(|line| !line.starts_with("# ")).map(|line| line.trim_start_matches('#'));
    let table: toml::Table = toml::from_str(&bare.collect::<Vec<_>>().join("\n")).unwrap();
    for command in commands(&program) {
        for arg in settable(command) {
            let own = table.get(command.get_name()).and_then(|t| t.get(long_of(arg)));
            assert!(own.is_some() || table.contains_key(long_of(arg)), "{}", long_of(arg));
        }
    }
    assert_eq!(read(&text, &program).unwrap().tables().map(|(_, settings)| settings.len()).sum::<usize>(), 0);
    assert!(!Path::new("c.toml").exists());
}
