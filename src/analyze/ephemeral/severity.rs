//! How bad it is.

/// From here on a connect takes the kernel a hundred times longer to find a port.
const NOTICE_PERCENT: f64 = 50.0;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Less than half of the ports are in use.
    Ok,
    /// More than half: connects become slow. No alarm.
    Notice,
    /// 80 % and more, unless told otherwise.
    Warning,
    /// 95 % and more, unless told otherwise.
    Critical,
}

impl Severity {
    /// The name in the listing.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Ok => "ok",
            Severity::Notice => "notice",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }

    /// The name where only alarms count: a notice is none.
    pub const fn status(self) -> &'static str {
        match self {
            Severity::Ok | Severity::Notice => "ok",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// From which percentage on there is an alarm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    warn: f64,
    crit: f64,
}

impl Thresholds {
    /// 80 % and 95 %.
    pub const DEFAULT: Thresholds = Thresholds {
        warn: 80.0,
        crit: 95.0,
    };

    /// Two percentages; `None` unless 0 ≤ `warn` < `crit` ≤ 100.
    pub fn new(warn: f64, crit: f64) -> Option<Thresholds> {
        let sound = (0.0..=100.0).contains(&warn) && (0.0..=100.0).contains(&crit) && warn < crit;
        sound.then_some(Thresholds { warn, crit })
    }

    /// The warning's.
    pub const fn warn(self) -> f64 {
        self.warn
    }

    /// The critical one.
    pub const fn crit(self) -> f64 {
        self.crit
    }

    /// What a percentage comes to.
    pub fn judge(self, percent: f64) -> Severity {
        if percent >= self.crit {
            Severity::Critical
        } else if percent >= self.warn {
            Severity::Warning
        } else if percent >= NOTICE_PERCENT {
            Severity::Notice
        } else {
            Severity::Ok
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_belong_to_the_worse_side() {
        let judge = |percent| Thresholds::DEFAULT.judge(percent).name();
        assert_eq!(judge(49.9), "ok");
        assert_eq!(judge(50.0), "notice");
        assert_eq!(judge(79.99), "notice");
        assert_eq!(judge(80.0), "warning");
        assert_eq!(judge(95.0), "critical");
        assert_eq!(Severity::Notice.status(), "ok");
    }

    #[test]
    fn thresholds_the_wrong_way_round_are_none() {
        assert!(Thresholds::new(0.0, 100.0).is_some());
        for (warn, crit) in [
            (95.0, 80.0),
            (80.0, 80.0),
            (-1.0, 50.0),
            (50.0, 100.1),
            (f64::NAN, 9.0),
        ] {
            assert_eq!(Thresholds::new(warn, crit), None, "{warn} {crit}");
        }
    }
}
