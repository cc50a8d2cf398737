//! Which of TCP's numbers mean something.

use super::{TcpInfo, TcpMetric};

impl TcpInfo {
    /// A number of something that happened: the kernel has zeros where nothing was
    /// measured, counts from its start what never was, and of a listener tells next to nothing.
    pub fn known(&self, metric: TcpMetric) -> Option<u64> {
        let value = self.get(metric)?;
        let is_zero = |metric| self.get(metric) == Some(0);
        // A socket begins with the least segment size; only of listeners is it left out.
        let is_listening = is_zero(TcpMetric::SndMss);
        let heard_nothing = is_zero(TcpMetric::SegsIn);
        let is_known = match metric {
            TcpMetric::Unacked
            | TcpMetric::Sacked
            | TcpMetric::Reordering
            | TcpMetric::SndCwnd
            | TcpMetric::PacingRate
            | TcpMetric::MaxPacingRate => true,
            _ if is_listening => false,
            TcpMetric::Pmtu | TcpMetric::Rtt | TcpMetric::RcvRtt => value != 0,
            TcpMetric::Rttvar => !is_zero(TcpMetric::Rtt),
            TcpMetric::LastDataRecv | TcpMetric::LastAckRecv => !heard_nothing,
            // With Fast Open data is sent before anything is heard.
            TcpMetric::LastDataSent => !heard_nothing || !is_zero(TcpMetric::DataSegsOut),
            _ => true,
        };
        is_known.then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is known of an account with these numbers, all others 0.
    fn known(numbers: &[(TcpMetric, u64)], metric: TcpMetric) -> Option<u64> {
        let mut info = TcpInfo::EMPTY;
        for metric in TcpMetric::ALL {
            info.set(metric, 0);
        }
        for (metric, value) in numbers {
            info.set(*metric, *value);
        }
        info.known(metric)
    }

    #[test]
    fn of_a_listener_little_is_known() {
        let told = [(TcpMetric::SndCwnd, 10), (TcpMetric::Sacked, 128)];
        assert_eq!(known(&told, TcpMetric::SndCwnd), Some(10));
        assert_eq!(known(&told, TcpMetric::Sacked), Some(128));
        assert_eq!(known(&told, TcpMetric::Unacked), Some(0));
        for metric in [
            TcpMetric::Rto,
            TcpMetric::LastDataSent,
            TcpMetric::BytesSent,
        ] {
            assert_eq!(known(&told, metric), None, "{metric:?}");
        }
    }

    #[test]
    fn what_never_happened_has_no_number() {
        let silent = [
            (TcpMetric::SndMss, 536),
            (TcpMetric::Rttvar, 250_000),
            (TcpMetric::LastDataSent, 11_715_184),
            (TcpMetric::LastDataRecv, 11_715_184),
            (TcpMetric::LastAckRecv, 11_715_184),
        ];
        for metric in [
            TcpMetric::Pmtu,
            TcpMetric::Rtt,
            TcpMetric::Rttvar,
            TcpMetric::RcvRtt,
            TcpMetric::LastDataSent,
            TcpMetric::LastDataRecv,
            TcpMetric::LastAckRecv,
        ] {
            assert_eq!(known(&silent, metric), None, "{metric:?}");
        }
        // It sent nothing, and that is known.
        assert_eq!(known(&silent, TcpMetric::BytesSent), Some(0));

        // Fast Open, not answered yet.
        let hopeful = [&silent[..], &[(TcpMetric::DataSegsOut, 1)]].concat();
        assert!(known(&hopeful, TcpMetric::LastDataSent).is_some());
        assert_eq!(known(&hopeful, TcpMetric::LastAckRecv), None);

        // Data that was sent just now.
        let heard = [(TcpMetric::SndMss, 536), (TcpMetric::SegsIn, 1)];
        assert_eq!(known(&heard, TcpMetric::LastDataSent), Some(0));
        assert_eq!(known(&heard, TcpMetric::LastDataRecv), Some(0));
    }

    #[test]
    fn what_an_old_kernel_does_not_count_is_not_taken_for_silence() {
        let mut info = TcpInfo::EMPTY;
        info.set(TcpMetric::SndMss, 1460);
        info.set(TcpMetric::LastDataRecv, 7);
        assert_eq!(info.known(TcpMetric::LastDataRecv), Some(7));
        assert_eq!(info.known(TcpMetric::SegsIn), None);
    }
}
