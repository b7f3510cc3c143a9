//! Arguments of every command that can show a page.

use std::net::IpAddr;

use clap::Args;

use crate::serve::Access;

/// Heading of what is asked of a page.
pub(super) const PAGE: &str = "Page";

/// Where a page is served, and for whom.
#[derive(Clone, Debug, Default, Args)]
pub struct ServeArgs {
    /// Serve a page to browsers on this machine; other arguments without a flag go before it [default port: 8080]
    #[arg(long, help_heading = PAGE, value_name = "PORT", num_args = 0..=1, value_parser = port)]
    pub serve: Option<Option<u16>>,
    /// Serve the page at this address of the machine, for others too; a token is made unless one is given
    #[arg(long, help_heading = PAGE, value_name = "ADDRESS")]
    pub listen: Option<IpAddr>,
    /// Answer to this name, too, as that of a proxy with TLS before it; a token is made unless one is given; may be given several times
    #[arg(long = "host", help_heading = PAGE, value_name = "NAME", value_parser = Access::check_name)]
    pub hosts: Vec<String>,
    /// What whoever opens the page must give, 8 letters or more
    #[arg(long, help_heading = PAGE, value_name = "TOKEN", env = "LKG_TOKEN", hide_env_values = true, value_parser = token)]
    pub token: Option<String>,
}

fn port(text: &str) -> Result<u16, String> {
    text.parse()
        .map_err(|_| "a port is a number up to 65535; arguments without a flag go before --serve".to_owned())
}

fn token(text: &str) -> Result<String, String> {
    Access::check_token(text).map(|()| text.to_owned())
}
