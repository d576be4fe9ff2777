//! Times the plan on the host and prints one line of JSON per subject: `csi-bench [--quick]`.

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    csi_bench::native::measure(quick, |line| println!("{line}"));
}
