//! An image generator in two files: `style`, which depends on the appearance alone, is run once a face, `render` every
//! frame.

use lkg_bundle::{Bundle, BundleDims, Network};
use ndarray::{ArrayD, ArrayViewD};

use super::EngineOptions;
use super::provider::Attempt;
use super::runner::{NetworkRunner, OrtRunner};
use crate::error::Result;

/// Has the inputs and outputs of the whole generator.
pub(super) struct SplitGenerator {
    style: Box<dyn NetworkRunner>,
    render: Box<dyn NetworkRunner>,
    /// Names of the inputs that go to `style`.
    style_inputs: Vec<&'static str>,
    last: Option<Styled>,
}

/// The latest inputs of `style`, and its output.
struct Styled {
    appearance: Vec<(String, ArrayD<f32>)>,
    tables: ArrayD<f32>,
}

/// Opens one of the bundle's [`Bundle::functions`], in however many files it lies.
///
/// # Errors
/// Those of [`OrtRunner::load`].
pub(super) fn load(
    bundle: &Bundle,
    function: Network,
    options: &EngineOptions,
) -> Result<(Box<dyn NetworkRunner>, Vec<Attempt>)> {
    if function == Network::ImageGenerator && bundle.draws_in_two() {
        let style = OrtRunner::load(bundle, Network::Style, options)?;
        let render = OrtRunner::load(bundle, Network::Render, options)?;
        let attempts = render.attempts().to_vec();
        return Ok((
            Box::new(SplitGenerator::new(Box::new(style), Box::new(render), &bundle.manifest().dims)),
            attempts,
        ));
    }
    let runner = OrtRunner::load(bundle, function, options)?;
    let attempts = runner.attempts().to_vec();
    Ok((Box::new(runner), attempts))
}

impl SplitGenerator {
    fn new(style: Box<dyn NetworkRunner>, render: Box<dyn NetworkRunner>, dims: &BundleDims) -> Self {
        let style_inputs = Network::Style.inputs(dims).into_iter().map(|spec| spec.name).collect();
        Self { style, render, style_inputs, last: None }
    }
}

impl NetworkRunner for SplitGenerator {
    fn run_into(
        &mut self,
        inputs: &[(&str, ArrayViewD<'_, f32>)],
        outputs: &[&str],
        results: &mut Vec<ArrayD<f32>>,
    ) -> Result<()> {
        let (appearance, pose): (Vec<_>, Vec<_>) =
            inputs.iter().cloned().partition(|(name, _)| self.style_inputs.contains(name));
        let same = |styled: &Styled| {
            styled.appearance.len() == appearance.len()
                && styled.appearance.iter().zip(&appearance).all(|((a, x), (b, y))| a == b && x == y)
        };
        let styled = match self.last.take().filter(same) {
            Some(styled) => styled,
            None => Styled {
                tables: self.style.run(&appearance, &["tables"])?.swap_remove(0),
                appearance: appearance
                    .iter()
                    .map(|(name, view)| ((*name).to_owned(), view.to_owned()))
                    .collect(),
            },
        };
        let styled = self.last.insert(styled);
        let mut rest = pose;
        rest.push(("tables", styled.tables.view()));
        self.render.run_into(&rest, outputs, results)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use lkg_bundle::testing::{DIMS, write_tiny_bundle, write_tiny_bundle_in_two};
    use ndarray::{Array2, Array3};

    use super::*;
    use crate::engine::{ImageGenerator, Latents};

    /// Sums its inputs up, and counts.
    struct Sum(Arc<AtomicUsize>);

    impl NetworkRunner for Sum {
        fn run_into(
            &mut self,
            inputs: &[(&str, ArrayViewD<'_, f32>)],
            _: &[&str],
            results: &mut Vec<ArrayD<f32>>,
        ) -> Result<()> {
            self.0.fetch_add(1, Ordering::Relaxed);
            *results = vec![ArrayD::from_elem(vec![1], inputs.iter().map(|(_, view)| view.sum()).sum())];
            Ok(())
        }
    }

    #[test]
    fn the_style_is_computed_once_a_face() {
        let counts = [0, 1].map(|_| Arc::new(AtomicUsize::new(0)));
        let [style, render] = counts.clone().map(|c| Box::new(Sum(c)));
        let mut generator = SplitGenerator::new(style, render, &DIMS);
        let mut generate = |pose: f32, appearance: f32| {
            let [pose, appearance] = [pose, appearance].map(|v| ArrayD::from_elem(vec![1, 2], v));
            let inputs = [
                ("keypoints", pose.view()),
                ("embeddings", appearance.view()),
                ("background", appearance.view()),
            ];
            generator.run(&inputs, &["image"]).unwrap()[0][0]
        };
        assert_eq!(
            [generate(1.0, 2.0), generate(3.0, 2.0), generate(3.0, 4.0), generate(3.0, 2.0)],
            [10.0, 14.0, 22.0, 14.0]
        );
        assert_eq!(counts.map(|c| c.load(Ordering::Relaxed)), [3, 4]);
    }

    #[test]
    fn two_files_generate_what_one_does() {
        let options = EngineOptions::default();
        let generate = |write: fn(&std::path::Path) -> lkg_bundle::Result<lkg_bundle::Manifest>| {
            let dir = tempfile::tempdir().unwrap();
            write(dir.path()).unwrap();
            let bundle = Bundle::open(dir.path()).unwrap();
            let mut generator = ImageGenerator::load(&bundle, &options).unwrap();
            let mut images = Vec::new();
            for appearance in [0.1, 0.2] {
                let latents = Latents {
                    keypoints: Array3::zeros((2, DIMS.keypoints, 2)),
                    embeddings: Array3::zeros((2, DIMS.keypoints, DIMS.embedding)),
                    background: Array2::from_elem((2, DIMS.embedding), appearance),
                };
                let ones = Array2::ones((2, DIMS.keypoints));
                images.push(generator.run(&latents, ones.view(), ones.view()).unwrap());
            }
            (crate::engine::golden::check(&bundle, &options).unwrap().len(), images)
        };
        let (one, two) = (generate(write_tiny_bundle), generate(write_tiny_bundle_in_two));
        assert_eq!(one, two);
        assert!((two.1[1][[1, 2, 7, 7]] - 0.6f32.tanh()).abs() < 1e-5);
    }
}
