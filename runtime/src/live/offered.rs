//! A photo that somebody who watches a re-enactment offers for being driven.

use std::sync::mpsc::{Receiver, Sender, channel};

use crate::error::Result;
use crate::media::SentPhoto;
use crate::media::picture::Original;

/// A photo that is to be driven. Who offers it waits to hear what became of it.
pub struct Offered {
    /// The photo.
    pub photo: SentPhoto,
    /// Gets what the user should know about it, or why it is not driven.
    pub answer: Sender<Result<Vec<String>>>,
}

impl Offered {
    /// Offers a photo; the answer comes from what is given back.
    pub fn new(photo: SentPhoto) -> (Self, Receiver<Result<Vec<String>>>) {
        let (answer, heard) = channel();
        (Self { photo, answer }, heard)
    }
}

/// What a painter says of a photo that it shows from now on.
pub struct NewSource {
    /// What single pictures are to be like.
    pub original: Original,
    /// What the user should know about it.
    pub notes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::Duration;

    use image::{GrayImage, RgbImage};

    use super::*;
    use crate::error::Error;
    use crate::live::testing::{Act, Nobody, scripts};
    use crate::live::{FrameSupply, LiveLoop, LoopOptions, Painter, Scene, Status, Viewer};
    use crate::media;
    use crate::media::sink::{Shown, Sink, Written};
    use crate::media::testing::read_back;
    use crate::vision::choice::FaceChoice;

    /// Takes one photo, if any.
    struct Takes(bool);

    impl Painter for Takes {
        fn paint(&mut self, _: Scene<'_>, canvas: &mut RgbImage) -> Result<Option<Duration>> {
            *canvas = RgbImage::new(1, 1);
            Ok(None)
        }

        fn takes_source(&self) -> bool {
            self.0
        }

        fn take_source(&mut self, photo: SentPhoto) -> Result<NewSource> {
            if self.0 {
                let original = photo.read.original.without_pixels();
                return Ok(NewSource { original, notes: vec!["noted".to_owned()] });
            }
            Err(Error::Usage("no face".to_owned()))
        }
    }

    /// Offers one photo, and keeps what is told of taking it.
    #[derive(Default)]
    struct Offers(Option<Offered>, Rc<RefCell<Vec<bool>>>);

    impl Viewer for Offers {
        fn name(&self) -> String {
            String::new()
        }

        fn show(&mut self, _: &Shown<'_>) -> media::Result<()> {
            Ok(())
        }

        fn hold(&mut self, _: &RgbImage) -> media::Result<()> {
            Ok(())
        }

        fn offered(&mut self) -> Option<Offered> {
            self.0.take()
        }

        fn wants_status(&self) -> bool {
            true
        }

        fn report(&mut self, status: &Status) {
            self.1.borrow_mut().push(status.takes_source);
        }
    }

    /// Keeps what it is to be like.
    struct Like(Rc<RefCell<Vec<Original>>>);

    impl Sink for Like {
        fn name(&self) -> String {
            String::new()
        }

        fn like(&mut self, original: &Original) {
            self.0.borrow_mut().push(original.clone());
        }

        fn write(&mut self, _: &Shown<'_>) -> media::Result<()> {
            Ok(())
        }

        fn finish(self: Box<Self>) -> media::Result<Vec<Written>> {
            Ok(Vec::new())
        }
    }

    /// What is driven is no longer the photo that the files' pictures were to be like.
    #[test]
    fn the_loop_answers_and_writes_pictures_like_the_new_photo() {
        for takes in [true, false] {
            let photo = SentPhoto {
                read: read_back(GrayImage::new(4, 4)),
                name: "a.png".to_owned(),
                choice: FaceChoice::Largest,
                anyway: false,
            };
            let wanted = photo.read.original.without_pixels();
            let (offered, heard) = Offered::new(photo);
            let (told, like) = (Rc::default(), Rc::new(RefCell::new(Vec::new())));
            let mut notices = Vec::new();
            LiveLoop {
                supply: FrameSupply::open(scripts(false, vec![vec![Act::Frame(0), Act::End]]), false, None)
                    .unwrap(),
                finder: &mut Nobody,
                painter: &mut Takes(takes),
                sinks: vec![Box::new(Like(Rc::clone(&like)))],
                viewers: vec![Box::new(Offers(Some(offered), Rc::clone(&told)))],
                window: None,
                options: LoopOptions::default(),
                stop: &|| false,
                notice: &mut |text| notices.push(text.to_owned()),
            }
            .run()
            .unwrap();
            let answer = heard.recv().unwrap();
            let said = if takes {
                "a.png was sent and is driven now"
            } else {
                "a photo that was sent is not driven: no face"
            };
            assert_eq!(notices, [said]);
            assert_eq!(answer.map_err(|e| e.to_string()).ok(), takes.then(|| vec!["noted".to_owned()]));
            let like = like.borrow();
            assert_eq!(like[1..], if takes { vec![wanted] } else { vec![] });
            assert!(!told.borrow().is_empty() && told.borrow().iter().all(|t| *t == takes));
        }
    }
}
