//! Configurations as versions before this one wrote them: files, checkpoints and `--set` still load.

#![allow(clippy::unwrap_used)]

use lkg_trainer::config::migration::MOVED;
use lkg_trainer::config::{Config, overrides};
use lkg_trainer::train::run::checkpoint::Checkpoint;
use toml::{Table, Value};

/// The value at a dotted key.
fn at<'a>(tree: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        Some((section, rest)) => at(tree.get(section)?.as_table()?, rest),
        None => tree.get(key),
    }
}

/// Another sound value of the same kind.
fn other(now: &Value) -> Value {
    match now {
        Value::Integer(i) => Value::Integer(i + 1),
        Value::Float(f) => Value::Float(f + 0.015_625),
        Value::Boolean(b) => Value::Boolean(!b),
        Value::String(_) => Value::String("open-nsfw".into()),
        Value::Array(items) => Value::Array(items.iter().map(other).collect()),
        other => other.clone(),
    }
}

#[test]
fn every_old_key_loads_to_the_same_value() {
    let defaults = Table::try_from(Config::default()).unwrap();
    assert_eq!(MOVED.len(), 69);
    for (old, now) in MOVED {
        let value = other(at(&defaults, now).unwrap_or_else(|| panic!("{now} is no key")));
        let (section, key) = old.split_once('.').unwrap();
        let file = format!("[{section}]\n{key} = {value}\n");
        let (new_section, name) = now.rsplit_once('.').unwrap();
        let wanted: Config = toml::from_str(&format!("[{new_section}]\n{name} = {value}\n")).unwrap();
        assert_ne!(wanted, Config::default(), "{now}");
        assert_eq!(toml::from_str::<Config>(&file).unwrap(), wanted, "{old} in a file");
        let json = serde_json::json!({ section: { key: serde_json::to_value(&value).unwrap() } });
        assert_eq!(serde_json::from_value::<Config>(json).unwrap(), wanted, "{old} in a checkpoint");
        for key in [old, now] {
            let set = overrides::apply(&Config::default(), &[format!("{key}={value}")]).unwrap();
            assert_eq!(set, wanted, "--set {key}");
        }
    }
}

#[test]
fn a_key_under_both_names_and_one_that_never_was_are_refused() {
    let refused = |text: &str| Config::parse(text, "file").unwrap_err().to_string();
    let both = refused("[gan]\nr1_weight = 1.0\n[gan.r1]\nweight = 2.0");
    assert!(both.contains("gan.r1_weight is an old name of gan.r1.weight, which is given, too"), "{both}");
    let never = refused("[gan.r1]\nwieght = 2.0");
    assert!(never.contains("did you mean gan.r1.weight?"), "{never}");
    let section = refused("[gna]\n");
    assert!(section.contains("no key named gna"), "{section}");
    assert!(refused("[gan]\nr1_weight = 'much'").contains("gan.r1.weight must be a number"));
}

/// What the shipped models were trained with was written flat, and so were the checkpoints beside them.
#[test]
fn shipped_configurations_and_checkpoints_load() {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
    for name in ["faces64-edge", "faces128", "cartoons64"] {
        let text = std::fs::read_to_string(format!("{models}/{name}/train.toml")).unwrap();
        let config = Config::parse(&text, name).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), config);
        assert!(config.gan.cycle.keypoints_weight == 2.0 && !config.gan.cycle.teach_generator, "{name}");
        // Written anew it is in the new form, and the same.
        let anew = toml::to_string(&config).unwrap();
        assert!(anew.contains("[gan.cycle]") && !anew.contains("cycle_keypoints_weight"), "{anew}");
        assert_eq!(Config::parse(&anew, "anew").unwrap(), config);
    }
    for name in ["faces64-edge", "faces128", "keypoints128"] {
        let path = format!("{models}/weights/{name}.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        let header = String::from_utf8_lossy(&bytes[..4096.min(bytes.len())]).into_owned();
        assert!(header.contains("cycle_keypoints_weight"), "{name} is no checkpoint of before");
        let checkpoint = Checkpoint::open(path.as_ref()).unwrap();
        checkpoint.state.config.check().unwrap();
        assert!(checkpoint.state.config.gan.cycle.keypoints_weight > 0.0, "{name}");
    }
}
