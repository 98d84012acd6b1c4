//! numpy arrays in and out.

use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::errors::named;

pub(crate) fn vector<T: numpy::Element + Copy>(array: &PyReadonlyArray1<'_, T>) -> PyResult<Vec<T>> {
    match array.as_slice() {
        Ok(slice) => Ok(slice.to_vec()),
        Err(_) => Ok(array.as_array().to_vec()),
    }
}

/// The rows of a C-contiguous array with `columns` columns.
pub(crate) fn rows<'a>(
    py: Python<'_>,
    array: &'a PyReadonlyArray2<'_, f64>,
    columns: usize,
) -> PyResult<&'a [f64]> {
    if array.shape()[1] != columns {
        let message = format!("rows of {} columns, expected {columns}", array.shape()[1]);
        return Err(named(py, "DataError", message));
    }
    // `as_slice` alone would take Fortran order for row after row.
    match array.as_slice() {
        Ok(rows) if array.is_c_contiguous() => Ok(rows),
        _ => Err(PyTypeError::new_err("rows must be a C-contiguous float64 array")),
    }
}

/// Indices as the core takes them.
pub(crate) fn indices(py: Python<'_>, array: &PyReadonlyArray1<'_, i64>) -> PyResult<Vec<usize>> {
    vector(array)?
        .into_iter()
        .map(|i| usize::try_from(i).map_err(|_| named(py, "ModelError", format!("a column index is {i}"))))
        .collect()
}
