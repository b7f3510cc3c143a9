//! Several people before the camera, of whom one drives: what is known of each.

/// People who are remembered at most, beside the one who drives.
const MOST: usize = 4;

/// What is known of people who drove, by their numbers.
#[derive(Clone, Debug)]
pub(super) struct Drivers<T> {
    now: Option<u32>,
    others: Vec<(u32, T)>,
}

impl<T> Default for Drivers<T> {
    fn default() -> Self {
        Self { now: None, others: Vec::new() }
    }
}

impl<T> Drivers<T> {
    /// Lets the person with number `id` drive. If somebody else did, what is known of that one, `now`, is kept, and what is
    /// known of this one put in its place: something `fresh` where it is nothing. Says whether somebody else did.
    pub fn change(&mut self, id: u32, now: &mut T, fresh: impl FnOnce() -> T) -> bool {
        let Some(before) = self.now.replace(id).filter(|before| *before != id) else { return false };
        let place = self.others.iter().position(|(other, _)| *other == id);
        let known = place.map_or_else(fresh, |place| self.others.remove(place).1);
        if self.others.len() == MOST {
            self.others.remove(0);
        }
        self.others.push((before, std::mem::replace(now, known)));
        true
    }

    /// What is known of those who do not drive now.
    pub fn others(&mut self) -> impl Iterator<Item = &mut T> {
        self.others.iter_mut().map(|(_, known)| known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_somebody_comes_back_with_him() {
        let (mut drivers, mut now) = (Drivers::default(), "first");
        assert!(!drivers.change(3, &mut now, || "nobody") && now == "first");
        assert!(drivers.change(5, &mut now, || "second") && now == "second");
        assert!(!drivers.change(5, &mut now, || "nobody"));
        assert!(drivers.change(3, &mut now, || "nobody") && now == "first");
        assert_eq!(drivers.others().map(|known| *known).collect::<Vec<_>>(), ["second"]);
        for id in 10..20 {
            drivers.change(id, &mut now, || "other");
        }
        assert!(drivers.others().count() == MOST && drivers.change(3, &mut now, || "forgotten"));
        assert_eq!(now, "forgotten");
    }
}
