//! Whether programs are about to run out of local ports.
//!
//! Ports are drawn from R, `ip_local_port_range` less `ip_local_reserved_ports`, and a port may
//! serve many destinations at once. So what counts is never the number of sockets but, for each
//! [kind of pool](PoolKind), the number of distinct ports in R:
//!
//! - **tcp-connect**, a source towards one destination. T are the ports with a socket of the
//!   pool in any state, T_rw those in TIME-WAIT that a connect may take over, B the ports with a
//!   listener or a bound socket on any address of either family, X the ports with any other
//!   socket. B and T without T_rw are not free. Some ports of X were drawn by `bind` before they
//!   were connected; such a port is closed to every connect, and so is its TIME-WAIT, and no row
//!   tells it from others. So free are at most R − (T − T_rw) − B ports, at least those of R
//!   without any socket. The estimate between them uses that a connect tries every second port
//!   first and `bind` the others: it takes for bound what stands on the others, in tuples that
//!   have not used up the first ([`overflowed`](record::Share::overflowed)).
//! - **tcp-bind**, a local address: ports with any socket on it or on a wildcard.
//! - **udp-autobind**, the network namespace: ports with any socket of UDP.
//! - **udp-bind**, a local address: the same on it or on a wildcard.
//!
//! A search that cuts an odd range to an even length may miss a port; the lower bounds allow for
//! it. Sockets with an IP_LOCAL_PORT_RANGE of their own cannot be told from others; those
//! that are bound to an interface count as others do, unless it is counted
//! [for one socket](Ephemeral::for_socket).
//!
//! [`Ephemeral`] takes the sockets in one pass and keeps eight bytes of each one in R, grouped by
//! tuple. B and X are known only at the end, whatever the order of rows, so that counters alone
//! would not do; and the same records tell the owners of a pool and the ages in TIME-WAIT.
//! What is kept is bounded: [half of the groups, the smaller ones, are forgotten](count) when
//! there are too many, which no nearly full pool is ever among. Records of all are
//! [judged](Ephemeral::judge) afterwards.
//!
//! Reads nothing: limits arrive in [`EphemeralSettings`].

mod address_pools;
mod advice;
mod count;
mod empty;
mod hash;
mod judge;
mod one;
mod owners;
mod pool;
mod record;
mod settings;
mod settle;
mod severity;
mod trend;
mod verdict;

pub use advice::Advice;
pub use count::Ephemeral;
pub use empty::FirstFree;
pub use hash::Keyed;
pub use judge::{Ask, Findings};
pub use owners::{Exposed, OwnerShare, most_ports};
pub use pool::{Pool, PoolKey, PoolKind, Trend};
pub use settings::{EphemeralSettings, Reuse, TimeWaitReuse};
pub use severity::{Severity, Thresholds};
pub use verdict::Verdict;

#[cfg(test)]
mod tests;
