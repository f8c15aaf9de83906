//! Draws the pictures of the guide from simulated runs: into `docs/`, or with `--check` compares
//! them with what is there.
//!
//! `cargo run --release --features sim,cli --example guide_pictures [-- --check]`

use std::error::Error;
use std::path::Path;

mod chart;
mod clocks;
mod protocols;

type Result<T> = std::result::Result<T, Box<dyn Error>>;
/// A page of the guide, and what draws its picture.
type Picture = (&'static str, fn() -> Result<String>);

const PICTURES: [Picture; 11] = [
    ("knowledge", clocks::knowledge),
    ("interval", clocks::interval),
    ("commit_wait", protocols::commit_wait),
    ("writes", protocols::writes),
    ("hybrid", protocols::hybrid),
    ("leases", protocols::leases),
    ("silence", protocols::silence),
    ("limits", clocks::limits),
    ("servers", clocks::servers),
    ("operating", clocks::operating),
    ("migrating", clocks::migrating),
];

fn main() -> Result<()> {
    let checks = std::env::args().any(|argument| argument == "--check");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut differ = 0;
    for (name, draw) in PICTURES {
        // A blank line would end the picture inside a page.
        let svg =
            draw()?.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n")
                + "\n";
        let path = folder.join(format!("{name}.svg"));
        if !checks {
            std::fs::write(&path, &svg)?;
            println!("{name}.svg: {} bytes", svg.len());
        } else if std::fs::read_to_string(&path).ok().as_deref() == Some(&svg) {
            println!("{name}.svg is what the run gives");
        } else {
            differ += 1;
            println!(
                "{name}.svg is NOT what the run gives: draw it anew without --check, and look at it"
            );
        }
    }
    if differ > 0 { Err(format!("{differ} pictures differ").into()) } else { Ok(()) }
}
