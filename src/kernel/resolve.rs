//! Host names of addresses (`-r`), with a bound on how long all of them together may take.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A name server that does not answer is asked this many things at once.
const WORKERS: usize = 16;
/// How long a run may wait for names altogether.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks for names and remembers them.
#[derive(Debug)]
pub struct Resolver {
    names: HashMap<IpAddr, Option<Vec<u8>>>,
    workers: Option<Workers>,
    patience: Duration,
}

#[derive(Debug)]
struct Workers {
    questions: Sender<IpAddr>,
    answers: Receiver<(IpAddr, Option<Vec<u8>>)>,
}

impl Resolver {
    /// A resolver that asks this machine's.
    pub fn live() -> Resolver {
        Resolver {
            names: HashMap::new(),
            workers: Some(Workers::start()),
            patience: PATIENCE,
        }
    }

    /// A resolver that knows these names and no others.
    pub fn fixed(names: impl Iterator<Item = (IpAddr, Vec<u8>)>) -> Resolver {
        Resolver {
            names: names.map(|(addr, name)| (addr, Some(name))).collect(),
            workers: None,
            patience: PATIENCE,
        }
    }

    /// Learns the names of the addresses, as far as patience lasts.
    pub fn learn(&mut self, addrs: impl Iterator<Item = IpAddr>) {
        let Some(workers) = &self.workers else {
            return;
        };
        let mut waiting = 0;
        for addr in addrs {
            if addr.is_unspecified() || self.names.contains_key(&addr) {
                continue;
            }
            self.names.insert(addr, None);
            if !self.patience.is_zero() && workers.questions.send(addr).is_ok() {
                waiting += 1;
            }
        }
        while waiting > 0 {
            let asked = Instant::now();
            let answer = workers.answers.recv_timeout(self.patience);
            self.patience = self.patience.saturating_sub(asked.elapsed());
            let Ok((addr, name)) = answer else {
                self.patience = Duration::ZERO;
                break;
            };
            self.names.insert(addr, name);
            waiting -= 1;
        }
    }

    /// Whether names were given up because they did not come in time.
    pub fn gave_up(&self) -> bool {
        self.workers.is_some() && self.patience.is_zero()
    }

    /// How many addresses have no name, for want of one or of time.
    pub fn unnamed(&self) -> u64 {
        self.names.values().filter(|name| name.is_none()).count() as u64
    }

    /// The name that was learnt of an address.
    pub fn name(&self, addr: IpAddr) -> Option<&[u8]> {
        self.names.get(&addr)?.as_deref()
    }
}

impl Workers {
    /// The threads end with the process: one that waits for a name server cannot be called back.
    fn start() -> Workers {
        let (questions, asked) = mpsc::channel();
        let (told, answers) = mpsc::channel();
        let asked = Arc::new(Mutex::new(asked));
        for _ in 0..WORKERS {
            let asked = Arc::clone(&asked);
            let told = told.clone();
            // Fewer threads than wished for still answer.
            let _ = thread::Builder::new().spawn(move || answer(&asked, &told));
        }
        Workers { questions, answers }
    }
}

fn answer(asked: &Mutex<Receiver<IpAddr>>, told: &Sender<(IpAddr, Option<Vec<u8>>)>) {
    loop {
        let addr = match asked.lock() {
            Ok(asked) => asked.recv(),
            Err(_) => return,
        };
        let Ok(addr) = addr else { return };
        if told.send((addr, host_name(addr))).is_err() {
            return;
        }
    }
}

/// Asks the C library, which knows `/etc/hosts`, nsswitch and DNS.
fn host_name(addr: IpAddr) -> Option<Vec<u8>> {
    let address = nix::sys::socket::SockaddrStorage::from(SocketAddr::new(addr, 0));
    let mut name = [0u8; libc::NI_MAXHOST as usize];
    let status = getnameinfo(&address, &mut name);
    if status != 0 {
        return None;
    }
    let end = name.iter().position(|&byte| byte == 0)?;
    Some(name[..end].to_vec())
}

#[allow(unsafe_code)]
fn getnameinfo(address: &nix::sys::socket::SockaddrStorage, name: &mut [u8]) -> libc::c_int {
    use nix::sys::socket::SockaddrLike;
    // SAFETY: address and length describe one live sockaddr; the name buffer is writable for the
    // length that is passed with it; no service name is asked for.
    unsafe {
        libc::getnameinfo(
            address.as_ptr(),
            address.len(),
            name.as_mut_ptr().cast(),
            name.len() as libc::socklen_t,
            std::ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        )
    }
}
