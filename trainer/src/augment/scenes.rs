//! What is behind a face, and what is in the picture where there is none. Images are `[N, 3, S, S]` in [-1, 1]; every
//! number is drawn from libtorch's generator.

use tch::{Kind, Tensor};

use super::similarity::{Beyond, Similarity};
use super::{chosen, mixed, uniform};

/// Blocks a side of a backdrop that is made of another picture, by turns.
const BLOCKS: [i64; 2] = [8, 4];
/// Cells a side of smooth backdrops.
const CELLS: [i64; 3] = [2, 5, 12];
/// Most things that lie about in a backdrop.
const THINGS: i64 = 10;
/// Least and most half width of a thing, normalised coordinates.
const THING: (f64, f64) = (0.04, 0.8);
/// Most stripes of a thing, in radians from its middle to its border.
const STRIPES: f64 = 12.0;
/// Least and most magnification of parts of a face.
const PARTS: (f64, f64) = (2.5, 8.0);
/// Least and most magnification of a scene where a face is sought in a part of it.
const SCENES: (f64, f64) = (1.0, 4.0);
/// Least and most size of a face that lies on its side or stands on its head.
const FALLEN: (f64, f64) = (0.6, 1.3);
/// Least angle by which it does, radians.
const FALLEN_ANGLE: f64 = 1.6;

/// Scenes without a face, `[N, 3, size, size]`: smooth, or made of blocks of other pictures; things lie about in half of
/// them.
pub fn backdrops(images: &Tensor, size: i64) -> Tensor {
    let (n, device) = (images.size()[0], images.device());
    let smooth =
        CELLS.into_iter().enumerate().fold(Tensor::zeros([1], (Kind::Float, device)), |sum, (i, cells)| {
            let cells = Tensor::randn([n, 3, cells, cells], (Kind::Float, device)) * 0.5f64.powi(i as i32);
            sum + cells.upsample_bilinear2d([size, size], false, None, None)
        });
    let smooth = (smooth * 0.6 + uniform(&[n, 3, 1, 1], -0.6, 0.6, device)).tanh();
    let others = images.roll([1], [0]).f_internal_upsample_bilinear2d_aa([size, size], false, None, None);
    let ground = match others {
        Ok(others) => {
            let [fine, coarse] = BLOCKS.map(|blocks| shuffle_blocks(&others, blocks));
            let blocks = mixed(&fine, &coarse, 0.5);
            mixed(&blocks, &smooth, 0.5)
        }
        Err(_) => smooth,
    };
    mixed(&ground, &littered(&ground), 0.5)
}

/// Images with things lying about: ellipses and rectangles, each one or two colours, shaded or striped, one over the
/// other, large ones first (the dead leaves model of natural images).
fn littered(images: &Tensor) -> Tensor {
    let (n, s, device) = (images.size()[0], images.size()[2], images.device());
    let per = |low, high| uniform(&[n, 1, 1, 1], low, high, device);
    let along = (Tensor::arange(s, (Kind::Float, device)) * 2.0 + 1.0) / s as f64 - 1.0;
    let mut scene = images.shallow_clone();
    for i in 0..THINGS {
        // From the largest to the smallest, each within a factor of two.
        let middle = THING.1 * (THING.0 / THING.1).powf((i as f64 + 0.5) / THINGS as f64);
        let half = || (per(-0.7, 0.7)).exp() * middle;
        let (x, y) = (along.view([1, 1, 1, s]) - per(-1.0, 1.0), along.view([1, 1, s, 1]) - per(-1.0, 1.0));
        let angle = per(0.0, std::f64::consts::PI);
        let (u, v) =
            ((&x * angle.cos() + &y * angle.sin()) / half(), (&y * angle.cos() - &x * angle.sin()) / half());
        let round = u.square() + v.square();
        let edges = u.abs().maximum(&v.abs());
        let inside = round.where_self(&chosen(n, 0.5, device), &edges).le(1.0);
        let waves = chosen(n, 0.4, device) * per(2.0, STRIPES);
        let shade = (&v * (&waves + 1.0)).sin() * 0.5 + 0.5;
        let [from, to] = [(); 2].map(|()| uniform(&[n, 3, 1, 1], -1.0, 1.0, device));
        // Most things are nearly of one colour.
        let to = &from + (to - &from) * per(0.0, 1.0);
        let thing = &from + (to - &from) * shade;
        scene = thing.where_self(&inside.logical_and(&chosen(n, 0.7, device)), &scene);
    }
    scene
}

/// Pictures without a face, `[N, 3, size, size]`: scenes from far and near; parts of the given pictures from much too near,
/// so that hair, skin or an eye alone is no face; and faces that lie on their side or stand on their head, in which no
/// keypoint would be where it belongs.
pub fn faceless(images: &Tensor, size: i64) -> Tensor {
    let (n, device) = (images.size()[0], images.device());
    let magnify = |x: &Tensor, by| Similarity::magnified(n, by, device).images(x, size, Beyond::Mirror);
    let parts = magnify(images, PARTS);
    let scenes = magnify(&backdrops(images, size), SCENES);
    let fallen = Similarity::fallen(n, FALLEN, FALLEN_ANGLE, device).images(images, size, Beyond::Border);
    mixed(&mixed(&scenes, &parts, 0.4), &fallen, 0.15)
}

/// Pictures without a face: each image cut into blocks that change places.
pub fn shuffle_blocks(images: &Tensor, blocks: i64) -> Tensor {
    let size = images.size();
    let (n, s) = (size[0], size[2]);
    let b = s / blocks;
    let tiles = images.view([n, 3, blocks, b, blocks, b]).permute([0, 2, 4, 1, 3, 5]).reshape([
        n,
        blocks * blocks,
        3,
        b,
        b,
    ]);
    let order = Tensor::randperm(blocks * blocks, (Kind::Int64, images.device()));
    tiles
        .index_select(1, &order)
        .view([n, blocks, blocks, 3, b, b])
        .permute([0, 3, 1, 4, 2, 5])
        .reshape([n, 3, s, s])
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn images(n: i64, s: i64) -> Tensor {
        Tensor::rand([n, 3, s, s], (Kind::Float, Device::Cpu)) * 2.0 - 1.0
    }

    #[test]
    fn shuffling_keeps_the_colours() {
        let images = images(6, 16);
        let y = shuffle_blocks(&images, 4);
        assert!((y.sum(Kind::Double) - images.sum(Kind::Double)).abs().double_value(&[]) < 1e-3);
        assert!(y != images && y.size() == images.size());
    }

    #[test]
    fn things_cover_a_part_of_a_scene_with_colours_in_range() {
        tch::manual_seed(3);
        let ground = Tensor::zeros([32, 3, 32, 32], (Kind::Float, Device::Cpu));
        let scene = littered(&ground);
        let covered = scene.ne(0.0).to_kind(Kind::Float).mean(Kind::Float).double_value(&[]);
        assert!((0.3..0.98).contains(&covered), "{covered}");
        assert!(scene.abs().max().double_value(&[]) <= 1.0);
    }

    #[test]
    fn nothing_of_a_picture_without_a_face_shows_it_upright_and_whole() {
        tch::manual_seed(5);
        // Dark above, bright below: what is left of that says how a picture was turned.
        let ramp = Tensor::linspace(-1.0, 1.0, 64, (Kind::Float, Device::Cpu)).view([1, 1, 64, 1]);
        let pictures = faceless(&ramp.expand([256, 3, 64, 64], false).contiguous(), 32);
        assert_eq!(pictures.size(), [256, 3, 32, 32]);
        let half = |from| pictures.narrow(2, from, 16).mean_dim([1i64, 2, 3].as_slice(), false, Kind::Float);
        let upright = (half(16) - half(0)).gt(0.7).to_kind(Kind::Float).mean(Kind::Float).double_value(&[]);
        assert!(upright < 0.1, "{upright}");
    }
}
