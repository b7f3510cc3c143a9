//! What a record says about where and when something was computed.

use tch::Device;

/// Revision that this program was built from.
pub const REVISION: &str = env!("TRAINER_REVISION");

/// Processor and cores, in a few words.
pub fn describe() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|l| l.strip_prefix("model name")?.split(':').nth(1));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{} cores of {}", cores, model.map_or("an unknown processor", str::trim))
}

/// The same, with the GPU where `device` is one.
pub fn describe_on(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("{}, {}", describe(), gpu(index)),
        _ => describe(),
    }
}

/// A GPU's model, as NVIDIA's driver lists it.
fn gpu(index: usize) -> String {
    let folders = std::fs::read_dir("/proc/driver/nvidia/gpus").into_iter().flatten().flatten();
    let mut listed: Vec<_> = folders.map(|folder| folder.path().join("information")).collect();
    listed.sort();
    let information = listed.get(index).and_then(|path| std::fs::read_to_string(path).ok());
    let model = information.as_deref().and_then(model_of).map(str::to_owned);
    model.unwrap_or_else(|| format!("an NVIDIA GPU (cuda:{index})"))
}

fn model_of(information: &str) -> Option<&str> {
    information.lines().find_map(|line| Some(line.strip_prefix("Model:")?.trim()))
}

/// UTC to the second, as RFC 3339 writes it.
pub fn now() -> String {
    let now = time::OffsetDateTime::now_utc();
    format!("{}T{:02}:{:02}:{:02}Z", now.date(), now.hour(), now.minute(), now.second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_named_where_one_computes() {
        assert_eq!(describe_on(Device::Cpu), describe());
        assert!(describe_on(Device::Cuda(0)).starts_with(&format!("{}, ", describe())));
        assert_eq!(model_of("Model: \t\t NVIDIA H200\nIRQ:   \t\t 24\n"), Some("NVIDIA H200"));
    }
}
