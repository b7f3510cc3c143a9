//! An image generator in two files: what the appearance decides is computed once a face, the rest every frame.

use lkg_bundle::{Bundle, Network};
use ndarray::{ArrayD, ArrayViewD};

use super::EngineOptions;
use super::provider::Attempt;
use super::runner::{NetworkRunner, OrtRunner};
use crate::error::Result;

/// Takes and makes what the whole does.
pub(super) struct InTwo {
    style: Box<dyn NetworkRunner>,
    render: Box<dyn NetworkRunner>,
    last: Option<Face>,
}

/// The appearance seen last, and what became of it.
struct Face {
    looks: Vec<(String, ArrayD<f32>)>,
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
        return Ok((Box::new(InTwo::new(Box::new(style), Box::new(render))), attempts));
    }
    let runner = OrtRunner::load(bundle, function, options)?;
    let attempts = runner.attempts().to_vec();
    Ok((Box::new(runner), attempts))
}

impl InTwo {
    fn new(style: Box<dyn NetworkRunner>, render: Box<dyn NetworkRunner>) -> Self {
        Self { style, render, last: None }
    }
}

impl NetworkRunner for InTwo {
    fn run_into(
        &mut self,
        inputs: &[(&str, ArrayViewD<'_, f32>)],
        outputs: &[&str],
        results: &mut Vec<ArrayD<f32>>,
    ) -> Result<()> {
        let decides = |name: &str| matches!(name, "embeddings" | "background");
        let (looks, pose): (Vec<_>, Vec<_>) = inputs.iter().cloned().partition(|(name, _)| decides(name));
        let same = |face: &Face| {
            face.looks.len() == looks.len()
                && face.looks.iter().zip(&looks).all(|((a, x), (b, y))| a == b && x == y)
        };
        let face = match self.last.take().filter(same) {
            Some(face) => face,
            None => Face {
                tables: self.style.run(&looks, &["tables"])?.swap_remove(0),
                looks: looks.iter().map(|(name, view)| ((*name).to_owned(), view.to_owned())).collect(),
            },
        };
        let face = self.last.insert(face);
        let mut rest = pose;
        rest.push(("tables", face.tables.view()));
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
    use crate::engine::{ImageGenerator, Layout};

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
    fn the_appearance_is_looked_at_once_a_face() {
        let counts = [0, 1].map(|_| Arc::new(AtomicUsize::new(0)));
        let [style, render] = counts.clone().map(|c| Box::new(Sum(c)));
        let mut generator = InTwo::new(style, render);
        let mut draw = |pose: f32, look: f32| {
            let [pose, look] = [pose, look].map(|v| ArrayD::from_elem(vec![1, 2], v));
            let inputs =
                [("keypoints", pose.view()), ("embeddings", look.view()), ("background", look.view())];
            generator.run(&inputs, &["image"]).unwrap()[0][0]
        };
        assert_eq!(
            [draw(1.0, 2.0), draw(3.0, 2.0), draw(3.0, 4.0), draw(3.0, 2.0)],
            [10.0, 14.0, 22.0, 14.0]
        );
        assert_eq!(counts.map(|c| c.load(Ordering::Relaxed)), [3, 4]);
    }

    #[test]
    fn two_files_draw_what_one_draws() {
        let options = EngineOptions::default();
        let draw = |write: fn(&std::path::Path) -> lkg_bundle::Result<lkg_bundle::Manifest>| {
            let dir = tempfile::tempdir().unwrap();
            write(dir.path()).unwrap();
            let bundle = Bundle::open(dir.path()).unwrap();
            let mut generator = ImageGenerator::load(&bundle, &options).unwrap();
            let mut images = Vec::new();
            for look in [0.1, 0.2] {
                let layout = Layout {
                    keypoints: Array3::zeros((2, DIMS.keypoints, 2)),
                    embeddings: Array3::zeros((2, DIMS.keypoints, DIMS.embedding)),
                    background: Array2::from_elem((2, DIMS.embedding), look),
                };
                let ones = Array2::ones((2, DIMS.keypoints));
                images.push(generator.run(&layout, ones.view(), ones.view()).unwrap());
            }
            (crate::engine::golden::check(&bundle, &options).unwrap().len(), images)
        };
        let (one, two) = (draw(write_tiny_bundle), draw(write_tiny_bundle_in_two));
        assert_eq!(one, two);
        assert!((two.1[1][[1, 2, 7, 7]] - 0.6f32.tanh()).abs() < 1e-5);
    }
}
