//! Tokens of a home, which changes over TCP need: whether its peer runs or not.

use std::io::{self, Write};

use clap::Subcommand;
use serde_json::json;

use super::Error;
use super::output::Out;
use super::show::table;
use crate::clock::Timestamp;
use crate::control::{Token, Tokens};
use crate::peer::Home;

#[derive(Subcommand)]
pub(super) enum What {
    /// Make a token and print it, this once
    ///
    /// Whoever has it may change everything, by `Authorization: Bearer TOKEN`. What they do stands in
    /// the history under NAME. It is valid at once, and only its hash is kept.
    New {
        /// Whose it is, or what for
        name: String,
    },
    /// End a token: it is not valid any more, at once
    Revoke { name: String },
    /// List the tokens: their names and when they were made
    Ls,
}

pub(super) fn token(out: &Out, home: &Home, what: What) -> Result<u8, Error> {
    if !home.data().is_dir() {
        return Err(Error::NotSetUp(home.root().into()));
    }
    let tokens = Tokens::at(home.tokens());
    match what {
        What::New { name } => {
            let token = tokens.create(&name, Timestamp::now())?;
            out.show(&json!({ "name": name, "token": token }), || token.clone())?;
            if !out.json {
                // Not where the token goes.
                let hint = "this is shown once; send it as `Authorization: Bearer TOKEN`";
                // Nobody is left to tell when this fails.
                let _ = writeln!(io::stderr(), "{hint}");
            }
        }
        What::Revoke { name } => {
            tokens.revoke(&name)?;
            out.show(&json!({ "name": name, "revoked": true }), || format!("revoked {name}"))?;
        }
        What::Ls => show(out, &tokens.list()?)?,
    }
    Ok(0)
}

fn show(out: &Out, tokens: &[Token]) -> Result<(), Error> {
    let view = |token: &Token| json!({ "name": token.name, "created": token.created });
    let views: Vec<_> = tokens.iter().map(view).collect();
    out.show(&views, || {
        if tokens.is_empty() {
            return "no tokens: make one with `chore token new NAME`".to_owned();
        }
        let row = |token: &Token| vec![token.name.clone(), token.created.to_string()];
        let head = vec!["NAME".to_owned(), "CREATED".to_owned()];
        table(&std::iter::once(head).chain(tokens.iter().map(row)).collect::<Vec<_>>())
    })
}
