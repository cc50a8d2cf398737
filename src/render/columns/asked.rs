//! The columns that flags ask for.

use super::{Column, Detail};
use crate::model::{DetailSet, TcpMetric};

impl Column {
    /// Those that CSV has of sockets beyond IP.
    pub(in crate::render) const BEYOND_IP: [Column; 7] = [
        Column::Kind,
        Column::Local,
        Column::Peer,
        Column::Path,
        Column::PeerPath,
        Column::PeerInode,
        Column::PeerProcess,
    ];

    /// The parts of the timer, which stands in one cell for people.
    pub(in crate::render) const OF_TIMER: [Column; 3] = [
        Column::TimerKind,
        Column::TimerExpires,
        Column::TimerRetransmits,
    ];

    /// What is read first of what a flag for details adds.
    pub(in crate::render) fn of_details(asked: DetailSet) -> Vec<Column> {
        let extended = [Column::Uid, Column::Inode, Column::Class];
        let memory = [
            Detail::Rmem,
            Detail::Rcvbuf,
            Detail::Wmem,
            Detail::Sndbuf,
            Detail::Drops,
        ];
        let info = [
            Column::Detail(Detail::Congestion),
            Column::Metric(TcpMetric::Rtt),
            Column::Metric(TcpMetric::SndCwnd),
            Column::Metric(TcpMetric::TotalRetrans),
            Column::Metric(TcpMetric::BytesAcked),
            Column::Metric(TcpMetric::BytesReceived),
        ];
        let tos = [Column::Detail(Detail::Tos)];
        let mut columns = Vec::new();
        columns.extend(extended.into_iter().filter(|_| asked.extended));
        columns.extend(memory.map(Column::Detail).iter().filter(|_| asked.memory));
        columns.extend(info.into_iter().filter(|_| asked.info));
        columns.extend(tos.into_iter().filter(|_| asked.tos));
        columns
    }

    /// All else that a flag for details asks for.
    pub(in crate::render) fn more_of_details(asked: DetailSet, beyond_ip: bool) -> Vec<Column> {
        let identity = [Column::Cookie, Column::V6only];
        let identity = identity.into_iter().filter(|_| asked.extended);
        let details = Detail::ALL
            .into_iter()
            .filter(|detail| beyond_ip || !detail.is_beyond_ip())
            .map(Column::Detail);
        let metrics = TcpMetric::ALL.into_iter().map(Column::Metric);
        let read_first = Column::of_details(asked);
        identity
            .chain(details.chain(metrics).filter(|column| {
                column.details().union(asked) == asked && !read_first.contains(column)
            }))
            .collect()
    }

    /// The details that it needs.
    pub const fn details(self) -> DetailSet {
        match self {
            Column::Detail(detail) => detail.set(),
            Column::Metric(_) => DetailSet {
                info: true,
                ..DetailSet::NONE
            },
            _ => DetailSet::NONE,
        }
    }

    /// Whether a table has room for it where nobody names it: all but the numbers for programs.
    pub(in crate::render) const fn is_for_people(self) -> bool {
        !matches!(self, Column::Metric(_) | Column::Detail(Detail::CgroupId))
    }
}
