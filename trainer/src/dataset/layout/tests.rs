//! Small sets made in the published layouts.

use std::fs;
use std::path::{Path, PathBuf};

use image::ImageFormat;

use super::*;
use crate::dataset::annotations::annotations;
use crate::dataset::fixtures::{encode, scene};
use crate::dataset::import::{HoldOut, Import, import};
use crate::dataset::landmark_set::{self, LandmarkSet};
use crate::dataset::pack::Content;

fn put(path: PathBuf, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn picture(path: PathBuf, seed: u32, w: u32, h: u32) {
    let format = ImageFormat::from_path(&path).unwrap();
    put(path, encode(&scene(seed, w, h), format));
}

/// Six pictures as CelebA has them, aligned and in the wild.
fn celeba(root: &Path) {
    let mut lists: [String; 4] = Default::default();
    let points = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y";
    lists[0] = format!("6\n{points}\n");
    lists[1] = lists[0].clone();
    lists[2] = "6\nimage_id x_1 y_1 width height\n".into();
    for i in 1..=6u32 {
        let name = format!("{i:06}.jpg");
        picture(root.join("Img/img_align_celeba").join(&name), i, 178, 218);
        picture(root.join("Img/img_celeba").join(&name), i + 50, 200, 100);
        lists[0] += &format!("{name} 69  109  106  113   77  142   73  152  108  {}\n", 150 + i);
        lists[1] += &format!("{name} 80 40 120 40 100 50 80 60 120 {}\n", 60 + i);
        // 10,000 of 20,000 pixels for odd ones, 2,500 for even ones.
        let side = if i % 2 == 1 { 100 } else { 50 };
        lists[2] += &format!("{name}    50  0 {side} {side}\n");
        lists[3] += &format!("{name} {}\n", [0, 0, 0, 1, 2, 2][i as usize - 1]);
    }
    put(root.join("Anno/list_landmarks_align_celeba.txt"), &lists[0]);
    put(root.join("Anno/list_landmarks_celeba.txt"), &lists[1]);
    put(root.join("Anno/list_bbox_celeba.txt"), &lists[2]);
    put(root.join("Eval/list_eval_partition.txt"), &lists[3]);
}

fn packed(root: &Path, options: Options) -> Result<Content> {
    let out = tempfile::tempdir().unwrap();
    let request = Import::new(vec![root.to_owned()], out.path().join("pack"));
    Ok(import(&Import { side: 64, options, hold_out: HoldOut::Published, ..request })?.content)
}

fn held_out(content: &Content) -> Vec<&str> {
    content.pictures.iter().filter(|p| p.held_out).map(|p| p.name.as_str()).collect()
}

#[test]
fn celeba_aligned_with_its_own_split() {
    let dir = tempfile::tempdir().unwrap();
    celeba(dir.path());
    let content = packed(dir.path(), Options::default()).unwrap();
    assert_eq!((content.layout.as_str(), content.pictures.len()), ("celeba", 6));
    assert_eq!(held_out(&content), ["000005.jpg", "000006.jpg"]);
    let first = &content.pictures[0];
    assert_eq!(<[u32; 4]>::from(first.crop), [0, 20, 178, 178]);
    assert_eq!(first.points[0], Some([69.0 / 178.0, 89.0 / 178.0]));
    assert_eq!(first.points[4], Some([108.0 / 178.0, 131.0 / 178.0]));
}

#[test]
fn celeba_in_the_wild_keeps_whole_pictures_that_the_face_fills() {
    let dir = tempfile::tempdir().unwrap();
    celeba(dir.path());
    let options = Options { wild: true, least_cover: 0.3, ..Options::default() };
    let content = packed(dir.path(), options.clone()).unwrap();
    let names: Vec<_> = content.pictures.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["000001.jpg", "000003.jpg", "000005.jpg"]);
    assert!(content.filtered[0].reason.contains("covers 12.5 %"), "{:?}", content.filtered);
    assert_eq!(<[u32; 4]>::from(content.pictures[0].crop), [0, 0, 200, 100]);
    assert_eq!(content.pictures[0].points[1], Some([0.6, 0.4]));
    let fit = Options { fit: Some(Fit::Box), margin: Some(1.0), ..options };
    assert_eq!(<[u32; 4]>::from(packed(dir.path(), fit).unwrap().pictures[0].crop), [50, 0, 100, 100]);
}

#[test]
fn mafl_makes_a_set_that_the_landmark_evaluation_reads() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    celeba(&root);
    put(root.join("MAFL/training.txt"), "000001.jpg\n000004.jpg\n");
    put(root.join("MAFL/testing.txt"), "000002.jpg\n");
    assert_eq!(held_out(&packed(&root, Options::default()).unwrap()), ["000002.jpg"]);

    let out = dir.path().join("mafl");
    let request =
        LandmarkSet { source: root.clone(), out: out.clone(), options: Options::default(), side: 64 };
    let written = landmark_set::write(&request).unwrap();
    assert_eq!((written.train, written.test), (2, 1));
    let names = |split: &str| {
        let mut names: Vec<_> = fs::read_dir(out.join(split))
            .unwrap()
            .map(|f| f.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("train"), ["000001.png", "000004.png", "landmarks.csv"]);
    assert_eq!(names("test"), ["000002.png", "landmarks.csv"]);

    // The reader of the evaluation.
    let split = annotations(&out.join("train")).unwrap();
    assert!((split[0].1[0] - 69.0 / 178.0).abs() < 1e-5);
    assert!((split[1].1[9] - 134.0 / 178.0).abs() < 1e-5);

    assert!(landmark_set::write(&request).unwrap_err().to_string().contains("name another place"));
    fs::remove_file(root.join("MAFL/testing.txt")).unwrap();
    assert!(packed(&root, Options::default()).unwrap_err().to_string().contains("MAFL's testing.txt"));
}

#[test]
fn celeba_without_a_list_names_it() {
    let dir = tempfile::tempdir().unwrap();
    celeba(dir.path());
    let options = Options { layout: Some(Layout::CelebA), ..Options::default() };
    let error = |options: &Options| packed(dir.path(), options.clone()).unwrap_err().to_string();
    for file in ["Eval/list_eval_partition.txt", "Anno/list_landmarks_align_celeba.txt"] {
        let path = dir.path().join(file);
        let content = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let text = error(&options);
        assert!(text.contains(file.split_once('/').unwrap().1), "{text}");
        put(path, content);
    }
    let list = dir.path().join("Anno/list_landmarks_align_celeba.txt");
    let text = fs::read_to_string(&list).unwrap();
    fs::write(&list, text.replace("000003.jpg", "000033.jpg")).unwrap();
    assert!(error(&options).contains("no row for 000003.jpg"));
    fs::remove_file(dir.path().join("Anno/list_bbox_celeba.txt")).unwrap();
    assert!(error(&Options { wild: true, ..options.clone() }).contains("list_bbox_celeba.txt"));
    fs::remove_dir_all(dir.path().join("Img/img_align_celeba")).unwrap();
    fs::write(&list, text).unwrap();
    assert!(error(&options).contains("add --wild"));
    fs::remove_dir_all(dir.path().join("Img/img_celeba")).unwrap();
    assert!(error(&options).contains("img_align_celeba is not in it"));
    let wild = Options { wild: true, layout: Some(Layout::Plain), ..options };
    assert!(error(&wild).contains("--wild is for CelebA"));
}

#[test]
fn ffhq_holds_its_validation_part_out() {
    let dir = tempfile::tempdir().unwrap();
    for (i, n) in [0u32, 999, 1000, 59_999, 60_000, 69_999].into_iter().enumerate() {
        let folder = format!("{:05}", n / 1000 * 1000);
        picture(dir.path().join(folder).join(format!("{n:05}.png")), i as u32, 64, 64);
    }
    let content = packed(dir.path(), Options::default()).unwrap();
    assert_eq!((content.layout.as_str(), content.pictures.len()), ("ffhq", 6));
    assert_eq!(held_out(&content), ["60000/60000.png", "69000/69999.png"]);

    let nested = tempfile::tempdir().unwrap();
    picture(nested.path().join("thumbnails128x128/00000/00007.png"), 1, 64, 64);
    assert_eq!(packed(nested.path(), Options::default()).unwrap().layout, "ffhq");

    let other = tempfile::tempdir().unwrap();
    picture(other.path().join("a.png"), 1, 64, 64);
    let options = Options { layout: Some(Layout::Ffhq), ..Options::default() };
    let error = packed(other.path(), options).unwrap_err().to_string();
    assert!(error.contains("00000/00000.png is not in it"), "{error}");
    assert_eq!(packed(other.path(), Options::default()).unwrap().layout, "plain");
}

#[test]
fn cub_is_cut_round_its_boxes() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let names = ["001.Albatross/A_01.jpg", "001.Albatross/A_02.jpg", "002.Auklet/B_01.jpg"];
    for (i, name) in names.into_iter().enumerate() {
        picture(root.join("images").join(name), i as u32, 120, 80);
    }
    put(root.join("images.txt"), format!("1 {}\n2 {}\n3 {}\n", names[0], names[1], names[2]));
    put(
        root.join("bounding_boxes.txt"),
        "1 20.0 10.0 40.0 30.0\n2 0.0 0.0 100.0 80.0\n3 60.0 20.0 40.0 40.0\n",
    );
    put(root.join("train_test_split.txt"), "1 1\n2 0\n3 1\n");
    put(
        root.join("parts/part_locs.txt"),
        "1 1 40.0 25.0 1\n1 2 0.0 0.0 0\n2 1 1.0 1.0 1\n2 2 2.0 2.0 1\n3 1 0 0 0\n3 2 80 40 1\n",
    );
    let content = packed(root, Options::default()).unwrap();
    assert_eq!((content.layout.as_str(), content.pictures.len()), ("cub", 3));
    assert_eq!(held_out(&content), [names[1]]);
    assert_eq!(<[u32; 4]>::from(content.pictures[0].crop), [15, 0, 50, 50]);
    assert_eq!(content.pictures[0].points, [Some([0.5, 0.5]), None]);

    let source = root.to_owned();
    let request = LandmarkSet { source, out: root.join("l"), options: Options::default(), side: 64 };
    assert!(landmark_set::write(&request).unwrap_err().to_string().contains("no 5 landmarks"));

    for name in ["parts/part_locs.txt", "train_test_split.txt"] {
        fs::remove_file(root.join(name)).unwrap();
        let error = packed(root, Options::default()).unwrap_err().to_string();
        assert!(error.contains(&format!("{name} is not in it")), "{error}");
    }
    put(root.join("train_test_split.txt"), "1 1\n2 0\n3 1\n");
    put(root.join("parts/part_locs.txt"), "1 1 40.0 25.0 1\n");
    put(root.join("images.txt"), "1 ../secret.jpg\n");
    let error = packed(root, Options::default()).unwrap_err().to_string();
    assert!(error.contains("not a path below images"), "{error}");
}
