//! What was measured, summed up: cold times, warm ones, what our part adds, the live loop. All of it is part of a
//! [`super::report::BenchReport`]; times are in milliseconds unless the name says otherwise.

use serde::{Deserialize, Serialize};

use super::executor::{Lap, Scope, Series, Setting, ms};
use super::stats::{self, Ratio, Summary};

/// Times of fresh processes, their files in the system's file cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cold {
    /// How many processes were started.
    pub processes: usize,
    /// Loading ONNX Runtime's library.
    pub library: Summary,
    /// Reading and checking the detector and making a session of it; with TensorRT this builds the engine.
    pub session_create: Summary,
    /// The first frame: decode, search for the face, keypoints.
    pub first_infer: Summary,
    /// From starting the process to its first keypoints, by the clock of the process that started it.
    pub start_to_first_keypoints: Summary,
    /// Most memory that such a process had up to its first keypoints, median, in bytes.
    pub peak_rss: Option<u64>,
    /// The same after a hundred more frames.
    pub peak_rss_warm: Option<u64>,
    /// Time to build an engine apart from making the session; none where a provider builds none of its own.
    pub engine_build_ms: Option<f64>,
    /// Whether a stored engine was found; none where engines are not stored.
    pub engine_cache_hit: Option<bool>,
}

/// Warm times of one thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Its name, unique in the report.
    pub name: String,
    /// `network` or `end to end`.
    pub scope: Scope,
    /// Images in a run.
    pub batch: usize,
    /// How it was computed.
    #[serde(flatten)]
    pub setting: Setting,
    /// The first run, before warm-up.
    pub first_ms: f64,
    /// Times of whole runs.
    pub total: Summary,
    /// Images a second: images of all runs over their time.
    pub images_per_second: f64,
    /// Seconds measured.
    pub seconds: f64,
    /// Median of each round.
    pub round_p50: Vec<f64>,
    /// Standard deviation of the rounds' medians over their mean.
    pub round_cv: f64,
    /// Its steps.
    #[serde(rename = "stages")]
    pub steps: Vec<Step>,
    /// Share of the runs that found something, 0 to 1.
    pub found: f64,
    /// Processors kept busy: processor time over wall time.
    pub cpu_share: f64,
    /// Energy of the board for one image, in joules, idle power included; none where the board does not tell.
    pub joules_per_image: Option<f64>,
}

/// A step of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its name.
    #[serde(rename = "stage")]
    pub step: String,
    /// Its times.
    #[serde(flatten)]
    pub times: Summary,
}

impl Measurement {
    /// Sums a series up; none of an empty one.
    pub fn of(series: &Series) -> Option<Self> {
        let total = Summary::of(&series.totals())?;
        let rounds = series.samples.last()?.round + 1;
        let round_p50: Vec<f64> = (0..rounds).filter_map(|r| round_median(series, r, None)).collect();
        let images = (total.n * series.batch) as f64;
        let seconds = series.measured().as_secs_f64();
        let step = |(i, name): (usize, &&str)| {
            let times: Vec<f64> = series.samples.iter().map(|s| ms(s.lap.steps[i])).collect();
            Some(Step { step: (*name).to_owned(), times: Summary::of(&times)? })
        };
        let found = series.samples.iter().filter(|s| s.lap.found).count() as f64 / total.n as f64;
        let wall = series.used.wall.as_secs_f64();
        Some(Self {
            name: series.name.clone(),
            scope: series.scope,
            batch: series.batch,
            setting: series.setting.clone(),
            first_ms: ms(series.first),
            images_per_second: if seconds > 0.0 { images / seconds } else { 0.0 },
            seconds,
            round_cv: stats::variation(&round_p50),
            round_p50,
            steps: series.steps.iter().enumerate().filter_map(step).collect(),
            found,
            cpu_share: if wall > 0.0 { series.used.cpu.as_secs_f64() / wall } else { 0.0 },
            joules_per_image: series.used.joules.map(|j| j / images),
            total,
        })
    }
}

/// Median of a round's runs, or of one of their steps.
pub fn round_median(series: &Series, round: usize, step: Option<usize>) -> Option<f64> {
    let time = |lap: &Lap| step.map_or(lap.total, |i| lap.steps[i]);
    let times: Vec<f64> =
        series.samples.iter().filter(|s| s.round == round).map(|s| ms(time(&s.lap))).collect();
    stats::median(&times)
}

/// What our part adds to ONNX Runtime's own run on the same network, same session options, same rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overhead {
    /// What takes longer.
    pub of: String,
    /// What it is compared with.
    pub over: String,
    /// Median of the ratios of the rounds' medians, with its 95 % interval.
    #[serde(flatten)]
    pub ratio: Ratio,
    /// Rounds.
    pub n: usize,
}

impl Overhead {
    /// Compares `of` (or its step of that number) with `over`, round by round.
    pub fn between(of: &Series, step: Option<usize>, over: &Series) -> Option<Self> {
        let rounds = of.samples.last()?.round + 1;
        let pairs: Vec<(f64, f64)> = (0..rounds)
            .filter_map(|r| Some((round_median(of, r, step)?, round_median(over, r, None)?)))
            .collect();
        let name = step.map_or_else(|| of.name.clone(), |i| of.steps[i].to_owned());
        let ratio = stats::paired_ratio(&pairs)?;
        Some(Self { of: name, over: over.name.clone(), ratio, n: pairs.len() })
    }
}

/// The live loop on frames that come in their own time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// Frames a second of the source.
    pub source_fps: f64,
    /// What shows the frames.
    pub screen: String,
    /// Frames.
    pub frames: Frames,
    /// Frames a second that were processed.
    pub fps: f64,
    /// From a frame's capture until it was shown.
    pub capture_to_display: LiveRow,
    /// Each step.
    #[serde(rename = "stages")]
    pub steps: Vec<LiveRow>,
}

/// Counts of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    /// Frames that the source took.
    pub captured: u64,
    /// Frames that were processed and shown.
    pub processed: u64,
    /// Frames that a newer one replaced before they were processed.
    pub dropped: u64,
    /// Frames with something found in them.
    pub found: u64,
}

/// Percentiles of a step of the live loop, right to 1 %.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LiveRow {
    /// Its name.
    #[serde(rename = "stage")]
    pub step: String,
    /// How many frames went through.
    pub n: u64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Longest.
    pub max: f64,
}

#[cfg(test)]
mod tests {
    use super::super::testing::series;
    use super::*;

    #[test]
    fn a_series_is_summed_up() {
        let m = Measurement::of(&series(&[("a", &[1000, 3000])])[0]).unwrap();
        assert_eq!((m.total.min, m.total.max, m.total.mean), (1.0, 3.0, 2.0));
        assert!((m.images_per_second - 500.0).abs() < 1e-6 && m.seconds >= 4.0);
        assert_eq!((m.round_p50.len(), m.found), (8, 1.0));
        assert_eq!(
            m.steps.iter().map(|s| s.step.as_str()).collect::<Vec<_>>(),
            ["first half", "second half"]
        );
        assert_eq!(m.steps[0].times.mean, 1.0);
        // The mock's meter says that half the wall time was processor time.
        assert!((m.cpu_share - 0.5).abs() < 1e-9 && m.joules_per_image.is_some());
    }

    #[test]
    fn an_overhead_is_a_ratio_of_rounds() {
        let all = series(&[("ours", &[1050, 1100, 1070]), ("bare", &[1000])]);
        let overhead = Overhead::between(&all[0], None, &all[1]).unwrap();
        assert_eq!((overhead.ratio.ratio, overhead.n), (1.07, 8));
        assert!(overhead.ratio.differs());
        let half = Overhead::between(&all[0], Some(1), &all[1]).unwrap();
        assert_eq!((half.of.as_str(), half.ratio.ratio), ("second half", 0.535));
    }
}
