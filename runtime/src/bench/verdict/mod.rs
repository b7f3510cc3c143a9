//! Whether the numbers of a report count. A reason makes them invalid; a warning is something to know. Each text says
//! what to do.

mod texts;

use super::report::{BenchReport, Measurement, Verdict};

pub use self::texts::{Reason, Warning};

/// Least runs of anything.
pub const LEAST_SAMPLES: usize = 100;
/// Least seconds of anything.
pub const LEAST_SECONDS: f64 = 3.0;
/// Most that the rounds' medians may scatter (standard deviation over mean).
pub const MOST_SCATTER: f64 = 0.025;
/// Most of the machine's processor time that other processes may have.
pub const MOST_OTHERS: f64 = 0.1;
/// Most of it that other virtual machines may take.
const MOST_STOLEN: f64 = 0.02;
/// A clock that falls below this share of what it was has been slowed down.
const SLOWED: f64 = 0.9;
/// A 99th percentile this many times the median is worth a word.
const LONG_TAIL: f64 = 3.0;
/// Difference between the first and the last rounds that is worth a word.
const DRIFT: f64 = 0.05;
/// Share of frames with a face below which the pipeline mostly searches.
const FEW_FACES: f64 = 0.9;

/// The measurements of which `value` says something.
fn those<T>(report: &BenchReport, value: impl Fn(&Measurement) -> Option<T>) -> Option<Vec<(String, T)>> {
    let of: Vec<_> = report.measurements.iter().filter_map(|m| Some((m.name.clone(), value(m)?))).collect();
    (!of.is_empty()).then_some(of)
}

/// Judges a report; writes warnings and verdict into it.
pub fn judge(report: &mut BenchReport) {
    let reasons = reasons(report);
    report.warnings = warnings(report).iter().map(Warning::to_string).collect();
    report.verdict =
        Verdict { valid: reasons.is_empty(), reasons: reasons.iter().map(Reason::to_string).collect() };
}

/// Every reason why the numbers do not count.
pub fn reasons(report: &BenchReport) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if report.config.interrupted {
        reasons.push(Reason::Interrupted);
    }
    if report.tool.profile == "debug" {
        reasons.push(Reason::DebugBuild);
    }
    if report.tool.settings.contains("CARGO_PROFILE_RELEASE_") {
        reasons.push(Reason::OtherProfile(report.tool.settings.clone()));
    }
    if report.measurements.is_empty() {
        reasons.push(Reason::Nothing);
    }
    reasons
        .extend(those(report, |m| (m.total.n < LEAST_SAMPLES).then_some(m.total.n)).map(Reason::FewSamples));
    // Cutting the time into rounds may lose a nanosecond of it.
    let short = |m: &Measurement| (m.seconds < LEAST_SECONDS * 0.999).then_some(m.seconds);
    reasons.extend(those(report, short).map(Reason::Short));
    let unsteady = |m: &Measurement| (m.round_cv > MOST_SCATTER).then_some(m.round_cv);
    reasons.extend(those(report, unsteady).map(Reason::Unsteady));
    reasons.extend(provider(report));
    reasons.extend(throttled(report));
    if let Some(share) = report.contention.others.filter(|s| *s > MOST_OTHERS) {
        reasons.push(Reason::Busy(share));
    }
    if let Some(share) = report.contention.stolen.filter(|s| *s > MOST_STOLEN) {
        reasons.push(Reason::Stolen(share));
    }
    reasons
}

/// ONNX Runtime's name for a provider.
fn ort_name(provider: &str) -> &'static str {
    match provider {
        "cuda" => "CUDAExecutionProvider",
        "tensorrt" => "TensorrtExecutionProvider",
        _ => "CPUExecutionProvider",
    }
}

fn provider(report: &BenchReport) -> Vec<Reason> {
    let engine = &report.runtime;
    // A scan names its providers in each row.
    let asked = engine.provider_requested.as_str();
    if asked == "auto" || asked.contains(',') {
        return Vec::new();
    }
    let mut reasons: Vec<Reason> = engine
        .providers_used
        .iter()
        .filter(|used| *used != asked)
        .map(|used| Reason::WrongProvider(asked.to_owned(), used.clone()))
        .collect();
    for (network, elsewhere, all) in elsewhere(report) {
        if 2 * elsewhere > all {
            reasons.push(Reason::FellBack(network, elsewhere, all));
        }
    }
    reasons
}

/// Networks with nodes that ran on another provider than the one in use: name, those nodes, all nodes.
fn elsewhere(report: &BenchReport) -> Vec<(String, usize, usize)> {
    let Some(used) = report.runtime.providers_used.first() else { return Vec::new() };
    let count = |(network, nodes): (&String, &std::collections::BTreeMap<String, usize>)| {
        let all: usize = nodes.values().sum();
        let there = nodes.get(ort_name(used)).copied().unwrap_or(0);
        (all > there).then(|| (network.clone(), all - there, all))
    };
    report.runtime.nodes_per_provider.iter().filter_map(count).collect()
}

fn throttled(report: &BenchReport) -> Vec<Reason> {
    let (start, end) = (&report.conditions.start, &report.conditions.end);
    let mut reasons = Vec::new();
    if let (Some(before), Some(after)) = (start.throttle_count, end.throttle_count)
        && after > before
    {
        reasons.push(Reason::Throttled(format!("{} thermal events", after - before)));
    }
    if let (Some(before), Some(after)) = (start.clock_mhz(), end.clock_mhz())
        && after < SLOWED * before
    {
        reasons.push(Reason::Throttled(format!("clocks fell from {before:.0} to {after:.0} MHz")));
    }
    if let Some(accelerator) = &report.accelerator {
        // Bit 0 says that it idles, which it does after the run.
        let mask = accelerator.end.throttle_reasons.trim_start_matches("0x");
        if u64::from_str_radix(mask, 16).is_ok_and(|m| m & !1 != 0) {
            let mask = &accelerator.end.throttle_reasons;
            reasons.push(Reason::Throttled(format!("graphics processor, reasons {mask}")));
        }
    }
    reasons
}

/// Everything worth knowing.
pub fn warnings(report: &BenchReport) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let tail = |m: &Measurement| Some(m.total.p99 / m.total.p50).filter(|t| *t > LONG_TAIL);
    warnings.extend(those(report, tail).map(Warning::LongTail));
    let drifted = |m: &Measurement| drift(m).filter(|r| (r - 1.0).abs() > DRIFT);
    warnings.extend(those(report, drifted).map(Warning::Drift));
    for m in report.measurements.iter().filter(|m| m.found < FEW_FACES) {
        warnings.push(Warning::FewFaces(m.name.clone(), m.found));
    }
    if let Some(governor) = report.host.governor.as_ref().filter(|g| *g != "performance") {
        warnings.push(Warning::Governor(governor.clone()));
    }
    warnings.extend(report.runtime.refused.iter().cloned().map(Warning::Refused));
    for (network, nodes, all) in elsewhere(report) {
        if 2 * nodes <= all {
            warnings.push(Warning::SomeElsewhere(network, nodes));
        }
    }
    if let Some(live) = report.live.as_ref().filter(|l| l.frames.dropped > 0) {
        warnings.push(Warning::Dropped(live.frames.dropped, live.frames.captured));
    }
    let condition = &report.conditions.start;
    if condition.clock_max_mhz.is_none() && condition.throttle_count.is_none() {
        warnings.push(Warning::Blind);
    }
    warnings
}

/// Median of the last third of the rounds over that of the first third.
fn drift(m: &Measurement) -> Option<f64> {
    let third = m.round_p50.len() / 3;
    let median = super::stats::median;
    (third > 0)
        .then(|| Some(median(&m.round_p50[m.round_p50.len() - third..])? / median(&m.round_p50[..third])?))?
}

#[cfg(test)]
mod tests {
    use super::super::host::{Accelerator, Condition};
    use super::super::report::{Ends, Frames, Live, LiveRow};
    use super::super::testing::{report, series};
    use super::*;

    fn sound() -> BenchReport {
        report(&series(&[("a", &[1000, 1010, 990])]))
    }

    #[test]
    fn a_sound_report_is_valid() {
        let mut report = sound();
        judge(&mut report);
        assert_eq!(report.verdict, Verdict { valid: true, reasons: vec![] });
        assert!(report.warnings.iter().all(|w| w.contains("virtual machine")), "{:?}", report.warnings);
    }

    #[test]
    fn every_reason_is_found_and_says_what_to_do() {
        type Spoil = fn(&mut BenchReport);
        let condition = |mhz| Condition { clocks_mhz: vec![mhz; 2], ..Condition::default() };
        let cases: [(Spoil, &str); 11] = [
            (|r| r.tool.settings = "CARGO_PROFILE_RELEASE_LTO=off".to_owned(), "LTO=off"),
            (|r| r.config.interrupted = true, "let it finish"),
            (|r| r.tool.profile = "debug".to_owned(), "--release"),
            (|r| r.measurements[0].total.n = 99, "raise --samples"),
            (|r| r.measurements[0].seconds = 2.9, "raise --seconds"),
            (|r| r.measurements[0].round_cv = 0.026, "scatter by more than 2.5 %: a (2.6 %)"),
            (|r| r.runtime.provider_requested = "cuda".to_owned(), "cuda was asked for and cpu was used"),
            (|r| r.contention.others = Some(0.4), "40 %"),
            (|r| r.contention.stolen = Some(0.1), "virtual machines"),
            (|r| r.measurements.clear(), "nothing"),
            (|r| r.conditions.end.throttle_count = Some(7), "4 thermal events"),
        ];
        for (spoil, part) in cases {
            let mut report = sound();
            report.conditions.start.throttle_count = Some(3);
            report.conditions.end.throttle_count = Some(3);
            spoil(&mut report);
            judge(&mut report);
            assert!(!report.verdict.valid);
            assert_eq!(report.verdict.reasons.len(), 1, "{:?}", report.verdict.reasons);
            assert!(report.verdict.reasons[0].contains(part), "{:?} {part}", report.verdict.reasons);
        }
        let mut report = sound();
        report.conditions = Ends { start: condition(2000.0), end: condition(1500.0) };
        assert!(matches!(reasons(&report)[..], [Reason::Throttled(_)]));
        let mut report = sound();
        let gpu = Accelerator { throttle_reasons: "0x0000000000000024".to_owned(), ..Accelerator::default() };
        report.accelerator = Some(Ends { start: Accelerator::default(), end: gpu });
        assert!(matches!(reasons(&report)[..], [Reason::Throttled(_)]));
    }

    #[test]
    fn nodes_elsewhere_are_a_warning_and_most_of_them_a_reason() {
        let mut report = sound();
        report.runtime.provider_requested = "cuda".to_owned();
        report.runtime.providers_used = vec!["cuda".to_owned()];
        let nodes = |cuda, cpu| {
            let both = [("CUDAExecutionProvider", cuda), ("CPUExecutionProvider", cpu)];
            let nodes = both.into_iter().map(|(p, n)| (p.to_owned(), n)).collect();
            [("detector".to_owned(), nodes)].into()
        };
        report.runtime.nodes_per_provider = nodes(30, 2);
        assert!(reasons(&report).is_empty());
        assert!(warnings(&report).contains(&Warning::SomeElsewhere("detector".to_owned(), 2)));
        report.runtime.nodes_per_provider = nodes(2, 30);
        assert_eq!(reasons(&report), [Reason::FellBack("detector".to_owned(), 30, 32)]);
    }

    #[test]
    fn warnings_name_tails_drift_missing_faces_and_dropped_frames() {
        let mut report = sound();
        let m = &mut report.measurements[0];
        m.total.p99 = 4.0 * m.total.p50;
        m.round_p50 = vec![1.0, 1.0, 1.0, 1.05, 1.05, 1.05, 1.1, 1.1, 1.1];
        m.found = 0.5;
        report.host.governor = Some("powersave".to_owned());
        report.runtime.refused = vec!["cuda: no library".to_owned()];
        let frames = Frames { captured: 90, processed: 80, dropped: 10, found: 80 };
        report.live = Some(Live {
            source_fps: 30.0,
            screen: String::new(),
            frames,
            fps: 27.0,
            capture_to_display: LiveRow::default(),
            steps: vec![],
        });
        judge(&mut report);
        let text = report.warnings.join("\n");
        for part in ["a (4.0)", "a (10 % slower)", "50 %", "powersave", "no library", "dropped 10 of 90"] {
            assert!(text.contains(part), "{part} not in {text}");
        }
        assert!(report.verdict.valid, "{:?}", report.verdict);
    }
}
