//! Times for documents and durations for people.

use std::time::SystemTime;

/// A time as RFC 3339 in UTC with milliseconds: `2026-11-20T12:00:00.123Z`.
pub fn utc(time: SystemTime) -> String {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = since.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
        since.subsec_millis()
    )
}

/// The Gregorian date of a day since 1970, counting years from March so that the leap day is the
/// last of a year.
fn date(days: u64) -> (u64, u64, u64) {
    // 1970-01-01 is day 719,468 after 0000-03-01; 400 years have 146,097 days.
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// Appends a timer's remaining time as ss writes it: `119min`, `9min30sec`, `1.004ms`, `200ms`.
pub(super) fn push_timer(out: &mut Vec<u8>, milliseconds: u32) {
    let minutes = milliseconds / 60_000;
    let mut seconds = milliseconds / 1000 % 60;
    let mut rest = milliseconds % 1000;
    if minutes > 0 {
        rest = 0;
        out.extend(format!("{minutes}min").bytes());
        if minutes > 9 {
            seconds = 0;
        }
    }
    if seconds > 0 {
        if seconds > 9 {
            rest = 0;
        }
        let unit = if rest > 0 { "." } else { "sec" };
        out.extend(format!("{seconds}{unit}").bytes());
    }
    if rest > 0 {
        out.extend(format!("{rest:03}ms").bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times() {
        let at = |ms| utc(SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400_123), "2000-02-29T00:00:00.123Z");
        assert_eq!(at(1_795_219_199_999), "2026-11-20T23:59:59.999Z");
        assert_eq!(at(4_102_444_800_000), "2100-01-01T00:00:00.000Z");
    }

    #[test]
    fn timers_as_ss_writes_them() {
        for (ms, text) in [
            (0, ""),
            (200, "200ms"),
            (1004, "1.004ms"),
            (9000, "9sec"),
            (41_500, "41sec"),
            (570_000, "9min30sec"),
            (7_199_000, "119min"),
        ] {
            let mut out = Vec::new();
            push_timer(&mut out, ms);
            assert_eq!(String::from_utf8(out).unwrap(), text, "{ms}");
        }
    }
}
