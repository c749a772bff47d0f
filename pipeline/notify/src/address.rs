//! Which addresses a webhook may reach: public ones.
//!
//! A route is set by somebody who may not reach what this process can, such as metadata services
//! and neighbours. Names are resolved here, every address is judged, and the connection is made to
//! the very addresses that were judged, so a name that changes its answer in between gains nothing.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Why a name cannot be connected to. Says no address: outcomes are kept, and seen by whoever may
/// see alerts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// It has none.
    #[error("the receiver's name has no address")]
    NoAddress,
    /// One of its addresses is not public.
    #[error("the receiver has a private address, which is not allowed")]
    Private,
}

/// Resolves names by the operating system, to public addresses only where `allow_private` is not
/// set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resolver {
    /// Whether any address will do.
    pub allow_private: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            // The port is the client's business: it puts that of the URL in the place of 0.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses = judge(found.collect(), allow_private)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// All the addresses, or why none of them may be used: one bad one among good ones is enough.
fn judge(found: Vec<SocketAddr>, allow_private: bool) -> Result<Vec<SocketAddr>, Refused> {
    if found.is_empty() {
        return Err(Refused::NoAddress);
    }
    if !allow_private && found.iter().any(|address| !is_public(address.ip())) {
        return Err(Refused::Private);
    }
    Ok(found)
}

/// Whether an address is reachable from everywhere, by the registries of special-purpose addresses
/// (<https://www.iana.org/assignments/iana-ipv4-special-registry>, `…-ipv6-…`); an address that
/// carries another one inside is as public as that one.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match inner_v4(address) {
            Some(inner) => is_public_v4(inner),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (18..20).contains(&b))
        // Multicast, reserved, broadcast.
        || a >= 224;
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // Only 2000::/3 is given out for all; of it, 2001::/23 is for protocols (Teredo among them),
    // 2001:db8::/32 and 3fff::/20 are for documents.
    let is_global = a & 0xe000 == 0x2000;
    let is_special = (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || (a == 0x3fff && b < 0x1000);
    is_global && !is_special
}

/// The IPv4 address inside of an IPv6 address: mapped, compatible, by NAT64 or by 6to4.
fn inner_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0, 0, high, low]
        | [0x0064, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_reached() {
        let check = |text: &str, expected: bool| {
            let address: IpAddr = text.parse().expect(text);
            assert_eq!(is_public(address), expected, "{text}");
        };
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a00:1::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            check(text, false);
        }
        for text in [
            "1.1.1.1",
            "100.63.255.255",
            "172.32.0.1",
            "198.20.0.1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::1",
            "2606:4700::1111",
        ] {
            check(text, true);
        }
    }

    #[test]
    fn one_private_address_among_public_ones_is_enough() {
        let check = |addresses: &[&str], allow_private, expected: Result<usize, Refused>| {
            let found = addresses.iter().map(|a| a.parse().expect("an address"));
            let judged = judge(found.collect(), allow_private);
            assert_eq!(judged.map(|a| a.len()), expected, "{addresses:?}");
        };
        check(&["1.1.1.1:0", "[2606:4700::1111]:0"], false, Ok(2));
        let mixed = &["1.1.1.1:0", "169.254.169.254:0"];
        check(mixed, false, Err(Refused::Private));
        check(mixed, true, Ok(2));
        check(&[], true, Err(Refused::NoAddress));
    }

    #[test]
    fn names_of_this_host_are_resolved_and_refused() {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().expect("a runtime");
        let resolve = |allow_private| {
            let name: Name = "localhost".parse().expect("a name");
            runtime.block_on(Resolver { allow_private }.resolve(name))
        };
        let error = resolve(false).err().expect("refused");
        assert_eq!(error.downcast_ref(), Some(&Refused::Private));
        assert!(resolve(true).is_ok_and(|mut found| found.next().is_some()));
    }
}
