//! Where a pool is going, from the ages in TIME-WAIT or from two samples.

use super::pool::Trend;
use super::record::{SLICE_MS, SLICES, Share};
use super::settings::{TIME_WAIT_MS, TimeWaitReuse};

/// How long a slice of TIME-WAIT is, in seconds.
const SLICE: f64 = SLICE_MS as f64 / 1000.0;
/// Fewer connections than this in the youngest slice say nothing of a rate.
const LEAST_YOUNG: u32 = 5;

/// The trend of a pool of connections.
///
/// Those that ended in the last ten seconds are still in TIME-WAIT, all of them, and give the
/// rate. Each holds its port for a minute more, or until a connect may take it over; so the live
/// ones and a minute of the rate is what the pool comes to. The ports that TIME-WAIT gives back
/// on the way there are known from its timers.
pub(super) fn of(share: &Share, free: u32, time_wait: TimeWaitReuse, loopback: bool) -> Trend {
    let young = share.slices[0];
    if young < LEAST_YOUNG {
        return Trend::default();
    }
    let rate = f64::from(young) / SLICE;
    let (held_ms, early) = if time_wait.applies(loopback) {
        (time_wait.delay_ms.min(TIME_WAIT_MS), true)
    } else {
        (TIME_WAIT_MS, false)
    };
    let live = f64::from(share.used - share.time_wait);
    let steady = live + rate * f64::from(held_ms) / 1000.0;
    let room = f64::from(free + share.held);
    Trend {
        rate: Some(rate),
        steady: Some(steady),
        seconds_to_full: (steady >= room && !early)
            .then(|| seconds_to_full(f64::from(free), rate, &share.slices))
            .flatten(),
    }
}

/// Slice by slice, the oldest first: what comes less what is given back.
fn seconds_to_full(mut free: f64, rate: f64, slices: &[u32; SLICES]) -> Option<f64> {
    if free <= 0.0 {
        return Some(0.0);
    }
    for (index, &ending) in slices.iter().rev().enumerate() {
        let net = rate - f64::from(ending) / SLICE;
        if net * SLICE >= free {
            return Some(index as f64 * SLICE + free / net);
        }
        free -= net * SLICE;
    }
    // From then on as many end as come.
    None
}

/// The trend of two samples `seconds` apart.
pub(super) fn between(before: u32, now: u32, free: u32, seconds: f64) -> Option<f64> {
    let grown = f64::from(now) - f64::from(before);
    (grown > 0.0 && seconds > 0.0).then(|| f64::from(free) * seconds / grown)
}

#[cfg(test)]
mod tests {
    use super::super::settings::Reuse;
    use super::*;

    const KEPT: TimeWaitReuse = TimeWaitReuse {
        reuse: Reuse::Never,
        ..TimeWaitReuse::DEFAULT
    };

    fn share(live: u32, slices: [u32; SLICES]) -> Share {
        let time_wait: u32 = slices.iter().sum();
        Share {
            used: live + time_wait,
            time_wait,
            held: live + time_wait,
            slices,
            ..Share::default()
        }
    }

    #[test]
    fn a_steady_rate_below_the_capacity_never_fills() {
        let trend = of(&share(100, [490; SLICES]), 1000, KEPT, false);
        assert_eq!(trend.rate, Some(49.0));
        assert_eq!(trend.steady, Some(3040.0));
        assert_eq!(trend.seconds_to_full, None);
    }

    #[test]
    fn a_rate_that_began_just_now_fills_before_any_is_given_back() {
        let trend = of(&share(0, [500, 0, 0, 0, 0, 0]), 1000, KEPT, false);
        assert_eq!(trend.seconds_to_full, Some(20.0));
        let full = of(&share(0, [500; SLICES]), 0, KEPT, false);
        assert_eq!(full.seconds_to_full, Some(0.0));
    }

    #[test]
    fn ports_taken_over_early_do_not_fill_a_pool() {
        let trend = of(&share(10, [500; SLICES]), 100, TimeWaitReuse::DEFAULT, true);
        assert_eq!(trend.steady, Some(60.0));
        assert_eq!(trend.seconds_to_full, None);
    }

    #[test]
    fn few_connections_are_no_rate() {
        assert_eq!(of(&share(9, [4; SLICES]), 9, KEPT, false), Trend::default());
    }

    #[test]
    fn two_samples_tell_the_time_left() {
        assert_eq!(between(100, 150, 500, 5.0), Some(50.0));
        assert_eq!(between(150, 150, 500, 5.0), None);
        assert_eq!(between(150, 100, 500, 5.0), None);
    }
}
