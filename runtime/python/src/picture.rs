//! Pictures: numpy's arrays as the runtime sees them, and back.

use image::RgbImage;
use lkg_runtime::PictureRef;
use numpy::ndarray::Array3;
use numpy::{
    Element, IntoPyArray, PyArray3, PyArrayDescrMethods, PyArrayMethods, PyReadonlyArray3, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use crate::errors::PictureError;

/// An array that is a picture, borrowed for a call. One whose rows have gaps is a copy.
pub struct Picture<'py> {
    array: PyReadonlyArray3<'py, u8>,
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
        let whole = if array.is_c_contiguous() {
            object.clone()
        } else {
            // Several times as fast as going through it here: it is what OpenCV's frames turned to RGB by a view are.
            py.import("numpy")?.call_method1("ascontiguousarray", (object,))?
        };
        let array = whole.cast::<PyArray3<u8>>().map_err(PyErr::from)?.try_readonly();
        let array = array.map_err(|_| PictureError::new_err("the picture is being written to"))?;
        Ok(Self { array, size: (width, height) })
    }

    /// The picture where it lies.
    pub fn view(&self) -> PyResult<PictureRef<'_>> {
        let bytes = self.array.as_slice().map_err(|e| PictureError::new_err(e.to_string()))?;
        let view = PictureRef::new(self.size.0, self.size.1, bytes);
        view.ok_or_else(|| PictureError::new_err("the picture has fewer bytes than pixels"))
    }

    /// A copy, for what keeps it.
    pub fn to_image(&self) -> PyResult<RgbImage> {
        image_of(self.view()?)
    }
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
