//! How the panel writes moments, durations, sizes and addresses. It makes text, and no element but
//! those that stand for a moment.

use std::time::{Duration, SystemTime};

use maud::{Markup, html};

use crate::clock::Timestamp;

const SECOND: Duration = Duration::from_secs(1);
/// Of a second, in milliseconds: less is not shown beside whole seconds.
const TENTH: u32 = 100;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// How many digits of a digest tell versions apart for a person.
const DIGEST_CHARS: usize = 12;

/// In two units at most, as a person says it: "3m 12s", "1.5s", "12ms".
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let pair = |large: u64, small: u64, units: [&str; 2]| match small {
        0 => format!("{large}{}", units[0]),
        small => format!("{large}{} {small}{}", units[0], units[1]),
    };
    match duration {
        zero if zero.is_zero() => "0s".to_owned(),
        short if short < Duration::from_millis(1) => format!("{}µs", short.as_micros()),
        short if short < SECOND => format!("{}ms", short.as_millis()),
        short if short < 10 * SECOND && short.subsec_millis() >= TENTH => {
            format!("{:.1}s", short.as_secs_f64())
        }
        _ if seconds < MINUTE => format!("{seconds}s"),
        _ if seconds < HOUR => pair(seconds / MINUTE, seconds % MINUTE, ["m", "s"]),
        _ if seconds < DAY => pair(seconds / HOUR, seconds % HOUR / MINUTE, ["h", "m"]),
        _ => pair(seconds / DAY, seconds % DAY / HOUR, ["d", "h"]),
    }
}

/// Rounded, for reading: "1.4 MiB".
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Exact enough for three digits.
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    if size < 10.0 {
        format!("{size:.1} {}", UNITS[unit])
    } else {
        format!("{size:.0} {}", UNITS[unit])
    }
}

/// The time of day, with its day if that is another; the whole of it for whoever points at it.
pub(super) fn moment(at: Timestamp, now: Timestamp) -> Markup {
    let (exact, today) = (at.to_string(), now.to_string());
    let short = match (exact.split_once('T'), today.split_once('T')) {
        (Some((day, time)), Some((this, _))) if day == this => {
            time.trim_end_matches('Z').to_owned()
        }
        _ => exact.trim_end_matches('Z').replace('T', " "),
    };
    html! { time datetime=(machine(at)) title=(exact) { (short) } }
}

/// "4m 10s ago", which the script keeps true.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> Markup {
    html! {
        time datetime=(machine(at)) title=(at) data-ago {
            (duration(whole_seconds(now.since(at)))) " ago"
        }
    }
}

/// "in 4m 10s", which the script counts down.
pub(super) fn countdown(at: Timestamp, now: Timestamp) -> Markup {
    let left = whole_seconds(at.since(now));
    html! {
        time.countdown datetime=(machine(at)) title=(at) data-countdown {
            @if left.is_zero() { "now" } @else { "in " (duration(left)) }
        }
    }
}

pub(super) fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs())
}

/// For scripts: to the millisecond.
pub(super) fn machine(at: Timestamp) -> String {
    let time = SystemTime::from(Timestamp::from_nanos(at.as_nanos().max(0)));
    humantime::format_rfc3339_millis(time).to_string()
}

/// The beginning of a digest.
pub(super) fn digest(digest: &str) -> String {
    digest.chars().take(DIGEST_CHARS).collect()
}

pub(super) fn count(count: usize, one: &str, more: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {more}"),
    }
}

/// The page of a chore; of a file with any name too.
pub(super) fn chore_path(name: &str) -> String {
    format!("/chores/{}", encode(name))
}

/// For one part of a path, or one value after `?`.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}
