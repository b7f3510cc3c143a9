//! What a verdict says.

use std::fmt;

use super::{LEAST_SAMPLES, LEAST_SECONDS, MOST_SCATTER};

/// Why numbers do not count.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// Ctrl-C.
    Interrupted,
    /// Built without optimisation.
    DebugBuild,
    /// Built with another profile than the workspace's.
    OtherProfile(String),
    /// These ran too rarely: name and runs of each.
    FewSamples(Vec<(String, usize)>),
    /// These ran too briefly: name and seconds of each.
    Short(Vec<(String, f64)>),
    /// The rounds of these scatter: name and standard deviation over mean of each.
    Unsteady(Vec<(String, f64)>),
    /// Another provider than asked for.
    WrongProvider(String, String),
    /// Most nodes of a network ran elsewhere: network, nodes there, nodes in all.
    FellBack(String, usize, usize),
    /// The processors were slowed down.
    Throttled(String),
    /// Others used the machine.
    Busy(f64),
    /// Other virtual machines used it.
    Stolen(f64),
    /// Nothing was measured.
    Nothing,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => write!(f, "it was stopped before its end: let it finish"),
            Self::DebugBuild => write!(f, "this is a debug build: build with --release"),
            Self::OtherProfile(settings) => {
                write!(
                    f,
                    "this build was optimised otherwise than the workspace's release profile ({settings}): unset that and build again"
                )
            }
            Self::FewSamples(of) => {
                let of = list(of, |n| format!("{n} times"));
                write!(f, "too few runs, {LEAST_SAMPLES} are needed: {of}; raise --samples")
            }
            Self::Short(of) => {
                let of = list(of, |s| format!("{s:.1} s"));
                write!(f, "measured too briefly, {LEAST_SECONDS} s are needed: {of}; raise --seconds")
            }
            Self::Unsteady(of) => write!(
                f,
                "medians of rounds scatter by more than {:.1} %: {}; close other programs, fix the clocks, raise \
                 --seconds",
                MOST_SCATTER * 100.0,
                list(of, |cv| format!("{:.1} %", cv * 100.0))
            ),
            Self::WrongProvider(asked, used) => {
                write!(f, "{asked} was asked for and {used} was used: see runtime doctor")
            }
            Self::FellBack(network, there, all) => write!(
                f,
                "{there} of the {all} nodes of {network} ran on another provider than asked for: its operators are \
                 not supported there"
            ),
            Self::Throttled(how) => write!(f, "the machine was slowed down ({how}): cool it, fix the clocks"),
            Self::Busy(share) => write!(
                f,
                "other processes used {:.0} % of the processors meanwhile: close them and measure again",
                share * 100.0
            ),
            Self::Stolen(share) => write!(
                f,
                "other virtual machines took {:.0} % of the processors meanwhile: measure on a quiet host",
                share * 100.0
            ),
            Self::Nothing => write!(f, "nothing was measured"),
        }
    }
}

/// What a reader should know.
#[derive(Clone, Debug, PartialEq)]
pub enum Warning {
    /// These have a long tail: name and 99th percentile over median of each.
    LongTail(Vec<(String, f64)>),
    /// These became slower or faster: name and ratio of last rounds to first of each.
    Drift(Vec<(String, f64)>),
    /// The face was often not found: name, share found.
    FewFaces(String, f64),
    /// The governor may change clocks.
    Governor(String),
    /// The automatic choice fell to a slower provider.
    Refused(String),
    /// A few nodes ran elsewhere: network, nodes.
    SomeElsewhere(String, usize),
    /// The live loop could not keep up: dropped, captured.
    Dropped(u64, u64),
    /// The state of the clocks cannot be read here.
    Blind,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LongTail(of) => write!(
                f,
                "one run in a hundred takes this many times the median or more: {}",
                list(of, |times| format!("{times:.1}"))
            ),
            Self::Drift(of) => write!(
                f,
                "the last rounds against the first: {}",
                list(of, |ratio| {
                    let word = if *ratio > 1.0 { "slower" } else { "faster" };
                    format!("{:.0} % {word}", (ratio - 1.0).abs() * 100.0)
                })
            ),
            Self::FewFaces(name, share) => write!(
                f,
                "{name}: something was found in {:.0} % of the frames only; searching for it takes many times longer \
                 than following it",
                share * 100.0
            ),
            Self::Governor(name) => {
                write!(f, "the clocks' governor is {name}: set it to performance for steadier times")
            }
            Self::Refused(reason) => write!(f, "a faster provider was refused: {reason}"),
            Self::SomeElsewhere(network, nodes) => {
                write!(f, "{network}: {nodes} nodes ran on another provider than asked for")
            }
            Self::Dropped(dropped, captured) => {
                write!(f, "the live loop dropped {dropped} of {captured} frames: it does not keep up")
            }
            Self::Blind => write!(
                f,
                "this machine shows neither clocks that change nor throttling (a virtual machine): slowing down \
                 would show in the scatter only"
            ),
        }
    }
}

/// `name (value), name (value)`.
fn list<T>(of: &[(String, T)], value: impl Fn(&T) -> String) -> String {
    of.iter().map(|(name, v)| format!("{name} ({})", value(v))).collect::<Vec<_>>().join(", ")
}
