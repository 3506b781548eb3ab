//! Chance that can be repeated: numbers from a seed.

/// Numbers that look random and are the same for the same seed.
pub struct Chance(u64);

impl Chance {
    pub fn of(seed: u64) -> Chance {
        Chance(seed)
    }

    /// SplitMix64: every seed is a good one, also 0.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % (end.max(1) as u64)).expect("below a usize")
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// The rounds of a test that leaves things to chance. A failure says how to repeat it.
pub struct Rounds {
    what: &'static str,
    first: u64,
    seed: u64,
    left: usize,
}

impl Rounds {
    /// As many as `CHORE_ROUNDS` says, or `usual`; from the seed `CHORE_SEED`, or another each time.
    pub fn of(what: &'static str, usual: usize) -> Rounds {
        let number = |name| std::env::var(name).ok().map(|text: String| text.parse::<u64>());
        let number =
            |name| number(name).map(|parsed| parsed.unwrap_or_else(|err| panic!("{name}: {err}")));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let first = number("CHORE_SEED")
            .unwrap_or(now.map_or(1, |now| now.as_nanos() as u64 % 1_000_000_000));
        let left =
            number("CHORE_ROUNDS").map_or(usual, |rounds| usize::try_from(rounds).expect("few"));
        println!("{what}: {left} rounds, CHORE_SEED={first}");
        Rounds { what, first, seed: first, left }
    }

    /// The next round's chance. Each has a seed of its own, one more than that of the round before.
    pub fn round(&mut self) -> Option<Chance> {
        self.left = self.left.checked_sub(1)?;
        let seed = self.seed;
        self.seed += 1;
        Some(Chance::of(seed))
    }

    pub fn seed(&self) -> u64 {
        self.seed - 1
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (what, first) = (self.what, self.first);
            let done = self.seed - first;
            eprintln!(
                "{what}: failed in round {done}: CHORE_SEED={first} CHORE_ROUNDS={done} repeats its chances"
            );
        }
    }
}
