//! Single values of a configuration changed by name: `gan.batch=32`.

use toml::{Table, Value};

use super::{Config, migration};
use crate::error::{Error, Result};

/// `config` with each of `settings` (`section.key=value`, the value as in TOML) in place of its own, unchecked. Keys of older
/// versions count as what they are now.
///
/// # Errors
/// [`Error::Config`] naming the key that is unknown, with the nearest known one, or whose value has a wrong type.
pub fn apply(config: &Config, settings: &[String]) -> Result<Config> {
    let mut table = table(config)?;
    for setting in settings {
        let (key, text) =
            setting.split_once('=').map(|(key, text)| (key.trim(), text.trim())).ok_or_else(|| {
                Error::Config(format!("'{setting}' is not of the form key=value, as in gan.batch=32"))
            })?;
        // An old key may be the name of a section by now.
        let key = match find(&mut table, key) {
            Some(_) => key,
            None => migration::current(key).unwrap_or(key),
        };
        table = set_and_read(table, key, parse(text), Some(text))?;
    }
    read(&table).map_err(Error::Config)
}

/// The configuration that a file's `tree` makes of the defaults, unchecked.
///
/// # Errors
/// As [`apply`].
pub(super) fn over_defaults(mut tree: Table) -> Result<Config> {
    migration::migrate(&mut tree);
    let defaults = table(&Config::default())?;
    let given = leaves(tree, "");
    let mut all = defaults.clone();
    for (key, value) in &given {
        set(&mut all, key, value.clone(), None)?;
    }
    if let Ok(config) = read(&all) {
        return Ok(config);
    }
    let mut table = defaults;
    for (key, value) in given {
        table = set_and_read(table, &key, value, None)?;
    }
    read(&table).map_err(Error::Config)
}

fn table(config: &Config) -> Result<Table> {
    Table::try_from(config).map_err(|e| Error::Config(e.to_string()))
}

/// Sets one value and reads all, so that what is said of a wrong one names its key.
fn set_and_read(mut tree: Table, key: &str, value: Value, text: Option<&str>) -> Result<Table> {
    set(&mut tree, key, value, text)?;
    table(&read(&tree).map_err(|e| Error::Config(format!("{key}: {e}")))?)
}

/// Sets the value of `key`, as it was written in `text`.
fn set(table: &mut Table, key: &str, value: Value, text: Option<&str>) -> Result<()> {
    let known = keys(table, "");
    if matches!(&value, Value::Table(t) if t.is_empty()) && known.iter().any(|k| within(k, key)) {
        return Ok(());
    }
    let slot = find(table, key).ok_or_else(|| Error::Config(unknown(key, &known)))?;
    let shown = text.map_or_else(|| value.to_string(), str::to_owned);
    *slot = convert(value, slot).map_err(|(have, want)| {
        Error::Config(format!("{key} must be {want}, not {have} ({shown}); it is {slot} without this"))
    })?;
    Ok(())
}

fn within(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

/// Every value of a tree, and every empty section, by its dotted key.
fn leaves(tree: Table, prefix: &str) -> Vec<(String, Value)> {
    let each = tree.into_iter().flat_map(|(key, value)| match value {
        Value::Table(inner) if !inner.is_empty() => leaves(inner, &format!("{prefix}{key}.")),
        value => vec![(format!("{prefix}{key}"), value)],
    });
    each.collect()
}

fn read(table: &Table) -> std::result::Result<Config, String> {
    table.clone().try_into().map_err(|e: toml::de::Error| e.message().to_owned())
}

/// A TOML value; a bare word is a string, so that shells need no quotes within quotes.
fn parse(text: &str) -> Value {
    let table: Option<Table> = toml::from_str(&format!("v = {text}")).ok();
    table.and_then(|mut t| t.remove("v")).unwrap_or_else(|| Value::String(text.to_owned()))
}

/// `value` as the type of `like`, or both types' names.
fn convert(value: Value, like: &Value) -> std::result::Result<Value, (&'static str, &'static str)> {
    match (value, like) {
        // 1 is as good a number as 1.0.
        (Value::Integer(i), Value::Float(_)) => Ok(Value::Float(i as f64)),
        (Value::Array(items), Value::Array(likes)) if !likes.is_empty() => {
            let each = items.into_iter().map(|item| convert(item, &likes[0]));
            Ok(Value::Array(each.collect::<std::result::Result<_, _>>()?))
        }
        (value, like) if value.same_type(like) => Ok(value),
        (value, like) => Err((type_name(&value), type_name(like))),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a word",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}

/// Every key, dotted, in the order of the file.
pub(super) fn keys(table: &Table, prefix: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => all.extend(keys(inner, &format!("{prefix}{key}."))),
            _ => all.push(format!("{prefix}{key}")),
        }
    }
    all
}

fn find<'a>(table: &'a mut Table, key: &str) -> Option<&'a mut Value> {
    match key.split_once('.') {
        Some((section, rest)) => find(table.get_mut(section)?.as_table_mut()?, rest),
        None => table.get_mut(key).filter(|v| !v.is_table()),
    }
}

fn unknown(key: &str, known: &[String]) -> String {
    if let Some(now) = migration::current(key).filter(|now| known.iter().any(|k| k == now)) {
        return format!("{key} is an old name of {now}, which is given, too: leave {key} out");
    }
    let inside: Vec<&str> = known.iter().filter(|k| within(k, key)).map(String::as_str).collect();
    if !inside.is_empty() {
        return format!("no key named {key}: it is a section, with {}", inside.join(", "));
    }
    // Old names are guessed at, too, and answered by what they are now.
    let old = migration::MOVED.iter().filter(|(_, now)| known.iter().any(|k| k == now));
    let candidates: Vec<(&str, &str)> =
        known.iter().map(|k| (k.as_str(), k.as_str())).chain(old.copied()).collect();
    // A key given without its section is the commonest slip.
    let last = |k: &str| k.rsplit('.').next().unwrap_or_default().to_owned();
    let nearness = |k: &str| {
        let whole = strsim::normalized_damerau_levenshtein(key, k);
        whole.max(strsim::normalized_damerau_levenshtein(&last(key), &last(k)) - 0.01)
    };
    let best = candidates.iter().map(|(name, _)| nearness(name)).fold(0.0, f64::max);
    let mut nearest: Vec<&str> =
        candidates.iter().filter(|(name, _)| nearness(name) == best).map(|(_, now)| *now).collect();
    nearest.dedup();
    let section =
        key.split_once('.').map(|(section, _)| section).filter(|s| known.iter().any(|k| within(k, s)));
    match nearest.split_last() {
        Some((one, [])) if best > 0.5 => format!("no key named {key}: did you mean {one}?"),
        Some((last, others)) if best > 0.5 => {
            format!("no key named {key}: did you mean {} or {last}?", others.join(", "))
        }
        _ => {
            let keys = known.iter().filter(|k| section.is_none_or(|s| within(k, s)));
            format!("no key named {key}: the keys are {}", keys.cloned().collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(settings: &[&str]) -> std::result::Result<Config, String> {
        let settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
        apply(&Config::default(), &settings).map_err(|e| e.to_string())
    }

    #[test]
    fn values_of_every_type_are_set() {
        let config = set(&[
            "seed=7",
            "precision=fp32",
            "gan.batch = 32",
            "gan.r1.weight=1",
            "gan.images=[10, 20]",
            "gan.betas=[0, 0.9]",
            "architecture.generator_channels=[1,2,3]",
        ])
        .unwrap();
        assert_eq!((config.seed, config.gan.batch, config.gan.r1.weight), (7, 32, 1.0));
        assert_eq!(config.precision, crate::config::Precision::Fp32);
        assert_eq!((config.gan.images, config.gan.betas), (vec![10, 20], (0.0, 0.9)));
        assert_eq!(config.architecture.generator_channels, [1, 2, 3]);
        assert_eq!(set(&[]).unwrap(), Config::default());
    }

    #[test]
    fn unknown_keys_name_the_nearest_and_wrong_types_the_key() {
        let refused = |s: &str| set(&[s]).unwrap_err();
        assert!(refused("gan.bath=3").contains("did you mean gan.batch?"));
        assert!(refused("batch=3").contains(
            "did you mean detector.batch, encoder.batch, gan.batch, keypoints.batch or portrait.batch?"
        ));
        assert!(refused("architecture.keypoint=3").contains("did you mean architecture.keypoints?"));
        assert!(refused("zzzzzz=1").contains("the keys are architecture.detector_channels"));
        assert!(refused("gan=1").contains("no key named gan"));
        assert!(refused("gan=1").contains("it is a section, with gan.a"));
        assert!(!refused("gan.qqqqqqqq=1").contains("detector."));
        // Typos of old names were answered by whatever new name looked most like them.
        assert!(refused("gan.generator_rates=1").ends_with("did you mean gan.generator_learning_rate?"));
        assert!(refused("detector.lookss=1").ends_with("did you mean detector.refinement_crops?"));
        assert!(refused("gan.cycle_disgise=1").ends_with("did you mean gan.cycle.augmentation?"));
        let both = toml::from_str("gan.r1_weight = 1\ngan.r1.weight = 1").unwrap();
        let both = over_defaults(both).unwrap_err().to_string();
        assert!(both.contains("old name of gan.r1.weight, which is given, too"), "{both}");
        assert!(refused("gan.batch").contains("key=value"));
        assert!(refused("gan.batch=many").contains("gan.batch must be a whole number, not a word (many)"));
        assert!(refused("gan.batch=1.5").contains("gan.batch must be a whole number, not a number (1.5)"));
        assert!(refused("gan.images=3").contains("gan.images must be a list"));
        assert!(refused("gan.images=[-3, 5]").contains("gan.images"));
        assert!(refused("precision=fp8").contains("precision"));
        assert!(refused("precision=fp8").contains("fp8"));
    }

    /// A value that is wrong for whatever holds one like `now`.
    fn wrong(now: &Value) -> Vec<&'static str> {
        match now {
            Value::Integer(_) => vec!["-1", "0", "many"],
            Value::Float(_) => vec!["-1", "nan"],
            Value::Array(_) => vec!["[]", "[-1]", "[9]"],
            _ => vec!["7"],
        }
    }

    /// "gan: fractions must be 0 to 1" was said, and nothing of which of eight.
    #[test]
    fn whatever_is_wrong_is_named_by_its_whole_key() {
        let defaults = table(&Config::default()).unwrap();
        let free = ["seed", "crop.zoom_min"];
        for key in keys(&defaults, "") {
            let now = find(&mut defaults.clone(), &key).unwrap().clone();
            let mut said = 0;
            for value in wrong(&now) {
                let setting = format!("{key}={value}");
                let refusal =
                    apply(&Config::default(), std::slice::from_ref(&setting)).and_then(|c| c.check());
                let file = match key.split_once('.') {
                    Some((section, rest)) => format!("[{section}]\n{rest} = {value}"),
                    None => format!("{key} = {value}"),
                };
                let file = Config::parse(&file.replace("many", "'many'"), "file");
                assert_eq!(refusal.is_err(), file.is_err(), "{setting}");
                for refusal in refusal.err().into_iter().chain(file.err()) {
                    let refusal = refusal.to_string();
                    assert!(refusal.contains(&key), "{setting}: {refusal}");
                    said += 1;
                }
            }
            assert!(said > 0 || free.contains(&key.as_str()), "nothing is wrong for {key}");
        }
    }
}
