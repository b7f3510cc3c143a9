//! Reading and writing pictures.
