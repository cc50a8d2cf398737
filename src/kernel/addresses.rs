//! Addresses of hosts by their names, with a bound on how long that may take.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Asks the C library, which knows `/etc/hosts`, nsswitch and DNS, for no longer than `patience`.
/// Each address is told once.
pub fn host_addresses(name: &str, patience: Duration) -> io::Result<Vec<IpAddr>> {
    let too_late = || io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
    if patience.is_zero() {
        return Err(too_late());
    }
    let (told, answer) = mpsc::channel();
    let asked = name.to_owned();
    // The thread ends with the process: one that waits for a name server cannot be called back.
    thread::Builder::new().spawn(move || told.send(ask(&asked)))?;
    answer
        .recv_timeout(patience)
        .unwrap_or_else(|_| Err(too_late()))
}

fn ask(name: &str) -> io::Result<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    for address in (name, 0).to_socket_addrs()? {
        if !addresses.contains(&address.ip()) {
            addresses.push(address.ip());
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_has_an_end() {
        let error = host_addresses("localhost", Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(
            host_addresses("127.0.0.9", Duration::from_secs(60)).unwrap(),
            [IpAddr::from([127, 0, 0, 9])]
        );
    }
}
