use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

fn key(model: &str) -> Key {
    let text = str::to_owned;
    Key {
        network: text("detector"),
        model: text(model),
        precision: text("fp16"),
        shapes: text("image:1x3x64x64"),
        onnxruntime: text("1.24.4"),
        tensorrt: text("10.3.0"),
        device: text("Orin"),
    }
}

fn cache() -> (tempfile::TempDir, EngineCache) {
    let dir = tempfile::tempdir().unwrap();
    let cache = EngineCache::at(dir.path().join("engines"));
    (dir, cache)
}

fn open(cache: &EngineCache, model: &str) -> Entry {
    cache.entry(key(model), &mut || panic!("nobody else is at work")).unwrap()
}

/// Builds an engine for `model`, and returns its folder.
fn build(cache: &EngineCache, model: &str) -> PathBuf {
    let entry = open(cache, model);
    assert!(!entry.is_ready());
    fs::write(entry.path().join("a.engine"), model).unwrap();
    fs::write(entry.path().join("a.timing"), "times").unwrap();
    let dir = entry.path().to_owned();
    entry.seal().unwrap();
    dir
}

#[test]
fn an_engine_that_was_built_is_there_for_its_key_and_no_other() {
    let (_dir, cache) = cache();
    let dir = build(&cache, "m");
    let entry = open(&cache, "m");
    assert!(entry.is_ready() && entry.path() == dir);
    entry.seal().unwrap();
    assert!(open(&cache, "m").is_ready());
    assert_eq!(fs::metadata(cache.root()).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
    let other = open(&cache, "another");
    assert!(!other.is_ready());
    drop(other);
    let changes: [fn(&mut Key); 3] = [
        |k| k.precision = "stored".to_owned(),
        |k| k.tensorrt = "10.4.0".to_owned(),
        |k| k.device = "Xavier".to_owned(),
    ];
    for change in changes {
        let mut key = key("m");
        change(&mut key);
        assert!(!cache.entry(key, &mut || ()).unwrap().is_ready());
    }
}

#[test]
fn what_was_tampered_with_is_built_anew() {
    type Attack = fn(&Path);
    let root = rustix::process::geteuid().is_root();
    let attacks: [(&str, Attack); 9] = [
        ("truncated", |d| fs::write(d.join("a.engine"), "").unwrap()),
        ("changed", |d| fs::write(d.join("a.engine"), "evil").unwrap()),
        ("missing", |d| fs::remove_file(d.join("a.timing")).unwrap()),
        ("added", |d| fs::write(d.join("b.engine"), "evil").unwrap()),
        ("linked", |d| {
            fs::rename(d.join("a.engine"), d.parent().unwrap().join("elsewhere")).unwrap();
            symlink(d.parent().unwrap().join("elsewhere"), d.join("a.engine")).unwrap();
        }),
        ("unsealed", |d| fs::remove_file(d.join(SEAL)).unwrap()),
        ("seal truncated", |d| fs::write(d.join(SEAL), "{").unwrap()),
        ("another user's", |d| std::os::unix::fs::chown(d.join("a.engine"), Some(12345), None).unwrap()),
        ("open to others", |d| fs::set_permissions(d, fs::Permissions::from_mode(0o777)).unwrap()),
    ];
    // Only root can give files away.
    for (name, attack) in attacks.into_iter().filter(|(name, _)| root || *name != "another user's") {
        let (_dir, cache) = cache();
        let dir = build(&cache, "m");
        attack(&dir);
        let listed = cache.list().unwrap();
        assert!(listed.iter().all(|kept| kept.key.is_none()), "{name}");
        let entry = open(&cache, "m");
        assert!(!entry.is_ready(), "{name}");
        assert_eq!(fs::read_dir(entry.path()).unwrap().count(), 0, "{name}: nothing of it is left");
    }
}

#[test]
fn another_models_engine_in_its_place_is_not_used() {
    let (_dir, cache) = cache();
    let (mine, other) = (build(&cache, "mine"), build(&cache, "other"));
    fs::remove_dir_all(&mine).unwrap();
    fs::rename(&other, &mine).unwrap();
    assert!(!open(&cache, "mine").is_ready());
}

#[test]
fn a_folder_that_is_a_link_or_open_to_others_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("real"), dir.path().join("link"));
    fs::create_dir(&real).unwrap();
    symlink(&real, &link).unwrap();
    let refused = |root: &Path, part: &str| {
        let error = EngineCache::at(root).entry(key("m"), &mut || ()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(&link, "is a link");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o755)).unwrap();
    refused(&real, "chmod 700");
    if rustix::process::geteuid().is_root() {
        fs::set_permissions(&real, fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::chown(&real, Some(12345), None).unwrap();
        refused(&real, "belongs to user 12345");
    }
}

#[test]
fn an_entry_that_is_a_link_is_replaced_and_what_it_leads_to_is_left_alone() {
    let (outer, cache) = cache();
    let dir = build(&cache, "m");
    let elsewhere = outer.path().join("elsewhere");
    fs::rename(&dir, &elsewhere).unwrap();
    symlink(&elsewhere, &dir).unwrap();
    assert!(!open(&cache, "m").is_ready());
    assert!(elsewhere.join("a.engine").is_file());
}

#[test]
fn of_two_at_once_one_builds_and_the_other_waits_for_it() {
    let (_dir, cache) = cache();
    let entry = open(&cache, "m");
    let waited = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| {
            let entry = cache.entry(key("m"), &mut || waited.store(true, Ordering::SeqCst)).unwrap();
            entry.is_ready()
        });
        while !waited.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        fs::write(entry.path().join("a.engine"), "engine").unwrap();
        entry.seal().unwrap();
        assert!(second.join().unwrap(), "the second uses what the first built");
    });
}

/// Names the cache to a process that [`of_two_processes_one_builds_and_the_other_waits`] starts.
const ROOT_OF_CHILD: &str = "LKG_TEST_ENGINES";

/// The body of such a process; it does nothing where nobody named a cache.
#[test]
fn a_process_that_builds_or_waits() {
    let Some(root) = std::env::var_os(ROOT_OF_CHILD) else { return };
    let mut waited = false;
    let entry = EngineCache::at(root).entry(key("m"), &mut || waited = true).unwrap();
    if entry.is_ready() {
        assert!(waited || fs::read(entry.path().join("a.engine")).unwrap() == b"engine");
        println!("\nfound");
    } else {
        // Long enough for the other to come.
        std::thread::sleep(Duration::from_millis(400));
        fs::write(entry.path().join("a.engine"), "engine").unwrap();
        println!("\nbuilt");
    }
    entry.seal().unwrap();
}

#[test]
fn of_two_processes_one_builds_and_the_other_waits() {
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "engine::cache::tests::a_process_that_builds_or_waits"])
            .env(ROOT_OF_CHILD, dir.path().join("engines"))
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut said: Vec<String> = [start(), start()]
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
            let text = String::from_utf8(output.stdout).unwrap();
            text.lines().find(|l| ["found", "built"].contains(l)).unwrap().to_owned()
        })
        .collect();
    said.sort();
    assert_eq!(said, ["built", "found"]);
}

#[test]
fn what_failed_to_build_leaves_nothing_and_clearing_deletes_the_rest() {
    let (_dir, cache) = cache();
    let failed = open(&cache, "failed");
    fs::write(failed.path().join("half.engine"), "").unwrap();
    drop(failed);
    assert!(cache.list().unwrap().is_empty());
    build(&cache, "m");
    build(&cache, "n");
    assert_eq!(cache.list().unwrap().len(), 2);
    let cleared = cache.clear(&mut || ()).unwrap();
    assert!(cleared.len() == 2 && cleared.iter().all(|kept| kept.key.is_some() && kept.bytes > 0));
    assert!(cache.list().unwrap().is_empty());
    assert!(EngineCache::at("/nonexistent/engines").clear(&mut || ()).unwrap().is_empty());
}
