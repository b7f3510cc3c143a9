use tch::{Device, Kind, Tensor};
use trainer::{
    nets::keypoint_generator::Noise,
    sample,
    train::{checkpoint::Checkpoint, generator::Generator},
};
fn main() {
    tch::set_num_threads(1);
    let a: Vec<String> = std::env::args().collect();
    let c = Checkpoint::open(std::path::Path::new(&a[1])).unwrap();
    let size: i64 = a[3].parse().unwrap();
    let g = Generator::averaged(&c, Device::Cpu).unwrap();
    g.calibrate(20, size, 1.0, Kind::Float);
    let _ng = tch::no_grad_guard();
    tch::manual_seed(3);
    let z = Noise::sample(30, 128, Device::Cpu);
    let fix = |t: &Tensor| t.narrow(0, 0, 1).repeat([10, 1]);
    let v = |t: &Tensor, i: i64| t.narrow(0, i * 10, 10);
    let n = Noise {
        pose: Tensor::cat(&[fix(&z.pose), v(&z.pose, 1), fix(&z.pose)], 0),
        appearance: Tensor::cat(&[fix(&z.appearance), fix(&z.appearance), v(&z.appearance, 2)], 0),
        background: Tensor::cat(&[v(&z.background, 0), fix(&z.background), fix(&z.background)], 0),
    };
    let l = g.keypoints.forward(&n);
    let x = g.draw(&l, size, 1.0, Kind::Float);
    sample::write_png(std::path::Path::new(&a[2]), &sample::compose(&x, Some(&l.keypoints), 10).unwrap())
        .unwrap();
}
