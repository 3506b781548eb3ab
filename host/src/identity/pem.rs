//! Certificates as PEM text. It writes only: rustls reads.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes that make a line of 64 characters, as RFC 7468 asks.
const LINE_BYTES: usize = 48;

pub(super) fn certificate(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in der.chunks(LINE_BYTES) {
        for group in line.chunks(3) {
            let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            for index in 0..4 {
                let sextet = (bits >> (18 - 6 * index) & 0x3f) as usize;
                // A group of n bytes has n + 1 characters, the rest is padding.
                text.push(if index > group.len() { '=' } else { char::from(ALPHABET[sextet]) });
            }
        }
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}
