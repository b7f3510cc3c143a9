//! What the keys of the window ask for.

/// What the keys do, for help texts.
pub(super) const HELP: [&str; 21] = [
    "drag      move a point",
    "1 to 9    choose a face",
    "e         its appearance, the part",
    "a         its appearance, all parts",
    "g         its background",
    "p         its pose",
    "f         its expression",
    "w         how much of it",
    "n         other faces",
    "+ -       part wider, narrower",
    "x         remove the part, add it",
    "d         duplicate it",
    "t         reset the part",
    "v         next expression",
    "[ ]       less, more of it",
    "l         lock, unlock the part",
    "u r       undo, redo",
    "b         before and after",
    "i o       nearer, farther",
    "s         save picture and face",
    "h q       this help, quit",
];

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command {
    /// Chooses a face of the strip, from 0.
    Choose(usize),
    /// Takes the chosen face's appearance of the selected part.
    TakeAppearance,
    /// Takes its appearance of all parts.
    TakeAllAppearances,
    /// Takes its background.
    TakeBackground,
    /// Takes its pose.
    TakePose,
    /// Takes its expression.
    TakeExpression,
    /// Chooses the next expression.
    NextExpression,
    /// Moves the chosen expression by this much of its range.
    Express(f32),
    /// Shows other faces on the strip.
    OtherFaces,
    /// Makes the selected part wider by this factor.
    Scale(f32),
    /// Goes on to the next share of a face that is taken.
    Weight,
    /// Removes the selected part, or puts it back.
    Remove,
    /// Duplicates the selected part beside itself.
    Duplicate,
    /// Shows the surroundings of the selected part this much larger.
    Zoom(f32),
    /// Resets the selected part.
    Reset,
    /// Locks or unlocks the selected part.
    Lock,
    /// Takes the last edit back.
    Undo,
    /// Does it again.
    Redo,
    /// Shows the picture before the edits, or after.
    Before,
    /// Shows or hides the help.
    Help,
}
