//! One style input of the synthesis network made three, so that pose and expression can move while the person stays.
//!
//! In a style-based generator coarse layers decide pose, middle ones the shape of parts, fine ones colour and detail
//! (Karras et al. 2019). The network is OpenVINO's XML; its layers that read the style are named `Gemm_N/WithoutBiases`,
//! `N` rising with resolution.

use std::collections::HashMap;

use crate::error::{Error, Result};

/// The input of the 4 and 8 px layers.
pub const POSE: &str = "pose";
/// The input of the 16 and 32 px layers.
pub const EXPRESSION: &str = "expression";
/// The input of all other layers, the network's own.
pub const STYLE: &str = "style";
/// The first `N` of the 16 px layers, and of the 64 px layers.
const FROM_16_PX: u32 = 152;
const FROM_64_PX: u32 = 352;

/// The network `xml` with the inputs [`POSE`], [`EXPRESSION`] and [`STYLE`] in place of the last alone.
///
/// # Errors
/// [`Error::OpenVino`] if it is not built as expected.
pub fn split_style(xml: &str) -> Result<String> {
    let wrong = |what: &str| {
        Error::OpenVino(format!("the synthesis network has {what}: run `scripts/setup faces` again"))
    };
    let mut names = HashMap::new();
    let mut input = None;
    for (at, _) in xml.match_indices("<layer ") {
        let tag = &xml[at..at + xml[at..].find('>').ok_or_else(|| wrong("a layer without an end"))?];
        let (Some(id), Some(name)) = (attribute(tag, "id"), attribute(tag, "name")) else {
            return Err(wrong("a layer without a name"));
        };
        if attribute(tag, "type") == Some("Parameter") {
            input = Some((at, id));
        }
        names.insert(id, name);
    }
    let (at, id) = input.ok_or_else(|| wrong("no input"))?;
    let end =
        at + xml[at..].find("</layer>").ok_or_else(|| wrong("an input without an end"))? + "</layer>".len();
    let new_id = |n: usize| (names.len() + n).to_string();
    let copy = |n: usize, name: &str| {
        let layer = xml[at..end].replacen(&format!("id=\"{id}\""), &format!("id=\"{}\"", new_id(n)), 1);
        layer.replace(&format!("\"{STYLE}\""), &format!("\"{name}\""))
    };
    let mut split = String::with_capacity(xml.len() + 2048);
    split.push_str(&xml[..end]);
    split.push_str(&copy(1_000_000, POSE));
    split.push_str(&copy(1_000_001, EXPRESSION));
    let mut moved = [0, 0];
    let mut rest = &xml[end..];
    while let Some(edge) = rest.find("<edge ") {
        let close = edge + rest[edge..].find('>').ok_or_else(|| wrong("an edge without an end"))?;
        let tag = &rest[edge..close];
        split.push_str(&rest[..edge]);
        let group = attribute(tag, "from-layer")
            .filter(|from| *from == id)
            .and_then(|_| names.get(attribute(tag, "to-layer")?))
            .and_then(|name| group(name));
        match group {
            Some(n) => {
                moved[n] += 1;
                let from = |id: &str| format!("from-layer=\"{id}\"");
                split.push_str(&tag.replacen(&from(id), &from(&new_id(1_000_000 + n)), 1));
            }
            None => split.push_str(tag),
        }
        rest = &rest[close..];
    }
    split.push_str(rest);
    if moved.contains(&0) {
        return Err(wrong("no layers that pose or expression could enter"));
    }
    Ok(split)
}

/// 0 for pose, 1 for expression, by the name of a layer that reads the style.
fn group(name: &str) -> Option<usize> {
    let n: u32 = name.strip_prefix("Gemm_")?.split('/').next()?.parse().ok()?;
    (n < FROM_64_PX).then_some(usize::from(n >= FROM_16_PX))
}

/// The value of an attribute of an XML tag.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    tag[start..].split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: &str = r#"<net><layers>
<layer id="0" name="style" type="Parameter"><output><port id="0" names="style"><dim>512</dim></port></output></layer>
<layer id="1" name="Gemm_11/WithoutBiases" type="MatMul"></layer>
<layer id="2" name="Gemm_152/WithoutBiases" type="MatMul"></layer>
<layer id="3" name="Gemm_743/WithoutBiases" type="MatMul"></layer>
<layer id="4" name="Shape_12" type="ShapeOf"></layer>
</layers><edges>
<edge from-layer="0" from-port="0" to-layer="1" to-port="0" />
<edge from-layer="0" from-port="0" to-layer="2" to-port="0" />
<edge from-layer="0" from-port="0" to-layer="3" to-port="0" />
<edge from-layer="0" from-port="0" to-layer="4" to-port="0" />
<edge from-layer="1" from-port="0" to-layer="2" to-port="1" />
</edges></net>"#;

    #[test]
    fn coarse_and_middle_layers_read_inputs_of_their_own() {
        let split = split_style(NETWORK).unwrap();
        let edges: Vec<_> =
            split.match_indices("<edge ").map(|(at, _)| attribute(&split[at..], "from-layer")).collect();
        assert_eq!(edges, [Some("1000005"), Some("1000006"), Some("0"), Some("0"), Some("1")]);
        for (id, name) in [("1000005", POSE), ("1000006", EXPRESSION)] {
            let layer = format!(
                "<layer id=\"{id}\" name=\"{name}\" type=\"Parameter\"><output><port id=\"0\" names=\"{name}\">"
            );
            assert!(split.contains(&layer), "{split}");
        }
        // Nothing else changed.
        assert_eq!(split.matches("<layer ").count(), 7);
        assert!(split.ends_with("</edges></net>"));
    }

    #[test]
    fn another_network_is_refused() {
        for (from, to) in [("Parameter", "Const"), ("Gemm_152", "Gemm_452"), ("Gemm_11", "Conv_11")] {
            assert!(split_style(&NETWORK.replace(from, to)).is_err(), "{from}");
        }
    }
}
