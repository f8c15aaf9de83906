//! The guide, in the order in which a reader would meet its stories.
//!
#![doc = include_str!("../docs/guide.md")]
#![allow(missing_docs, reason = "the pages are in docs/")]

/// A page: its text, its picture, and where to go on.
macro_rules! page {
    ($name:ident, $text:literal, $picture:literal, $next:literal) => {
        pub mod $name {
            #![doc = include_str!($text)]
            #![doc = ""]
            #![doc = include_str!($picture)]
            #![doc = ""]
            #![doc = $next]
        }
    };
}

page!(
    knowledge,
    "../docs/knowledge.md",
    "../docs/knowledge.svg",
    "Next: [the interval](super::interval)."
);
page!(
    interval,
    "../docs/interval.md",
    "../docs/interval.svg",
    "Next: [commit wait](super::commit_wait)."
);
page!(
    commit_wait,
    "../docs/commit_wait.md",
    "../docs/commit_wait.svg",
    "Next: [writes without silent loss](super::writes)."
);
page!(writes, "../docs/writes.md", "../docs/writes.svg", "Next: [hybrid clocks](super::hybrid).");
page!(
    hybrid,
    "../docs/hybrid.md",
    "../docs/hybrid.svg",
    "Next: [leases and fences](super::leases)."
);
page!(leases, "../docs/leases.md", "../docs/leases.svg", "Next: [silence](super::silence).");
page!(
    silence,
    "../docs/silence.md",
    "../docs/silence.svg",
    "Next: [what is not guaranteed](super::limits)."
);
page!(
    limits,
    "../docs/limits.md",
    "../docs/limits.svg",
    "Next: [choosing servers, f, drift and wander](super::servers)."
);
page!(
    servers,
    "../docs/servers.md",
    "../docs/servers.svg",
    "Next: [operating it](super::operating)."
);
page!(
    operating,
    "../docs/operating.md",
    "../docs/operating.svg",
    "Next: [migrating](super::migrating)."
);
page!(
    migrating,
    "../docs/migrating.md",
    "../docs/migrating.svg",
    "Back to [the first page](super)."
);
