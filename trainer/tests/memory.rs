//! The memory gauge, in a process of its own: tests beside it take and give back memory too.

use lkg_trainer::train::memory::Gauge;
use tch::Device;

#[test]
fn the_peak_follows_what_is_taken_and_given_back() {
    let gauge = Gauge::start(Device::Cpu);
    // Seen by a black box, or the compiler leaves the block out.
    drop(std::hint::black_box(vec![1u8; 64 << 20]));
    let grown = gauge.peak_bytes() - gauge.start_bytes();
    assert!(grown >= 60 << 20, "{grown}");
}
