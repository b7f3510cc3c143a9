//! What is written on pictures beside what a painter paints: names, numbers, keys, messages; and who gets to see it.

use image::RgbImage;

use super::clock::Clock;
use super::control::Audience;
use super::run::{LiveLoop, Progress};
use super::view::Hud;
use crate::vision::hud;

/// The latest frame; no pixels before the first.
#[derive(Default)]
pub(super) struct Pictures {
    /// As files have it.
    pub canvas: RgbImage,
    /// With what is for those who watch alone, if there is any of that; else room for it.
    watched: RgbImage,
    is_watched: bool,
}

impl Pictures {
    /// As those see it who watch.
    pub fn seen(&self) -> &RgbImage {
        if self.is_watched { &self.watched } else { &self.canvas }
    }
}

impl LiveLoop<'_> {
    /// Writes on the picture what everyone is to see, and what is for those who watch alone on a copy of it. `found` says
    /// whether there is a face.
    pub(super) fn annotate(&mut self, p: &mut Progress, found: bool) {
        let everyone = |audience: Audience| audience == Audience::Everyone;
        let (named, counted) = (everyone(self.options.names), everyone(self.options.numbers));
        let (names, help) = (p.names && p.layers.keypoints, p.hud.help);
        let Pictures { canvas, watched, is_watched } = &mut p.pictures;
        // Names keep off the numbers.
        let top = if p.numbers { hud::height(canvas) } else { 0 };
        if names && named {
            self.painter.name(canvas, top);
        }
        if p.numbers && counted {
            self.painter.measure(canvas);
            self.count(&mut p.hud, &p.clock, canvas, found, false);
        }

        let message = self.painter.message();
        let (names, numbers) = (names && !named, p.numbers && !counted);
        // Of a clip nobody is before the camera.
        let recording = self.supply.is_live() && p.outputs.keep();
        let somebody_watches = self.window.is_some() || p.outputs.are_seen();
        *is_watched = somebody_watches && (names || numbers || help || recording || message.is_some());
        if !*is_watched {
            return;
        }
        watched.clone_from(canvas);
        if names {
            self.painter.name(watched, top);
        }
        if numbers {
            self.painter.measure(watched);
        }
        if numbers || help {
            self.count(&mut p.hud, &p.clock, watched, found, help);
        }
        if recording {
            hud::draw_recording(watched);
        }
        if let Some(message) = message {
            hud::draw_note(watched, message);
        }
    }

    /// Writes the run's numbers, with the keys if they are asked for.
    fn count(&self, hud: &mut Hud, clock: &Clock, canvas: &mut RgbImage, found: bool, help: bool) {
        let (source, dropped) = (self.supply.describe(), self.supply.dropped());
        let keys = help.then(|| self.painter.keys());
        hud.draw(canvas, clock, source, dropped, found, keys);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::Duration;

    use super::*;
    use crate::error::Result;
    use crate::frame::DetectedFace;
    use crate::live::testing::{Act, scripts};
    use crate::live::{Command, Finder, FrameSupply, LoopOptions, Painter, Scene, Switch, Viewer};
    use crate::media;
    use crate::media::sink::{Shown, Sink, Written};
    use crate::vision::crop::Crop;
    use crate::vision::track::Tracked;

    struct Somebody;

    impl Finder for Somebody {
        fn find(&mut self, _: &RgbImage, _: Duration) -> Result<Tracked> {
            Ok(Tracked::of(Some(DetectedFace::new(Vec::new())), Crop::inside(9, 9)))
        }
    }

    /// Paints grey, and a spot of a colour for each thing that it is asked to write.
    struct Spots(Option<&'static str>);

    const NAME: [u8; 3] = [255, 0, 0];
    const NUMBER: [u8; 3] = [0, 255, 0];

    impl Painter for Spots {
        fn paint(&mut self, _: Scene<'_>, canvas: &mut RgbImage) -> Result<Option<Duration>> {
            *canvas = RgbImage::from_pixel(320, 240, image::Rgb([90; 3]));
            Ok(None)
        }

        fn name(&mut self, canvas: &mut RgbImage, _: u32) {
            canvas.put_pixel(300, 100, image::Rgb(NAME));
        }

        fn measure(&mut self, canvas: &mut RgbImage) {
            canvas.put_pixel(310, 100, image::Rgb(NUMBER));
        }

        fn message(&self) -> Option<&'static str> {
            self.0
        }
    }

    /// Keeps the latest picture; as a viewer for people or for other programs.
    struct Keep(Rc<RefCell<RgbImage>>, bool, Vec<Command>);

    impl Viewer for Keep {
        fn name(&self) -> String {
            String::new()
        }

        fn hands_on(&self) -> bool {
            self.1
        }

        fn show(&mut self, shown: &Shown<'_>) -> media::Result<()> {
            *self.0.borrow_mut() = shown.picture.clone();
            Ok(())
        }

        fn hold(&mut self, _: &RgbImage) -> media::Result<()> {
            Ok(())
        }

        fn commands(&mut self) -> Vec<Command> {
            std::mem::take(&mut self.2)
        }
    }

    impl Sink for Keep {
        fn name(&self) -> String {
            String::new()
        }

        fn write(&mut self, shown: &Shown<'_>) -> media::Result<()> {
            *self.0.borrow_mut() = shown.picture.clone();
            Ok(())
        }

        fn finish(self: Box<Self>) -> media::Result<Vec<Written>> {
            Ok(Vec::new())
        }
    }

    /// What a file, another program, a page and a window have of a run: names, numbers, something at the lower edge.
    fn run(options: LoopOptions, message: Option<&'static str>, keys: Vec<Command>) -> [[bool; 3]; 4] {
        pictures(false, options, message, keys).map(|picture| {
            let low = picture.enumerate_pixels().any(|(_, y, p)| y > 200 && p.0 != [90; 3]);
            [picture.get_pixel(300, 100).0 == NAME, picture.get_pixel(310, 100).0 == NUMBER, low]
        })
    }

    /// Whoever is before a camera was not shown that pictures are kept.
    #[test]
    fn that_a_camera_is_recorded_is_seen_by_all_who_watch() {
        let lit = |live| {
            let seen = pictures(live, LoopOptions::default(), None, vec![]);
            seen.map(|picture| {
                picture.enumerate_pixels().any(|(x, y, p)| x > 260 && y < 40 && p.0[0] > 200 && p.0[1] < 80)
            })
        };
        assert_eq!(
            lit(true),
            [false, false, true, true],
            "the file and other programs have the picture alone"
        );
        assert_eq!(lit(false), [false; 4]);
    }

    /// The pictures of these four, from a camera or a clip.
    fn pictures(
        live: bool,
        options: LoopOptions,
        message: Option<&'static str>,
        keys: Vec<Command>,
    ) -> [RgbImage; 4] {
        let pictures = [(); 4].map(|()| Rc::new(RefCell::new(RgbImage::new(1, 1))));
        let [file, program, page, window] = pictures.clone();
        LiveLoop {
            supply: FrameSupply::open(scripts(live, vec![vec![Act::Frame(0), Act::End]]), false, None)
                .unwrap(),
            finder: &mut Somebody,
            painter: &mut Spots(message),
            sinks: vec![Box::new(Keep(file, false, vec![]))],
            viewers: vec![Box::new(Keep(program, true, vec![])), Box::new(Keep(page, false, keys))],
            window: Some(Box::new(move |_| Ok(Box::new(Keep(window, false, vec![]))))),
            options,
            stop: &|| false,
            notice: &mut |_| {},
        }
        .run()
        .unwrap();
        pictures.map(|picture| picture.borrow().clone())
    }

    /// Recordings and cameras for other programs had numbers and "calibrating" burned into them.
    #[test]
    fn files_and_other_programs_get_what_was_asked_for_and_those_who_watch_get_all() {
        let (all, none) = ([true; 3], [false; 3]);
        let options = |names, numbers| LoopOptions { names, numbers, ..LoopOptions::default() };
        let hold_still = Some("hold still");
        let watchers = options(Audience::Watchers, Audience::Watchers);
        assert_eq!(run(watchers, hold_still, vec![]), [none, none, all, all]);
        let everyone = options(Audience::Everyone, Audience::Everyone);
        let burned = [true, true, false];
        assert_eq!(run(everyone, hold_still, vec![]), [burned, burned, all, all]);
        assert_eq!(run(LoopOptions::default(), None, vec![]), [none; 4]);
        let mixed = options(Audience::Nobody, Audience::Everyone);
        assert_eq!(run(mixed, None, vec![]), [[false, true, false]; 4]);
        // Keys turn off what all see, and on what those who watch see.
        let keys = || vec![Command::Toggle(Switch::Names), Command::Toggle(Switch::Numbers)];
        let everyone = options(Audience::Everyone, Audience::Everyone);
        assert_eq!(run(everyone, None, keys()), [none; 4]);
        let named = [true, true, false];
        assert_eq!(run(LoopOptions::default(), None, keys()), [none, none, named, named]);
    }
}
