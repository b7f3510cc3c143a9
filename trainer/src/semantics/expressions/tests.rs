//! Made-up detections of known moves.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// Eyes, mouth, nose, brows: left, right, middle.
const LAYOUT: [[f64; 2]; 6] =
    [[-0.4, -0.3], [0.4, -0.3], [0.0, 0.5], [0.0, 0.1], [-0.4, -0.55], [0.4, -0.55]];
const K: usize = 6;
const S: usize = 2;

fn mirror() -> Mirror {
    Mirror { pairs: vec![[0, 1], [4, 5]], axis: vec![2, 3], landings: vec![] }
}

/// `people` of six pictures each: the first state of an eye tells how open it is and how far the head is turned, the second
/// how far alone; the mouth's tell its opening and its smile; brows move up with `brows`. Everybody has states and a size
/// of his own.
fn pictures(people: usize, noise: f64) -> Vec<Picture> {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut all = vec![];
    for person in 0..people {
        let own: Vec<f64> = (0..K * S).map(|_| rng.random_range(-0.05..0.05)).collect();
        let size = rng.random_range(0.8..1.2);
        for _ in 0..6 {
            let mut amounts = BTreeMap::new();
            let mut draw = |name: &str, range: std::ops::Range<f64>| {
                let amount = rng.random_range(range);
                amounts.insert(name.to_owned(), amount);
                amount
            };
            let (yaw, pitch) = (draw("yaw", -5.0..5.0), draw("pitch", -3.0..3.0));
            let mouth = draw("mouth_open", 0.0..6.5);
            let (smile, eyes, brows) =
                (draw("smile", -4.0..4.0), draw("eyes", -6.0..0.0), draw("brows", -3.5..3.5));
            let mut states = own.clone();
            for eye in [0, 1] {
                states[eye * S] += 0.6 * (1.0 + eyes / 6.0) + 0.1 * yaw;
                states[eye * S + 1] += 0.1 * yaw - 0.01 * pitch;
            }
            states[2 * S] += 0.5 * mouth / 6.5;
            states[2 * S + 1] += 0.4 * smile / 4.0 - 0.1 * mouth / 6.5;
            states[4 * S] += 0.3 * brows / 3.5;
            states[5 * S] += 0.3 * brows / 3.5;
            states.iter_mut().for_each(|s| *s += rng.random_range(-noise..=noise));
            let mut keypoints: Shape = LAYOUT.to_vec();
            keypoints[2][1] += 0.1 * mouth / 6.5;
            for brow in [4, 5] {
                keypoints[brow][1] -= 0.05 * brows / 3.5;
            }
            keypoints.iter_mut().for_each(|p| *p = [size * (p[0] + 0.02 * yaw) + 0.1, size * p[1]]);
            all.push(Picture { person, is_plain: true, amounts, keypoints, states });
        }
    }
    all
}

fn find(noise: f64) -> Expressions {
    Expressions::find(&pictures(60, noise), &LAYOUT, &mirror()).unwrap()
}

fn named(all: &Expressions, name: &str) -> Expression {
    all.found.iter().find(|f| f.expression.name == name).map(|f| f.expression.clone()).unwrap()
}

#[test]
fn known_moves_are_read_and_their_directions_found() {
    let all = find(0.01);
    let names: Vec<&str> = all.found.iter().map(|f| f.expression.name.as_str()).collect();
    assert_eq!(names, ["mouth-open", "smile", "eye-left", "eye-right", "brows"]);
    assert!(all.found.iter().all(|f| f.correlation > 0.95), "{:?}", all.lines());
    assert_eq!((all.fitted, all.tested), ([48, 288], [12, 72]));
    let mouth = named(&all, "mouth-open");
    assert!((mouth.states[2][0] - 0.5).abs() < 0.02 && (mouth.states[2][1] + 0.1).abs() < 0.02, "{mouth:?}");
    assert!((mouth.keypoints[2][1] - 0.1).abs() < 0.01 && mouth.keypoints[3][1].abs() < 0.01, "{mouth:?}");
    // What pose does is no part of it.
    assert!(
        mouth.keypoints.iter().all(|p| p[0].abs() < 0.01) && mouth.states[0][1].abs() < 0.02,
        "{mouth:?}"
    );
    let brows = named(&all, "brows");
    assert!(
        (brows.keypoints[4][1] + 0.05).abs() < 0.01 && (brows.states[5][0] - 0.3).abs() < 0.02,
        "{brows:?}"
    );
    assert!(brows.rest.abs() < 0.1 && mouth.rest.abs() < 0.1, "{} {}", brows.rest, mouth.rest);
}

#[test]
fn each_eye_takes_the_parts_on_its_side() {
    let all = find(0.01);
    for (name, eye, other) in [("eye-left", 0, 1), ("eye-right", 1, 0)] {
        let found = named(&all, name);
        assert!((found.states[eye][0] - 0.6).abs() < 0.03, "{found:?}");
        for numbers in [&found.weights, &found.states] {
            assert!([other, 2, 3].iter().all(|part| numbers[*part].iter().all(|v| *v == 0.0)), "{found:?}");
        }
        // An eye shut on one side alone.
        let mut states = vec![0.0; K * S];
        states[eye * S] = 0.0;
        states[other * S] = 0.6;
        assert!(found.read(&states) < 0.15, "{}", found.read(&states));
        states[eye * S] = 0.6;
        assert!(found.read(&states) > 0.85, "{}", found.read(&states));
    }
}

#[test]
fn turning_the_head_does_not_close_eyes() {
    let eye = named(&find(0.05), "eye-left");
    let at = |yaw: f64| {
        let mut states = vec![0.0; K * S];
        (states[0], states[1]) = ((0.3 + 0.1 * yaw) as f32, (0.1 * yaw) as f32);
        eye.read(&states)
    };
    assert!((at(5.0) - at(-5.0)).abs() < 0.2, "{} {}", at(5.0), at(-5.0));
}

#[test]
fn what_states_do_not_tell_is_left_out_and_said() {
    let mut without = pictures(60, 0.01);
    without.iter_mut().for_each(|p| {
        p.amounts.insert("smile".into(), (p.states[0] * 1e6).rem_euclid(8.0) - 4.0);
    });
    let all = Expressions::find(&without, &LAYOUT, &mirror()).unwrap();
    assert_eq!(all.left_out.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["smile"]);
    assert!(all.lines()[1].contains("left out") && all.lines()[1].contains("smile"), "{:?}", all.lines());
    assert_eq!(all.metrics().len(), 4);
    let few = Expressions::find(&pictures(9, 0.01), &LAYOUT, &mirror()).unwrap_err().to_string();
    assert!(few.contains("there are 9"), "{few}");
    assert!(Expressions::default().lines().is_empty());
}
