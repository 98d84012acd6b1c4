//! Records what `build_info()` reports: the commit, the compiler and the target. `SONDAGE_COMMIT`, when set,
//! names the commit: builds outside a checkout have no other way to know it.

use std::path::Path;
use std::process::Command;

fn main() {
    let checkout = Path::new("../../.git").exists();
    let commit = std::env::var("SONDAGE_COMMIT")
        .ok()
        .or_else(|| checkout.then(|| line("git", &["rev-parse", "--short=12", "HEAD"])).flatten())
        .unwrap_or_else(|| "unknown".into());
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version = line(&rustc, &["--version"]).unwrap_or_else(|| "unknown".into());
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    println!("cargo::rustc-env=SONDAGE_COMMIT={commit}");
    println!("cargo::rustc-env=SONDAGE_RUSTC={version}");
    println!("cargo::rustc-env=SONDAGE_TARGET={}", variable("TARGET"));
    println!("cargo::rustc-env=SONDAGE_FEATURES={}", variable("CARGO_CFG_TARGET_FEATURE"));
    println!("cargo::rerun-if-env-changed=SONDAGE_COMMIT");
    println!("cargo::rerun-if-changed=../../.git/HEAD");
    println!("cargo::rerun-if-changed=../../.git/logs/HEAD");
}

fn line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}
