//! A terminal as a program sees it that somebody sits at: a pair of devices, of which
//! the test has the side with the screen and the keys.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{ControlModes, InputModes, LocalModes, OutputModes, Winsize};
use rustix::termios::{tcgetattr, tcsetwinsize};

/// How the terminal treats keys and text; what a program changes and has to put back.
pub type Modes = (InputModes, OutputModes, ControlModes, LocalModes);

/// A terminal of 100 columns and 30 lines.
#[derive(Debug)]
pub struct Terminal {
    keys: File,
    program: File,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// A new one, which is read all the time, so that no program waits to write on it.
    #[expect(clippy::new_without_default, reason = "it opens devices")]
    pub fn new() -> Self {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&screen).expect("a terminal");
        unlockpt(&screen).expect("a terminal");
        let name = ptsname(&screen, Vec::new()).expect("it has a name");
        let name = name.into_string().expect("of plain letters");
        let program = File::options().read(true).write(true).open(name);
        let program = program.expect("its other side");
        let size = Winsize {
            ws_col: 100,
            ws_row: 30,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&program, size).expect("a terminal has a size");
        let keys = File::from(screen);
        let screen = keys.try_clone().expect("another handle");
        let written = Arc::new(Mutex::new(Vec::new()));
        read(screen, Arc::clone(&written));
        Self {
            keys,
            program,
            written,
        }
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        let pressed = self.keys.write_all(keys.as_bytes());
        pressed.expect("a terminal takes keys");
    }

    /// All that was written on it so far, commands to the terminal included.
    pub fn written(&self) -> String {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&written).into_owned()
    }

    /// How it treats keys and text now.
    pub fn modes(&self) -> Modes {
        let now = tcgetattr(&self.program).expect("a terminal has modes");
        (
            now.input_modes,
            now.output_modes,
            now.control_modes,
            now.local_modes,
        )
    }

    /// For a program's standard input or output.
    pub(crate) fn side(&self) -> Stdio {
        self.program.try_clone().expect("another handle").into()
    }
}

/// Ends when all programs and the test have let go of the other side.
fn read(mut screen: File, written: Arc<Mutex<Vec<u8>>>) {
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = screen.read(&mut piece) {
            let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
            written.extend_from_slice(&piece[..length]);
        }
    });
}
