use super::super::executor::Series;
use super::super::report::{BenchReport, Measurement};
use super::super::results::Step;
use super::super::table::millis;
use super::scene::{Colour, Scene};

/// Width of a drawing, in pixels.
pub const WIDTH: u32 = 1000;
const MARGIN: f32 = 24.0;
const INK: Colour = [30, 34, 40];
const FAINT: Colour = [225, 228, 232];
const GREY: Colour = [120, 126, 134];
/// Network times, and times from end to end.
const KINDS: [Colour; 2] = [[38, 110, 190], [200, 96, 32]];
/// Steps, in their order.
const STEPS: [Colour; 6] =
    [[120, 126, 134], [86, 156, 80], [226, 168, 40], [38, 110, 190], [150, 90, 180], [200, 96, 32]];
/// Height of a measurement's distribution.
const ROW: f32 = 74.0;
/// Free room at the lower edge.
const BELOW: f32 = 12.0;
/// Bars of a distribution.
const BINS: usize = 120;

/// Lays a report out: a distribution for every measurement, then the steps of those that have some.
pub fn draw(report: &BenchReport, series: &[Series]) -> Scene {
    let mut scene = distributions(report, series);
    let mut top = scene.height as f32 - BELOW;
    for measurement in with_steps(report) {
        top = steps(&mut scene, top, measurement) + 12.0;
    }
    scene.height = (top + BELOW) as u32;
    scene
}

/// The measurements that have steps.
pub fn with_steps(report: &BenchReport) -> impl Iterator<Item = &Measurement> {
    report.measurements.iter().filter(|m| !m.steps.is_empty())
}

/// Lays out a distribution for every measurement of a report.
pub fn distributions(report: &BenchReport, series: &[Series]) -> Scene {
    let mut scene = Scene { width: WIDTH, height: 0, shapes: Vec::new() };
    let verdict = if report.verdict.valid { "VALID" } else { "INVALID: do not quote" };
    let title = format!("runtime bench  {}  {verdict}", report.time_utc);
    scene.text([MARGIN, 16.0], 2, INK, title);
    let engine = format!(
        "{}, {} processors, ONNX Runtime {}, {}",
        report.host.cpu,
        report.host.cores,
        report.runtime.ort_version,
        report.runtime.providers_used.join(" and ")
    );
    scene.text([MARGIN, 40.0], 1, GREY, engine);
    let mut top = 66.0;
    scene.text(
        [MARGIN, top],
        1,
        INK,
        "Distribution of single times, ms (log scale, each row its own height)",
    );
    scene.text([WIDTH as f32 - 340.0, top], 1, KINDS[0], "network");
    scene.text([WIDTH as f32 - 280.0, top], 1, KINDS[1], "end to end");
    scene.text([WIDTH as f32 - 200.0, top], 1, GREY, "lines: p50, p90, p99");
    top += 16.0;
    let shown: Vec<(&Measurement, &Series)> = report
        .measurements
        .iter()
        .filter_map(|m| Some((m, series.iter().find(|s| s.name == m.name)?)))
        .collect();
    if let Some(range) = range(&shown) {
        for (measurement, series) in &shown {
            distribution(&mut scene, top, range, measurement, series);
            top += ROW;
        }
        top = axis(&mut scene, top, range) + 18.0;
    }
    scene.height = (top + BELOW) as u32;
    scene
}

/// The shortest and longest time of all, whole powers of ten apart at least by one.
fn range(shown: &[(&Measurement, &Series)]) -> Option<(f64, f64)> {
    let least = shown.iter().map(|(m, _)| m.total.min).reduce(f64::min)?.max(1e-6);
    let most = shown.iter().map(|(m, _)| m.total.max).reduce(f64::max)?;
    let (low, high) = (least * 0.9, most * 1.1);
    Some(if high / low < 2.0 { (low * 0.7, high * 1.4) } else { (low, high) })
}

/// Where a time stands, in pixels.
fn place((low, high): (f64, f64), time: f64) -> f32 {
    let share = ((time.max(low) / low).ln() / (high / low).ln()).min(1.0);
    MARGIN + share as f32 * (WIDTH as f32 - 2.0 * MARGIN)
}

fn distribution(scene: &mut Scene, top: f32, range: (f64, f64), m: &Measurement, series: &Series) {
    let colour = KINDS[usize::from(m.scope == super::super::executor::Scope::EndToEnd)];
    let base = top + ROW - 10.0;
    let most_height = ROW - 32.0;
    let mut bins = [0usize; BINS];
    let inner = f64::from(WIDTH) - 2.0 * f64::from(MARGIN);
    for time in series.totals() {
        let share = f64::from(place(range, time) - MARGIN) / inner;
        bins[((share * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    let most = bins.iter().copied().max().unwrap_or(1).max(1) as f32;
    let width = (inner / BINS as f64) as f32;
    scene.bar([MARGIN, base, inner as f32, 1.0], FAINT);
    for (i, count) in bins.iter().enumerate().filter(|(_, n)| **n > 0) {
        // The square root shows the tail.
        let height = (*count as f32 / most).sqrt() * most_height;
        scene.bar([MARGIN + i as f32 * width, base - height, width - 0.6, height], colour);
    }
    for share in [m.total.p50, m.total.p90, m.total.p99] {
        scene.bar([place(range, share), base - most_height - 4.0, 1.0, most_height + 4.0], INK);
    }
    let text = format!(
        "{}: p50 {} p90 {} p99 {} ms, n {}, {:.0} images/s",
        m.name,
        millis(m.total.p50),
        millis(m.total.p90),
        millis(m.total.p99),
        m.total.n,
        m.images_per_second
    );
    scene.text([MARGIN, top + 4.0], 1, INK, text);
}

/// Ticks at 1, 2 and 5 times powers of ten.
fn axis(scene: &mut Scene, top: f32, range: (f64, f64)) -> f32 {
    let decades = range.0.log10().floor() as i32..=range.1.log10().ceil() as i32;
    for decade in decades {
        for step in [1.0, 2.0, 5.0] {
            let time = step * 10f64.powi(decade);
            if (range.0..=range.1).contains(&time) {
                let x = place(range, time);
                scene.bar([x, top - 6.0, 1.0, 5.0], GREY);
                scene.text([x - 6.0, top + 2.0], 1, GREY, format!("{time}"));
            }
        }
    }
    top + 12.0
}

/// A bar of the steps' medians that follow one another, then a line for each.
fn steps(scene: &mut Scene, top: f32, m: &Measurement) -> f32 {
    scene.text([MARGIN, top], 1, INK, format!("Steps of \"{}\", medians, ms", m.name));
    let sum = sum_of_parts(m);
    if sum <= 0.0 {
        return top + 16.0;
    }
    step_bar(scene, top + 16.0, m);
    let mut y = top + 50.0;
    for (i, step) in parts(m).enumerate() {
        scene.bar([MARGIN, y, 8.0, 8.0], step_colour(i));
        let t = &step.times;
        let text = format!(
            "{:<20} p50 {:>7}  p90 {:>7}  p99 {:>7}  {:>5.1} %",
            step.step,
            millis(t.p50),
            millis(t.p90),
            millis(t.p99),
            100.0 * t.p50 / sum
        );
        scene.text([MARGIN + 14.0, y], 1, INK, text);
        y += 13.0;
    }
    for step in m.steps.iter().filter(|s| is_sum(&s.step)) {
        let text =
            format!("{:<20} p50 {:>7}  p90 {:>7}", step.step, millis(step.times.p50), millis(step.times.p90));
        scene.text([MARGIN + 14.0, y], 1, GREY, text);
        y += 13.0;
    }
    y
}

/// The steps that follow one another.
fn parts(m: &Measurement) -> impl Iterator<Item = &Step> {
    m.steps.iter().filter(|s| !is_sum(&s.step))
}

/// What the medians of the steps that follow one another come to, in milliseconds.
pub fn sum_of_parts(m: &Measurement) -> f64 {
    parts(m).map(|s| s.times.p50).sum()
}

/// A bar of the steps' medians that follow one another.
pub fn step_bar(scene: &mut Scene, top: f32, m: &Measurement) {
    let sum = sum_of_parts(m);
    let inner = WIDTH as f32 - 2.0 * MARGIN;
    let mut left = MARGIN;
    for (i, step) in parts(m).enumerate() {
        let width = (step.times.p50 / sum) as f32 * inner;
        scene.bar([left, top, width, 26.0], step_colour(i));
        left += width;
    }
}

/// The colour of step `i` of those that follow one another.
pub fn step_colour(i: usize) -> Colour {
    STEPS[i % STEPS.len()]
}

/// Whether a step is made of others.
pub fn is_sum(step: &str) -> bool {
    step == super::super::workload::FRAME_TO_KEYPOINTS
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{report, series};
    use super::super::scene::Shape;
    use super::*;

    #[test]
    fn every_time_is_in_a_bar_and_every_step_has_a_share() {
        let series = series(&[("fast", &[100, 110, 400]), ("slow", &[20_000])]);
        let scene = draw(&report(&series), &series);
        let texts: Vec<&str> = scene
            .shapes
            .iter()
            .filter_map(|s| if let Shape::Text(_, _, _, text) = s { Some(text.as_str()) } else { None })
            .collect();
        assert!(texts.iter().any(|t| t.starts_with("fast: p50 0.110")), "{texts:?}");
        assert_eq!(texts.iter().filter(|t| t.contains("50.0 %")).count(), 4, "two steps each");
        let inside = |s: &Shape| match s {
            Shape::Bar([x, y, w, h], _) => {
                *x >= 0.0 && *y >= 0.0 && x + w <= WIDTH as f32 && y + h <= scene.height as f32
            }
            Shape::Text([x, y], ..) => *x >= 0.0 && *y >= 0.0 && *y < scene.height as f32,
        };
        assert!(scene.shapes.iter().all(inside));
        assert!(draw(&report(&[]), &[]).height > 0);
    }

    #[test]
    fn times_stand_where_their_logarithm_says() {
        let range = (0.1, 10.0);
        assert_eq!(place(range, 0.1), MARGIN);
        assert!((place(range, 1.0) - WIDTH as f32 / 2.0).abs() < 0.01);
        assert_eq!(place(range, 99.0), WIDTH as f32 - MARGIN);
    }
}
