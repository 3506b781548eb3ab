//! Durations and sizes as text with a unit, both ways, and bytes as text. It knows no key and no default.
//!
//! A bare number is refused: nobody can tell whether 30 means seconds, minutes or milliseconds. The
//! parsers are our own because the text may come from a component: `humantime` panics on
//! `18446744073709551615s 500ms 500ms`, and `bytesize` takes bare numbers and rounds silently.

use std::time::Duration;

use crate::name::quote;

/// Why a text is not a duration or not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{0} has no unit: write \"{1}\"")]
    NoUnit(String, String),
    #[error("{text} has an unknown unit {unit}: use {known}")]
    UnknownUnit { text: String, unit: String, known: &'static str },
    #[error("{text} is not a {kind}: write a number and a unit, such as \"{example}\"")]
    Malformed { text: String, kind: &'static str, example: &'static str },
    #[error("{0} is negative")]
    Negative(String),
    #[error("{0} is too large")]
    TooLarge(String),
    #[error("{text} is not a whole number of {smallest}")]
    Inexact { text: String, smallest: &'static str },
}

/// What tells durations from sizes.
struct Measure {
    kind: &'static str,
    example: &'static str,
    known: &'static str,
    smallest: &'static str,
    /// The unit that a bare number most likely had in mind.
    likely: &'static str,
    /// May a text have several parts, as in "1h 30m"?
    parts: bool,
    /// What is written: from the largest to the smallest.
    written: &'static [(&'static str, u64)],
    /// What else is read.
    read: &'static [(&'static str, u64)],
    ignore_case: bool,
}

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// In nanoseconds. Days are not written: a day is taken for a calendar's day too easily.
const DURATION: Measure = Measure {
    kind: "duration",
    example: "1h30m",
    known: "ns, us, ms, s, m, h, d or w",
    smallest: "nanoseconds",
    likely: "s",
    parts: true,
    written: &[
        ("h", HOUR),
        ("m", MINUTE),
        ("s", SECOND),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ],
    read: &[
        ("µs", 1_000),
        ("sec", SECOND),
        ("secs", SECOND),
        ("second", SECOND),
        ("seconds", SECOND),
        ("min", MINUTE),
        ("mins", MINUTE),
        ("minute", MINUTE),
        ("minutes", MINUTE),
        ("hour", HOUR),
        ("hours", HOUR),
        ("d", 24 * HOUR),
        ("day", 24 * HOUR),
        ("days", 24 * HOUR),
        ("w", 7 * 24 * HOUR),
        ("week", 7 * 24 * HOUR),
        ("weeks", 7 * 24 * HOUR),
    ],
    ignore_case: false,
};

/// In bytes. Not "M" or "K", which some read as decimal and some as binary.
const SIZE: Measure = Measure {
    kind: "size",
    example: "64MiB",
    known: "B, kB, MB, GB, TB, KiB, MiB, GiB or TiB",
    smallest: "bytes",
    likely: "MiB",
    parts: false,
    written: &[
        ("TiB", 1 << 40),
        ("TB", 1_000_000_000_000),
        ("GiB", 1 << 30),
        ("GB", 1_000_000_000),
        ("MiB", 1 << 20),
        ("MB", 1_000_000),
        ("KiB", 1 << 10),
        ("kB", 1_000),
        ("B", 1),
    ],
    read: &[],
    ignore_case: true,
};

/// Reads "90s", "1h30m", "1h 30m", "1.5h", "250ms", "7d"; at most 584 years. Zero is "0s".
///
/// # Errors
///
/// Whatever has no unit, is negative, too large, or not a whole number of nanoseconds.
pub fn parse_duration(text: &str) -> Result<Duration, Error> {
    DURATION.parse(text).map(Duration::from_nanos)
}

/// The shortest text in h, m, s, ms, us and ns that [`parse_duration`] reads as the same value:
/// "1h30m", "168h", "0s". Beyond 584 years it is cut.
pub fn format_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, nanos) in DURATION.written {
        if rest >= *nanos {
            text.push_str(&format!("{}{unit}", rest / nanos));
            rest %= nanos;
        }
    }
    text
}

/// Reads "64MiB", "1 GB", "1.5GiB", "512 B" as bytes.
///
/// # Errors
///
/// Whatever has no unit, is negative, too large, or not a whole number of bytes.
pub fn parse_size(text: &str) -> Result<u64, Error> {
    SIZE.parse(text)
}

/// Exact: in the largest unit that leaves no remainder, so that [`parse_size`] reads the same value.
pub fn format_size(bytes: u64) -> String {
    // The last unit, a byte, always fits.
    let fits = |(_, unit): &&(&str, u64)| bytes != 0 && bytes.is_multiple_of(*unit);
    let (unit, divisor) = SIZE.written.iter().find(fits).copied().unwrap_or(("B", 1));
    format!("{}{unit}", bytes / divisor)
}

impl Measure {
    fn parse(&self, text: &str) -> Result<u64, Error> {
        let mut rest = text.trim();
        if rest.starts_with('-') {
            return Err(Error::Negative(quote(text)));
        }
        let mut total = 0_u64;
        let mut parts = 0;
        while !rest.is_empty() {
            let (number, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
            let (unit, after) = split(after.trim_start(), char::is_alphabetic);
            if number.is_empty() || (parts > 0 && !self.parts) {
                return Err(self.malformed(text));
            }
            if unit.is_empty() && after.is_empty() && parts == 0 {
                let likely = format!("{number}{}", self.likely);
                return Err(Error::NoUnit(quote(text), crate::name::cut(&likely)));
            }
            let factor = self.factor(text, unit)?;
            let part = self.product(text, number, factor)?;
            total = total.checked_add(part).ok_or_else(|| Error::TooLarge(quote(text)))?;
            rest = after.trim_start();
            parts += 1;
        }
        if parts == 0 { Err(self.malformed(text)) } else { Ok(total) }
    }

    fn factor(&self, text: &str, unit: &str) -> Result<u64, Error> {
        let same = |known: &str| {
            if self.ignore_case { known.eq_ignore_ascii_case(unit) } else { known == unit }
        };
        let mut all = self.written.iter().chain(self.read);
        match all.find(|(known, _)| same(known)) {
            Some((_, factor)) => Ok(*factor),
            None if unit.is_empty() => Err(self.malformed(text)),
            None => {
                let (text, unit) = (quote(text), quote(unit));
                Err(Error::UnknownUnit { text, unit, known: self.known })
            }
        }
    }

    fn product(&self, text: &str, number: &str, factor: u64) -> Result<u64, Error> {
        let too_large = || Error::TooLarge(quote(text));
        let (whole, fraction) = match number.split_once('.') {
            None => (number, ""),
            Some((whole, fraction)) if !whole.is_empty() && !fraction.is_empty() => {
                (whole, fraction)
            }
            Some(_) => return Err(self.malformed(text)),
        };
        if fraction.contains('.') {
            return Err(self.malformed(text));
        }
        // Trailing zeros say nothing; with them gone, 18 digits and any factor fit into 128 bits.
        let fraction = fraction.trim_end_matches('0');
        let inexact = || Error::Inexact { text: quote(text), smallest: self.smallest };
        if fraction.len() > 18 {
            return Err(inexact());
        }
        let scale = fraction.bytes().fold(1_u128, |scale, _| scale * 10);
        let digits = fraction.bytes().fold(0_u128, |sum, c| sum * 10 + u128::from(c - b'0'));
        let parts = digits * u128::from(factor);
        if !parts.is_multiple_of(scale) {
            return Err(inexact());
        }
        let whole: u64 = whole.parse().map_err(|_| too_large())?;
        let product = u128::from(whole) * u128::from(factor) + parts / scale;
        u64::try_from(product).map_err(|_| too_large())
    }

    fn malformed(&self, text: &str) -> Error {
        Error::Malformed { text: quote(text), kind: self.kind, example: self.example }
    }
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// For `#[serde(with = "units::duration")]`.
pub mod duration {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    /// # Errors
    ///
    /// Whatever the serializer says.
    pub fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::format_duration(*duration))
    }

    /// # Errors
    ///
    /// Whatever [`parse_duration`](super::parse_duration) refuses, and every number.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        from.deserialize_any(super::Text(&super::DURATION)).map(Duration::from_nanos)
    }
}

/// For `#[serde(with = "units::size")]`.
pub mod size {
    use serde::{Deserializer, Serializer};

    /// # Errors
    ///
    /// Whatever the serializer says.
    pub fn serialize<S: Serializer>(bytes: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::format_size(*bytes))
    }

    /// # Errors
    ///
    /// Whatever [`parse_size`](super::parse_size) refuses, and every number.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        from.deserialize_any(super::Text(&super::SIZE))
    }
}

/// Takes a text; a number gets the same answer as a text without a unit.
struct Text(&'static Measure);

impl serde::de::Visitor<'_> for Text {
    type Value = u64;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a {} with a unit, such as \"{}\"", self.0.kind, self.0.example)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u64, E> {
        self.0.parse(text).map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<u64, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<u64, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<u64, E> {
        self.visit_str(&number.to_string())
    }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        let ms = Duration::from_millis;
        for (text, read, written) in [
            ("90s", ms(90_000), "1m30s"),
            ("1h30m", ms(5_400_000), "1h30m"),
            (" 1h 30m ", ms(5_400_000), "1h30m"),
            ("1.5h", ms(5_400_000), "1h30m"),
            ("0.250000s", ms(250), "250ms"),
            ("250ms", ms(250), "250ms"),
            ("1 hour 1 minute", ms(3_660_000), "1h1m"),
            ("7d", ms(7 * 86_400_000), "168h"),
            ("2w", ms(14 * 86_400_000), "336h"),
            ("10µs", Duration::from_micros(10), "10us"),
            ("1ns", Duration::from_nanos(1), "1ns"),
            ("0s", ms(0), "0s"),
            (
                "18446744073709551615ns",
                Duration::from_nanos(u64::MAX),
                "5124095h34m33s709ms551us615ns",
            ),
        ] {
            assert_eq!(parse_duration(text), Ok(read), "{text}");
            assert_eq!(format_duration(read), written);
        }
        assert_eq!(format_duration(Duration::MAX), format_duration(Duration::from_nanos(u64::MAX)));
    }

    #[test]
    fn wrong_durations_are_explained() {
        for (text, expected) in [
            ("30", r#""30" has no unit: write "30s""#),
            ("1.5", r#""1.5" has no unit: write "1.5s""#),
            ("", "is not a duration: write a number and a unit, such as \"1h30m\""),
            ("soon", "is not a duration"),
            ("h", "is not a duration"),
            ("1h30", "is not a duration"),
            ("1..5s", "is not a duration"),
            ("1.s", "is not a duration"),
            (".5s", "is not a duration"),
            ("1.5.5s", "is not a duration"),
            ("5s,", "is not a duration"),
            ("٣s", "is not a duration"),
            ("-5s", "is negative"),
            ("5 fortnights", "unknown unit \"fortnights\": use ns, us, ms, s, m, h, d or w"),
            ("5S", "unknown unit \"S\""),
            ("1M", "unknown unit \"M\""),
            ("99999999999999999999s", "is too large"),
            ("600000w", "is too large"),
            ("18446744073709551615s 500ms 500ms", "is too large"),
            ("18446744073709551615ns 1ns", "is too large"),
            ("0.5ns", "not a whole number of nanoseconds"),
            ("0.1234567890123456789s", "not a whole number of nanoseconds"),
        ] {
            let message = parse_duration(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes, written) in [
            ("64MiB", 64 << 20, "64MiB"),
            ("64 mib", 64 << 20, "64MiB"),
            ("1 GB", 1_000_000_000, "1GB"),
            ("1.5GiB", 3 << 29, "1536MiB"),
            ("1024 KiB", 1 << 20, "1MiB"),
            ("1500B", 1500, "1500B"),
            ("2kB", 2000, "2kB"),
            ("0B", 0, "0B"),
            ("16777215TiB", 16_777_215 << 40, "16777215TiB"),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
            assert_eq!(format_size(bytes), written);
        }
        for (text, expected) in [
            ("64", r#""64" has no unit: write "64MiB""#),
            ("64M", "unknown unit \"M\": use B, kB"),
            ("1GiB 1MiB", "is not a size"),
            ("-1B", "is negative"),
            ("16777216TiB", "is too large"),
            ("1.5B", "not a whole number of bytes"),
            ("lots", "is not a size: write a number and a unit, such as \"64MiB\""),
        ] {
            let message = parse_size(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn hostile_text_makes_short_messages() {
        for text in ["9".repeat(1_000_000), "x".repeat(1_000_000), format!("1{}", "x".repeat(999))]
        {
            assert!(parse_duration(&text).unwrap_err().to_string().len() < 500);
            assert!(parse_size(&text).unwrap_err().to_string().len() < 500);
        }
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Both {
        #[serde(with = "duration")]
        wait: Duration,
        #[serde(with = "size")]
        memory: u64,
    }

    #[test]
    fn serde_takes_text_and_refuses_numbers() {
        let both: Both = toml::from_str("wait = \"90s\"\nmemory = \"1 GiB\"").unwrap();
        assert_eq!(toml::to_string(&both).unwrap(), "wait = \"1m30s\"\nmemory = \"1GiB\"\n");
        for (text, expected) in [
            ("wait = 30", r#""30" has no unit: write "30s""#),
            ("wait = -30", "is negative"),
            ("wait = 0.5", r#""0.5" has no unit: write "0.5s""#),
            ("wait = true", "a duration with a unit"),
            ("wait = \"1s\"\nmemory = 64", r#"write "64MiB""#),
            ("wait = \"1s\"\nmemory = []", "a size with a unit"),
        ] {
            let message = toml::from_str::<Both>(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(number: u64) {
            let duration = Duration::from_nanos(number);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
            prop_assert_eq!(parse_size(&format_size(number)), Ok(number));
        }

        #[test]
        fn no_text_panics(text in "[0-9. a-zA-Zµ٣-]{0,40}") {
            let _ = (parse_duration(&text), parse_size(&text));
        }
    }
}
