use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::tcgetattr;

use super::*;

#[test]
fn q_escape_and_ctrl_c_quit_and_other_keys_do_not() {
    let key = |code, modifiers| quits(&KeyEvent::new(code, modifiers));
    let (none, control) = (KeyModifiers::NONE, KeyModifiers::CONTROL);
    for (code, modifiers) in [
        (KeyCode::Char('q'), none),
        (KeyCode::Char('Q'), KeyModifiers::SHIFT),
        (KeyCode::Esc, none),
        (KeyCode::Char('c'), control),
        (KeyCode::Char('d'), control),
    ] {
        assert!(key(code, modifiers), "{code:?}");
    }
    for code in [KeyCode::Char('c'), KeyCode::Char('x'), KeyCode::Enter] {
        assert!(!key(code, none), "{code:?}");
    }
    let mut released = KeyEvent::new(KeyCode::Char('q'), none);
    released.kind = KeyEventKind::Release;
    assert!(!quits(&released));
}

/// Set where this program runs once more, on a terminal of its own.
const INSIDE: &str = "UTSAVAM_TEST_PANICS";

/// The test is its own program: only a process that ends shows what it leaves.
#[test]
fn a_panic_leaves_the_terminal_as_it_was() {
    if std::env::var_os(INSIDE).is_some() {
        let screen = Screen::take().expect("a terminal");
        event::poll(Duration::ZERO).expect("a terminal");
        panic!("on purpose, on {:?}", screen.0.size());
    }
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&master).expect("a terminal");
    unlockpt(&master).expect("a terminal");
    let name = ptsname(&master, Vec::new()).expect("a name");
    let name = name.into_string().expect("plain letters");
    let terminal = File::options().read(true).write(true).open(name);
    let terminal = terminal.expect("the other side");
    let modes = || {
        let now = tcgetattr(&terminal).expect("a terminal");
        (
            now.input_modes,
            now.output_modes,
            now.control_modes,
            now.local_modes,
        )
    };
    let before = modes();
    let side = || Stdio::from(terminal.try_clone().expect("another handle"));
    let mut inside = Command::new(std::env::current_exe().expect("a program"))
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("top::screen::tests::a_panic_leaves_the_terminal_as_it_was")
        .env(INSIDE, "1")
        .env("RUST_BACKTRACE", "0")
        .stdin(side())
        .stdout(side())
        .stderr(side())
        .spawn()
        .expect("it starts");
    let ended = inside.wait().expect("it ends");
    assert!(!ended.success(), "it did not panic");
    assert_eq!(modes(), before);
    // What it wrote is far less than what a terminal holds until somebody reads it; with
    // the last handle gone reading ends.
    drop(terminal);
    let mut written = Vec::new();
    let _ = File::from(master).read_to_end(&mut written);
    let written = String::from_utf8_lossy(&written);
    let taken = written.find("\u{1b}[?1049h").expect("the screen was taken");
    let back = written.find("\u{1b}[?1049l").expect("it was given back");
    let told = written.find("on purpose").expect("the panic was told");
    assert!(taken < back && back < told, "{written}");
}
