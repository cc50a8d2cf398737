//! What the protocols of packet and netlink sockets are called.

/// Frames of every protocol: `ETH_P_ALL`.
pub const FRAMES_OF_EVERY_PROTOCOL: u16 = 3;

/// ss's names of protocols of frames (`ETH_P_*`).
const FRAME_PROTOCOLS: [(u16, &str); 51] = [
    (0x0060, "loop"),
    (0x0200, "pup"),
    (0x0201, "pupat"),
    (0x0800, "ip"),
    (0x0805, "x25"),
    (0x0806, "arp"),
    (0x08ff, "bpq"),
    (0x0a00, "ieeepup"),
    (0x0a01, "ieeepupat"),
    (0x6000, "dec"),
    (0x6001, "dna_dl"),
    (0x6002, "dna_rc"),
    (0x6003, "dna_rt"),
    (0x6004, "lat"),
    (0x6005, "diag"),
    (0x6006, "cust"),
    (0x6007, "sca"),
    (0x8035, "rarp"),
    (0x809b, "atalk"),
    (0x80f3, "aarp"),
    (0x8137, "ipx"),
    (0x86dd, "ipv6"),
    (0x8863, "ppp_disc"),
    (0x8864, "ppp_ses"),
    (0x884c, "atmmpoa"),
    (0x8884, "atmfate"),
    (0x0001, "802_3"),
    (0x0002, "ax25"),
    (0x0004, "802_2"),
    (0x0005, "snap"),
    (0x0006, "ddcmp"),
    (0x0007, "wan_ppp"),
    (0x0008, "ppp_mp"),
    (0x0009, "localtalk"),
    (0x000c, "can"),
    (0x0010, "ppptalk"),
    (0x0011, "tr_802_2"),
    (0x0015, "mobitex"),
    (0x0016, "control"),
    (0x0017, "irda"),
    (0x0018, "econet"),
    (0x88ca, "tipc"),
    (0x8892, "profinet"),
    (0x88a2, "aoe"),
    (0x88a4, "ethercat"),
    (0x8100, "802.1Q"),
    (0x88a8, "802.1ad"),
    (0x6558, "teb"),
    (0x8847, "mpls_uc"),
    (0x8848, "mpls_mc"),
    (0x88cc, "LLDP"),
];

/// Names of netlink's protocols: ss's, and the kernel's (`NETLINK_*`).
const NETLINK_PROTOCOLS: [(u8, &str, &str); 21] = [
    (0, "rtnl", "route"),
    (1, "unused", "unused"),
    (2, "usersock", "usersock"),
    (3, "fw", "firewall"),
    (4, "tcpdiag", "sock_diag"),
    (5, "nflog", "nflog"),
    (6, "xfrm", "xfrm"),
    (7, "selinux", "selinux"),
    (8, "iscsi", "iscsi"),
    (9, "audit", "audit"),
    (10, "fiblookup", "fib_lookup"),
    (11, "connector", "connector"),
    (12, "nft", "netfilter"),
    (13, "ip6fw", "ip6_fw"),
    (14, "dec-rt", "dnrtmsg"),
    (15, "uevent", "kobject-uevent"),
    (16, "genl", "generic"),
    (18, "scsi-trans", "scsitransport"),
    (19, "ecryptfs", "ecryptfs"),
    (20, "rdma", "rdma"),
    (21, "crypto", "crypto"),
];

/// Further names of protocols of frames that ss reads, and does not print.
const FRAME_ALIASES: [(u16, &str); 2] = [(FRAMES_OF_EVERY_PROTOCOL, "all"), (0x0800, "ipv4")];

/// Name of a protocol of frames (`ETH_P_*`); `None` where it has none.
pub fn frame_protocol_name(number: u16) -> Option<&'static str> {
    let mut known = FRAME_PROTOCOLS.iter();
    known
        .find(|(known, _)| *known == number)
        .map(|(_, name)| *name)
}

/// The protocol of frames of a name, in any case.
pub fn frame_protocol(name: &str) -> Option<u16> {
    let mut known = FRAME_PROTOCOLS.iter().chain(&FRAME_ALIASES);
    known
        .find(|(_, known)| known.eq_ignore_ascii_case(name))
        .map(|(number, _)| *number)
}

/// Names of a protocol of netlink (`NETLINK_*`), ss's and the kernel's; `None` where it has none.
pub fn netlink_protocol_names(number: u8) -> Option<(&'static str, &'static str)> {
    let mut known = NETLINK_PROTOCOLS.iter();
    known
        .find(|(known, ..)| *known == number)
        .map(|(_, of_ss, of_kernel)| (*of_ss, *of_kernel))
}

/// The protocol of netlink of a name, ss's or the kernel's.
pub fn netlink_protocol(name: &str) -> Option<u8> {
    let mut known = NETLINK_PROTOCOLS.iter();
    known
        .find(|(_, of_ss, of_kernel)| [of_ss, of_kernel].contains(&&name))
        .map(|(number, ..)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_for_its_number() {
        for (number, name) in FRAME_PROTOCOLS {
            assert_eq!(frame_protocol(name), Some(number));
            assert_eq!(frame_protocol_name(number), Some(name));
        }
        for (number, of_ss, of_kernel) in NETLINK_PROTOCOLS {
            assert_eq!(netlink_protocol(of_ss), Some(number));
            assert_eq!(netlink_protocol(of_kernel), Some(number));
        }
        assert_eq!(frame_protocol("IPv4"), Some(0x0800));
        assert_eq!(frame_protocol_name(FRAMES_OF_EVERY_PROTOCOL), None);
        assert_eq!(netlink_protocol("nothing"), None);
    }
}
