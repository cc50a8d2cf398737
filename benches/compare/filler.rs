//! A process that holds its share of the sockets.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
};

/// Connections from one address: far from all of its ports to one listener,
/// so that the kernel finds a free port at once.
const CONNECTIONS_PER_ADDRESS: u32 = 4096;

/// First of the consecutive ports listened on.
const FIRST_PORT: u16 = 8000;

/// Makes sockets and files, says so, and holds them until stdin is closed.
/// The arguments are this process's number, and those of sockets, of listening
/// ones among them, and of files.
pub fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [index, sockets, listening, files] = arguments else {
        return Err("expected four numbers".into());
    };
    let (index, sockets): (u16, u32) = (index.parse()?, sockets.parse()?);
    let listening = listening.parse()?;

    let files = (0..files.parse::<u32>()?)
        .map(|_| File::open("/dev/null"))
        .collect::<Result<Vec<_>, _>>()?;
    let held = make_sockets(index, sockets, listening)
        .map_err(|error| format!("process {index} cannot make its {sockets} sockets: {error}"))?;

    // Fails if the harness has gone, and then so does the read.
    let _ = writeln!(io::stdout(), "ready {}", held.len());
    let _ = io::stdin().read(&mut [0]);
    drop((held, files));
    Ok(())
}

/// Makes `count` sockets: some listening, and pairs of connected ones.
fn make_sockets(index: u16, count: u32, listening: u32) -> io::Result<Vec<OwnedFd>> {
    let [high, low] = index.to_be_bytes();
    let server = Ipv4Addr::new(127, 1 + high, low, 1);
    let listeners = (FIRST_PORT..)
        .take(listening as usize)
        .map(|port| {
            let listener = TcpListener::bind((server, port))?;
            close_by_reset(&listener)?; // As will the sockets it accepts.
            Ok((listener, SocketAddrV4::new(server, port)))
        })
        .collect::<io::Result<Vec<_>>>()?;

    let mut connected = Vec::with_capacity(count as usize);
    let pairs = (count - listening) / 2;
    for (pair, (listener, address)) in (0..pairs).zip(listeners.iter().cycle()) {
        let host = 1 + u8::try_from(pair / CONNECTIONS_PER_ADDRESS).map_err(io::Error::other)?;
        let client = Ipv4Addr::new(127, 128 + high, low, host);
        connected.push(connect_from(client, *address)?);
        let (accepted, _) = listener.accept()?;
        connected.push(accepted.into());
    }
    connected.extend(listeners.into_iter().map(|(listener, _)| listener.into()));
    Ok(connected)
}

/// Connects from a port of `client` that may be used for other destinations,
/// too, so that ports don't run out.
fn connect_from(client: Ipv4Addr, server: SocketAddrV4) -> io::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
    close_by_reset(&socket)?;
    let client = SockaddrIn::from(SocketAddrV4::new(client, 0));
    bind(socket.as_raw_fd(), &client)?;
    connect(socket.as_raw_fd(), &SockaddrIn::from(server))?;
    Ok(socket)
}

/// Makes closing reset the connection, which leaves nothing in TIME-WAIT.
fn close_by_reset(socket: &impl AsFd) -> io::Result<()> {
    let at_once = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    Ok(setsockopt(socket, sockopt::Linger, &at_once)?)
}
