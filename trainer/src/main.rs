//! The `trainer` program.

fn main() -> std::process::ExitCode {
    lkg_trainer::cli::main()
}
