use super::*;

/// Something bright or dark found at a place.
fn candidate(cx: f32, side: f32, colour: f32) -> Candidate {
    let wanted = Crop { cx, cy: 100.0, side, angle: 0.0 };
    let found = Found { at: 0, confidence: 0.9, crop: wanted, wanted };
    Candidate { found, signature: Signature::of(&[colour; 3 * 16], 4) }
}

/// The numbers of what was found at these places after a frame at `ms`, in their order.
fn frame(crowd: &mut Crowd, ms: u64, seen: &[Candidate]) -> Vec<u32> {
    crowd.begin((640, 480), Duration::from_millis(ms));
    crowd.candidates.extend_from_slice(seen);
    crowd.assign(4, 1.0);
    let id = |c: &Candidate| {
        let own = crowd.people.iter().find(|p| p.found.is_some_and(|f| f.wanted == c.found.wanted));
        own.map_or(0, |p| p.id)
    };
    seen.iter().map(id).collect()
}

#[test]
fn numbers_follow_place_size_and_look() {
    let mut crowd = Crowd::default();
    assert_eq!(frame(&mut crowd, 0, &[candidate(100.0, 80.0, 0.5), candidate(300.0, 90.0, -0.5)]), [1, 2]);
    // The order does not count, and what is at one place is one.
    let again = [candidate(302.0, 90.0, -0.5), candidate(103.0, 80.0, 0.5), candidate(110.0, 80.0, 0.5)];
    assert_eq!(frame(&mut crowd, 40, &again), [2, 1, 0]);
    // Out of sight for two seconds, and somewhere else then.
    for i in 2..50 {
        assert_eq!(frame(&mut crowd, 40 * i, &[candidate(103.0, 80.0, 0.5)]), [1]);
    }
    assert_eq!(
        frame(&mut crowd, 2000, &[candidate(103.0, 80.0, 0.5), candidate(520.0, 95.0, -0.48)]),
        [1, 2]
    );
    // Another one is nobody's, and after a while the first ones are forgotten.
    assert_eq!(frame(&mut crowd, 2040, &[candidate(320.0, 60.0, 0.0)]), [3]);
    assert_eq!(frame(&mut crowd, 8000, &[candidate(103.0, 80.0, 0.5)]), [4]);
}

#[test]
fn two_who_meet_are_told_apart_by_where_they_were_going() {
    let mut crowd = Crowd::default();
    // They look the same; the one that comes from the left is hidden in the middle.
    for i in 0..60u64 {
        let (left, right) = (100.0 + 6.0 * i as f32, 460.0 - 6.0 * i as f32);
        let seen = [candidate(right, 80.0, 0.1), candidate(left, 80.0, 0.1)];
        let hidden = (left - right).abs() < 50.0;
        let ids = frame(&mut crowd, 40 * i, if hidden { &seen[..1] } else { &seen });
        assert_eq!(ids, if hidden { &[1][..] } else { &[1, 2][..] }, "frame {i}");
    }
}

#[test]
fn one_who_is_meant_stands_out_as_soon_as_he_is_there() {
    let (large, small) = (candidate(100.0, 120.0, 0.5), candidate(300.0, 60.0, -0.5));
    for choice in ["2", "310,95"] {
        let mut crowd = Crowd::default();
        let mut main = |ms: u64, seen: &[Candidate]| {
            frame(&mut crowd, ms, seen);
            crowd.prefer(choice.parse().unwrap());
            crowd.stand_out(true).map(|i| crowd.people[i].id)
        };
        assert_eq!((main(0, &[large]), main(40, &[large, small])), (Some(1), Some(2)));
        // Nobody stands in for him, however large, until he is forgotten.
        assert_eq!((main(80, &[large, small]), main(3000, &[large])), (Some(2), None));
        assert_eq!((main(3040, &[large, small]), main(8000, &[large])), (Some(2), Some(3)));
        // Whom a key chooses is not taken back.
        main(8040, &[large, small]);
        assert!(crowd.choose_next().is_some() && crowd.choose_at([100.0, 100.0]).is_some());
        frame(&mut crowd, 8080, &[large, small]);
        crowd.prefer(choice.parse().unwrap());
        assert_eq!(crowd.stand_out(true).map(|i| crowd.people[i].at.cx), Some(100.0));
    }
}

#[test]
fn the_larger_one_stands_out_and_a_picture_counts_half() {
    let mut crowd = Crowd::default();
    let main = |crowd: &mut Crowd, ms: u64, seen: &[Candidate], alone: bool| {
        frame(crowd, ms, seen);
        // The second one moves.
        for person in &mut crowd.people {
            let sway = if person.id == 2 { (ms % 1200) as f32 / 100.0 } else { 0.0 };
            let at = person.at;
            person.watch([[at.cx + sway, at.cy]].into_iter(), Duration::from_millis(ms));
        }
        crowd.stand_out(alone).map(|i| crowd.people[i].id)
    };
    let (picture, person) = (candidate(100.0, 100.0, 0.5), candidate(400.0, 90.0, -0.5));
    assert_eq!(main(&mut crowd, 0, &[picture], false), Some(1));
    for ms in (0..3000).step_by(100) {
        assert_eq!(main(&mut crowd, ms, &[picture, person], false), Some(1), "{ms}");
    }
    for ms in (3000..4200).step_by(100) {
        main(&mut crowd, ms, &[picture, person], false);
    }
    assert_eq!(main(&mut crowd, 4200, &[picture, person], false), Some(2));
    // While he is away the picture stands in, unless only he is wanted; then he is there again.
    assert_eq!(main(&mut crowd, 4300, &[picture], true), None);
    assert_eq!(main(&mut crowd, 4400, &[picture], false), Some(1));
    assert_eq!(main(&mut crowd, 5000, &[picture, person], false), Some(2));
    // Whoever is chosen stays, whatever the others weigh.
    assert_eq!(crowd.choose_next(), Some(1));
    for ms in (5100..8000).step_by(100) {
        assert_eq!(main(&mut crowd, ms, &[picture, person], false), Some(1));
    }
    assert_eq!((crowd.choose_at([410.0, 100.0]), crowd.choose_at([250.0, 400.0])), (Some(2), None));
}

#[test]
fn somebody_larger_takes_the_place_of_the_least() {
    let mut crowd = Crowd::default();
    let four: Vec<Candidate> =
        (0..4).map(|i| candidate(60.0 + 150.0 * i as f32, 60.0 + i as f32, 0.0)).collect();
    assert_eq!(frame(&mut crowd, 0, &four), [1, 2, 3, 4]);
    crowd.stand_out(false);
    let mut five = four.clone();
    five.push(Candidate {
        found: Found { wanted: Crop { cy: 400.0, ..four[1].found.wanted }, ..four[1].found },
        ..four[1]
    });
    assert_eq!(frame(&mut crowd, 40, &five)[4], 0, "there is no room");
    five[4].found.wanted.side = 110.0;
    five[4].found.wanted.cx = 320.0;
    assert_eq!(frame(&mut crowd, 80, &five)[4], 5);
    assert_eq!(crowd.people.iter().filter(|p| p.found.is_some()).count(), 4);
}
