//! A row of the table: a command with bad input, run in a folder of its own, and what it did.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use lkg_bundle::testing::{write_tiny_bundle, write_tiny_portrait_bundle};
use rustix::process::{Pid, Signal, kill_process};

/// What a row may take unless it says otherwise: seconds of the processor, and MB of memory.
const USUAL: (f64, u64) = (2.0, 500);
/// After so long a command is killed, whatever the machine does besides.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is worth a look.
const SLOW: Duration = Duration::from_secs(3);
/// Steps of the processor's clock in a second.
const TICKS: f64 = 100.0;

/// What is on standard input.
pub enum Stdin {
    Nothing,
    Bytes(Vec<u8>),
    /// A pipe on which these come, and then nothing more, while it stays open.
    Held(Vec<u8>),
}

/// Where standard output goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stdout {
    Read,
    /// Nobody reads.
    Closed,
    /// `/dev/full`.
    Full,
}

type Make = Box<dyn FnOnce(&Path) + Send>;

/// A command and what it has to do.
pub struct Row {
    pub what: &'static str,
    line: String,
    program: &'static str,
    stdin: Stdin,
    stdout: Stdout,
    env: Vec<(&'static str, OsString)>,
    make: Vec<Make>,
    signal: Option<Signal>,
    code: i32,
    lines: usize,
    leaves: &'static [&'static str],
    shows_output: bool,
    most: (f64, u64),
    portrait: bool,
    /// What a shell does before it, to limit it.
    limit: Option<String>,
}

/// A row for `runtime LINE`, which refuses it: exit code 2, one line on standard error, no file left.
pub fn row(what: &'static str, line: &str) -> Row {
    Row {
        what,
        line: line.to_owned(),
        program: "runtime",
        stdin: Stdin::Nothing,
        stdout: Stdout::Read,
        env: Vec::new(),
        make: Vec::new(),
        signal: None,
        code: 2,
        lines: 1,
        leaves: &[],
        shows_output: false,
        most: USUAL,
        portrait: false,
        limit: None,
    }
}

impl Row {
    /// With a file of this name.
    pub fn file(self, name: &'static str, content: impl Into<Vec<u8>>) -> Self {
        let content = content.into();
        self.make(move |dir| fs::write(dir.join(name), content).unwrap())
    }

    /// With what `make` puts into the folder.
    pub fn make(mut self, make: impl FnOnce(&Path) + Send + 'static) -> Self {
        self.make.push(Box::new(make));
        self
    }

    /// Ends with this code and so many lines on standard error instead.
    pub fn exits(self, code: i32, lines: usize) -> Self {
        Self { code, lines, ..self }
    }

    /// Is no error: shows the first line of its output.
    pub fn reads(self) -> Self {
        Self { shows_output: true, ..self.exits(0, 0) }
    }

    /// Leaves these files.
    pub fn leaves(self, leaves: &'static [&'static str]) -> Self {
        Self { leaves, ..self }
    }

    pub fn stdin(self, stdin: Stdin) -> Self {
        Self { stdin, ..self }
    }

    pub fn stdout(self, stdout: Stdout) -> Self {
        Self { stdout, ..self }
    }

    pub fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// Gets this signal once it handles it and has had time to begin.
    pub fn gets(self, signal: Signal) -> Self {
        Self { signal: Some(signal), ..self }
    }

    /// Of the trainer.
    pub fn of_trainer(self) -> Self {
        Self { program: "trainer", ..self }
    }

    /// May take so many seconds of the processor, and MB of memory.
    pub fn takes(self, seconds: f64, mb: u64) -> Self {
        Self { most: (seconds, mb), ..self }
    }

    /// With a bundle that carries photos.
    pub fn portrait(self) -> Self {
        Self { portrait: true, ..self }
    }

    /// On a disk with so many bytes of room.
    pub fn with_room(self, bytes: u64) -> Self {
        // A file's limit fails as a full disk does where the signal for it is passed over.
        Self { limit: Some(format!("trap '' XFSZ; ulimit -f {}", bytes / 512)), ..self }
    }

    /// On a machine with so many MB of memory.
    pub fn with_memory(self, mb: u64) -> Self {
        Self { limit: Some(format!("ulimit -v {}", mb * 1000)), ..self }
    }

    /// The cells before what was said, by which a row is found again.
    pub fn head(&self) -> String {
        let program = if self.program == "runtime" { "" } else { "(trainer) " };
        let sets: String =
            self.env.iter().map(|(name, value)| format!("{name}={} ", value.to_string_lossy())).collect();
        let line: String = self.line.chars().fold(String::new(), |mut line, c| {
            if c.is_control() {
                line.extend(c.escape_unicode())
            } else {
                line.push(c)
            }
            line
        });
        format!("| {} | {program}`{sets}{}` |", self.what, line.replace('|', "\\|"))
    }

    /// Runs it; gives its line of the table, or what was wrong.
    pub fn run(self) -> Result<String, String> {
        let (head, most) = (self.head(), self.most);
        let (code, lines, leaves, shows_output) = (self.code, self.lines, self.leaves, self.shows_output);
        let start = Instant::now();
        let done = self.play();
        if start.elapsed() > SLOW {
            println!("{:.1} s: {head}", start.elapsed().as_secs_f64());
        }
        let wrong = |what: &str| Err(format!("{head}\n  {what}: {done:?}"));
        if done.code != code {
            return wrong(&format!("exit code {}, not {code}", done.code));
        }
        let said: Vec<&str> = done.stderr.lines().collect();
        if said.len() != lines {
            return wrong(&format!("{} lines on standard error, not {lines}", said.len()));
        }
        if done.stderr.chars().any(|c| c != '\n' && c.is_control()) || done.stderr.len() > 9000 {
            return wrong("what a terminal should not get");
        }
        if done.left != leaves {
            return wrong(&format!("left {:?}, not {leaves:?}", done.left));
        }
        if done.cpu > most.0 || done.mb > most.1 {
            return wrong(&format!("more than {} s or {} MB", most.0, most.1));
        }
        let mut shown = said.join(" / ");
        if shows_output {
            shown = done.stdout.lines().next().unwrap_or_default().to_owned();
        }
        for prefix in ["runtime: error: ", "trainer: error: ", "runtime: "] {
            shown = shown.replace(prefix, "");
        }
        let cell = if shown.is_empty() { "".to_owned() } else { quoted(&shown) };
        Ok(format!("{head} {code} | {cell} | {} s, {} MB |", most.0, most.1))
    }

    fn play(self) -> Done {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path().join("bundle");
        fs::create_dir(&bundle).unwrap();
        if self.portrait { write_tiny_portrait_bundle(&bundle) } else { write_tiny_bundle(&bundle) }.unwrap();
        self.make.into_iter().for_each(|make| make(dir.path()));
        let before = listing(dir.path());
        let program = workspace_tests::program(self.program);
        let mut command = match &self.limit {
            None => Command::new(program),
            Some(limit) => {
                let mut command = Command::new("/bin/sh");
                command.args(["-c", &format!("{limit}; exec \"$@\""), "sh"]).arg(program);
                command
            }
        };
        command.args(shlex::split(&self.line).unwrap()).current_dir(dir.path());
        // No ffmpeg and no settings of whoever runs this.
        command.env("PATH", "").env("HOME", dir.path()).env_remove("XDG_CONFIG_HOME").env_remove("RUST_LOG");
        command.env_remove("LKG_TOKEN").env_remove("DISPLAY");
        command.env("LKG_BUNDLE", "bundle");
        for (name, value) in &self.env {
            command.env(name, value);
        }
        command.stderr(Stdio::piped()).stdout(match self.stdout {
            Stdout::Full => Stdio::from(fs::File::options().write(true).open("/dev/full").unwrap()),
            Stdout::Read | Stdout::Closed => Stdio::piped(),
        });
        command.stdin(if matches!(self.stdin, Stdin::Nothing) { Stdio::null() } else { Stdio::piped() });
        let mut child = command.spawn().unwrap();
        if self.stdout == Stdout::Closed {
            drop(child.stdout.take());
        }
        let mut written = child.stdin.take();
        let input = std::thread::spawn(move || {
            let (bytes, hold) = match self.stdin {
                Stdin::Nothing => return None,
                Stdin::Bytes(bytes) => (bytes, false),
                Stdin::Held(bytes) => (bytes, true),
            };
            // Whoever refuses a stream does not read all of it.
            written.as_mut().map(|pipe| pipe.write_all(&bytes).ok());
            if hold { written } else { None }
        });
        let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
        let (code, cpu, mb) = wait(&mut child, self.signal);
        drop(input.join());
        let after = listing(dir.path());
        let left = after.iter().filter(|(name, content)| before.get(*name) != Some(content));
        Done {
            code,
            stdout: stdout.join().unwrap(),
            stderr: stderr.join().unwrap(),
            left: left.map(|(name, _)| name.clone()).collect(),
            cpu,
            mb,
        }
    }
}

/// What a command did.
#[derive(Debug)]
struct Done {
    code: i32,
    stdout: String,
    stderr: String,
    left: Vec<String>,
    cpu: f64,
    mb: u64,
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.map(|mut pipe| pipe.read_to_end(&mut bytes).ok());
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Waits for the end; gives exit code (-1 for a signal), seconds of the processor and MB of memory at most.
fn wait(child: &mut Child, signal: Option<Signal>) -> (i32, f64, u64) {
    let (start, pid) = (Instant::now(), child.id());
    let (mut cpu, mut mb, mut handled, mut sent) = (0.0f64, 0u64, None, false);
    loop {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let status = read("status");
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| Some(line.strip_prefix(name)?.split_whitespace().next()?.to_owned()))
        };
        mb = mb.max(field("VmHWM:").and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1000);
        let stat = read("stat");
        let times = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        cpu = cpu.max(times.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / TICKS);
        if let Some(status) = child.try_wait().unwrap() {
            return (status.code().unwrap_or(-1), cpu, mb);
        }
        if let Some(signal) = signal.filter(|_| !sent) {
            let caught = field("SigCgt:").and_then(|mask| u64::from_str_radix(&mask, 16).ok()).unwrap_or(0);
            if caught & (1 << (signal.as_raw() - 1)) != 0 {
                let since = *handled.get_or_insert(Instant::now());
                if since.elapsed() > Duration::from_millis(600) {
                    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).ok();
                    sent = true;
                }
            }
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            return (-2, cpu, mb);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Every file below a folder, with its length and when it was written.
fn listing(dir: &Path) -> BTreeMap<String, (u64, Option<SystemTime>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let Ok(about) = path.symlink_metadata() else { continue };
            let name = path.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
            if about.is_dir() {
                folders.push(path);
            } else {
                found.insert(name, (about.len(), about.modified().ok()));
            }
        }
    }
    found
}

/// As code of Markdown in a cell.
fn quoted(text: &str) -> String {
    let ticks = if text.contains('`') { "``" } else { "`" };
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{pad}{}{pad}{ticks}", text.replace('|', "\\|"))
}
