//! Texts of `/proc/sys/net`.

use crate::model::{PortRange, PortSet};

/// A sysctl text that does not say what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unreadable value {0:?}")]
pub struct SysctlError(pub String);

/// `net.ipv4.ip_local_port_range`: two ports.
pub fn port_range(text: &[u8]) -> Result<PortRange, SysctlError> {
    let error = || SysctlError(String::from_utf8_lossy(text).trim().to_owned());
    let text = std::str::from_utf8(text).map_err(|_| error())?;
    let ports: Vec<u16> = text
        .split_ascii_whitespace()
        .map(|word| word.parse().map_err(|_| error()))
        .collect::<Result<_, _>>()?;
    match ports[..] {
        [first, last] => PortRange::new(first, last).ok_or_else(error),
        _ => Err(error()),
    }
}

/// `net.ipv4.ip_local_reserved_ports`: ports and ranges, with commas between them; may be empty.
pub fn port_list(text: &[u8]) -> Result<PortSet, SysctlError> {
    let error = || SysctlError(String::from_utf8_lossy(text).trim().to_owned());
    let text = std::str::from_utf8(text).map_err(|_| error())?.trim();
    let mut set = PortSet::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first = first.trim().parse().map_err(|_| error())?;
        let last = last.trim().parse().map_err(|_| error())?;
        set.insert_range(PortRange::new(first, last).ok_or_else(error)?);
    }
    Ok(set)
}

/// A sysctl of one number, such as `net.ipv4.tcp_tw_reuse`.
pub fn number(text: &[u8]) -> Result<u32, SysctlError> {
    let error = || SysctlError(String::from_utf8_lossy(text).trim().to_owned());
    let text = std::str::from_utf8(text).map_err(|_| error())?;
    text.trim().parse().map_err(|_| error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let range = port_range(b"32768\t60999\n").unwrap();
        assert_eq!((range.first(), range.last()), (32768, 60999));
        for bad in ["", "1", "2 1", "a b", "1 2 3", "1 70000"] {
            assert!(port_range(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn lists() {
        let all = PortRange::new(0, u16::MAX).unwrap();
        assert_eq!(port_list(b"\n").unwrap().count_in(all), 0);
        assert_eq!(port_list(b"40000-40004,40010\n").unwrap().count_in(all), 6);
        for bad in ["x", "5-", "9-5", "1,,z"] {
            assert!(port_list(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(number(b"2\n"), Ok(2));
        for bad in ["", "x", "-1", "1 2", "99999999999"] {
            assert!(number(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
