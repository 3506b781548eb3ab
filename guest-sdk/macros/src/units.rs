//! Durations and sizes with units, as a peer's files have them. The SDK and its macros both read
//! this file, so that what compiles as a default reads as a setting.

use std::time::Duration;

use bytesize::ByteSize;

/// A number and its unit, such as "90s" or "1h 30m".
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim();
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{text:?} has no unit, write {digits}s or {digits}m"));
    }
    humantime::parse_duration(text)
        .map_err(|err| format!("{text:?} is no duration such as 90s or 1h 30m: {err}"))
}

/// Bytes with an optional unit, such as "64MiB".
pub fn size(text: &str) -> Result<u64, String> {
    let size: Result<ByteSize, _> = text.trim().parse();
    // Its own words name a parser, not what to write.
    size.map(|size| size.as_u64())
        .map_err(|_| format!("{text:?} is no size in bytes such as 64MiB or 512KB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        let good =
            [("90s", 90), ("1h 30m", 5400), ("1h30m", 5400), (" 2days ", 172_800), ("0s", 0)];
        for (text, secs) in good {
            assert_eq!(duration(text), Ok(Duration::from_secs(secs)), "{text}");
        }
        for (text, why) in [
            ("90", r#""90" has no unit, write 90s or 90m"#),
            ("0", r#""0" has no unit, write 0s or 0m"#),
            ("", "is no duration"),
            ("-1s", "is no duration"),
            ("5 parsecs", "unknown time unit"),
            ("99999999999999999999s", "too large"),
        ] {
            let err = duration(text).expect_err(text);
            assert!(err.contains(why), "{err}");
        }
    }

    #[test]
    fn sizes_may_have_a_unit() {
        for (text, bytes) in
            [("64MiB", 64 << 20), ("512", 512), ("1.5 KiB", 1536), ("2GB", 2_000_000_000)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "12 parsecs", "1..2KB"] {
            let err = size(text).expect_err(text);
            assert!(err.contains("is no size in bytes such as"), "{err}");
        }
    }
}
