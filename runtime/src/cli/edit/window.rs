//! The editor in a window.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::MarkArgs;
use crate::cli::remark;
use crate::edit::Workspace;
use crate::edit::window_editor::{Command, Editor, ZOOM};
use crate::error::Result;
use crate::interrupt;
use crate::media::output::stamp;
use crate::media::picture::write_like;
use crate::media::window::{Display, Key};

/// Pause between two readings of mouse and keys.
const IDLE: Duration = Duration::from_millis(15);

/// By how much of its range a key moves an expression.
const STEP: f32 = 0.1;

/// Edits the face of a workspace in a window until the user closes it.
///
/// # Errors
/// The screen went away, a network failed, or a file cannot be written.
pub fn run(workspace: Workspace, mark: MarkArgs) -> Result<()> {
    let mut editor = Editor::new(workspace);
    let done = edit(&mut editor, mark);
    leave(editor.workspace());
    done
}

fn edit(editor: &mut Editor, mark: MarkArgs) -> Result<()> {
    let title = format!("{} - edit", editor.workspace().opened().source);
    let mut display = Display::open(&title, editor.size())?;
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
                    let text = save(editor.workspace(), mark)?;
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
        Key::E => Command::TakeAppearance,
        Key::A => Command::TakeAllAppearances,
        Key::G => Command::TakeBackground,
        Key::P => Command::TakePose,
        Key::F => Command::TakeExpression,
        Key::V => Command::NextExpression,
        Key::LeftBracket => Command::Express(-STEP),
        Key::RightBracket => Command::Express(STEP),
        Key::N => Command::OtherFaces,
        Key::Equal | Key::NumPadPlus => Command::Scale(1.1),
        Key::Minus | Key::NumPadMinus => Command::Scale(1.0 / 1.1),
        Key::X => Command::Remove,
        Key::W => Command::Weight,
        Key::D => Command::Duplicate,
        Key::I => Command::Zoom(ZOOM),
        Key::O => Command::Zoom(1.0 / ZOOM),
        Key::T => Command::Reset,
        Key::L => Command::Lock,
        Key::U | Key::Z => Command::Undo,
        Key::R | Key::Y => Command::Redo,
        Key::B => Command::Before,
        Key::H => Command::Help,
        _ => return None,
    })
}

/// Saves picture (at the photo's full size) and face under a new name in the working folder; says where.
///
/// # Errors
/// A network failed, or a file cannot be written.
pub(super) fn save(workspace: &mut Workspace, mark: MarkArgs) -> Result<String> {
    let (mut picture, mut alpha) = workspace.finished()?;
    mark.stamp_whole(workspace.origin(), &mut picture, &mut alpha);
    let origin = mark.origin(workspace.origin());
    let Some((png, json)) = free_names() else {
        return Ok("not saved: too many files of this second".to_owned());
    };
    write_like(&png, &picture, &alpha, &workspace.opened().original, origin)?;
    workspace.model().to_file(workspace.opened()).write(&json, false)?;
    workspace.note_saved();
    Ok(format!("saved {} and {}", png.display(), json.display()))
}

/// Names for a picture and a session that no file has.
fn free_names() -> Option<(PathBuf, PathBuf)> {
    let name = format!("edit-{}", stamp(SystemTime::now()));
    let free = |n: &u32| {
        let stem = if *n == 1 { name.clone() } else { format!("{name}-{n}") };
        let (png, json) = (PathBuf::from(format!("{stem}.png")), PathBuf::from(format!("{stem}.json")));
        (!png.exists() && !json.exists()).then_some((png, json))
    };
    (1..1000).find_map(|n| free(&n))
}

/// Keeps the session where edits were not saved, and says where it is. Nothing is written of a photo that was sent: it is
/// said that the edits are gone.
pub(super) fn leave(workspace: &mut Workspace) {
    let edits = match workspace.unsaved() {
        0 => return,
        1 => "1 edit was".to_owned(),
        n => format!("{n} edits were"),
    };
    if workspace.is_sent() {
        let photo = &workspace.opened().source;
        remark(&format!(
            "{edits} not saved and are gone: nothing of a photo that is sent ({photo}) is written unasked"
        ));
        return;
    }
    let kept = free_names().map(|(_, json)| {
        let written = workspace.model().to_file(workspace.opened()).write(&json, false);
        written.map(|()| json)
    });
    match kept {
        Some(Ok(json)) => {
            workspace.note_saved();
            let json = json.display();
            remark(&format!("{edits} not saved; they are kept in {json}: go on with runtime edit {json}"));
        }
        Some(Err(e)) => remark(&format!("{edits} not saved and could not be kept: {e}")),
        None => remark(&format!("{edits} not saved: too many files of this second")),
    }
}
