//! An error as people read it. It knows no error in particular.

/// An error and what caused it, on one line.
pub fn chain(err: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(err.source(), |cause| cause.source());
    causes.fold(err.to_string(), |line, cause| format!("{line}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("read {0}")]
    struct Read(&'static str, #[source] std::io::Error);

    #[test]
    fn causes_follow_in_one_line() {
        let err = Read("a file", std::io::Error::other("the disk is on fire"));
        assert_eq!(chain(&err), "read a file: the disk is on fire");
    }
}
