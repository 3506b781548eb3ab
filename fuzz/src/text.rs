//! What operators and other peers write as text: config files, node ids, addresses, units.

use chore_host::config::Config;
use chore_host::cycle::Interval;
use chore_host::grant::Grant;
use chore_host::manifest::Manifest;
use chore_host::name::ChoreName;
use chore_host::node_id::{NodeId, NodeUrl, check_address};
use chore_host::units;

/// What errors call the file.
const ORIGIN: &str = "fuzz.toml";

/// Longest error about one line, in bytes: it quotes some of it.
const ERROR_BYTES_MAX: usize = 4096;

pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert!(Manifest::read(bytes, ORIGIN).is_err(), "it is no text");
        return;
    };
    if let Err(err) = Config::parse(text, ORIGIN) {
        short(&err);
    }
    match Manifest::parse(text, ORIGIN) {
        Ok(manifest) => {
            let grants = manifest.grants().to_string();
            let again = Manifest::parse(&format!("grants = {grants}"), ORIGIN);
            assert_eq!(
                again.ok().map(|again| again.grants().clone()),
                Some(manifest.grants().clone())
            );
        }
        Err(err) => short(&err),
    }
}

pub fn address(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let text = text.as_ref();
    match text.parse::<NodeId>() {
        Ok(id) => assert_eq!(id.to_string().parse(), Ok(id)),
        Err(err) => short(&err),
    }
    match text.parse::<NodeUrl>() {
        Ok(url) => {
            assert_eq!(url.to_string().parse::<NodeUrl>().as_ref(), Ok(&url));
            assert_eq!(check_address(&url.address), Ok(()));
        }
        Err(err) => short(&err),
    }
    if let Ok(id) = NodeId::from_bytes(bytes) {
        assert_eq!(id.as_bytes().as_slice(), bytes);
    }
    if let Ok(name) = ChoreName::new(text) {
        assert_eq!(name.as_str(), text);
    }
    if let Ok(grant) = text.parse::<Grant>() {
        let all: chore_host::grant::Grants = [grant.clone()].into_iter().collect();
        let again =
            all.texts().iter().map(|text| text.parse::<Grant>()).collect::<Result<Vec<_>, _>>();
        assert_eq!(again, Ok(vec![grant]));
    }
    if let Ok(interval) = text.parse::<Interval>() {
        assert_eq!(interval.to_string().parse(), Ok(interval));
    }
    if let Ok(duration) = units::parse_duration(text) {
        assert_eq!(units::parse_duration(&units::format_duration(duration)), Ok(duration));
    }
    if let Ok(size) = units::parse_size(text) {
        assert_eq!(units::parse_size(&units::format_size(size)), Ok(size));
    }
}

/// An error goes to a terminal and a log: one line, and not the whole of what is wrong.
fn short(err: &dyn std::error::Error) {
    let text = err.to_string();
    assert!(text.len() <= ERROR_BYTES_MAX, "{} bytes: {text}", text.len());
    assert!(!text.contains('\n'), "{text}");
}
