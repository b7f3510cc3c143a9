//! A sheet that shows the steps of an edit, each with its name below.

use image::{Rgb, RgbImage, imageops};
use ndarray::ArrayView3;

use super::blend::{PhotoBlender, sample};
use super::{Compositor, FaceModel, OpenedPhoto, Photo};
use crate::error::Result;
use crate::media::picture::from_network;
use crate::vision::text;

/// Side of a picture on the sheet, in pixels.
const TILE: u32 = 256;
/// Size of captions, in pixels.
const CAPTION: u32 = 15;

/// The steps of an edit side by side: of a photo six pictures, four where it is carried, else two.
///
/// # Errors
/// A network failed.
pub fn draw_sheet(
    model: &mut FaceModel,
    opened: &OpenedPhoto,
    compositor: &mut Compositor,
) -> Result<RgbImage> {
    if compositor.is_carried() {
        return draw_carried(model, opened, compositor);
    }
    let after = compositor.square(model, opened.session.face())?;
    let size = model.size();
    let square = |image: ArrayView3<'_, f32>| {
        let mut tile = RgbImage::new(TILE, TILE);
        PhotoBlender::whole(size, TILE, (0, 0)).replace(&mut tile, image);
        tile
    };
    let mut tiles = Vec::new();
    if let Some(photo) = &opened.photo {
        let fine = sample(&photo.picture, &photo.crop, TILE as usize);
        tiles.push(("photo", fitted(&photo.picture)));
        tiles.push(("crop", from_network(fine.view())));
    }
    tiles.push((
        if opened.photo.is_some() { "reconstructed" } else { "before" },
        square(compositor.before().view()),
    ));
    tiles.push(("edited", square(after.view())));
    if let Some(photo) = &opened.photo {
        let result = compositor.compose(model, opened.session.face())?;
        let fine = sample(&result, &photo.crop, TILE as usize);
        tiles.push(("result, crop", from_network(fine.view())));
        tiles.push(("result", fitted(&result)));
    }
    Ok(side_by_side(&tiles))
}

/// The steps of an edit of a photo that is carried.
fn draw_carried(
    model: &mut FaceModel,
    opened: &OpenedPhoto,
    compositor: &mut Compositor,
) -> Result<RgbImage> {
    let result = compositor.compose(model, opened.session.face())?;
    let mut tiles = Vec::new();
    if let Some(Photo { picture, crop, .. }) = &opened.photo {
        let square = |picture: &RgbImage| from_network(sample(picture, crop, TILE as usize).view());
        tiles.extend([
            ("photo", fitted(picture)),
            ("crop", square(picture)),
            ("result, crop", square(&result)),
        ]);
    }
    tiles.push(("result", fitted(&result)));
    Ok(side_by_side(&tiles))
}

fn side_by_side(tiles: &[(&str, RgbImage)]) -> RgbImage {
    let line = text::line(CAPTION);
    let mut sheet = RgbImage::from_pixel(4 + tiles.len() as u32 * (TILE + 4), TILE + line + 8, Rgb([24; 3]));
    for (i, (label, tile)) in tiles.iter().enumerate() {
        let x = 4 + i as u32 * (TILE + 4);
        imageops::replace(&mut sheet, tile, i64::from(x), 4);
        text::draw_plain(&mut sheet, label, (x as i32 + 2, TILE as i32 + 5), CAPTION, [225, 230, 235]);
    }
    sheet
}

/// The picture as large as a tile holds it.
fn fitted(picture: &RgbImage) -> RgbImage {
    let (width, height) = picture.dimensions();
    let scale = TILE as f32 / width.max(height) as f32;
    let side = |s: u32| ((s as f32 * scale).round() as u32).clamp(1, TILE);
    let small = imageops::resize(picture, side(width), side(height), imageops::FilterType::Triangle);
    let mut tile = RgbImage::new(TILE, TILE);
    let middle = |s: u32| i64::from((TILE - s) / 2);
    imageops::replace(&mut tile, &small, middle(small.width()), middle(small.height()));
    tile
}
