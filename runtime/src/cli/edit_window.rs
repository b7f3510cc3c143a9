//! The editor in a window.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::edit_args::EditArgs;
use super::remark;
use crate::edit::editor::{Command, Editor, SIZE};
use crate::edit::{Composer, Opened, Studio};
use crate::error::Result;
use crate::interrupt;
use crate::media::output::stamp;
use crate::media::picture::write_marked;
use crate::media::window::{Display, Key};

/// Pause between looks at mouse and keys.
const IDLE: Duration = Duration::from_millis(15);

/// Edits `opened` in a window until the user closes it.
///
/// # Errors
/// The screen went away, a network failed, or a file cannot be written.
pub fn run(studio: &mut Studio, opened: Opened, args: &EditArgs) -> Result<()> {
    let mut display = Display::open(&format!("{} - edit", opened.source), SIZE)?;
    let mut editor = Editor::new(studio, opened, args.paste)?;
    loop {
        let picture = editor.draw()?;
        display.show(&picture)?;
        std::thread::sleep(IDLE);
        if !display.is_open() || interrupt::requested() {
            return Ok(());
        }
        if let Some(mouse) = display.mouse() {
            editor.mouse(mouse.x, mouse.y, mouse.held);
        }
        for key in display.presses() {
            match (key, command(key)) {
                (Key::Q | Key::Escape, _) => return Ok(()),
                (Key::S, _) => {
                    let text = save(&mut editor, args)?;
                    remark(&text);
                    editor.say(text);
                }
                (_, Some(command)) => editor.obey(command)?,
                _ => {}
            }
        }
    }
}

fn command(key: Key) -> Option<Command> {
    const DIGITS: [Key; 9] =
        [Key::Key1, Key::Key2, Key::Key3, Key::Key4, Key::Key5, Key::Key6, Key::Key7, Key::Key8, Key::Key9];
    if let Some(i) = DIGITS.iter().position(|d| *d == key) {
        return Some(Command::Choose(i));
    }
    Some(match key {
        Key::E => Command::TakeLook,
        Key::A => Command::TakeLooks,
        Key::G => Command::TakeBackground,
        Key::P => Command::TakePose,
        Key::N => Command::OtherFaces,
        Key::Equal | Key::NumPadPlus => Command::Scale(1.1),
        Key::Minus | Key::NumPadMinus => Command::Scale(1.0 / 1.1),
        Key::X => Command::Remove,
        Key::T => Command::Reset,
        Key::L => Command::Lock,
        Key::U | Key::Z => Command::Undo,
        Key::R | Key::Y => Command::Redo,
        Key::B => Command::Before,
        Key::H => Command::Help,
        _ => return None,
    })
}

/// Saves picture (at the photo's full size) and face under a new name; says where.
fn save(editor: &mut Editor<'_>, args: &EditArgs) -> Result<String> {
    let (studio, opened) = editor.parts();
    let mut composer = Composer::new(studio, &opened.session, opened.photo.as_ref(), args.paste)?;
    let mut picture = composer.compose(studio, opened.session.face())?;
    args.mark.stamp(composer.origin(), &mut picture);
    let origin = args.mark.origin(composer.origin());
    let name = format!("edit-{}", stamp(SystemTime::now()));
    let free = |n: &u32| {
        let stem = if *n == 1 { name.clone() } else { format!("{name}-{n}") };
        let (png, json) = (PathBuf::from(format!("{stem}.png")), PathBuf::from(format!("{stem}.json")));
        (!png.exists() && !json.exists()).then_some((png, json))
    };
    let Some((png, json)) = (1..1000).find_map(|n| free(&n)) else {
        return Ok("not saved: too many files of this second".to_owned());
    };
    write_marked(&png, &picture, origin)?;
    studio.to_file(opened).write(&json, false)?;
    Ok(format!("saved {} and {}", png.display(), json.display()))
}
