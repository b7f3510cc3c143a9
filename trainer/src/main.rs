//! The `trainer` program.

fn main() -> std::process::ExitCode {
    // Before any thread starts: libgomp reads it once, and spinning workers slow a busy machine down tenfold.
    if std::env::var_os("OMP_WAIT_POLICY").is_none() {
        #[allow(unsafe_code)]
        // SAFETY: no other thread exists yet.
        unsafe {
            std::env::set_var("OMP_WAIT_POLICY", "passive");
        }
    }
    trainer::cli::main()
}
