use serde_json::{Value, json};

use crate::edit::{Workspace, group, group_names};

/// Everything that the page shows beside pictures.
pub(super) fn state(workspace: &Workspace) -> Value {
    let opened = workspace.opened();
    let manifest = workspace.model().manifest();
    let (face, original) = (opened.session.face(), opened.session.original());
    let part = |(i, keypoint): (usize, &lkg_bundle::manifest::Keypoint)| {
        let changed = !face.same_part(original, i);
        json!({
            "name": keypoint.name,
            "colour": keypoint.colour,
            "at": face.keypoints[i],
            "scale": face.scales[i],
            "there": face.visible[i] > 0.0,
            "locked": opened.session.locked()[i],
            "changed": changed,
        })
    };
    let parts: Vec<Value> = manifest.keypoints.iter().enumerate().map(part).collect();
    let groups = group_names().filter_map(|name| {
        let parts = group(name, manifest).filter(|parts| !parts.is_empty())?;
        Some((name.to_owned(), json!(parts)))
    });
    let values = workspace.expressions();
    let expressions = manifest
        .expressions
        .iter()
        .zip(values)
        .map(|(e, value)| json!({ "name": e.name, "range": e.range, "rest": e.rest, "value": value }));
    let (history, done) = opened.session.history();
    let (width, height) = workspace.size();
    let crop = workspace.crop();
    json!({
        "source": opened.source,
        "photo": opened.photo.as_ref().map(|p| p.picture.dimensions()),
        "origin": workspace.origin().sentence(),
        "bundle": manifest.name,
        "view": {
            "size": [width, height],
            "patch": workspace.place(),
            "face": [crop.cx, crop.cy, crop.side, crop.angle],
        },
        "carried": original.is_carried(),
        "expressions": expressions.collect::<Vec<_>>(),
        "parts": parts,
        "groups": groups.collect::<serde_json::Map<_, _>>(),
        "history": history.iter().map(|t| t.label.as_str()).collect::<Vec<_>>(),
        "done": done,
        "donors": workspace.strip().iter().map(|d| d.name.as_str()).collect::<Vec<_>>(),
    })
}
