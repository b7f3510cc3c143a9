//! Models that are lent or owned.

use std::ops::{Deref, DerefMut};

/// A model that somebody else owns, or that is owned here: what works with one can be kept in a struct either way.
pub enum Held<'a, T> {
    /// Lent for as long as `'a`.
    Lent(&'a mut T),
    /// Owned; what holds it may live as long as it likes.
    Own(Box<T>),
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Lent(model) => model,
            Self::Own(model) => model,
        }
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match self {
            Self::Lent(model) => model,
            Self::Own(model) => model,
        }
    }
}

impl<'a, T> From<&'a mut T> for Held<'a, T> {
    fn from(model: &'a mut T) -> Self {
        Self::Lent(model)
    }
}

impl<T> From<Box<T>> for Held<'_, T> {
    fn from(model: Box<T>) -> Self {
        Self::Own(model)
    }
}
