//! Numbers for people.

use super::histogram::Quantile;

/// A whole number with commas: `12,345`.
pub(super) fn count(number: f64) -> String {
    // The sum of nothing is -0, which becomes 0 so.
    let digits = format!("{:.0}", number + 0.0);
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits.as_str()),
    };
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{sign}{text}")
}

/// A number with one decimal where that says something: `0`, `0.2`, `99.5`, `1,234`.
pub(super) fn number(number: f64) -> String {
    if number == 0.0 || number >= 100.0 {
        return count(number);
    }
    format!("{number:.1}")
}

/// How often a second.
pub(super) fn rate(rate: f64) -> String {
    format!("{}/s", number(rate))
}

/// How long something took: `850 µs`, `4.2 ms`, `1.3 s`.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        ..0.001 => format!("{:.0} µs", seconds * 1e6),
        ..0.01 => format!("{:.1} ms", seconds * 1e3),
        ..1.0 => format!("{:.0} ms", seconds * 1e3),
        _ => format!("{seconds:.1} s"),
    }
}

/// A quantile of durations; `-` where nothing was observed.
pub(super) fn duration(quantile: Option<Quantile>) -> String {
    match quantile {
        Some(Quantile::About(value)) => seconds(value),
        Some(Quantile::Above(end)) => format!("> {}", seconds(end)),
        None => "-".to_owned(),
    }
}

/// How long something has been going on: `45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`.
pub(super) fn uptime(seconds: f64) -> String {
    // Below 0 is 0, and far more than any uptime is that.
    let seconds = seconds as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{minutes} min"),
        3_600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// Text of organisers, without what a terminal would take for a command.
pub(super) fn harmless(text: &str) -> String {
    let visible = |character: char| {
        if character.is_control() {
            '\u{fffd}'
        } else {
            character
        }
    };
    text.chars().map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_short_as_they_may_be() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.04, "0.0"),
            (0.2, "0.2"),
            (99.44, "99.4"),
            (100.4, "100"),
            (1_234.0, "1,234"),
            (12_345_678.0, "12,345,678"),
        ] {
            assert_eq!(number(value), expected);
        }
        assert_eq!(count(-100_000.0), "-100,000");
        assert_eq!(rate(12.0), "12.0/s");
    }

    #[test]
    fn times_have_the_unit_that_suits_them() {
        for (value, expected) in [
            (0.0, "0 µs"),
            (0.000_85, "850 µs"),
            (0.004_2, "4.2 ms"),
            (0.042, "42 ms"),
            (1.25, "1.2 s"),
        ] {
            assert_eq!(seconds(value), expected);
        }
        assert_eq!(duration(Some(Quantile::Above(30.0))), "> 30.0 s");
        assert_eq!(duration(None), "-");
        for (value, expected) in [
            (0.4, "0 s"),
            (59.9, "59 s"),
            (60.0, "1 min"),
            (11_100.0, "3 h 5 min"),
            (187_200.0, "2 d 4 h"),
        ] {
            assert_eq!(uptime(value), expected);
        }
    }

    #[test]
    fn a_name_is_no_command_to_the_terminal() {
        assert_eq!(
            harmless("Naïve \u{1b}[2J\u{9b}é\n"),
            "Naïve \u{fffd}[2J\u{fffd}é\u{fffd}"
        );
    }
}
