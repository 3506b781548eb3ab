//! The SDK's own contract test as a chore: what its fakes answer in native tests, a peer answers too.

chore_sdk::export!(chore_sdk::contract::Contract);
