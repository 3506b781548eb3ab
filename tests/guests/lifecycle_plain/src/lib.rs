//! A component that calls its exports `lifecycle`, and has plain functions there: what a tool makes that
//! drops the word `async` from the contract.

#![allow(unsafe_code)]

wit_bindgen::generate!({
    inline: "
        package chore:peer@0.1.0;
        interface lifecycle { run: func() -> result<_, string>; }
        world plain { export lifecycle; }
    ",
});

struct LifecyclePlain;

impl exports::chore::peer::lifecycle::Guest for LifecyclePlain {
    fn run() -> Result<(), String> {
        Ok(())
    }
}

export!(LifecyclePlain);
