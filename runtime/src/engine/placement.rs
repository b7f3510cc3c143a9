//! Where the nodes of a network have gone, by ONNX Runtime's own account.

use std::collections::BTreeMap;

use super::Provider;

/// ONNX Runtime's name of the processor.
const CPU: &str = "CPUExecutionProvider";

/// Whether a network that computes on `provider` left nothing to the processor; `nodes` are those on each of ONNX
/// Runtime's providers.
pub fn is_whole(provider: Provider, nodes: &BTreeMap<String, usize>) -> bool {
    let elsewhere = nodes.iter().any(|(name, count)| name != CPU && *count > 0);
    !provider.is_gpu() || (elsewhere && nodes.get(CPU).is_none_or(|count| *count == 0))
}

/// As in "52 nodes on CUDAExecutionProvider, none on the CPU".
pub fn describe(nodes: &BTreeMap<String, usize>) -> String {
    let of = |(name, count): (&String, &usize)| format!("{count} nodes on {name}");
    let mut parts: Vec<_> = nodes.iter().map(of).collect();
    if !nodes.contains_key(CPU) {
        parts.push("none on the CPU".to_owned());
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(counts: &[(&str, usize)]) -> BTreeMap<String, usize> {
        counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn a_gpu_must_have_every_node_and_the_processor_may() {
        let cuda = ("CUDAExecutionProvider", 52);
        assert!(is_whole(Provider::Cuda, &nodes(&[cuda])));
        assert!(!is_whole(Provider::Cuda, &nodes(&[cuda, (CPU, 1)])));
        assert!(
            !is_whole(Provider::TensorRt, &nodes(&[(CPU, 52)])) && !is_whole(Provider::Cuda, &nodes(&[]))
        );
        assert!(is_whole(Provider::TensorRt, &nodes(&[("TensorrtExecutionProvider", 1), cuda])));
        assert!(is_whole(Provider::Cpu, &nodes(&[(CPU, 52)])));
        assert_eq!(describe(&nodes(&[cuda])), "52 nodes on CUDAExecutionProvider, none on the CPU");
        assert_eq!(describe(&nodes(&[(CPU, 3)])), "3 nodes on CPUExecutionProvider");
    }
}
