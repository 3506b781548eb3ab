//! Method paths of calls. They come from guests, so they are checked before they become a header.

use http::uri::PathAndQuery;
use tonic::Status;

use crate::limits::METHOD_BYTES_MAX;

/// Whether `method` is `/package.Service/Method`, the package being optional.
pub(super) fn is_valid(method: &str) -> bool {
    let word = |word: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        !word.is_empty() && word.bytes().all(allowed)
    };
    let parts = method.strip_prefix('/').and_then(|rest| rest.split_once('/'));
    method.len() <= METHOD_BYTES_MAX
        && parts.is_some_and(|(service, name)| service.split('.').all(word) && word(name))
}

/// `method` as a path. Fails with `InvalidArgument`.
pub(super) fn path(method: &str) -> Result<PathAndQuery, Status> {
    let refuse = || {
        let shown: String = method.chars().take(METHOD_BYTES_MAX).collect();
        Status::invalid_argument(format!("method {shown:?} is not /package.Service/Method"))
    };
    if !is_valid(method) {
        return Err(refuse());
    }
    PathAndQuery::try_from(method).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn methods_have_a_service_and_a_name() {
        let long = format!("/a/{}", "b".repeat(METHOD_BYTES_MAX));
        let cases = [
            ("/orders.Orders/Settlement", true),
            ("/a.b.C_1/D_2", true),
            ("/Service/Method", true),
            ("", false),
            ("/", false),
            ("//", false),
            ("/a", false),
            ("/a/", false),
            ("//b", false),
            ("a/b", false),
            ("/a/b/c", false),
            ("/.a/b", false),
            ("/a..b/c", false),
            ("/a/b.c", false),
            ("/a/b?c=d", false),
            ("/a/b#c", false),
            ("/a/b c", false),
            ("/a/b\r\nx: y", false),
            ("/a/é", false),
            ("/../b", false),
            ("https://host/a/b", false),
            (&long, false),
        ];
        for (method, valid) in cases {
            let path = path(method).map_err(|status| status.code());
            let expected = if valid { Ok(method) } else { Err(Code::InvalidArgument) };
            assert_eq!(path.as_ref().map(|path| path.as_str()), expected.as_ref().copied());
        }
    }
}
