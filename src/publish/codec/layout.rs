//! The layout of a publication: which word of the cell holds what, and which bits of two of them.
//!
//! The codec writes and reads by the groups of words and the fields of bits below; the number of a
//! word stands nowhere else. The compiler checks that they do not overlap and that the words of
//! [`Quick`](crate::bound::quick::Quick) come first.

/// The layout: every word of a publication by its name, in the order of the cell.
#[derive(Clone, Copy)]
pub(super) enum Word {
    // `Quick`: the first cache line, which most readings load alone.
    Floor,
    Ceiling,
    EarliestAnchor,
    EarliestNs,
    LatestAnchor,
    LatestNs,
    SlowFirstSlope,
    FastFirstSlope,
    /// The fields of bits [`INCARNATION`] and [`EPOCH`].
    Spell,
    /// The fields of bits [`STATE`] and those that belong to it.
    Meta,
    Published,
    Since,
    Heard,
    LeapFrom,
    SlowFirstUntil,
    SlowSecondUntil,
    SlowSecondSlope,
    SlowRest,
    FastFirstUntil,
    FastSecondUntil,
    FastSecondSlope,
    FastRest,
    LeapMidnight,
}

impl Word {
    const LAST: Word = Word::LeapMidnight;

    const fn at(self) -> usize {
        self as usize
    }
}

/// The number of words of one publication.
pub(crate) const WORDS: usize = Word::LAST.at() + 1;

/// The number of words of [`Quick`](crate::bound::quick::Quick), which are the first ones.
pub(crate) const QUICK_WORDS: usize = Word::FastFirstSlope.at() + 1;

// Words that are written and read together. Each array gives the order of the values in `get` and
// `put`.
pub(super) const RANGE: [Word; 2] = [Word::Floor, Word::Ceiling];
pub(super) const EARLIEST: [Word; 2] = [Word::EarliestAnchor, Word::EarliestNs];
pub(super) const LATEST: [Word; 2] = [Word::LatestAnchor, Word::LatestNs];
/// The slopes with which the two lines begin: of a rise, `Quick` needs no more.
pub(super) const FIRST_SLOPES: [Word; 2] = [Word::SlowFirstSlope, Word::FastFirstSlope];
pub(super) const SPELL: [Word; 1] = [Word::Spell];
pub(super) const META: [Word; 1] = [Word::Meta];
pub(super) const READINGS: [Word; 4] = [Word::Published, Word::Since, Word::Heard, Word::LeapFrom];
/// The slopes at which the two rises come to rest: those under (R), in every state of the clock.
pub(super) const RESTS: [Word; 2] = [Word::SlowRest, Word::FastRest];
/// What else there is of the slow rise.
pub(super) const SLOW: [Word; 3] =
    [Word::SlowFirstUntil, Word::SlowSecondUntil, Word::SlowSecondSlope];
/// What else there is of the fast rise.
pub(super) const FAST: [Word; 3] =
    [Word::FastFirstUntil, Word::FastSecondUntil, Word::FastSecondSlope];
pub(super) const LEAP: [Word; 1] = [Word::LeapMidnight];

/// A field of adjacent bits within a word.
#[derive(Clone, Copy)]
pub(super) struct Bits {
    from: u32,
    count: u32,
}

// Of `Word::Spell`.
pub(super) const INCARNATION: Bits = Bits { from: 0, count: 32 };
pub(super) const EPOCH: Bits = Bits { from: 32, count: 32 };

// Of `Word::Meta`, in every state.
pub(super) const STATE: Bits = Bits { from: 0, count: 8 };
pub(super) const UNTRUSTED: Bits = Bits { from: 17, count: 1 };
// While the clock is disrupted.
pub(super) const REASON: Bits = Bits { from: 8, count: 8 };
pub(super) const REASON_NUMBER: Bits = Bits { from: 32, count: 32 };
// While it runs.
pub(super) const DEGRADED: Bits = Bits { from: 16, count: 1 };
pub(super) const LEAP_INSERTED: Bits = Bits { from: 18, count: 1 };
pub(super) const LEAP_DELETED: Bits = Bits { from: 19, count: 1 };
pub(super) const MARGIN: Bits = Bits { from: 32, count: 32 };

// The values of `STATE`.
pub(super) const NOT_SYNCHRONIZED: u64 = 0;
pub(super) const RUNNING: u64 = 1;
pub(super) const DISRUPTED: u64 = 2;
pub(super) const THREAD_DIED: u64 = 3;

// The layout is sound, or it does not compile.
const _: () = {
    assert!(size_of::<[u64; QUICK_WORDS]>() == 64, "the words of Quick fill one cache line");
    assert!(size_of::<[u64; WORDS]>() == 184, "three cache lines hold them all");
    let quick = words_of(&[&RANGE, &EARLIEST, &LATEST, &FIRST_SLOPES]);
    let behind = words_of(&[&SPELL, &META, &READINGS, &RESTS, &SLOW, &FAST, &LEAP]);
    assert!(quick == (1 << QUICK_WORDS) - 1, "the words of Quick are exactly the first ones");
    assert!(quick & behind == 0, "two groups have a word in common");
    assert!(quick | behind == (1 << WORDS) - 1, "a word belongs to no group");
    assert!(Word::Spell.at() == QUICK_WORDS, "the spell follows the words of Quick");
    do_not_overlap(&[INCARNATION, EPOCH]);
    do_not_overlap(&[STATE, UNTRUSTED, REASON, REASON_NUMBER]);
    do_not_overlap(&[STATE, UNTRUSTED, DEGRADED, LEAP_INSERTED, LEAP_DELETED, MARGIN]);
};

/// The words of these groups as a set of bits. No two of the words may be the same.
const fn words_of(mut groups: &[&[Word]]) -> u64 {
    let mut found = 0;
    while let [first, others @ ..] = groups {
        let mut group = *first;
        while let [word, rest @ ..] = group {
            assert!(found & 1 << word.at() == 0, "two fields share a word");
            found |= 1 << word.at();
            group = rest;
        }
        groups = others;
    }
    found
}

/// No bit of a word may belong to two of these fields.
const fn do_not_overlap(mut fields: &[Bits]) {
    let mut found = 0;
    while let [field, rest @ ..] = fields {
        assert!(field.from + field.count <= u64::BITS, "a field leaves its word");
        assert!(found & field.put(field.most()) == 0, "two fields share a bit");
        found |= field.put(field.most());
        fields = rest;
    }
}

impl Bits {
    /// The largest value.
    pub(super) const fn most(self) -> u64 {
        u64::MAX >> (u64::BITS - self.count)
    }

    /// The word with this value here and nothing else in it.
    pub(super) const fn put(self, value: u64) -> u64 {
        debug_assert!(value <= self.most());
        value << self.from
    }

    /// The value here, whatever else is in the word.
    #[inline]
    pub(super) const fn get(self, word: u64) -> u64 {
        word >> self.from & self.most()
    }

    pub(super) fn flag(self, set: bool) -> u64 {
        self.put(u64::from(set))
    }

    #[inline]
    pub(super) const fn is_set(self, word: u64) -> bool {
        self.get(word) != 0
    }

    /// The value of a field of at most 32 bits.
    #[inline]
    pub(super) fn half(self, word: u64) -> u32 {
        u32::try_from(self.get(word)).unwrap_or(u32::MAX)
    }
}

/// The words of a group, by the names that the caller gives them.
#[inline]
pub(super) fn get<const M: usize, const G: usize>(words: &[u64; M], group: [Word; G]) -> [u64; G] {
    group.map(|word| words[word.at()])
}

/// Puts the values of a group where [`get`] finds them.
pub(super) fn put<const G: usize>(words: &mut [u64; WORDS], group: [Word; G], values: [u64; G]) {
    for (word, value) in group.into_iter().zip(values) {
        words[word.at()] = value;
    }
}
