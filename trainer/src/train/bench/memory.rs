//! How much memory this process takes.

use tch::Device;

/// Peak of a span of time, in bytes, and what was taken at its start.
#[derive(Clone, Copy, Debug)]
pub struct Gauge {
    device: Device,
    start: u64,
}

impl Gauge {
    /// Starts a span. On the processor the kernel's high-water mark is set back to what is taken now.
    pub fn start(device: Device) -> Self {
        if device == Device::Cpu {
            // Where this is refused, peaks count from the start of the process.
            let _ = std::fs::write("/proc/self/clear_refs", "5");
        }
        Self { device, start: taken(device) }
    }

    /// Taken at the start.
    pub fn start_bytes(&self) -> u64 {
        self.start
    }

    /// Most taken since: resident memory of the process, or on a GPU all that libtorch holds there, which it does not
    /// give back until it ends.
    pub fn peak_bytes(&self) -> u64 {
        match self.device {
            Device::Cpu => status("VmHWM:"),
            device => taken(device),
        }
    }
}

fn taken(device: Device) -> u64 {
    match device {
        Device::Cuda(_) => gpu_taken(),
        _ => status("VmRSS:"),
    }
}

/// A line of `/proc/self/status`, in bytes; 0 where there is none.
fn status(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(key)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().map_or(0, |kib| kib * 1024)
}

/// All that is taken on the GPU in use, by this process and others; 0 if CUDA does not tell. tch does not offer it.
#[allow(unsafe_code)]
fn gpu_taken() -> u64 {
    use libloading::os::unix::{Library, Symbol};
    type MemGetInfo = unsafe extern "C" fn(*mut usize, *mut usize) -> i32;
    let (mut free, mut total) = (0usize, 0usize);
    // SAFETY: libtorch's CUDA half has loaded the CUDA runtime, whose function has this signature and writes to the
    // two numbers alone.
    let done = unsafe {
        let symbol: Result<Symbol<MemGetInfo>, _> = Library::this().get(b"cudaMemGetInfo");
        symbol.is_ok_and(|get| get(&raw mut free, &raw mut total) == 0)
    };
    if done { total.saturating_sub(free) as u64 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_cuda_no_gpu_memory_is_taken() {
        assert_eq!(gpu_taken(), 0);
    }
}
