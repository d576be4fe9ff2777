//! Times written as text: `2026-04-03T02:09:46.957Z` and its relatives.

/// Reads a date and time, or a time of day, as microseconds since 1970 (or since midnight).
///
/// Accepted: `YYYY-MM-DD` with `-` or `/`, then `T` or a space, `hh:mm[:ss[.fraction]]`, and a
/// zone `Z` or `+hh[:mm]`, which is ignored: only differences matter. The calendar is the
/// Gregorian one. `None` for anything else.
pub(super) fn parse(text: &str) -> Option<i64> {
    let text = text.trim().trim_matches('"');
    let (date, clock) = match text.split_once(['T', ' ']) {
        Some((date, clock)) => (Some(date), clock.trim_start()),
        None => (None, text),
    };
    let days = match date {
        Some(date) => days_since_1970(date)?,
        None => 0,
    };
    let clock = clock.trim_end_matches('Z');
    let clock = clock.split(['+', '-', ' ']).next()?;
    let mut parts = clock.split(':');
    let hours = number(parts.next()?, 23)?;
    let minutes = number(parts.next()?, 59)?;
    let (seconds, micros) = match parts.next() {
        None => (0, 0),
        Some(seconds) => {
            let (whole, fraction) = seconds.split_once(['.', ',']).unwrap_or((seconds, ""));
            (number(whole, 60)?, fraction_micros(fraction)?)
        }
    };
    if parts.next().is_some() {
        return None;
    }
    Some((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000_000 + micros)
}

fn number(text: &str, most: i64) -> Option<i64> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|&n| n <= most)
}

fn fraction_micros(text: &str) -> Option<i64> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = text.bytes().chain(core::iter::repeat(b'0')).take(6);
    Some(digits.fold(0, |micros, digit| micros * 10 + i64::from(digit - b'0')))
}

/// Days from 1970-01-01 by the usual count of years that begin in March.
fn days_since_1970(date: &str) -> Option<i64> {
    let mut parts = date.split(['-', '/']);
    let year = number(parts.next()?, 9999)?;
    let month = number(parts.next()?, 12).filter(|m| *m > 0)?;
    let day = number(parts.next()?, 31).filter(|d| *d > 0)?;
    let shifted = year - i64::from(month <= 2);
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    parts.next().is_none().then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times() {
        // date -u -d 2026-04-03T02:09:46Z +%s
        assert_eq!(parse("2026-04-03T02:09:46.957Z"), Some(1_775_182_186_957_000));
        assert_eq!(parse("2026-04-03 02:09:46.957577+00:00"), Some(1_775_182_186_957_577));
        assert_eq!(parse("1970/01/01 00:00"), Some(0));
        assert_eq!(parse("2000-02-29 00:00:00"), Some(951_782_400_000_000));
        assert_eq!(parse("00:00:01.5"), Some(1_500_000));
        for text in ["", "x", "2026-13-01 00:00", "1:2:3:4", "99999-01-01 00:00", "12:61"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
