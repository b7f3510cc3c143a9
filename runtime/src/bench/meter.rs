//! What this process and this machine use up, read from the operating system.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::executor::Reading;
use super::report::Contention;

/// Reads time, processor time and energy.
pub struct Meters {
    start: Instant,
    energy: Energy,
}

impl Default for Meters {
    fn default() -> Self {
        Self { start: Instant::now(), energy: Energy::find(Path::new("/sys")) }
    }
}

impl Meters {
    /// Time since the meters were made.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// What was used so far.
    pub fn read(&mut self) -> Reading {
        Reading { wall: self.start.elapsed(), cpu: cpu_time(), joules: self.energy.joules() }
    }
}

/// Processor time of all threads of this process, to a nanosecond.
fn cpu_time() -> Duration {
    let t = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(t.tv_sec.try_into().unwrap_or(0), t.tv_nsec.try_into().unwrap_or(0))
}

/// Resident memory of this process, in bytes: now, and the most so far.
pub fn memory() -> (Option<u64>, Option<u64>) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    (status_bytes(&status, "VmRSS:"), status_bytes(&status, "VmHWM:"))
}

fn status_bytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix(key))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Processor time of the whole machine, in clock ticks since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MachineTime {
    /// Spent on something.
    pub busy: u64,
    /// Spent on nothing, or waiting for a disk.
    pub idle: u64,
    /// Taken by other virtual machines.
    pub stolen: u64,
}

impl MachineTime {
    /// Now; none where the system does not tell.
    pub fn now() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    fn parse(stat: &str) -> Option<Self> {
        let mut fields = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
        let ticks: Vec<u64> = fields.by_ref().map_while(|f| f.parse().ok()).collect();
        let [user, nice, system, idle, iowait, irq, softirq, stolen, ..] = ticks[..] else { return None };
        Some(Self { busy: user + nice + system + irq + softirq, idle: idle + iowait, stolen })
    }

    /// What others had since this moment; `own` is this process's processor time since then.
    pub fn contention_since(&self, own: Duration) -> Contention {
        let Some(now) = Self::now() else { return Contention::default() };
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let (others, stolen) = now.others_since(self, own, ticks);
        Contention { others: Some(others), stolen: Some(stolen) }
    }

    /// Share (0 to 1) of the machine that others than this process had between `before` and now, and the share that
    /// other virtual machines took. `own` is this process's processor time in between.
    fn others_since(&self, before: &Self, own: Duration, ticks_a_second: f64) -> (f64, f64) {
        let busy = self.busy.saturating_sub(before.busy) as f64;
        let stolen = self.stolen.saturating_sub(before.stolen) as f64;
        let all = busy + stolen + self.idle.saturating_sub(before.idle) as f64;
        if all <= 0.0 {
            return (0.0, 0.0);
        }
        let own = own.as_secs_f64() * ticks_a_second;
        (((busy - own) / all).clamp(0.0, 1.0), stolen / all)
    }
}

/// An energy meter of the board.
enum Energy {
    /// Counters of used energy (Intel and AMD): files with microjoules, where each wraps, its last value, the sum.
    Rapl { counters: Vec<Counter>, joules: f64 },
    /// Sensors of present power (Jetson): summed over time here.
    Power { rails: Vec<Rail>, last: Option<Instant>, joules: f64 },
    /// The board does not tell.
    None,
}

struct Counter {
    file: PathBuf,
    range: u64,
    last: u64,
}

/// A supply rail: files with current in milliamperes and voltage in millivolts.
struct Rail {
    current: PathBuf,
    voltage: PathBuf,
}

fn read_number(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn entries(dir: PathBuf) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.sort();
    paths
}

impl Energy {
    /// Looks below `sys`: package counters of powercap first, then the input rail of an INA3221.
    fn find(sys: &Path) -> Self {
        let counters: Vec<Counter> = entries(sys.join("class/powercap"))
            .into_iter()
            .filter(|zone| {
                let name = std::fs::read_to_string(zone.join("name")).unwrap_or_default();
                name.starts_with("package")
            })
            .filter_map(|zone| {
                let file = zone.join("energy_uj");
                let last = read_number(&file)?;
                Some(Counter {
                    last,
                    range: read_number(&zone.join("max_energy_range_uj")).unwrap_or(0),
                    file,
                })
            })
            .collect();
        if !counters.is_empty() {
            return Self::Rapl { counters, joules: 0.0 };
        }
        let rails: Vec<Rail> =
            entries(sys.join("class/hwmon")).iter().filter_map(|d| input_rail(d)).collect();
        if rails.is_empty() { Self::None } else { Self::Power { rails, last: None, joules: 0.0 } }
    }

    /// Joules since the first call.
    fn joules(&mut self) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Rapl { counters, joules } => {
                for counter in counters {
                    let now = read_number(&counter.file)?;
                    let used = match now.checked_sub(counter.last) {
                        Some(used) => used,
                        // The counter has wrapped.
                        None => (counter.range + now).saturating_sub(counter.last),
                    };
                    counter.last = now;
                    *joules += used as f64 * 1e-6;
                }
                Some(*joules)
            }
            Self::Power { rails, last, joules } => {
                let now = Instant::now();
                if let Some(last) = last {
                    // Reading a sensor takes a millisecond: not after every run of a fast network.
                    if now - *last < Duration::from_millis(50) {
                        return Some(*joules);
                    }
                    let microwatts: u64 = rails.iter().filter_map(Rail::microwatts).sum();
                    *joules += microwatts as f64 * 1e-6 * (now - *last).as_secs_f64();
                }
                *last = Some(now);
                Some(*joules)
            }
        }
    }
}

impl Rail {
    fn microwatts(&self) -> Option<u64> {
        Some(read_number(&self.current)? * read_number(&self.voltage)?)
    }
}

/// The rail that feeds the whole board, among the three of an INA3221.
fn input_rail(hwmon: &Path) -> Option<Rail> {
    let name = std::fs::read_to_string(hwmon.join("name")).ok()?;
    if !name.trim().starts_with("ina3221") {
        return None;
    }
    (1..=3).find_map(|i| {
        let label = std::fs::read_to_string(hwmon.join(format!("in{i}_label"))).ok()?;
        if !["VDD_IN", "VIN_SYS_5V0", "POM_5V_IN"].contains(&label.trim()) {
            return None;
        }
        let (current, voltage) = (hwmon.join(format!("curr{i}_input")), hwmon.join(format!("in{i}_input")));
        read_number(&current)?;
        Some(Rail { current, voltage })
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(dir: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(dir).unwrap();
        for (name, content) in files {
            fs::write(dir.join(name), content).unwrap();
        }
    }

    #[test]
    fn energy_counters_are_summed_over_packages_and_may_wrap() {
        let sys = tempfile::tempdir().unwrap();
        let zone = |i: u8| sys.path().join(format!("class/powercap/intel-rapl:{i}"));
        for i in 0..2 {
            let files = [("name", "package-0\n"), ("energy_uj", "900"), ("max_energy_range_uj", "1000")];
            write(&zone(i), &files);
        }
        write(&sys.path().join("class/powercap/intel-rapl:0:0"), &[("name", "core"), ("energy_uj", "5")]);
        let mut energy = Energy::find(sys.path());
        assert!(matches!(energy, Energy::Rapl { .. }));
        assert_eq!(energy.joules(), Some(0.0));
        write(&zone(0), &[("energy_uj", "950")]);
        write(&zone(1), &[("energy_uj", "100")]);
        // 50 of the first, 200 of the second over the wrap.
        assert!((energy.joules().unwrap() - 250e-6).abs() < 1e-12);
    }

    #[test]
    fn the_boards_input_rail_is_found_among_the_three() {
        let sys = tempfile::tempdir().unwrap();
        let hwmon = sys.path().join("class/hwmon/hwmon3");
        let files = [
            ("name", "ina3221\n"),
            ("in1_label", "VDD_IN\n"),
            ("in1_input", "5000"),
            ("curr1_input", "2000"),
        ];
        write(&hwmon, &files);
        let mut energy = Energy::find(sys.path());
        assert!(matches!(energy, Energy::Power { .. }));
        assert_eq!(energy.joules(), Some(0.0));
        std::thread::sleep(Duration::from_millis(60));
        let joules = energy.joules().unwrap();
        // 10 W for 60 ms or a little more.
        assert!((0.6..6.0).contains(&joules), "{joules}");
        assert!(Energy::find(&sys.path().join("none")).joules().is_none());
    }

    #[test]
    fn what_others_use_is_what_is_left() {
        let at = |busy, idle, stolen| MachineTime { busy, idle, stolen };
        let parsed = MachineTime::parse("cpu  10 2 3 40 5 1 1 7 0 0\ncpu0 1 1\n").unwrap();
        assert_eq!(parsed, at(17, 45, 7));
        // 200 ticks in all, 100 busy of which 80 are ours, 20 stolen.
        let own = Duration::from_millis(800);
        let (others, stolen) = at(117, 125, 27).others_since(&at(17, 45, 7), own, 100.0);
        assert!((others - 0.1).abs() < 1e-9 && (stolen - 0.1).abs() < 1e-9, "{others} {stolen}");
        assert_eq!(MachineTime::parse("intr 1 2"), None);
    }

    #[test]
    fn this_process_has_memory_and_spends_time() {
        let (now, peak) = memory();
        assert!(now.unwrap() > 1 << 20 && peak.unwrap() >= now.unwrap() / 2);
        let mut meters = Meters::default();
        let before = meters.read();
        let mut x = 0u64;
        while meters.read().wall - before.wall < Duration::from_millis(20) {
            x = std::hint::black_box(x + 1);
        }
        assert!(meters.read().cpu > before.cpu);
        assert_eq!(status_bytes("VmHWM:\t  12 kB\n", "VmHWM:"), Some(12 * 1024));
    }
}
