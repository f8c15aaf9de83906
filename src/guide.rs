//! The guide, in the order in which a reader would meet its stories.
//!
#![doc = include_str!("../docs/guide.md")]
#![allow(missing_docs, reason = "the pages are in docs/")]

macro_rules! page {
    ($name:ident, $text:literal, $picture:literal) => {
        pub mod $name {
            #![doc = include_str!($text)]
            #![doc = ""]
            #![doc = include_str!($picture)]
        }
    };
}

page!(knowledge, "../docs/knowledge.md", "../docs/knowledge.svg");
page!(interval, "../docs/interval.md", "../docs/interval.svg");
page!(commit_wait, "../docs/commit_wait.md", "../docs/commit_wait.svg");
page!(writes, "../docs/writes.md", "../docs/writes.svg");
page!(hybrid, "../docs/hybrid.md", "../docs/hybrid.svg");
page!(leases, "../docs/leases.md", "../docs/leases.svg");
page!(silence, "../docs/silence.md", "../docs/silence.svg");
page!(limits, "../docs/limits.md", "../docs/limits.svg");
page!(servers, "../docs/servers.md", "../docs/servers.svg");
page!(operating, "../docs/operating.md", "../docs/operating.svg");
page!(migrating, "../docs/migrating.md", "../docs/migrating.svg");
