use std::time::Instant;
use tch::{Device, Kind, Tensor, nn};
use trainer::{
    config::*,
    nets::{
        layers::{Norm, channels_last},
        *,
    },
};
fn main() {
    let arch = Architecture::default();
    tch::set_num_threads(1);
    for (name, kind, cl) in [
        ("f32 nchw", Kind::Float, false),
        ("f32 cl", Kind::Float, true),
        ("bf16 nchw", Kind::BFloat16, false),
        ("bf16 cl", Kind::BFloat16, true),
    ] {
        let vs = nn::VarStore::new(Device::Cpu);
        let d = Detector::new(vs.root(), &arch);
        let (mut f, mut b) = (0.0, 0.0);
        for i in 0..6 {
            let x = Tensor::randn([32, 3, 64, 64], (Kind::Float, Device::Cpu)).to_kind(kind);
            let x = if cl { channels_last(&x) } else { x };
            let t = Instant::now();
            let y = d.forward(&x, Norm::TRAINING);
            if i > 1 {
                f += t.elapsed().as_secs_f64();
            }
            let t = Instant::now();
            (y.keypoints.sum(Kind::Float) + y.confidence.sum(Kind::Float)).backward();
            if i > 1 {
                b += t.elapsed().as_secs_f64();
            }
        }
        println!("{name}: fwd {:.2} bwd {:.2} ms per image", f / 4. / 32. * 1e3, b / 4. / 32. * 1e3);
    }
    let x = Tensor::randn([32, 3, 64, 64], (Kind::Float, Device::Cpu));
    let t = Instant::now();
    let y = trainer::train::warp::photometric(&x);
    println!("photometric {:.2}", t.elapsed().as_secs_f64() / 32. * 1e3);
    let t = Instant::now();
    let w = trainer::train::warp::Warp::random(32, &DetectorConfig::default(), Device::Cpu);
    let _ = w.images(&y, 64, true);
    println!("warp {:.2}", t.elapsed().as_secs_f64() / 32. * 1e3);
}
