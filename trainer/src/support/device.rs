//! Where networks run, and how one binary comes to use a GPU: nothing links to libtorch's CUDA half, so it is loaded
//! when it is asked for.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use tch::{Cuda, Device};

use crate::error::{Error, Result};

/// libtorch's CUDA half.
const LIBRARY: &str = "libtorch_cuda.so";
/// The version that this program is built against; its halves must be of one build.
const VERSION: &str = "2.11.";
/// Names a folder with [`LIBRARY`].
const FOLDER_VARIABLE: &str = "LKG_TORCH_LIB";

/// What the user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// The first GPU if there is one that can be used, else the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The GPU of this number.
    Cuda(usize),
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| "cpu, cuda, cuda:N or auto".into()),
        }
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => write!(f, "auto"),
            Self::Cpu => write!(f, "cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl Wanted {
    /// The device, ready for use. Must come before anything else that libtorch does: it looks for its CUDA half once.
    ///
    /// # Errors
    /// [`Error::Usage`] naming what a GPU lacks here and the fix. `auto` says it on standard error and takes the
    /// processor instead.
    pub fn open(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(index) => cuda(index),
            // Without a driver there is nothing to look for, nor to report.
            Self::Auto if !Path::new("/dev/nvidiactl").exists() => Ok(Device::Cpu),
            Self::Auto => Ok(cuda(0).unwrap_or_else(|why| {
                eprintln!("using the processor: {why}");
                Device::Cpu
            })),
        }
    }
}

fn cuda(index: usize) -> Result<Device> {
    let library = find(&folders())?;
    load(&library)?;
    let count = usize::try_from(Cuda::device_count()).unwrap_or(0);
    if count == 0 {
        return Err(Error::Usage(format!(
            "--device cuda: {} sees no GPU: install NVIDIA's driver (nvidia-smi must list one), or use --device cpu",
            library.display()
        )));
    }
    if index >= count {
        return Err(Error::Usage(format!(
            "--device cuda:{index}: there are {count} GPUs, so the last is cuda:{}",
            count - 1
        )));
    }
    // Shapes stay the same for thousands of steps: worth trying all algorithms once.
    Cuda::cudnn_set_benchmark(true);
    Ok(Device::Cuda(index))
}

/// Where the CUDA half may lie, likeliest first.
fn folders() -> Vec<PathBuf> {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        return vec![folder.into()];
    }
    let mut folders: Vec<PathBuf> = loaded_from().into_iter().collect();
    folders.extend(std::env::var_os("LIBTORCH").map(|dir| PathBuf::from(dir).join("lib")));
    folders.extend(python_torch());
    folders
}

/// The folder of the libtorch that this process runs on.
fn loaded_from() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|l| l.ends_with("/libtorch_cpu.so"))?;
    Path::new(&line[line.find('/')?..]).parent().map(Path::to_owned)
}

/// The libraries of the PyTorch that `python3` has, without importing it.
fn python_torch() -> Option<PathBuf> {
    let code = "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])";
    let output = Command::new("python3").args(["-c", code]).output().ok().filter(|o| o.status.success())?;
    Some(Path::new(String::from_utf8(output.stdout).ok()?.trim()).join("lib"))
}

fn find(folders: &[PathBuf]) -> Result<PathBuf> {
    let found = folders.iter().map(|folder| folder.join(LIBRARY)).find(|path| path.is_file());
    let library = found.ok_or_else(|| {
        let looked: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
        Error::Usage(format!(
            "--device cuda: no {LIBRARY} in {}: pip install torch==2.11.0, or set {FOLDER_VARIABLE} to its torch/lib",
            looked.join(", ")
        ))
    })?;
    match version_beside(&library) {
        Some(version) if !version.starts_with(VERSION) => Err(Error::Usage(format!(
            "--device cuda: {} is of PyTorch {version}, and this program needs {VERSION}x: set {FOLDER_VARIABLE} to its torch/lib",
            library.display()
        ))),
        _ => Ok(library),
    }
}

/// The version of the Python package that `library` lies in, if it does.
fn version_beside(library: &Path) -> Option<String> {
    let text = std::fs::read_to_string(library.parent()?.parent()?.join("version.py")).ok()?;
    let line = text.lines().find(|l| l.starts_with("__version__"))?;
    line.split(['\'', '"']).nth(1).map(str::to_owned)
}

#[allow(unsafe_code)]
fn load(library: &Path) -> Result<()> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY};
    // SAFETY: the library's initialisers only register what it offers with libtorch. It is never unloaded.
    let loaded = unsafe { Library::open(Some(library), RTLD_LAZY | RTLD_GLOBAL) };
    let loaded = loaded.map_err(|e| {
        // The loader names the library that is missing, often another than this one.
        let why = std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string);
        Error::Usage(format!(
            "--device cuda: can't load {}: {}: install PyTorch 2.11.0 with all it needs, or use --device cpu",
            library.display(),
            why.lines().next().unwrap_or_default()
        ))
    })?;
    std::mem::forget(loaded);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_libtorch_names_them() {
        assert_eq!("cuda".parse(), Ok(Wanted::Cuda(0)));
        assert_eq!("cuda:3".parse(), Ok(Wanted::Cuda(3)));
        assert_eq!("cpu".parse(), Ok(Wanted::Cpu));
        assert_eq!("auto".parse(), Ok(Wanted::Auto));
        for wanted in [Wanted::Auto, Wanted::Cpu, Wanted::Cuda(2)] {
            assert_eq!(wanted.to_string().parse(), Ok(wanted));
        }
        for wrong in ["gpu", "cuda:", "cuda:-1", "CUDA", ""] {
            assert!(wrong.parse::<Wanted>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn another_version_is_refused_before_it_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let lib = dir.path().join("torch/lib");
        std::fs::create_dir_all(&lib).unwrap();
        let error = find(std::slice::from_ref(&lib)).unwrap_err().to_string();
        assert!(
            error.contains("no libtorch_cuda.so in") && error.contains("pip install torch==2.11.0"),
            "{error}"
        );
        std::fs::write(lib.join(LIBRARY), "").unwrap();
        find(std::slice::from_ref(&lib)).unwrap();
        std::fs::write(dir.path().join("torch/version.py"), "__version__ = '2.13.0+cu130'\n").unwrap();
        let error = find(std::slice::from_ref(&lib)).unwrap_err().to_string();
        assert!(error.contains("2.13.0+cu130") && error.contains("LKG_TORCH_LIB"), "{error}");
    }

    #[test]
    fn the_running_libtorch_is_found() {
        let folder = loaded_from().unwrap();
        assert!(folder.join("libtorch_cpu.so").exists());
    }
}
