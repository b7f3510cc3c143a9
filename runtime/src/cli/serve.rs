//! Where the live page is served, from `--serve`, `--listen`, `--token` and `--out http://...`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use lkg_bundle::Bundle;

use super::serve_args::ServeArgs;
use crate::error::{Error, Result};
use crate::media::{OutputSpec, PAGE_PORT};
use crate::serve::{Access, Job, StartPages};

/// The start page of a program that does `jobs` with `bundle` and shows `source`, if it shows something.
pub(super) fn start_page(jobs: &[Job], bundle: &Bundle, source: Option<&str>) -> StartPages {
    let parts = [source.filter(|source| !source.is_empty()), Some(bundle.manifest().name.as_str())];
    StartPages::new(jobs, &parts.into_iter().flatten().collect::<Vec<_>>().join(" \u{b7} "))
}

/// Where to serve the live page; none if nothing is to be served.
///
/// # Errors
/// The arguments contradict each other, or there is no randomness for a token.
pub(super) fn access(outputs: &[OutputSpec], args: &ServeArgs) -> Result<Option<Access>> {
    let refuse = |text: &str| Err(Error::Usage(text.to_owned()));
    let pages = outputs.iter().filter_map(|out| match out {
        OutputSpec::Page(address) => Some(*address),
        OutputSpec::Window | OutputSpec::Sink(_) => None,
    });
    let mut address = match pages.collect::<Vec<_>>()[..] {
        [] => return page_access(args),
        [address] => address,
        _ => return refuse("one page is served: give one --out http://..."),
    };
    if args.serve.is_some() {
        return refuse("--serve and --out http://... are the same: give one of them");
    }
    address.set_ip(args.listen.unwrap_or(address.ip()));
    if !address.ip().is_loopback() && args.listen.is_none() {
        return refuse(
            "--out http://... is for this machine (127.0.0.1); for others say --serve --listen ADDRESS",
        );
    }
    guarded(address, args).map(Some)
}

/// Where to serve a page; none if nothing is to be served.
///
/// # Errors
/// `--listen` without `--serve`, or there is no randomness for a token.
pub(super) fn page_access(args: &ServeArgs) -> Result<Option<Access>> {
    let home = IpAddr::from(Ipv4Addr::LOCALHOST);
    match args.serve {
        Some(port) => {
            let address = SocketAddr::new(args.listen.unwrap_or(home), port.unwrap_or(PAGE_PORT));
            guarded(address, args).map(Some)
        }
        None if args.listen.is_some() || !args.hosts.is_empty() => {
            let flag = if args.listen.is_some() { "--listen" } else { "--host" };
            Err(Error::Usage(format!("{flag} is for the page: add --serve")))
        }
        None => Ok(None),
    }
}

/// The address with the token that it needs.
fn guarded(address: SocketAddr, args: &ServeArgs) -> Result<Access> {
    let token = match &args.token {
        Some(token) => Some(token.clone()),
        None if address.ip().is_loopback() && args.hosts.is_empty() => None,
        None => Some(
            Access::new_token().map_err(|e| Error::Io { what: "making a token".to_owned(), source: e })?,
        ),
    };
    Ok(Access { address, token, names: args.hosts.clone() })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};

    fn access(line: &str) -> Option<Result<Option<Access>>> {
        let words = ["runtime", "webcam"].into_iter().chain(line.split_whitespace());
        let Command::Webcam(args) = Cli::try_parse_from(words).ok()?.command else { return None };
        Some(super::access(&args.live.out, &args.live.page))
    }

    fn served(line: &str) -> (String, bool) {
        let access = access(line).unwrap().unwrap().unwrap();
        (access.address.to_string(), access.token.is_some())
    }

    #[test]
    fn the_page_is_for_this_machine_unless_asked_otherwise() {
        assert!(access("clip.mp4").unwrap().unwrap().is_none());
        assert_eq!(served("clip.mp4 --serve"), ("127.0.0.1:8080".to_owned(), false));
        assert_eq!(served("clip.mp4 --serve 9000 --token 12345678"), ("127.0.0.1:9000".to_owned(), true));
        assert_eq!(served("--out http://localhost:9000/ --out a.avi"), ("127.0.0.1:9000".to_owned(), false));
        assert_eq!(served("--serve --listen ::1"), ("[::1]:8080".to_owned(), false));
        assert_eq!(served("--serve 80 --listen 0.0.0.0"), ("0.0.0.0:80".to_owned(), true));
        // Who puts a proxy before it wants others to reach it.
        assert_eq!(served("--serve --host faces.example"), ("127.0.0.1:8080".to_owned(), true));
        let tokens = [0, 1].map(|_| access("--serve --listen 0.0.0.0").unwrap().unwrap().unwrap().token);
        assert_ne!(tokens[0], tokens[1]);
    }

    #[test]
    fn the_start_page_says_what_can_be_typed() {
        for job in Job::ALL {
            assert!(Cli::try_parse_from(job.command().split(' ')).is_ok(), "{job:?}");
        }
    }

    #[test]
    fn what_is_unsafe_or_senseless_is_refused() {
        for bad in [
            "--listen 0.0.0.0",
            "--host faces.example",
            "--out http://0.0.0.0:80",
            "--serve --out http://127.0.0.1:80",
            "--out http://127.0.0.1:80 --out http://127.0.0.1:81",
        ] {
            assert!(matches!(access(bad).unwrap(), Err(Error::Usage(_))), "{bad}");
        }
        for unreadable in [
            "--serve clip.mp4",
            "--serve 70000",
            "--serve --token short",
            "--serve --viewers 0",
            "--serve --host https://faces.example",
            "--out http://camera.example:80",
            "--out http://127.0.0.1:80/page",
        ] {
            assert!(access(unreadable).is_none(), "{unreadable}");
        }
    }
}
