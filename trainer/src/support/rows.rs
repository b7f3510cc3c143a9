//! Text tables of any maker: fields parted by commas, semicolons, tabs or blanks, quoted or not, with a byte-order mark or
//! without, in UTF-8 or (as spreadsheets call Unicode text) in UTF-16.

use std::path::Path;

use crate::error::{Error, Result};

/// Largest table that is read, in bytes.
const MAX_BYTES: u64 = 1 << 30;
/// Lines that tell how fields are parted: a count of rows and a heading may come before the first row.
const TELLING: usize = 3;

/// A row that is not blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its line, from 1.
    pub line: u64,
    /// Its fields without the quotes and blanks around them.
    pub fields: Vec<String>,
}

/// Reads the rows of the file at `path`.
///
/// # Errors
/// [`Error::Bundle`] if it cannot be read or is larger than 1 GiB, [`Error::Data`] if a quote has no end.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    parse(&lkg_bundle::files::read_at_most(path, MAX_BYTES)?, path)
}

/// The rows of `content`, which messages call `path`.
///
/// # Errors
/// [`Error::Data`] if a quote has no end.
pub fn parse(content: &[u8], path: &Path) -> Result<Vec<Row>> {
    // One kind of line end, so that lines are counted right.
    let text = decode(content).replace("\r\n", "\n").replace('\r', "\n");
    let delimiter = delimiter(&text);
    let blanks = delimiter == b' ';
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let fail = |e: csv::Error| Error::Data { path: path.to_owned(), reason: e.to_string() };
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(fail)?;
        let line = record.position().map_or(0, |at| {
            // It counts from the end of the row before, whatever blank lines follow.
            let blank = text
                .as_bytes()
                .get(at.byte() as usize..)
                .unwrap_or_default()
                .iter()
                .take_while(|b| **b == b'\n')
                .count();
            at.line() + blank as u64
        });
        // A quote that comes after a blank is none to the reader.
        let fields = record.iter().map(|f| f.trim_matches('"').trim().to_owned());
        // Several blanks part two fields as one does.
        let fields: Vec<String> = fields.filter(|f| !(blanks && f.is_empty())).collect();
        if fields.iter().any(|f| f.contains('\n')) {
            let reason = format!("line {line}: a quote that is opened there has no end on its line");
            return Err(Error::Data { path: path.to_owned(), reason });
        }
        if fields.iter().any(|f| !f.is_empty()) {
            rows.push(Row { line, fields });
        }
    }
    Ok(rows)
}

/// The text of a file, without its byte-order mark.
fn decode(content: &[u8]) -> String {
    let units = |of: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = content[2..].as_chunks::<2>().0.iter().map(|pair| of(*pair)).collect();
        String::from_utf16_lossy(&units)
    };
    match content {
        [0xff, 0xfe, ..] => units(u16::from_le_bytes),
        [0xfe, 0xff, ..] => units(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(content).into_owned(),
    }
}

/// What parts fields: the first of comma, semicolon and tab that is on the first lines, else blanks.
fn delimiter(text: &str) -> u8 {
    let first: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).take(TELLING).collect();
    [',', ';', '\t'].into_iter().find(|c| first.iter().any(|l| l.contains(*c))).map_or(b' ', |c| c as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(content: &[u8]) -> Vec<Vec<String>> {
        parse(content, Path::new("t.csv")).unwrap().into_iter().map(|r| r.fields).collect()
    }

    /// A mark of byte order, or quotes, as spreadsheets write them, made a heading another one.
    #[test]
    fn one_table_reads_the_same_however_it_was_written() {
        let plain = fields(b"file,x,y\na b.png,1,2.5\n");
        assert_eq!(plain, [["file", "x", "y"], ["a b.png", "1", "2.5"]]);
        let utf16: Vec<u8> =
            "\u{feff}file\tx\ty\r\na b.png\t1\t2.5\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for written in [
            &b"\xef\xbb\xbffile,x,y\r\na b.png,1,2.5\r\n"[..],
            b"\"file\",\"x\",\"y\"\n\"a b.png\",\"1\",\"2.5\"",
            b"\xef\xbb\xbf\"file\";x;\"y\"\n\n\"a b.png\"; \"1\" ; 2.5\n",
            b"file\tx\ty\ra b.png\t1\t2.5\r",
            b"file  x   y\n\"a b.png\"  1 2.5  \n",
            &utf16,
        ] {
            assert_eq!(fields(written), plain, "{}", String::from_utf8_lossy(written));
        }
        assert_eq!(
            fields(b"\"says \"\"a, b\"\"\",1"),
            [["says \"\"a, b".replace("\"\"", "\""), "1".to_owned()]]
        );
    }

    #[test]
    fn lines_are_counted_as_editors_do_and_open_quotes_named() {
        let rows = parse(b"a,b\r\n\r\nc,d\r\ne,f", Path::new("t.csv")).unwrap();
        assert_eq!(rows.iter().map(|r| r.line).collect::<Vec<_>>(), [1, 3, 4]);
        let open = parse(b"a,b\n\"c,d\ne,f\n", Path::new("t.csv")).unwrap_err().to_string();
        assert!(open.contains("t.csv") && open.contains("line 2") && open.contains("quote"), "{open}");
    }
}
