//! Who asks, what they may read, and in whose name they act. It knows no socket.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use crate::name::cut;
use crate::status::Actor;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Whoever may open the Unix socket.
    Owner,
    /// Whoever has the token of this name.
    Token(String),
    /// Anyone who reaches the TCP port: they read, and nothing of the host's paths.
    Anyone,
}

impl Access {
    /// Over TCP the token says who it is, whatever the request says.
    pub fn actor(&self, by: &str, note: &str) -> Actor {
        let by = match self {
            Access::Token(name) => name,
            Access::Anyone => "anyone",
            Access::Owner if by.is_empty() => "the owner of the peer",
            Access::Owner => by,
        };
        Actor { by: cut(by), note: cut(note) }
    }

    pub fn json(&self, value: &impl Serialize) -> Response {
        match self {
            Access::Owner | Access::Token(_) => Json(value).into_response(),
            Access::Anyone => Json(self.value(value)).into_response(),
        }
    }

    pub fn text(&self, value: &impl Serialize) -> String {
        match self {
            Access::Owner | Access::Token(_) => serde_json::to_string(value).unwrap_or_default(),
            Access::Anyone => self.value(value).to_string(),
        }
    }

    fn value(&self, value: &impl Serialize) -> Value {
        let mut value = serde_json::to_value(value).unwrap_or_default();
        hide(&mut value);
        value
    }
}

fn hide(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('/') => *text = without_paths(text),
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(fields) => fields.values_mut().for_each(hide),
        _ => {}
    }
}

/// The text with no more of each absolute path than its last part: reasons name files of the host.
pub(super) fn without_paths(text: &str) -> String {
    let begins =
        |before: Option<char>| before.is_none_or(|c| c.is_whitespace() || "\"'`(=[<,;".contains(c));
    let ends = |c: char| c.is_whitespace() || "\"'`)]>,;:".contains(c);
    let (mut hidden, mut rest, mut before) = (String::with_capacity(text.len()), text, None);
    while let Some(first) = rest.chars().next() {
        let path = &rest[..rest.find(ends).unwrap_or(rest.len())];
        let parts = path.matches('/').count();
        let taken = match first {
            '/' if begins(before) && parts > 1 => {
                hidden.push_str(path.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default());
                path
            }
            _ => {
                hidden.push(first);
                &rest[..first.len_utf8()]
            }
        };
        before = taken.chars().next_back();
        rest = &rest[taken.len()..];
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_host_are_kept_from_strangers() {
        for (text, shown) in [
            ("read /home/alice/peer/chores: no such file", "read chores: no such file"),
            ("\"/a/b.wasm\" (/c/d/)", "\"b.wasm\" (d)"),
            ("chores/a.toml:2:3: and/or", "chores/a.toml:2:3: and/or"),
            ("see https://example.org/a/b", "see https://example.org/a/b"),
            ("3 / 4, /x é /é/ü", "3 / 4, /x é ü"),
            ("", ""),
            ("/", "/"),
        ] {
            assert_eq!(without_paths(text), shown, "{text}");
        }
        let value = serde_json::json!({ "a": ["/x/y", { "b": "in /x/z" }], "c": 3 });
        let shown = r#"{"a":["y",{"b":"in z"}],"c":3}"#;
        assert_eq!(Access::Anyone.text(&value), shown);
        assert_eq!(Access::Owner.text(&value), value.to_string());
    }

    #[test]
    fn a_token_says_who_it_is() {
        let by = |access: Access| access.actor("mallory", "").by;
        assert_eq!(by(Access::Owner), "mallory");
        assert_eq!(by(Access::Token("alice".into())), "alice");
        assert_eq!(Access::Owner.actor("", "").by, "the owner of the peer");
    }
}
