use image::{Rgb, RgbImage};
use lkg_bundle::contract::PORTRAIT_COARSE;
use lkg_bundle::conventions::pixel_centre;

use super::compose::{PhotoCompositor, Region};
use crate::engine::Carried;
use crate::media::testing::largest_difference;
use crate::vision::crop::Crop;

/// Side of mask and colour.
const SIDE: usize = 64;
const CROP: Crop = Crop { cx: 100.0, cy: 90.0, side: 128.0, angle: 0.0 };

/// What a network could say: one flow, one mask and one colour everywhere.
struct Said {
    flow: Vec<f32>,
    mask: Vec<f32>,
    colour: Vec<f32>,
}

impl Said {
    fn new(flow: [f32; 2], mask: f32, colour: f32) -> Self {
        let plane = PORTRAIT_COARSE * PORTRAIT_COARSE;
        Self {
            flow: flow.iter().flat_map(|v| vec![*v; plane]).collect(),
            mask: vec![mask; SIDE * SIDE],
            colour: vec![colour; 3 * SIDE * SIDE],
        }
    }

    fn carried(&self) -> Carried<'_> {
        Carried { side: SIDE, flow: &self.flow, mask: &self.mask, colour: &self.colour }
    }
}

/// A photo in which every place looks different, smoothly.
fn photo() -> RgbImage {
    RgbImage::from_fn(200, 180, |x, y| Rgb([x as u8, y as u8, ((x + y) / 2) as u8]))
}

/// A composer whose photo at the networks' resolution is as unlike any colour as can be.
fn composer(photo: &RgbImage, crop: Crop) -> PhotoCompositor {
    let region = Region::new(photo, &crop, None);
    PhotoCompositor::new(photo.clone(), crop, region, SIDE, &vec![5.0; 3 * SIDE * SIDE])
}

fn composed(composer: &mut PhotoCompositor, said: &Said) -> RgbImage {
    let mut canvas = RgbImage::default();
    composer.compose(&said.carried(), 0.0, [0.0; 2], &mut canvas);
    canvas
}

#[test]
fn a_photo_that_is_carried_nowhere_is_itself() {
    let photo = photo();
    // Upright, turned, and beyond the photo's edges.
    let beyond = Crop { cx: 20.0, cy: 10.0, side: 120.0, angle: 0.0 };
    for crop in [CROP, Crop { angle: 0.4, ..CROP }, beyond] {
        let still = composed(&mut composer(&photo, crop), &Said::new([0.0; 2], 1.0, 0.9));
        assert_eq!(still, photo, "{crop:?}");
    }
}

/// What was clear around a head stayed where it was when the head moved.
#[test]
fn another_channel_goes_where_the_colours_go() {
    let photo = photo();
    let red = image::GrayImage::from_fn(200, 180, |x, y| image::Luma([photo.get_pixel(x, y).0[0]]));
    for crop in [CROP, Crop { angle: 0.4, ..CROP }] {
        let mut composer = composer(&photo, crop);
        assert_eq!(composer.carry_channel(&red), red, "before anything moved");
        let moved = composed(&mut composer, &Said::new([0.0625, 0.125], 1.0, 0.9));
        let channel = composer.carry_channel(&red);
        assert!(moved.pixels().zip(channel.pixels()).all(|(m, c)| m.0[0].abs_diff(c.0[0]) <= 1));
        assert_ne!(channel, red);
    }
}

#[test]
fn what_shows_comes_from_where_the_flow_says() {
    let photo = photo();
    // A sixteenth of the square's half side is 4 pixels: each place shows what lies that far right of it, and down.
    let moved = composed(&mut composer(&photo, CROP), &Said::new([0.0625, 0.125], 1.0, 0.9));
    let [r, g, _] = moved.get_pixel(100, 90).0;
    assert_eq!([r, g], [104, 98]);
    // In a square that is turned a quarter, right is down.
    let quarter = Crop { angle: std::f32::consts::FRAC_PI_2, ..CROP };
    let turned = composed(&mut composer(&photo, quarter), &Said::new([0.0625, 0.0], 1.0, 0.9));
    let [r, g, _] = turned.get_pixel(100, 90).0;
    assert_eq!([r, g], [100, 94]);
    // A flow that grows to the right is enlarged linearly.
    let mut said = Said::new([0.0; 2], 1.0, 0.9);
    for (i, v) in said.flow[..PORTRAIT_COARSE * PORTRAIT_COARSE].iter_mut().enumerate() {
        *v = 0.1 * pixel_centre(i % PORTRAIT_COARSE, PORTRAIT_COARSE);
    }
    let grown = composed(&mut composer(&photo, CROP), &said);
    for x in 70..130 {
        let want = x as f32 + 64.0 * 0.1 * (x as f32 + 0.5 - 100.0) / 64.0;
        let have = f32::from(grown.get_pixel(x, 90).0[0]);
        assert!((want - have).abs() <= 0.6, "{x}: {have}, not {want}");
    }
}

#[test]
fn where_the_mask_is_0_the_colour_shows_and_towards_the_border_the_photo() {
    let photo = photo();
    let drawn = composed(&mut composer(&photo, CROP), &Said::new([0.05, 0.05], 0.0, -0.5));
    assert_eq!(drawn.get_pixel(100, 90).0, [64; 3]);
    for (x, y, pixel) in drawn.enumerate_pixels() {
        let far = (x as f32 + 0.5 - CROP.cx).abs().max((y as f32 + 0.5 - CROP.cy).abs());
        assert!(far < 63.0 || pixel == photo.get_pixel(x, y), "{x} {y}");
    }
    // No step on the way.
    let step = |x: u32| drawn.get_pixel(x, 90).0[1].abs_diff(drawn.get_pixel(x + 1, 90).0[1]);
    let most = (30..170).map(step).max().unwrap();
    assert!(most < 8, "{most}");
}

#[test]
fn the_photo_s_own_pixels_are_kept_where_the_network_would_draw_the_same() {
    let flat = RgbImage::from_fn(200, 180, |x, y| Rgb([if (x + y) % 2 == 0 { 90 } else { 110 }; 3]));
    // At the networks' resolution the chequerboard is grey, and grey is what they draw.
    let grey = vec![100.0 / 127.5 - 1.0; 3 * SIDE * SIDE];
    let mut alike = PhotoCompositor::new(flat.clone(), CROP, Region::new(&flat, &CROP, None), SIDE, &grey);
    assert_eq!(composed(&mut alike, &Said::new([0.0; 2], 0.0, grey[0])), flat);
    let other = composed(&mut alike, &Said::new([0.0; 2], 0.0, 0.8));
    assert!(other.get_pixel(100, 90).0[0] > 220);
}

/// The white that clear pixels lie on was drawn, and carried, into the cut-out: a bright rim.
#[test]
fn a_cut_out_takes_nothing_of_the_white_that_it_lies_on() {
    // A dark disc whose edge is soft, on white.
    let shows = |x: u32, y: u32| {
        let far = (x as f32 + 0.5 - 100.0).hypot(y as f32 + 0.5 - 90.0);
        ((40.0 - far) / 3.0).clamp(0.0, 1.0)
    };
    let alpha =
        image::GrayImage::from_fn(200, 180, |x, y| image::Luma([(255.0 * shows(x, y)).round() as u8]));
    let colour = [40.0, 60.0, 20.0];
    let on_white = |a: u8, c: f32| (255.0 + (c - 255.0) * f32::from(a) / 255.0).round() as u8;
    let photo = RgbImage::from_fn(200, 180, |x, y| {
        let a = alpha.get_pixel(x, y).0[0];
        Rgb(colour.map(|c| on_white(a, c)))
    });
    let region = Region::new(&photo, &CROP, Some(&alpha));
    // What the networks see has no white in it.
    let seen = region.over(&photo);
    assert!((60..140).all(|x| (50..130).all(|y| seen.get_pixel(x, y).0.iter().all(|v| *v < 70))));
    let dark = |c: usize| colour[c] / 127.5 - 1.0;
    let small: Vec<f32> = (0..3 * SIDE * SIDE).map(|i| dark(i / (SIDE * SIDE))).collect();
    let mut composer = PhotoCompositor::new(photo.clone(), CROP, region, SIDE, &small);
    let still = composed(&mut composer, &Said::new([0.0; 2], 1.0, 0.9));
    assert!(largest_difference(&still, &photo) <= 2, "at rest it is what it was");
    // Half of it is drawn anew in the colour that it has, and all of it moves.
    let mut said = Said::new([0.0625, 0.125], 0.5, 0.0);
    said.colour.copy_from_slice(&small);
    let moved = composed(&mut composer, &said);
    let carried = composer.carry_channel(&alpha);
    assert_ne!(carried, alpha);
    for (x, y, pixel) in moved.enumerate_pixels() {
        let a = carried.get_pixel(x, y).0[0];
        for (have, want) in pixel.0.into_iter().zip(colour.map(|c| on_white(a, c))) {
            assert!(have.abs_diff(want) <= 2, "{x} {y}: {have}, not {want}, of which {a} shows");
        }
    }
}

#[test]
fn every_frame_begins_with_the_photo() {
    let photo = photo();
    let mut composer = composer(&photo, CROP);
    let mut canvas = RgbImage::from_pixel(200, 180, Rgb([255; 3]));
    let buffer = canvas.as_ptr();
    composer.compose(&Said::new([0.0; 2], 1.0, 0.0).carried(), 0.0, [0.0; 2], &mut canvas);
    assert_eq!(canvas, photo);
    assert_eq!(canvas.as_ptr(), buffer, "the canvas is used again");
}

#[test]
fn a_turn_turns_the_middle_and_leaves_the_border() {
    let photo = photo();
    let mut composer = composer(&photo, CROP);
    let mut canvas = RgbImage::default();
    let turn = 0.5f32;
    composer.compose(&Said::new([0.0; 2], 1.0, 0.9).carried(), turn, [0.0; 2], &mut canvas);
    // Ten pixels right of the middle shows what lay there before it was turned: to the right and up.
    let [r, g, _] = canvas.get_pixel(110, 90).0;
    let (want_x, want_y) = (100.0 + 10.0 * turn.cos(), 90.0 - 10.0 * turn.sin());
    assert!((f32::from(r) - want_x).abs() < 1.6 && (f32::from(g) - want_y).abs() < 1.6, "{r} {g}");
    for (x, y, pixel) in canvas.enumerate_pixels() {
        let far = (x as f32 + 0.5 - CROP.cx).abs().max((y as f32 + 0.5 - CROP.cy).abs());
        let [a, b] = [pixel.0, photo.get_pixel(x, y).0];
        assert!(far < 62.0 || (0..3).all(|c| a[c].abs_diff(b[c]) <= 1), "{x} {y}");
    }
    assert!(largest_difference(&canvas, &photo) > 10);
}
