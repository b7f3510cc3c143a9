//! What a record says about where and when something was computed.

/// Revision that this program was built from.
pub const REVISION: &str = env!("TRAINER_REVISION");

/// Processor and cores, in a few words.
pub fn describe() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|l| l.strip_prefix("model name")?.split(':').nth(1));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{} cores of {}", cores, model.map_or("an unknown processor", str::trim))
}

/// UTC to the second, as RFC 3339 writes it.
pub fn now() -> String {
    let now = time::OffsetDateTime::now_utc();
    format!("{}T{:02}:{:02}:{:02}Z", now.date(), now.hour(), now.minute(), now.second())
}
