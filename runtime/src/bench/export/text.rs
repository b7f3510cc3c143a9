use super::super::report::{BenchReport, Cold, Live, Measurement};
use super::super::stats::Summary;
use super::super::table::{Table, megabytes, millis};

/// Title of the table of steps.
pub const STEPS: &str = "Steps of what is measured end to end, ms";

/// What was measured on what, on a few lines.
pub fn headline(report: &BenchReport) -> Vec<String> {
    let (host, engine) = (&report.host, &report.runtime);
    let mut lines = vec![format!(
        "{} {} ({}), {}, {}",
        "runtime",
        report.tool.version,
        report.tool.git.as_deref().unwrap_or("no commit"),
        report.tool.profile,
        report.time_utc
    )];
    let ram = host.ram.map_or_else(String::new, |r| format!(", {:.1} GB", r as f64 / 1e9));
    let platform = host.platform.as_ref().map_or_else(String::new, |p| format!(", {p}"));
    lines.push(format!("{}, {} processors{ram}, kernel {}{platform}", host.cpu, host.cores, host.kernel));
    let condition = &report.conditions;
    let clock =
        |c: &super::super::host::Condition| c.clock_mhz().map_or("?".to_owned(), |m| format!("{m:.0}"));
    let heat = |c: &super::super::host::Condition| c.hottest().map_or("?".to_owned(), |t| format!("{t:.0}"));
    let mode = host.power_mode.as_ref().map_or_else(String::new, |m| format!(", power mode {m}"));
    lines.push(format!(
        "clocks {} to {} MHz, governor {}, {} to {} C{mode}, others used {}",
        clock(&condition.start),
        clock(&condition.end),
        host.governor.as_deref().unwrap_or("?"),
        heat(&condition.start),
        heat(&condition.end),
        report.contention.others.map_or("?".to_owned(), |s| format!("{:.0} % of the processors", s * 100.0))
    ));
    lines.push(format!(
        "ONNX Runtime {}, {} asked for, {} used",
        engine.ort_version,
        engine.provider_requested,
        engine.providers_used.join(" and ")
    ));
    for (network, nodes) in &engine.nodes_per_provider {
        let nodes: Vec<String> = nodes.iter().map(|(p, n)| format!("{n} on {p}")).collect();
        let hash = report.models.iter().find(|m| m.network == *network).map_or("", |m| &m.sha256);
        let short = hash.get(..12).unwrap_or(hash);
        lines.push(format!("{network} {short}: nodes {}", nodes.join(", ")));
    }
    lines.push(format!("frames: {}", report.config.source));
    lines
}

/// The tables of a report, those without rows left out.
pub fn tables(report: &BenchReport) -> Vec<Table> {
    let mut tables = vec![warm(report), steps(report), overheads(report)];
    tables.extend(report.cold.as_ref().map(cold));
    tables.extend(report.live.as_ref().map(live));
    tables.push(memory(report));
    tables.retain(|t| !t.rows.is_empty());
    tables
}

fn percentiles(t: &Summary) -> [String; 8] {
    [t.p50, t.p90, t.p95, t.p99, t.p999, t.min, t.max, t.sd].map(millis)
}

fn warm(report: &BenchReport) -> Table {
    let title = "Warm, ms for one run (p90 is the headline)";
    let heads = [
        "what", "scope", "provider", "batch", "threads", "n", "p50", "p90", "p95", "p99", "p99.9", "min",
        "max", "sd", "images/s", "CPU",
    ];
    let mut table = Table::new(title, 3, &heads);
    let energy = report.measurements.iter().any(|m| m.joules_per_image.is_some());
    if energy {
        table.heads.push("mJ/image");
    }
    for m in &report.measurements {
        let mut row = vec![m.name.clone(), m.scope.name().to_owned(), provider(m)];
        row.extend([m.batch, m.setting.threads, m.total.n].map(|n| n.to_string()));
        row.extend(percentiles(&m.total));
        row.push(rate(m.images_per_second));
        row.push(format!("{:.2}", m.cpu_share));
        if energy {
            row.push(m.joules_per_image.map_or("-".to_owned(), |j| format!("{:.2}", j * 1e3)));
        }
        table.rows.push(row);
    }
    table
}

fn provider(m: &Measurement) -> String {
    match m.setting.precision.as_str() {
        "stored" | "" => m.setting.provider.clone(),
        precision => format!("{} {precision}", m.setting.provider),
    }
}

fn rate(images: f64) -> String {
    if images >= 100.0 { format!("{images:.0}") } else { format!("{images:.1}") }
}

fn steps(report: &BenchReport) -> Table {
    let heads = ["step", "of", "n", "p50", "p90", "p95", "p99", "p99.9", "min", "max", "sd"];
    let mut table = Table::new(STEPS, 2, &heads);
    for m in &report.measurements {
        for s in &m.steps {
            let mut row = vec![s.step.clone(), m.name.clone(), s.times.n.to_string()];
            row.extend(percentiles(&s.times));
            table.rows.push(row);
        }
    }
    table
}

fn overheads(report: &BenchReport) -> Table {
    let heads = ["what", "over", "ratio", "95 % from", "to", "rounds"];
    let mut table = Table::new("Over ONNX Runtime's bare run, same rounds", 2, &heads);
    for o in &report.overheads {
        let mut row = vec![o.of.clone(), o.over.clone()];
        row.extend([o.ratio.ratio, o.ratio.low, o.ratio.high].map(|r| format!("{r:.3}")));
        row.push(o.n.to_string());
        table.rows.push(row);
    }
    table
}

fn cold(cold: &Cold) -> Table {
    let title = format!("Cold, {} fresh processes, files in the file cache, ms", cold.processes);
    let mut table = Table::new(title, 1, &["what", "median", "min", "max"]);
    for (what, t) in [
        ("load ONNX Runtime", &cold.library),
        ("read, check, make the session (network)", &cold.session_create),
        ("first frame to keypoints", &cold.first_infer),
        ("process start to first keypoints (end to end)", &cold.start_to_first_keypoints),
    ] {
        table.rows.push(vec![what.to_owned(), millis(t.p50), millis(t.min), millis(t.max)]);
    }
    table
}

fn live(live: &Live) -> Table {
    let frames = live.frames;
    let title = format!(
        "Live at {} frames/s, {}: {} captured, {} processed ({:.1} a second), {} dropped, ms",
        live.source_fps, live.screen, frames.captured, frames.processed, live.fps, frames.dropped
    );
    let mut table = Table::new(title, 1, &["step", "n", "p50", "p90", "p99", "max"]);
    for row in live.steps.iter().chain([&live.capture_to_display]) {
        let mut cells = vec![row.step.clone(), row.n.to_string()];
        cells.extend([row.p50, row.p90, row.p99, row.max].map(millis));
        table.rows.push(cells);
    }
    table
}

fn memory(report: &BenchReport) -> Table {
    let mut table = Table::new("Memory resident, MB", 1, &["process", "start", "loaded", "end", "peak"]);
    let m = report.memory;
    let row = [m.rss_start, m.rss_loaded, m.rss_end, m.rss_peak].map(megabytes);
    if m.rss_peak.is_some() {
        table.rows.push([vec!["this one, all sessions at once".to_owned()], row.to_vec()].concat());
    }
    if let Some(cold) = &report.cold {
        let dash = || "-".to_owned();
        let row = |what: &str, bytes| vec![what.to_owned(), dash(), dash(), dash(), megabytes(bytes)];
        table.rows.push(row("only detecting, to its first keypoints", cold.peak_rss));
        table.rows.push(row("only detecting, 100 frames later", cold.peak_rss_warm));
    }
    table
}

/// The verdict and the warnings, a line each.
fn closing(report: &BenchReport) -> Vec<String> {
    let mut lines: Vec<String> = report.warnings.iter().map(|w| format!("warning: {w}")).collect();
    if report.verdict.valid {
        lines.push("verdict: VALID".to_owned());
    } else {
        lines.push("verdict: INVALID, do not quote these numbers".to_owned());
        lines.extend(report.verdict.reasons.iter().map(|r| format!("  because {r}")));
    }
    lines
}

/// Everything for a screen.
pub fn screen(report: &BenchReport) -> String {
    let mut text = headline(report).join("\n") + "\n\n";
    for table in tables(report) {
        text += &table.to_text();
        text.push('\n');
    }
    text + &closing(report).join("\n") + "\n"
}

/// Everything for a document.
pub fn markdown(report: &BenchReport) -> String {
    let mut text = headline(report).iter().map(|l| format!("- {l}\n")).collect::<String>() + "\n";
    for table in tables(report) {
        text += &table.to_markdown();
        text.push('\n');
    }
    text + &closing(report).iter().map(|l| format!("{}\n\n", l.trim())).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{report, series};
    use super::super::super::verdict::judge;
    use super::*;

    #[test]
    fn a_screen_says_what_how_and_whether_to_believe_it() {
        let mut report = report(&series(&[("frame", &[1000, 1100]), ("frame, bare", &[900])]));
        judge(&mut report);
        let text = screen(&report);
        for part in ["Some CPU, 2 processors", "cpu asked for, cpu used", "end to end", "first half", "VALID"]
        {
            assert!(text.contains(part), "{part} not in\n{text}");
        }
        report.config.interrupted = true;
        judge(&mut report);
        let text = screen(&report);
        assert!(text.contains("INVALID") && text.contains("because it was stopped"), "{text}");
    }
}
