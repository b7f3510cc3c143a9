//! Expressions as sliders change them.

use lkg_bundle::manifest::Expression;
use tch::{Kind, Tensor};

use super::portrait::People;
use super::{CardPicture, REAL_SIDE, Scene, Table, tile};
use crate::dataset::faces::amounts::moved;
use crate::error::Result;
use crate::nets::portrait::Parts;
use crate::plot;
use crate::semantics::Shape;
use crate::semantics::align::Similarity;
use crate::semantics::expressions::people::{Frame, Person};
use crate::subject::{KeypointDetector, PortraitSubject};

/// People shown.
const SHOWN: usize = 2;
/// Values of each expression.
const STEPS: usize = 5;

impl Scene<'_, PortraitSubject> {
    /// A photo of each of a few people at several values of each expression; none without expressions.
    pub(super) fn sliders(&mut self, people: &People) -> Result<Option<CardPicture>> {
        let shown = people.spread(SHOWN);
        if people.expressions.is_empty() || shown.is_empty() {
            return Ok(None);
        }
        let mut headings = vec![""; 1 + STEPS];
        headings[0] = "photo";
        let mut table = Table::new(&headings, shown.len() * people.expressions.len(), REAL_SIDE)?;
        let frame = Frame::of(self.subject, self.subject.image_size());
        for (p, person) in shown.iter().enumerate() {
            let photo = frame.images(&[person.picture(calmest(person))])?;
            let source = self.subject.parts(&photo)?;
            for (e, expression) in people.expressions.iter().enumerate() {
                let row = p * people.expressions.len() + e;
                let mut picture = tile(&photo.get(0), REAL_SIDE)?;
                plot::label(&mut picture, &expression.name, (2, 2), 14)?;
                table.put(0, row, &picture);
                for step in 0..STEPS {
                    let [least, most] = expression.range;
                    let value = least + (most - least) * step as f32 / (STEPS - 1) as f32;
                    let driven = at(&source, expression, value, &self.aligned.mean)?;
                    let (_, rendered) = self.subject.drive(&photo, &source, &driven);
                    let mut picture = tile(&rendered.image.get(0), REAL_SIDE)?;
                    plot::label(&mut picture, &format!("{value:.1}"), (2, 2), 14)?;
                    table.put(1 + step, row, &picture);
                }
            }
        }
        let caption = format!(
            "Expressions as sliders change them: a photo of each of {} people, unselected, at the values noted.",
            shown.len()
        );
        CardPicture::photo("expressions", caption, table.sheet).map(Some)
    }
}

/// The picture with the least moves.
fn calmest(person: &Person) -> usize {
    let moved = |n: &usize| moved(&person.amounts[*n]);
    (0..person.amounts.len()).min_by(|a, b| moved(a).total_cmp(&moved(b))).unwrap_or_default()
}

/// The parts `source` of one photo with `expression` at `value`. Keypoints move as the mean shape's do, turned and sized as
/// the photo's lie to it.
fn at(source: &Parts, expression: &Expression, value: f32, layout: &[[f64; 2]]) -> Result<Parts> {
    let numbers = |t: &Tensor| Vec::<f64>::try_from(&t.to_kind(Kind::Double).contiguous().view([-1]));
    let (flat, states) = (numbers(&source.keypoints)?, numbers(&source.states)?);
    let shape: Shape = flat.as_chunks::<2>().0.to_vec();
    let states: Vec<f32> = states.iter().map(|v| *v as f32).collect();
    let by = value - expression.read(&states);
    let Similarity { turn, .. } = Similarity::fit(layout, &shape);
    let turned = Similarity { turn, shift: [0.0; 2] };
    let moved = expression.keypoints.iter().flat_map(|p| turned.apply(p.map(f64::from)));
    let moved: Vec<f32> = moved.map(|v| v as f32 * by).collect();
    let change: Vec<f32> = expression.states.iter().flatten().map(|v| v * by).collect();
    Ok(Parts {
        keypoints: &source.keypoints + Tensor::from_slice(&moved).view_as(&source.keypoints),
        states: &source.states + Tensor::from_slice(&change).view_as(&source.states),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slider_moves_parts_as_the_photo_is_turned_and_from_where_they_are() {
        let layout = [[0.0, 0.0], [1.0, 0.0]];
        // Turned by a quarter, half as large.
        let keypoints = Tensor::from_slice(&[0.2f32, 0.1, 0.2, 0.6]).view([1, 2, 2]);
        let states = Tensor::from_slice(&[0.25f32, 0.5]).view([1, 2, 1]);
        let expression = Expression {
            name: "mouth-open".into(),
            range: [0.0, 1.0],
            rest: 0.0,
            bias: 0.0,
            weights: vec![vec![1.0], vec![0.0]],
            states: vec![vec![1.0], vec![-2.0]],
            keypoints: vec![[0.4, 0.0], [0.0, 0.0]],
        };
        let moved = at(&Parts { keypoints, states }, &expression, 0.75, &layout).unwrap();
        let numbers = |t: &Tensor| Vec::<f32>::try_from(&t.view([-1])).unwrap();
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close(&numbers(&moved.states), &[0.75, -0.5]), "{:?}", numbers(&moved.states));
        assert!(close(&numbers(&moved.keypoints), &[0.2, 0.2, 0.2, 0.6]), "{:?}", numbers(&moved.keypoints));
    }
}
