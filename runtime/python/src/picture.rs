//! Pictures: numpy's arrays as the runtime sees them, and back.

use image::RgbImage;
use lkg_runtime::PictureRef;
use numpy::ndarray::{Array3, ArrayView3, s};
use numpy::{
    Element, IntoPyArray, PyArray3, PyArrayDescrMethods, PyArrayMethods, PyReadonlyArray3, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use crate::errors::PictureError;

/// Where the pixels of a picture lie.
enum Pixels<'py> {
    /// In an array, one after the other.
    Array(PyReadonlyArray3<'py, u8>),
    /// In a copy.
    Copied(Vec<u8>),
}

/// An array that is a picture, borrowed for a call, or a copy of one whose pixels do not lie one after the other.
pub struct Picture<'py> {
    pixels: Pixels<'py>,
    size: (u32, u32),
}

impl<'py> Picture<'py> {
    /// The picture that `object` is.
    pub fn of(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        const WANTED: &str = "a picture is an array of shape (height, width, 3) and dtype uint8, in RGB";
        let Ok(array) = object.cast::<PyUntypedArray>() else {
            let kind = object.get_type().name()?;
            return Err(PictureError::new_err(format!("{WANTED}; this is a {kind}")));
        };
        let py = object.py();
        let shape = array.shape();
        let is_picture = matches!(shape, [_, _, 3]) && array.dtype().is_equiv_to(&u8::get_dtype(py));
        if !is_picture {
            let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
            let dtype = array.dtype();
            let said = format!("{WANTED}; this one has shape ({}) and dtype {dtype}", shape.join(", "));
            return Err(PictureError::new_err(said));
        }
        let side = |length: usize| u32::try_from(length).ok().filter(|length| *length > 0);
        let (Some(height), Some(width)) = (side(shape[0]), side(shape[1])) else {
            return Err(PictureError::new_err(format!("a picture of {} x {} pixels", shape[1], shape[0])));
        };
        let borrowed = |array: &Bound<'py, PyAny>| -> PyResult<_> {
            let array = array.cast::<PyArray3<u8>>().map_err(PyErr::from)?.try_readonly();
            array.map_err(|_| PictureError::new_err("the picture is being written to"))
        };
        let own = borrowed(object)?;
        let pixels = if array.is_c_contiguous() {
            Pixels::Array(own)
        } else if let Some(turned) = turned(own.as_array()) {
            Pixels::Copied(turned)
        } else {
            Pixels::Array(borrowed(&py.import("numpy")?.call_method1("ascontiguousarray", (object,))?)?)
        };
        Ok(Self { pixels, size: (width, height) })
    }

    /// The picture where it lies.
    pub fn view(&self) -> PyResult<PictureRef<'_>> {
        let bytes = match &self.pixels {
            Pixels::Array(array) => array.as_slice().map_err(|e| PictureError::new_err(e.to_string()))?,
            Pixels::Copied(bytes) => bytes,
        };
        let view = PictureRef::new(self.size.0, self.size.1, bytes);
        view.ok_or_else(|| PictureError::new_err("the picture has fewer bytes than pixels"))
    }

    /// A copy, for what keeps it.
    pub fn to_image(&self) -> PyResult<RgbImage> {
        image_of(self.view()?)
    }
}

/// A copy of a picture that is a view of a BGR one with its colours turned, as OpenCV's frames come; nothing of another one.
/// numpy takes twenty times as long for it.
fn turned(picture: ArrayView3<'_, u8>) -> Option<Vec<u8>> {
    let bgr = picture.slice(s![.., .., ..;-1]);
    let bytes = bgr.as_slice()?;
    let mut rgb = vec![0; bytes.len()];
    for (to, [b, g, r]) in rgb.as_chunks_mut().0.iter_mut().zip(bytes.as_chunks().0) {
        *to = [*r, *g, *b];
    }
    Some(rgb)
}

/// A copy of a picture, for what keeps or draws on it.
pub fn image_of(view: PictureRef<'_>) -> PyResult<RgbImage> {
    RgbImage::from_raw(view.width(), view.height(), view.bytes().to_vec())
        .ok_or_else(|| PictureError::new_err("the picture has fewer bytes than pixels"))
}

/// `picture` as an array, whose memory it goes on in.
pub fn to_array(py: Python<'_>, picture: RgbImage) -> PyResult<Bound<'_, PyArray3<u8>>> {
    let shape = (picture.height() as usize, picture.width() as usize, 3);
    let array = Array3::from_shape_vec(shape, picture.into_raw());
    Ok(array.map_err(|e| PictureError::new_err(e.to_string()))?.into_pyarray(py))
}
