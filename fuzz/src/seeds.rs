//! Writes the seed corpus to the folder where `cargo fuzz` expects it: `cargo run --bin seeds`.

use std::fs;
use std::path::Path;

fn main() {
    for (target, _) in remargin_fuzz::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        fs::create_dir_all(&folder).expect("the folder of the corpus");
        for (number, seed) in remargin_fuzz::seeds(target).iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:02}")), seed).expect("a seed");
        }
        println!("{}", folder.display());
    }
}
