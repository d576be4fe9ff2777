//! `csi board` as other programs see it: over its pseudo terminal, and Espressif's esptool on it.
//!
//! `CSI_LAB_ESPTOOL` names esptool; `cargo verify` installs it and sets the variable. Without it
//! the tests that need it are skipped.
#![cfg(unix)]

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// A board that is being served, and ended with the test.
struct Served {
    child: Child,
    stdin: ChildStdin,
    /// Where it is.
    port: String,
    log: PathBuf,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    fn start(name: &str, args: &[&str]) -> Self {
        let log = scratch(&format!("{name}.log"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_csi"))
            .arg("board")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("a log"))
            .spawn()
            .expect("csi starts");
        let mut port = String::new();
        let stdout = child.stdout.take().expect("standard output");
        BufReader::new(stdout).read_line(&mut port).expect("a line");
        let stdin = child.stdin.take().expect("standard input");
        Self { child, stdin, port: port.trim().to_owned(), log }
    }

    fn type_line(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").expect("the board listens");
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log")
    }

    /// Waits until its log ends like this.
    fn wait_for(&self, text: &str) {
        let start = Instant::now();
        while !self.log().contains(text) {
            assert!(start.elapsed() < Duration::from_secs(10), "no `{text}` in {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Runs esptool on it; it must succeed. Returns what it printed.
    fn esptool(&self, esptool: &Path, args: &[&str]) -> String {
        let output = Command::new(esptool)
            .args(["--chip", "esp32s3", "--port", &self.port])
            .args(args)
            .env("TERM", "dumb")
            .output()
            .expect("esptool starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {text}{errors}\n{}", self.log());
        text
    }
}

fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("board");
    std::fs::create_dir_all(&folder).expect("a scratch folder");
    folder.join(name)
}

fn esptool() -> Option<PathBuf> {
    let esptool = std::env::var_os("CSI_LAB_ESPTOOL").map(PathBuf::from);
    if esptool.is_none() {
        println!("skipped: CSI_LAB_ESPTOOL names no esptool");
    }
    esptool
}

/// Bytes that do not pack well, the same in every run.
fn bytes(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn read_exactly(line: &mut File, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    line.read_exact(&mut bytes).expect("an answer");
    bytes
}

#[test]
fn a_pseudo_terminal_carries_bytes_as_they_are() {
    let mut board = Served::start("bytes", &["--pty", "--loader"]);
    assert!(board.port.starts_with("/dev/"), "{}", board.port);
    let mut line = OpenOptions::new().read(true).write(true).open(&board.port).expect("a pty");
    let opened = "starts into the loader: PowerOn\n";
    board.wait_for(opened);
    let sync =
        b"\xC0\x00\x08\x24\x00\x00\x00\x00\x00\x07\x07\x12\x20UUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUU\xC0";
    line.write_all(sync).expect("the board listens");
    // What the ROM printed at its start comes before.
    let mut said = Vec::new();
    while !said.ends_with(b"\xC0\x01\x08\x04\x00\x07\x07\x12\x20\x00\x00\x00\x00\xC0") {
        said.extend(read_exactly(&mut line, 1));
    }
    // Control characters, which a terminal would take for itself: 3, 4, 10, 13, 17, 19, 28.
    line.write_all(b"\xC0\x00\x09\x10\x00\x00\x00\x00\x00\x00\x10\x00\x60\x03\x04\x0A\x0D\xFF\xFF\xFF\xFF\x11\x13\x1C\x00\xC0")
        .expect("the board listens");
    line.write_all(b"\xC0\x00\x0A\x04\x00\x00\x00\x00\x00\x00\x10\x00\x60\xC0")
        .expect("it listens");
    let answers = b"\xC0\x01\x08\x04\x00\x07\x07\x12\x20\x00\x00\x00\x00\xC0".repeat(7);
    assert_eq!(read_exactly(&mut line, answers.len()), answers);
    assert_eq!(read_exactly(&mut line, 14), *b"\xC0\x01\x09\x04\0\0\0\0\0\0\0\0\0\xC0");
    assert_eq!(read_exactly(&mut line, 14), *b"\xC0\x01\x0A\x04\0\x03\x04\x0A\x0D\0\0\0\0\xC0");
    board.type_line("unplug");
    board.wait_for("the cable is off");
    board.type_line("quit");
    assert!(board.child.wait().expect("it ends").success());
}

#[test]
fn tcp_carries_the_same_bytes_and_the_latest_host_has_the_board() {
    let board = Served::start("tcp", &["--tcp", "0", "--loader", "--quiet"]);
    let address = board.port.strip_prefix("tcp:").expect("a TCP port");
    let read = b"\xC0\x00\x0A\x04\x00\x00\x00\x00\x00\x44\x70\x00\x60\xC0";
    let answer = b"\xC0\x01\x0A\x04\x00\x01\x00\x00\x1B\x00\x00\x00\x00\xC0";
    let ask = || {
        let mut line = TcpStream::connect(address).expect("a connection");
        line.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        line.write_all(read).expect("the board listens");
        let mut said = Vec::new();
        while !said.ends_with(answer) {
            let mut byte = [0];
            line.read_exact(&mut byte).expect("an answer");
            said.push(byte[0]);
        }
        line
    };
    let first = ask();
    let _second = ask();
    drop(first);
    ask();
}

#[test]
fn the_flash_is_kept_in_a_file() {
    let file = scratch("flash.bin");
    let _ = std::fs::remove_file(&file);
    let path = file.to_str().expect("UTF-8");
    let weights = scratch("weights.bin");
    std::fs::write(&weights, b"weights").expect("a scratch file");
    let weights = weights.to_str().expect("UTF-8");
    let first = ["--flash-file", path, "--flash-size", "4MB", "--weights", weights, "--quiet"];
    for args in [&first[..], &first[..4]] {
        let mut board = Served::start("file", args);
        board.type_line("quit");
        assert!(board.child.wait().expect("it ends").success());
        let flash = std::fs::read(&file).expect("the flash");
        assert_eq!(flash.len(), 4 << 20);
        assert_eq!(&flash[0x11_0000..0x11_0008], b"weights\xFF");
    }
    let small = Command::new(env!("CARGO_BIN_EXE_csi"))
        .args(["board", "--flash-file", path, "--firmware", "nowhere"])
        .output()
        .expect("csi starts");
    assert_eq!(small.status.code(), Some(2));
}

#[test]
fn faults_that_make_no_sense_are_refused() {
    for (args, expected) in [
        (["--faults", "loose-in@1"], "csi: --faults loose-in@1: fault 1 is none of lose-in"),
        (["--faults", "md5@1,mute"], "csi: --faults md5@1,mute: fault 2 takes @N"),
        (["--flash-size", "5MB"], "csi: --flash-size is 4MB, 8MB or 16MB, not `5MB`"),
        (["--cable", "string"], "csi: --cable is bridge or usb, not `string`"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_csi"))
            .arg("board")
            .args(args)
            .output()
            .expect("csi starts");
        let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{sentence}");
        assert!(sentence.starts_with(expected), "{sentence}");
    }
}

const VERIFIED: &str = "Hash of data verified.";

/// Identify, write with and without packing, with the ROM and with esptool's stub, verify, read
/// back: on a pseudo terminal, which has no lines.
#[test]
fn esptool_accepts_the_board() {
    let Some(esptool) = esptool() else { return };
    let board = Served::start("esptool", &["--pty", "--loader", "--flash-size", "16MB"]);
    let file = scratch("random.bin");
    std::fs::write(&file, bytes(30_000)).expect("a scratch file");
    let (file, read) = (file.to_str().expect("UTF-8"), scratch("read.bin"));
    let run = |args: &[&str]| {
        board.esptool(&esptool, &[&["--before", "no-reset", "--after", "no-reset"], args].concat())
    };
    let identity = run(&["--no-stub", "flash-id"]);
    for part in ["ESP32-S3 (QFN56) (revision v0.2)", "02:5a:1b:00:00:01", "flash size: 16MB"] {
        assert!(identity.contains(part), "{identity}");
    }
    // By the ROM: as it is, then packed at another speed.
    assert!(run(&["--no-stub", "write-flash", "-u", "0x10000", file]).contains(VERIFIED));
    let fast = ["--no-stub", "--baud", "921600", "write-flash", "-z", "0x900000", file];
    assert!(run(&fast).contains(VERIFIED));
    // By its stub, with another speed, two files, and reading back.
    let two = ["--baud", "921600", "write-flash", "0x20000", file, "0x110000", file];
    assert_eq!(run(&two).matches(VERIFIED).count(), 2);
    run(&["read-flash", "0x110000", "30000", read.to_str().expect("UTF-8")]);
    assert_eq!(std::fs::read(&read).expect("what was read"), bytes(30_000));
    assert!(
        run(&["--no-stub", "verify-flash", "0x20000", file]).contains("Verification successful")
    );
}

/// With lines, over RFC 2217: esptool resets the board into its loader and out of it by itself.
#[test]
fn esptool_resets_the_board_by_its_lines() {
    let Some(esptool) = esptool() else { return };
    let board = Served::start("lines", &["--rfc2217", "0"]);
    let text = board.esptool(&esptool, &["--no-stub", "chip-id"]);
    assert!(text.contains("Hard resetting via RTS pin"), "{text}");
    let starts = |log: &str| -> Vec<String> {
        let starts = log.lines().filter_map(|line| line.split_once(" starts "));
        // Nothing is in this flash, so it tries again and again.
        starts.map(|it| it.1.to_owned()).filter(|it| !it.ends_with("Watchdog")).collect()
    };
    let starts = starts(&board.log());
    assert_eq!(starts.first().map(String::as_str), Some("from flash: PowerOn"), "{starts:?}");
    assert!(starts.iter().any(|it| it == "into the loader: PowerOn"), "{starts:?}");
    assert_eq!(starts.last().map(String::as_str), Some("from flash: PowerOn"), "{starts:?}");
}
