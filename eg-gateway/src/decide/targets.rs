//! The addresses where functions may be. A client that registers functions chooses what the gateway connects to, and the
//! gateway may reach a network that the client cannot. Private addresses must therefore be allowed when it is started.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// The private addresses where functions may be. Public addresses, and the AWS endpoints in [`Options`](crate::Options),
/// are always allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrivateTargets {
    all: bool,
    networks: Vec<IpNet>,
}

/// An address is private and was not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is a private address, and functions may be there only if the gateway was started with \
     --allow-target {network} (or --dev)", network = alone(.0)
)]
pub(crate) struct Blocked(pub(crate) IpAddr);

impl PrivateTargets {
    /// Allows no private address: the default, and right for a gateway in a network with other services.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Allows all private addresses, for development.
    #[must_use]
    pub fn all() -> Self {
        Self { all: true, networks: Vec::new() }
    }

    /// Also allows a network, for example `10.1.0.0/16`, or an address, for example `10.1.2.3`.
    ///
    /// # Errors
    /// Fails if `network` is neither of them.
    pub fn allow(mut self, network: &str) -> Result<Self, String> {
        let one = || network.parse::<IpAddr>().ok().map(IpNet::from);
        let parsed = network.parse().ok().or_else(one);
        let rule = || {
            format!("`{network}` is neither an address nor a network: write for example 10.1.0.0/16 or ::1")
        };
        self.networks.push(parsed.ok_or_else(rule)?);
        Ok(self)
    }

    /// Checks that a function may be at this address.
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), Blocked> {
        let allows = |plain: &IpAddr| {
            self.all || self.networks.iter().any(|net| net.contains(plain) || net.contains(&address))
        };
        let blocked = reached(address).into_iter().find(|plain| is_private(*plain) && !allows(plain));
        blocked.map_or(Ok(()), |plain| Err(Blocked(plain)))
    }

    /// Checks the host of a URL without asking the network. A name is resolved, and the result checked, whenever the
    /// gateway connects.
    pub(crate) fn check_host(&self, host: &str) -> Result<(), Blocked> {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse();
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        match address {
            Ok(address) => self.check(address),
            // These names mean this machine (RFC 6761 §6.3).
            Err(_) if host == "localhost" || host.ends_with(".localhost") => {
                let allowed = self.check(IpAddr::V6(Ipv6Addr::LOCALHOST)).is_ok();
                if allowed { Ok(()) } else { self.check(IpAddr::V4(Ipv4Addr::LOCALHOST)) }
            }
            Err(_) => Ok(()),
        }
    }
}

/// Returns the network that consists of one address.
fn alone(address: &IpAddr) -> IpNet {
    IpNet::from(*address)
}

/// Returns where packets to an address end up: at the IPv4 addresses inside an IPv6 address, if it contains any, else at
/// the address itself.
fn reached(address: IpAddr) -> [IpAddr; 2] {
    let IpAddr::V6(v6) = address.to_canonical() else { return [address.to_canonical(); 2] };
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        // NAT64 (RFC 6052), 6to4 (RFC 3056), and addresses translated from IPv4 (RFC 2765).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..]
        | [0, 0, 0, 0, 0xffff, 0, high, low] => [v4(high, low); 2],
        // Teredo (RFC 4380): the server, and the client with inverted bits.
        [0x2001, 0, high, low, _, _, client_high, client_low] => {
            [v4(high, low), v4(!client_high, !client_low)]
        }
        // Addresses compatible with IPv4 (RFC 4291), and ISATAP (RFC 5214).
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => [v4(high, low); 2],
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => [v4(high, low), IpAddr::V6(v6)],
        _ => [IpAddr::V6(v6); 2],
    }
}

/// The service of Azure that configures virtual machines. It is the only service of a cloud for its machines that has a
/// public address; the others are at link-local, shared or unique local ones.
const AZURE_SERVICE: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// Whether an address is outside of the public Internet: this machine, private networks, the metadata services of clouds,
/// and addresses that are not of a single host.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4 == AZURE_SERVICE
                || a == 0
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && matches!(b, 18 | 19))
                || a >= 224
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.is_multicast()
                // Site-local (RFC 3879) and local-use NAT64 (RFC 8215), which hides an address of a private network.
                || v6.segments()[0] & 0xffc0 == 0xfec0
                || v6.segments()[..3] == [0x64, 0xff9b, 1]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let some = PrivateTargets::none().allow("10.1.0.0/16").unwrap().allow("::1").unwrap();
        for (address, none_allows, some_allow) in [
            ("93.184.216.34", true, true),
            ("2606:2800:220:1::1", true, true),
            ("100.63.255.255", true, true),
            ("172.32.0.1", true, true),
            ("127.0.0.1", false, false),
            ("127.8.8.8", false, false),
            ("0.0.0.0", false, false),
            ("10.1.2.3", false, true),
            ("10.2.2.3", false, false),
            ("100.64.0.1", false, false),
            ("169.254.169.254", false, false),
            ("172.16.0.1", false, false),
            ("192.0.0.8", false, false),
            ("192.168.1.1", false, false),
            ("198.18.0.1", false, false),
            ("224.0.0.1", false, false),
            ("255.255.255.255", false, false),
            ("::", false, false),
            ("::1", false, true),
            ("::ffff:127.0.0.1", false, false),
            ("::ffff:10.1.2.3", false, true),
            ("::ffff:93.184.216.34", true, true),
            ("::127.0.0.1", false, false),
            ("::ffff:0:127.0.0.1", false, false),
            ("::ffff:0:10.1.2.3", false, true),
            ("::ffff:0:93.184.216.34", true, true),
            ("64:ff9b::7f00:1", false, false),
            ("64:ff9b::a01:203", false, true),
            ("64:ff9b:1::1", false, false),
            ("64:ff9b::5db8:d822", true, true),
            ("2002:a9fe:a9fe::1", false, false),
            ("2002:5db8:d822::1", true, true),
            // Teredo: the server, or the client with inverted bits.
            ("2001:0:a9fe:a9fe::a247:27dd", false, false),
            ("2001:0:5db8:d822:0:0:5601:5601", false, false),
            ("2001:0:5db8:d822:0:0:f5fe:fdfc", false, true),
            ("2001:0:5db8:d822:0:0:a247:27dd", true, true),
            ("2606:2800:220:1:0:5efe:7f00:1", false, false),
            ("2606:2800:220:1:200:5efe:a01:203", false, true),
            ("2606:2800:220:1:0:5efe:5db8:d822", true, true),
            ("fe80::5efe:5db8:d822", false, false),
            // The metadata services of clouds: AWS, Google, Azure, Alibaba, Oracle, Tencent and Scaleway.
            ("fd00:ec2::254", false, false),
            ("fd20:ce::254", false, false),
            ("168.63.129.16", false, false),
            ("168.63.129.17", true, true),
            ("::ffff:168.63.129.16", false, false),
            ("64:ff9b::a83f:8110", false, false),
            ("2002:a83f:8110::", false, false),
            ("100.100.100.200", false, false),
            ("192.0.0.192", false, false),
            ("169.254.0.23", false, false),
            ("fd00:42::42", false, false),
            ("fe80::1", false, false),
            ("fec0::1", false, false),
            ("ff02::1", false, false),
        ] {
            let ip = address.parse().unwrap();
            assert_eq!(PrivateTargets::none().check(ip).is_ok(), none_allows, "{address}");
            assert_eq!(some.check(ip).is_ok(), some_allow, "{address} with 10.1.0.0/16 and ::1");
            assert_eq!(PrivateTargets::all().check(ip), Ok(()), "{address}");
        }
        let blocked = PrivateTargets::none().check("::ffff:10.0.0.1".parse().unwrap()).unwrap_err();
        assert_eq!(
            blocked.to_string(),
            "10.0.0.1 is a private address, and functions may be there only if the gateway was started with \
             --allow-target 10.0.0.1/32 (or --dev)"
        );
    }

    #[test]
    fn hosts() {
        let v6 = PrivateTargets::none().allow("::1").unwrap();
        for (host, none_allows, v6_allows) in [
            ("example.com", true, true),
            ("93.184.216.34", true, true),
            ("127.0.0.1", false, false),
            ("[::1]", false, true),
            ("[::ffff:7f00:1]", false, false),
            ("localhost", false, true),
            ("LOCALHOST.", false, true),
            ("a.localhost", false, true),
            ("notlocalhost", true, true),
        ] {
            assert_eq!(PrivateTargets::none().check_host(host).is_ok(), none_allows, "{host}");
            assert_eq!(v6.check_host(host).is_ok(), v6_allows, "{host} with ::1");
        }
    }

    #[test]
    fn networks() {
        for network in ["", "10.0.0.0/33", "10.0.0", "localhost", "::/129"] {
            assert!(PrivateTargets::none().allow(network).is_err(), "{network}");
        }
    }
}
