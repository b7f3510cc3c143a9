//! Text tables: rows of a picture's name and numbers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::dataset::decode::Bounds;
use crate::error::{Error, Result};
use crate::support::rows::{self, Row};

/// A table by the first field of its rows.
#[derive(Debug)]
pub struct Table {
    path: PathBuf,
    rows: HashMap<String, Vec<f64>>,
    /// The first fields in the order of the file.
    pub names: Vec<String>,
    /// The words of its heading, if it has one.
    pub heading: Vec<String>,
}

impl Table {
    /// Reads rows of a name and at least `columns` numbers; a count on the first line and a heading are skipped.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Data`] with the line that is wrong.
    pub fn read(path: &Path, columns: usize) -> Result<Self> {
        let mut table = Self { path: path.to_owned(), rows: HashMap::new(), names: vec![], heading: vec![] };
        for (i, Row { line, mut fields }) in rows::read(path)?.into_iter().enumerate() {
            fields.retain(|f| !f.is_empty());
            let Some((name, rest)) = fields.split_first() else { continue };
            let numbers: Vec<f64> = rest.iter().map_while(|f| f.parse().ok()).collect();
            let finite = numbers.iter().all(|n| n.is_finite());
            if numbers.len() == rest.len() && numbers.len() >= columns && finite {
                table.names.push(name.clone());
                table.rows.insert(name.clone(), numbers);
            } else if i == 0 || (i == 1 && table.heading.len() == 1) {
                // CelebA has the number of rows, then names of columns.
                table.heading = fields;
            } else {
                let reason = format!("line {line}: not a name and {columns} numbers");
                return Err(Error::Data { path: path.to_owned(), reason });
            }
        }
        if table.names.is_empty() {
            return Err(Error::Data { path: path.to_owned(), reason: "no rows in it".into() });
        }
        Ok(table)
    }

    /// The numbers of `name`.
    pub fn get(&self, name: &str) -> Option<&[f64]> {
        self.rows.get(name).map(Vec::as_slice)
    }

    /// The numbers of `name`, which must be there.
    ///
    /// # Errors
    /// [`Error::Data`].
    pub fn need(&self, name: &str) -> Result<&[f64]> {
        self.get(name).ok_or_else(|| Error::Data {
            path: self.path.clone(),
            reason: format!("no row for {name}: the list is not whole, or belongs to other pictures"),
        })
    }
}

/// Reads lines of words; blank lines are skipped.
///
/// # Errors
/// [`Error::Bundle`] or [`Error::Data`].
pub fn lines(path: &Path) -> Result<Vec<Vec<String>>> {
    Ok(rows::read(path)?.into_iter().map(|row| row.fields).collect())
}

/// Boxes to cut round, from a CSV file.
#[derive(Debug)]
pub struct Boxes {
    bounds: HashMap<String, Bounds>,
    /// Whether they are drawn round points.
    pub of_points: bool,
}

impl Boxes {
    /// Reads a CSV with the heading `file,x,y,width,height`, in pixels, or with any other and the x, y of two or more
    /// points in [0, 1] of the picture, such as `landmarks.csv` of `trainer eval landmarks`.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Data`].
    pub fn read(path: &Path) -> Result<Self> {
        let table = Table::read(path, 4)?;
        let heading: Vec<String> = table.heading.iter().map(|h| h.to_lowercase()).collect();
        let of_points = heading != ["file", "x", "y", "width", "height"];
        let mut bounds = HashMap::new();
        for name in &table.names {
            let numbers = table.need(name)?;
            let fail = |reason: &str| {
                Err(Error::Data { path: path.to_owned(), reason: format!("{name}: {reason}") })
            };
            let found = if of_points {
                if numbers.len() % 2 != 0 || numbers.iter().any(|n| n.abs() > 4.0) {
                    return fail(
                        "not x, y in [0, 1] of the picture; boxes need the heading file,x,y,width,height",
                    );
                }
                Bounds::Fractions(around(numbers))
            } else {
                let [x, y, w, h] = [numbers[0], numbers[1], numbers[2], numbers[3]];
                if numbers.len() != 4 || w <= 0.0 || h <= 0.0 {
                    return fail("not x, y, width and height of a box");
                }
                Bounds::Pixels([x, y, w, h])
            };
            bounds.insert(name.clone(), found);
        }
        Ok(Self { bounds, of_points })
    }

    /// The box of a picture.
    pub fn of(&self, name: &str) -> Option<Bounds> {
        self.bounds.get(name).copied()
    }
}

/// The box `[x, y, width, height]` round points x, y, x, y ...
fn around(points: &[f64]) -> [f64; 4] {
    let span = |first: usize| {
        let of = points.iter().skip(first).step_by(2);
        of.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)))
    };
    let ((left, right), (top, bottom)) = (span(0), span(1));
    [left, top, right - left, bottom - top]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn boxes(text: &str) -> Result<Boxes> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.csv");
        fs::write(&path, text).unwrap();
        Boxes::read(&path)
    }

    #[test]
    fn boxes_and_points_are_told_apart_by_their_heading() {
        let pixels = boxes("file,x,y,width,height\na.png, 1, 2, 30, 40\n").unwrap();
        assert!(!pixels.of_points);
        assert_eq!(pixels.of("a.png"), Some(Bounds::Pixels([1.0, 2.0, 30.0, 40.0])));
        let points = boxes("file,ax,ay,bx,by\nb.png,0.25,0.5,0.75,0.5\n").unwrap();
        assert_eq!(points.of("b.png"), Some(Bounds::Fractions([0.25, 0.5, 0.5, 0.0])));
        assert_eq!(points.of("a.png"), None);
    }

    /// Written by a spreadsheet, the heading was not found although it is there.
    #[test]
    fn boxes_of_a_spreadsheet_are_boxes() {
        for heading in [
            "\u{feff}file,x,y,width,height\r\n",
            "\"file\",\"x\",\"y\",\"width\",\"height\"\n",
            "File;X;Y;Width;Height\n",
        ] {
            let row = if heading.contains(';') { "\"a.png\";1;2;30;40" } else { "\"a.png\",1,\"2\",30,40" };
            let read = boxes(&format!("{heading}{row}\n")).unwrap();
            assert!(!read.of_points, "{heading}");
            assert_eq!(read.of("a.png"), Some(Bounds::Pixels([1.0, 2.0, 30.0, 40.0])), "{heading}");
        }
    }

    #[test]
    fn bad_tables_name_the_line_or_the_picture() {
        let fails = |text: &str| boxes(text).unwrap_err().to_string();
        assert!(
            fails("file,x,y,width,height\na,1,2,3,4\nb,1,2,x,4\n")
                .contains("line 3: not a name and 4 numbers")
        );
        assert!(fails("file,x,y,width,height\na,1,2,0,4\n").contains("a: not x, y, width"));
        assert!(fails("file,left,top,right,bottom\na,10,20,30,40\n").contains("file,x,y,width,height"));
        assert!(fails("file,x,y\n").contains("no rows"));
        assert!(fails("file,x,y,width,height\na,1,2,nan,4\n").contains("line 2"));
    }
}
