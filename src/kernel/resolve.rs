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

/// An address, and its name if it has one.
type Answer = (IpAddr, Option<Vec<u8>>);

/// Asks for names and remembers them.
#[derive(Debug)]
pub struct Resolver {
    names: HashMap<IpAddr, Option<Vec<u8>>>,
    asker: Asker,
    patience: Duration,
    unanswered: u64,
}

/// Who is asked.
#[derive(Debug)]
enum Asker {
    /// Nobody: what is not known already has no name.
    Nobody,
    /// The system, by this thread: no other could be made.
    Here,
    /// The system, many questions at once.
    Workers(Workers),
}

#[derive(Debug)]
struct Workers {
    questions: Sender<IpAddr>,
    answers: Receiver<Answer>,
}

impl Resolver {
    /// A resolver that asks this machine's.
    pub fn live() -> Resolver {
        Resolver::asking(Workers::start(thread::Builder::new).map_or(Asker::Here, Asker::Workers))
    }

    /// A resolver that knows these names and no others.
    pub fn fixed(names: impl Iterator<Item = (IpAddr, Vec<u8>)>) -> Resolver {
        Resolver {
            names: names.map(|(addr, name)| (addr, Some(name))).collect(),
            ..Resolver::asking(Asker::Nobody)
        }
    }

    fn asking(asker: Asker) -> Resolver {
        Resolver {
            names: HashMap::new(),
            asker,
            patience: PATIENCE,
            unanswered: 0,
        }
    }

    /// Learns the names of the addresses, as far as patience lasts.
    pub fn learn(&mut self, addrs: impl Iterator<Item = IpAddr>) {
        let mut waiting = 0;
        for addr in addrs {
            if addr.is_unspecified() || self.names.contains_key(&addr) {
                continue;
            }
            let name = match &self.asker {
                Asker::Nobody => return,
                _ if self.patience.is_zero() => {
                    self.unanswered += 1;
                    None
                }
                Asker::Here => {
                    let asked = Instant::now();
                    let name = host_name(addr);
                    self.patience = self.patience.saturating_sub(asked.elapsed());
                    name
                }
                Asker::Workers(workers) => {
                    match workers.questions.send(addr) {
                        Ok(()) => waiting += 1,
                        Err(_) => self.unanswered += 1,
                    }
                    None
                }
            };
            self.names.insert(addr, name);
        }
        if let Asker::Workers(workers) = &self.asker {
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
            self.unanswered += waiting;
        }
    }

    /// Whether names were given up because they did not come in time.
    pub const fn gave_up(&self) -> bool {
        self.unanswered > 0
    }

    /// How many addresses got no answer in time. That an address has no name is an answer.
    pub const fn unnamed(&self) -> u64 {
        self.unanswered
    }

    /// The name that was learnt of an address.
    pub fn name(&self, addr: IpAddr) -> Option<&[u8]> {
        self.names.get(&addr)?.as_deref()
    }
}

impl Workers {
    /// The threads end with the process: one that waits for a name server cannot be called back.
    /// `None` when not even one can be made.
    fn start(thread: impl Fn() -> thread::Builder) -> Option<Workers> {
        let (questions, asked) = mpsc::channel();
        let (told, answers) = mpsc::channel();
        let asked = Arc::new(Mutex::new(asked));
        let mut started = 0;
        for _ in 0..WORKERS {
            let asked = Arc::clone(&asked);
            let told = told.clone();
            match thread().spawn(move || answer(&asked, &told)) {
                Ok(_) => started += 1,
                // Fewer threads than wished for still answer.
                Err(_) => break,
            }
        }
        (started > 0).then_some(Workers { questions, answers })
    }
}

fn answer(asked: &Mutex<Receiver<IpAddr>>, told: &Sender<Answer>) {
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

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRS: [IpAddr; 3] = [
        IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
        IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)),
        IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
    ];

    /// Workers whose part this test plays.
    fn played() -> (Resolver, Sender<Answer>, Receiver<IpAddr>) {
        let (questions, asked) = mpsc::channel();
        let (told, answers) = mpsc::channel();
        let workers = Workers { questions, answers };
        let resolver = Resolver::asking(Asker::Workers(workers));
        (resolver, told, asked)
    }

    #[test]
    fn an_address_without_a_name_is_not_one_that_took_too_long() {
        let (mut resolver, told, _asked) = played();
        told.send((ADDRS[0], None)).unwrap();
        told.send((ADDRS[1], Some(b"b".to_vec()))).unwrap();
        resolver.learn(ADDRS.into_iter());
        assert_eq!((resolver.gave_up(), resolver.unnamed()), (false, 0));
        assert_eq!(resolver.name(ADDRS[0]), None);
        assert_eq!(resolver.name(ADDRS[1]), Some(&b"b"[..]));
    }

    #[test]
    fn only_questions_without_an_answer_are_counted() {
        let (mut resolver, told, _asked) = played();
        resolver.patience = Duration::from_millis(1);
        told.send((ADDRS[0], None)).unwrap();
        resolver.learn(ADDRS.into_iter());
        assert_eq!((resolver.gave_up(), resolver.unnamed()), (true, 1));
        // Nothing is asked any more, and nothing twice.
        let later = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 3));
        resolver.learn([ADDRS[1], later].into_iter());
        assert_eq!(resolver.unnamed(), 2);
    }

    #[test]
    fn where_no_thread_can_be_made_this_one_asks() {
        // There is no room for such a stack anywhere.
        let thread = || thread::Builder::new().stack_size(isize::MAX as usize & !0xffff);
        assert!(Workers::start(thread).is_none());
        let mut resolver = Resolver::asking(Asker::Here);
        resolver.patience = Duration::from_secs(60);
        let loopback = IpAddr::from([127, 0, 0, 1]);
        resolver.learn([loopback].into_iter());
        assert!(!resolver.gave_up());
        assert_eq!(resolver.names.len(), 1);
        resolver.patience = Duration::ZERO;
        resolver.learn(ADDRS.into_iter());
        assert_eq!(resolver.unnamed(), 2);
    }
}
