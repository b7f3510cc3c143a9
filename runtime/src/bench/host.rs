//! What a time depends on besides the program: the machine, its clocks, its temperature, how it is set.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

/// The machine, as it does not change during a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// The processor's name.
    pub cpu: String,
    /// Processors that this process may use.
    pub cores: usize,
    /// Machine type, for instance `x86_64`.
    pub arch: String,
    /// Instruction sets that matter to networks, as the system names them.
    pub features: Vec<String>,
    /// The clocks' governor, where there is one to read.
    pub governor: Option<String>,
    /// Memory in bytes.
    pub ram: Option<u64>,
    /// The system's name and version.
    pub os: String,
    /// The kernel's version.
    pub kernel: String,
    /// The hypervisor or board, where the system says.
    pub platform: Option<String>,
    /// Power mode of a Jetson, as `nvpmodel -q` says.
    pub power_mode: Option<String>,
}

/// What changes while a run goes on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// Present clock of each processor, in MHz, where it can be read.
    pub clocks_mhz: Vec<f64>,
    /// Highest clock that the processors may have, in MHz.
    pub clock_max_mhz: Option<f64>,
    /// Hottest sensor of each kind, in degrees Celsius.
    pub temperatures: Vec<(String, f64)>,
    /// How often the processors have been slowed down because of heat, since the machine started.
    pub throttle_count: Option<u64>,
    /// Load average over a minute.
    pub load: Option<f64>,
}

/// A graphics processor, as `nvidia-smi` says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Accelerator {
    /// Its name.
    pub name: String,
    /// Compute capability.
    pub compute_capability: String,
    /// Version of the driver.
    pub driver: String,
    /// Clock of its processors, in MHz: now, and the highest.
    pub clocks_mhz: [String; 2],
    /// Degrees Celsius.
    pub temperature: String,
    /// Reasons why it is slowed down, a bit mask; 0 if it is not.
    pub throttle_reasons: String,
}

const FEATURES: [&str; 13] = [
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx_vnni",
    "amx_int8",
    "amx_bf16",
    "asimd",
    "asimddp",
    "i8mm",
    "bf16",
    "sve",
    "asimdhp",
];

fn text(path: impl AsRef<Path>) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

fn number(path: impl AsRef<Path>) -> Option<f64> {
    text(path)?.parse().ok()
}

/// What a program prints, if it is there and succeeds.
fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Host {
    /// Reads what this machine is.
    pub fn read() -> Self {
        let cpuinfo = text("/proc/cpuinfo").unwrap_or_default();
        let device_tree = text("/sys/firmware/devicetree/base/model");
        let release = text("/etc/os-release").unwrap_or_default();
        Self {
            cpu: cpu_name(&cpuinfo).or_else(|| device_tree.clone()).unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            arch: std::env::consts::ARCH.to_owned(),
            features: features(&cpuinfo),
            governor: text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            ram: memory_total(&text("/proc/meminfo").unwrap_or_default()),
            os: field(&release, "PRETTY_NAME=")
                .unwrap_or_else(|| std::env::consts::OS.to_owned())
                .trim_matches('"')
                .to_owned(),
            kernel: text("/proc/sys/kernel/osrelease").unwrap_or_default(),
            platform: device_tree
                .or_else(|| text("/sys/class/dmi/id/product_name"))
                .or_else(|| cpuinfo.contains("hypervisor").then(|| "virtual machine".to_owned())),
            power_mode: answer("nvpmodel", &["-q"])
                .and_then(|t| field(&t, "NV Power Mode:").map(|m| m.trim().to_owned())),
        }
    }
}

fn field(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|l| l.trim().strip_prefix(key)).map(str::to_owned)
}

/// `model name` on x86, `Model` or the part number on Arm.
fn cpu_name(cpuinfo: &str) -> Option<String> {
    ["model name", "Model", "Hardware", "CPU part"].into_iter().find_map(|key| {
        let line = cpuinfo.lines().find(|l| l.split(':').next().is_some_and(|k| k.trim() == key))?;
        Some(line.split_once(':')?.1.trim().to_owned()).filter(|n| !n.is_empty())
    })
}

fn features(cpuinfo: &str) -> Vec<String> {
    let line = cpuinfo.lines().find(|l| l.starts_with("flags") || l.starts_with("Features"));
    let present: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    FEATURES.into_iter().filter(|f| present.contains(f)).map(str::to_owned).collect()
}

fn memory_total(meminfo: &str) -> Option<u64> {
    let kilobytes: u64 = field(meminfo, "MemTotal:")?.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

impl Condition {
    /// Reads the state of this machine now.
    pub fn read() -> Self {
        let mut condition = Self::below(Path::new("/sys"));
        if condition.clocks_mhz.is_empty() {
            let cpuinfo = text("/proc/cpuinfo").unwrap_or_default();
            let clocks = cpuinfo.lines().filter(|l| l.starts_with("cpu MHz"));
            condition.clocks_mhz = clocks.filter_map(|l| l.split(':').nth(1)?.trim().parse().ok()).collect();
        }
        condition.load =
            text("/proc/loadavg").and_then(|t| t.split_whitespace().next().and_then(|n| n.parse().ok()));
        condition
    }

    fn below(sys: &Path) -> Self {
        let cpus = folders(&sys.join("devices/system/cpu"), "cpu");
        let khz = |file: &str| {
            let read = |cpu: &PathBuf| Some(number(cpu.join("cpufreq").join(file))? / 1000.0);
            cpus.iter().filter_map(read).collect::<Vec<_>>()
        };
        let counts = cpus.iter().filter_map(|c| number(c.join("thermal_throttle/core_throttle_count")));
        Self {
            clocks_mhz: khz("scaling_cur_freq"),
            clock_max_mhz: khz("cpuinfo_max_freq").into_iter().reduce(f64::max),
            temperatures: temperatures(sys),
            throttle_count: counts.reduce(|a, b| a + b).map(|n| n as u64),
            load: None,
        }
    }

    /// The hottest of all sensors.
    pub fn hottest(&self) -> Option<f64> {
        self.temperatures.iter().map(|(_, t)| *t).reduce(f64::max)
    }

    /// Mean of the present clocks, in MHz.
    pub fn clock_mhz(&self) -> Option<f64> {
        let n = self.clocks_mhz.len();
        (n > 0).then(|| self.clocks_mhz.iter().sum::<f64>() / n as f64)
    }
}

fn folders(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let wanted = |name: &str| {
        name.strip_prefix(prefix).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let mut found: Vec<_> =
        entries.filter(|e| wanted(&e.file_name().to_string_lossy())).map(|e| e.path()).collect();
    found.sort();
    found
}

/// The hottest zone of each type; what cannot be a temperature is left out.
fn temperatures(sys: &Path) -> Vec<(String, f64)> {
    let mut hottest: Vec<(String, f64)> = Vec::new();
    for zone in folders(&sys.join("class/thermal"), "thermal_zone") {
        let (Some(kind), Some(milli)) = (text(zone.join("type")), number(zone.join("temp"))) else {
            continue;
        };
        let degrees = milli / 1000.0;
        if !(-40.0..200.0).contains(&degrees) || degrees == 0.0 {
            continue;
        }
        match hottest.iter_mut().find(|(k, _)| *k == kind) {
            Some((_, most)) => *most = most.max(degrees),
            None => hottest.push((kind, degrees)),
        }
    }
    hottest
}

impl Accelerator {
    /// Asks `nvidia-smi` about the first device.
    pub fn read() -> Option<Self> {
        let fields = "name,compute_cap,driver_version,clocks.sm,clocks.max.sm,temperature.gpu,\
                      clocks_throttle_reasons.active";
        Self::parse(&answer(
            "nvidia-smi",
            &[&format!("--query-gpu={fields}"), "--format=csv,noheader,nounits"],
        )?)
    }

    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<String> = line.lines().next()?.split(',').map(|f| f.trim().to_owned()).collect();
        let [name, compute_capability, driver, clock, clock_max, temperature, throttle_reasons] =
            <[String; 7]>::try_from(fields).ok()?;
        let clocks_mhz = [clock, clock_max];
        Some(Self { name, compute_capability, driver, clocks_mhz, temperature, throttle_reasons })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn processors_are_named_on_both_machine_types() {
        let x86 =
            "processor\t: 0\nmodel\t\t: 17\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: fpu avx2 amx_int8\n";
        assert_eq!(cpu_name(x86).unwrap(), "Some CPU @ 2 GHz");
        assert_eq!(features(x86), ["avx2", "amx_int8"]);
        let arm = "processor\t: 0\nFeatures\t: fp asimd asimddp\nCPU part\t: 0xd42\n";
        assert_eq!(cpu_name(arm).unwrap(), "0xd42");
        assert_eq!(features(arm), ["asimd", "asimddp"]);
        assert_eq!(memory_total("MemTotal:  2048 kB\n"), Some(2 << 20));
    }

    #[test]
    fn clocks_temperatures_and_throttling_are_read_where_they_are() {
        let sys = tempfile::tempdir().unwrap();
        let write = |path: &str, content: &str| {
            let path = sys.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        for (i, clock) in [(0, "1200000"), (1, "1800000")] {
            let cpu = format!("devices/system/cpu/cpu{i}");
            write(&format!("{cpu}/cpufreq/scaling_cur_freq"), clock);
            write(&format!("{cpu}/cpufreq/cpuinfo_max_freq"), "2000000\n");
            write(&format!("{cpu}/thermal_throttle/core_throttle_count"), "3\n");
        }
        for (i, kind, temp) in
            [(0, "CPU-therm", "51000"), (1, "CPU-therm", "53500"), (2, "broken", "-256000")]
        {
            write(&format!("class/thermal/thermal_zone{i}/type"), kind);
            write(&format!("class/thermal/thermal_zone{i}/temp"), temp);
        }
        let condition = Condition::below(sys.path());
        assert_eq!((condition.clock_mhz(), condition.clock_max_mhz), (Some(1500.0), Some(2000.0)));
        assert_eq!(condition.temperatures, [("CPU-therm".to_owned(), 53.5)]);
        assert_eq!((condition.throttle_count, condition.hottest()), (Some(6), Some(53.5)));
        assert_eq!(Condition::below(&sys.path().join("none")), Condition::default());
    }

    #[test]
    fn a_graphics_processor_is_described_by_its_tool() {
        let gpu = Accelerator::parse("NVIDIA X, 9.0, 580.1, 1200, 1980, 41, 0x0000000000000000\n").unwrap();
        assert_eq!((gpu.name.as_str(), gpu.clocks_mhz[1].as_str()), ("NVIDIA X", "1980"));
        assert_eq!(Accelerator::parse("no devices"), None);
    }

    #[test]
    fn this_machine_has_a_processor() {
        let host = Host::read();
        assert!(host.cores > 0 && !host.cpu.is_empty() && !host.kernel.is_empty());
        assert!(host.ram.unwrap() > 1 << 20);
    }
}
