//! Who is connected: so many at once, so many of them from one address, and who leaves for a newcomer.
//!
//! A connection costs who opens it nothing, so a limit alone would let one peer keep all others out. Where there is no
//! room, whoever keeps the server waiting longest leaves: first who has not asked for anything, then who has not sent its
//! body, then who does not take its answer.

use std::net::{IpAddr, Ipv6Addr, Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Connections at once.
pub(super) const CONNECTIONS: usize = 64;

/// Of these, from one address; the rest is for others. A proxy's visitors all have its address.
pub(super) const FROM_ONE: usize = 48;

/// How long the next bytes of an answer may be waited for where others want the place.
const STUCK: Duration = Duration::from_secs(2);

/// How long a newcomer may wait for those who were shown out to be gone: a busy machine takes a while to end their threads.
const LEAVING: Duration = Duration::from_secs(2);

/// What a connection does, in the order in which they give way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Has not asked for anything yet, or sends what nobody wants.
    Idle,
    /// Sends its body.
    Sending,
    /// Takes its answer.
    Taking,
    /// Waits for what is worked out for it. It keeps its place.
    Waiting,
}

struct Guest {
    id: u64,
    from: IpAddr,
    stream: Arc<TcpStream>,
    phase: Phase,
    since: Instant,
}

impl Guest {
    fn gives_way(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Idle | Phase::Sending => true,
            Phase::Taking => now.duration_since(self.since) > STUCK,
            Phase::Waiting => false,
        }
    }
}

#[derive(Default)]
struct State {
    next: u64,
    guests: Vec<Guest>,
    /// Who was shown out; their threads end as soon as they notice.
    leaving: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Somebody who was shown out is gone.
    gone: Condvar,
}

/// All who are connected.
#[derive(Clone, Default)]
pub(super) struct Places(Arc<Shared>);

impl Places {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Whatever panics elsewhere, the list is whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from `from`; none if none can be made.
    pub fn enter(&self, stream: &Arc<TcpStream>, from: IpAddr) -> Option<Place> {
        let from = network(from);
        let of = |state: &State, from: IpAddr| state.guests.iter().filter(|g| g.from == from).count();
        let must_wait = |state: &mut State| {
            let full = state.guests.len() >= CONNECTIONS || of(state, from) >= FROM_ONE;
            full && state.leaving >= CONNECTIONS
        };
        let waited = self.0.gone.wait_timeout_while(self.lock(), LEAVING, must_wait);
        let (mut state, still) = waited.unwrap_or_else(PoisonError::into_inner);
        if still.timed_out() {
            return None;
        }
        let now = Instant::now();
        let only_from = if of(&state, from) >= FROM_ONE {
            Some(from)
        } else if state.guests.len() >= CONNECTIONS {
            None
        } else {
            return Some(self.seat(&mut state, stream, from, now));
        };
        // Of those who give way alike, one of the address that has most, and of its own the one that waits longest.
        let leaves = state.guests.iter().enumerate().filter(|(_, g)| g.gives_way(now));
        let leaves = leaves.filter(|(_, g)| only_from.is_none_or(|from| g.from == from));
        let leaves = leaves.min_by_key(|(_, g)| (g.phase, CONNECTIONS - of(&state, g.from), g.since))?.0;
        let guest = state.guests.swap_remove(leaves);
        state.leaving += 1;
        tracing::info!(from = %guest.from, phase = ?guest.phase, "a connection was closed for a newcomer");
        // It is gone already, at worst.
        guest.stream.shutdown(Shutdown::Both).ok();
        Some(self.seat(&mut state, stream, from, now))
    }

    fn seat(&self, state: &mut State, stream: &Arc<TcpStream>, from: IpAddr, since: Instant) -> Place {
        let id = state.next;
        state.next += 1;
        state.guests.push(Guest { id, from, stream: Arc::clone(stream), phase: Phase::Idle, since });
        Place { places: self.clone(), id }
    }

    #[cfg(test)]
    pub fn taken(&self) -> usize {
        self.lock().guests.len()
    }
}

/// A place, given back when dropped.
pub(super) struct Place {
    places: Places,
    id: u64,
}

impl Place {
    /// Says what its connection does from now on.
    pub fn does(&self, phase: Phase) {
        if let Some(guest) = self.places.lock().guests.iter_mut().find(|g| g.id == self.id) {
            (guest.phase, guest.since) = (phase, Instant::now());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.lock();
        match state.guests.iter().position(|g| g.id == self.id) {
            Some(at) => drop(state.guests.swap_remove(at)),
            None => {
                state.leaving -= 1;
                self.places.0.gone.notify_one();
            }
        }
    }
}

/// What stands for an address: whoever has one address of IPv6 has all that begin with the same 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn stream(listener: &TcpListener) -> Arc<TcpStream> {
        Arc::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap())
    }

    #[test]
    fn the_idle_of_whoever_has_most_leave_first() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (places, one) = (Places::default(), stream(&listener));
        let [greedy, other]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|a| a.parse().unwrap());
        let enter = |from: IpAddr| places.enter(&one, from);
        let ids = |from: IpAddr| -> Vec<u64> {
            places.lock().guests.iter().filter(|g| g.from == from).map(|g| g.id).collect()
        };
        let mut held: Vec<Place> = (0..FROM_ONE + 5).map(|_| enter(greedy).unwrap()).collect();
        assert_eq!(ids(greedy).len(), FROM_ONE);
        // Who came first left first.
        assert!((0..5).all(|id| !ids(greedy).contains(&id)), "{:?}", ids(greedy));
        held.extend((0..CONNECTIONS - FROM_ONE).map(|_| enter(other).unwrap()));
        assert_eq!(places.taken(), CONNECTIONS);
        held.push(enter(other).unwrap());
        assert_eq!((ids(greedy).len(), ids(other).len()), (FROM_ONE - 1, CONNECTIONS - FROM_ONE + 1));
        // Who is served stays, and nobody is let in over him.
        held.iter().for_each(|place| place.does(Phase::Waiting));
        assert!(enter("192.0.2.3".parse().unwrap()).is_none());
        let [_, .., last] = &held[..] else { panic!("empty") };
        last.does(Phase::Taking);
        assert!(enter(other).is_none(), "it has not been stuck for long");
        last.does(Phase::Sending);
        let newest = enter(other).unwrap();
        assert!(!ids(other).contains(&last.id) && ids(other).contains(&newest.id));
        drop((held, newest));
        assert_eq!((places.taken(), places.lock().leaving), (0, 0));
    }

    /// On a busy machine a newcomer was refused while the threads of those before him ended.
    #[test]
    fn a_newcomer_waits_for_those_who_leave() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (places, one) = (Places::default(), stream(&listener));
        let from: IpAddr = "192.0.2.1".parse().unwrap();
        let mut held: Vec<Place> =
            (0..FROM_ONE + CONNECTIONS).map(|_| places.enter(&one, from).unwrap()).collect();
        assert_eq!(places.lock().leaving, CONNECTIONS);
        let first = held.remove(0);
        let ends = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            drop(first);
        });
        held.push(places.enter(&one, from).unwrap());
        ends.join().unwrap();
        assert!(places.enter(&one, from).is_none(), "nobody of them ends");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::"), of("2001:db8:1:3::"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
