//! Distances between two sets of pictures in the space of a network's features: KID and FID.

use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use tch::{Device, Kind, Tensor};

use super::coverage::{self, Coverage};
use crate::error::{Error, Result};

/// Subsets that KID is averaged over (the usual number).
const SUBSETS: usize = 100;
/// Most pictures of a subset (the usual number).
const SUBSET_SIZE: usize = 1000;
/// Seed of the subsets.
const SEED: u64 = 17;

/// Two sets compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distance {
    /// The network whose features are compared: numbers of different networks mean different things.
    pub features: String,
    /// Pictures in the first set.
    pub n: usize,
    /// Pictures in the second set.
    pub reference: usize,
    /// Mean of the unbiased kernel distance over subsets.
    pub kid: f64,
    /// Its standard deviation over subsets.
    pub kid_std: f64,
    /// Pictures of each set in a subset.
    pub kid_subset: usize,
    /// Fréchet distance. Biased upwards where there are few pictures: compare only equal numbers of them.
    pub fid: f64,
    /// Fidelity and diversity apart, which the two above mix.
    #[serde(flatten)]
    pub coverage: Coverage,
}

/// Compares features `[N, D]` with those of a reference `[M, D]`, made by the network `name`.
///
/// # Errors
/// [`Error::Incomparable`] if there are fewer than two pictures or the widths differ; those of libtorch.
pub fn compare(name: &str, x: &Tensor, y: &Tensor) -> Result<Distance> {
    let (n, m) = (x.size()[0] as usize, y.size()[0] as usize);
    if n < 2 || m < 2 || x.size()[1] != y.size()[1] {
        return Err(Error::Incomparable(format!(
            "KID and FID need two pictures a set at least and one feature network: {:?} against {:?}",
            x.size(),
            y.size()
        )));
    }
    let (x, y) = (x.to_kind(Kind::Double), y.to_kind(Kind::Double));
    // Subsets of a whole set would all be alike, and their spread too small.
    let size = SUBSET_SIZE.min(n.min(m).div_ceil(2)).max(2);
    let kids = kid_over_subsets(&x, &y, size);
    let mean = kids.iter().sum::<f64>() / kids.len() as f64;
    let variance = kids.iter().map(|k| (k - mean).powi(2)).sum::<f64>() / kids.len() as f64;
    Ok(Distance {
        features: name.to_owned(),
        n,
        reference: m,
        kid: mean,
        kid_std: variance.sqrt(),
        kid_subset: size,
        fid: frechet(&x, &y)?,
        coverage: coverage::measure(&x, &y),
    })
}

/// Unbiased squared maximum mean discrepancy of `x` `[N, D]` and `y` `[M, D]` with the kernel
/// `(x . y / D + 1)^3` (Binkowski et al., "Demystifying MMD GANs", 2018). float64.
pub fn mmd(x: &Tensor, y: &Tensor) -> f64 {
    let d = x.size()[1] as f64;
    let kernel = |a: &Tensor, b: &Tensor| (a.matmul(&b.transpose(0, 1)) / d + 1.0).pow_tensor_scalar(3);
    let sum = |t: &Tensor| t.sum(Kind::Double).double_value(&[]);
    let (n, m) = (x.size()[0] as f64, y.size()[0] as f64);
    // Without the diagonal, a picture is never compared with itself: that makes the estimate unbiased.
    let within = |t: &Tensor, n: f64| {
        let k = kernel(t, t);
        (sum(&k) - k.trace().double_value(&[])) / (n * (n - 1.0))
    };
    within(x, n) + within(y, m) - 2.0 * sum(&kernel(x, y)) / (n * m)
}

/// KID of random subsets of `size` pictures, float64.
pub fn kid_over_subsets(x: &Tensor, y: &Tensor, size: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut pick = |t: &Tensor| {
        let chosen: Vec<i64> =
            index::sample(&mut rng, t.size()[0] as usize, size).into_iter().map(|i| i as i64).collect();
        t.index_select(0, &Tensor::from_slice(&chosen).to_device(t.device()))
    };
    (0..SUBSETS)
        .map(|_| {
            let (a, b) = (pick(x), pick(y));
            mmd(&a, &b)
        })
        .collect()
}

/// Fréchet distance of the normal distributions with the means and covariances of `x` `[N, D]` and `y` `[M, D]`
/// (Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", 2017), float64.
///
/// The trace of `(A B)^(1/2)` is that of the symmetric `(A^(1/2) B A^(1/2))^(1/2)`, whose eigenvalues are real and
/// not negative, so that no general matrix root is needed.
///
/// # Errors
/// [`Error::Torch`] if the eigenvalues can't be found.
pub fn frechet(x: &Tensor, y: &Tensor) -> Result<f64> {
    // LAPACK only: CUDA's solver is slower here and rounds otherwise.
    let (x, y) = (x.to_device(Device::Cpu), y.to_device(Device::Cpu));
    let moments = |t: &Tensor| {
        let mean = t.mean_dim([0i64].as_slice(), true, Kind::Double);
        let off = t - &mean;
        (mean, off.transpose(0, 1).matmul(&off) / (t.size()[0] - 1) as f64)
    };
    let ((mean_x, a), (mean_y, b)) = (moments(&x), moments(&y));
    let (values, vectors) = a.f_linalg_eigh("L")?;
    let root = (&vectors * values.clamp_min(0.0).sqrt()).matmul(&vectors.transpose(0, 1));
    let product = root.matmul(&b).matmul(&root);
    // Rounding leaves it a trifle asymmetric.
    let product = (&product + product.transpose(0, 1)) * 0.5;
    let trace_root = product.f_linalg_eigvalsh("L")?.clamp_min(0.0).sqrt().sum(Kind::Double);
    let distance = (mean_x - mean_y).square().sum(Kind::Double) + a.trace() + b.trace() - trace_root * 2.0;
    Ok(distance.double_value(&[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that an independent script can make too.
    fn set(n: i64, d: i64, a: f64, shift: f64) -> Tensor {
        let data: Vec<f64> =
            (0..n * d).map(|i| ((i * i) as f64 * a).sin() + shift * ((i % d) as f64)).collect();
        Tensor::from_slice(&data).view([n, d])
    }

    #[test]
    fn numbers_are_those_of_numpy_and_scipy() {
        let (x, y) = (set(12, 5, 1.7, 0.1), set(9, 5, 2.3, 0.3));
        assert!((mmd(&x, &y) - MMD).abs() < 1e-10, "{}", mmd(&x, &y));
        let fid = frechet(&x, &y).unwrap();
        assert!((fid - FID).abs() < 1e-8, "{fid}");
    }

    // numpy 2.4, scipy 1.17:
    //   x = sin(1.7 i^2) + 0.1 (i % 5), i = 0 … 59, as 12 x 5; y = sin(2.3 i^2) + 0.3 (i % 5), 9 x 5
    //   k = lambda a, b: (a @ b.T / 5 + 1) ** 3; off-diagonal means of k(x, x) and k(y, y) - 2 k(x, y).mean()
    //   |mean x - mean y|^2 + trace(A + B - 2 sqrtm(A @ B)), A = cov(x.T), B = cov(y.T)
    const MMD: f64 = 0.4474293712442563;
    const FID: f64 = 1.9351275214606731;

    #[test]
    fn equal_sets_are_0_apart_and_a_shift_is_its_square() {
        let x = set(40, 6, 0.37, 0.0);
        assert!(frechet(&x, &x).unwrap().abs() < 1e-9);
        assert!((frechet(&x, &(&x + 2.0)).unwrap() - 24.0).abs() < 1e-8);
        // Fewer pictures than features: covariances are singular.
        let few = set(4, 30, 0.37, 0.0);
        assert!(frechet(&few, &few).unwrap().abs() < 1e-6);
    }

    #[test]
    fn kid_of_one_distribution_is_near_0_whatever_the_number() {
        tch::manual_seed(3);
        let draw = |n: i64| Tensor::randn([n, 16], (Kind::Double, Device::Cpu));
        for n in [8, 60] {
            let mean: f64 = (0..400).map(|_| mmd(&draw(n), &draw(n))).sum::<f64>() / 400.0;
            // A biased estimate would be off by about 7 / n.
            assert!(mean.abs() < 0.02, "{n}: {mean}");
        }
        let (x, y) = (draw(100), draw(80) + 1.0);
        let d = compare("f", &x, &y).unwrap();
        assert!(d.kid > 5.0 * d.kid_std && (d.n, d.reference, d.kid_subset) == (100, 80, 40), "{d:?}");
        assert_eq!(d, compare("f", &x, &y).unwrap());
        assert!(compare("f", &draw(1), &draw(9)).is_err());
    }
}
