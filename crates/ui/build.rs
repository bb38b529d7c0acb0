//! A dashboard that was built anew is embedded anew. The folder is always there.

fn main() {
    println!("cargo:rerun-if-changed=../../web/dist");
    println!("cargo:rerun-if-changed=build.rs");
}
