//! Runs the bundle's detector on tract: a line of JSON with the times of a pass for every line on standard input.
//! Usage: tract-rival BUNDLE PASS, where PASS is how many runs make a pass.

use std::io::{BufRead, Write};
use std::time::Instant;

use tract_onnx::prelude::*;

fn peak_rss() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(bundle), Some(runs)) = (arguments.next(), arguments.next()) else {
        return Err("usage: tract-rival BUNDLE PASS".into());
    };
    let runs: usize = runs.parse()?;
    let manifest: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(format!("{bundle}/manifest.json"))?)?;
    let size = manifest["dims"]["detector_size"].as_u64().ok_or("no detector_size in the manifest")? as usize;
    let model = tract_onnx::onnx()
        .model_for_path(format!("{bundle}/detector.onnx"))?
        .with_input_fact(0, f32::fact([1, 3, size, size]).into())?
        .into_optimized()?
        .into_runnable()?;
    let values = (0..3 * size * size).map(|i| (i % 511) as f32 / 255.0 - 1.0).collect();
    let image: Tensor = tract_ndarray::Array4::from_shape_vec((1, 3, size, size), values)?.into();
    let mut output = std::io::stdout().lock();
    let mut pass = |runs: usize| -> Result<(), Box<dyn std::error::Error>> {
        let mut times = Vec::with_capacity(runs);
        for _ in 0..runs {
            let start = Instant::now();
            std::hint::black_box(model.run(tvec!(image.clone().into()))?);
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        writeln!(output, "{}", serde_json::json!({"network": times, "found": runs, "peak_rss": peak_rss()}))?;
        Ok(output.flush()?)
    };
    pass(1)?;
    for line in std::io::stdin().lock().lines() {
        line?;
        pass(runs)?;
    }
    Ok(())
}
