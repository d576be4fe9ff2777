//! The flasher against the simulated board, with faults: the end is success with the flash as
//! planned, or a named error from which a second job on the mended cable recovers.

use csi_lab::sim::drive::Link;
use std::collections::BTreeSet;
use std::sync::OnceLock;

use csi_lab::sim::{Board, BoardConfig, Cause, Faults, Flash, FlashSize, Note, Pace};
use esp_flasher::{Cable, Event, FlashError, Job, Loader, LoaderConfig, Plan};
use quickcheck::{Arbitrary, Gen, QuickCheck};

const HOUR: u64 = 3_600_000_000;

/// Bytes of any kind, the same for the same seed; every third kilobyte packs well.
fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed * 2 + 1;
    let next = |index: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if (index / 1024).is_multiple_of(3) { 0xC0 } else { (state >> 32) as u8 }
    };
    (0..len).map(next).collect()
}

/// A flash that is in use, and a plan that changes two places of it.
fn flash() -> Flash {
    let mut flash = Flash::new(FlashSize::Mb4);
    flash.store(0x9000, &bytes(1, 0x3000));
    flash.store(0x10_0000, &bytes(2, 0x2_0000));
    flash
}

const PARTS: [(u32, usize); 2] = [(0x11_0000, 9_000), (0x1_D000, 0x4_800)];

fn plan() -> Plan {
    static PLAN: OnceLock<Plan> = OnceLock::new();
    let make = || {
        let mut plan = Plan::new(FlashSize::Mb4.bytes());
        for (offset, len) in PARTS {
            plan.write("part", offset, bytes(u64::from(offset), len)).unwrap();
        }
        plan
    };
    PLAN.get_or_init(make).clone()
}

fn all(flash: &Flash) -> Vec<u8> {
    flash.read(0, FlashSize::Mb4.bytes())
}

/// Whether a flash holds what it held before, but for what was planned.
fn is_as_planned(after: &Flash) -> bool {
    static EXPECTED: OnceLock<Vec<u8>> = OnceLock::new();
    let make = || {
        let mut expected = flash();
        for (offset, len) in PARTS {
            expected.erase(offset, len as u32);
            expected.store(offset, &bytes(u64::from(offset), len));
        }
        all(&expected)
    };
    all(after) == *EXPECTED.get_or_init(make)
}

/// Runs a job to its end and returns its events.
fn run(loader: &mut Loader, board: &mut Board, link: &mut Link, job: Job) -> Vec<Event> {
    loader.start(link.now_micros, job);
    let mut events = Vec::new();
    let until = link.now_micros + HOUR;
    let ended = link.run(loader, board, until, |loader| {
        events.extend(std::iter::from_fn(|| loader.poll_event()));
        !loader.is_busy()
    });
    assert!(ended, "a job ends: {:?}", events.last());
    events
}

fn loader(cable: Cable) -> Loader {
    let person_micros = 5_000_000;
    Loader::new(LoaderConfig {
        cable,
        person_micros,
        reopen_micros: 5_000_000,
        ..LoaderConfig::default()
    })
}

fn board(cable: Cable, flash: Flash, faults: &str) -> Board {
    let faults: Faults = faults.parse().unwrap();
    Board::new(0, BoardConfig { cable, faults, pace: Pace::Instant, ..BoardConfig::new(flash) })
}

/// How a job under faults ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// Well, after so many things that were tried again.
    Done { retries: usize },
    /// With an error by name, and a second job without faults then ended well.
    Recovered { error: FlashError },
    /// The planned places are right, but others changed: no checksum protects what a command says.
    Elsewhere,
}

/// Writes the plan under faults; after an error once more without them, and then checks the flash.
fn outcome(cable: Cable, faults: &str) -> Outcome {
    let before = flash();
    let mut board_with_faults = board(cable, before.clone(), faults);
    let (mut link, mut first) = (Link::open(0), loader(cable));
    let events = run(&mut first, &mut board_with_faults, &mut link, Job::Write(plan()));
    let retries = events.iter().filter(|e| matches!(e, Event::Retrying(_) | Event::Lost)).count();
    let after = board_with_faults.flash().clone();
    match events.last() {
        Some(Event::Done) if is_as_planned(&after) => Outcome::Done { retries },
        Some(Event::Done) => elsewhere(&after, faults),
        Some(Event::Failed(error)) => {
            let changed = !is_as_planned(&after) && all(&after) != all(&before);
            let told = events
                .iter()
                .any(|e| matches!(e, Event::Unfinished { .. } | Event::Verified { .. }));
            assert!(told || !changed, "{faults}: {error}, and nobody said what has changed");
            let mut mended = board(cable, after, "");
            let (mut link, mut second) = (Link::open(0), loader(cable));
            let events = run(&mut second, &mut mended, &mut link, Job::Write(plan()));
            assert_eq!(events.last(), Some(&Event::Done), "{faults}: no recovery from {error}");
            match is_as_planned(mended.flash()) {
                true => Outcome::Recovered { error: *error },
                false => elsewhere(mended.flash(), faults),
            }
        }
        other => panic!("{faults}: {other:?}"),
    }
}

/// Makes sure that the planned places are right, and that there was noise towards the board.
fn elsewhere(after: &Flash, faults: &str) -> Outcome {
    for (offset, len) in PARTS {
        let right = after.read(offset, len as u32) == bytes(u64::from(offset), len);
        assert!(right, "{faults}: proved, but {offset:#x} differs");
    }
    assert!(faults.contains("-in"), "{faults}: other places have changed");
    Outcome::Elsewhere
}

/// The commands that a job sends when nothing goes wrong.
fn commands(cable: Cable) -> usize {
    let mut board = board(cable, flash(), "");
    run(&mut loader(cable), &mut board, &mut Link::open(0), Job::Write(plan()));
    std::iter::from_fn(|| board.poll_note()).filter(|n| matches!(n, Note::Command { .. })).count()
}

/// A fault for every row of the table: in `N` stands the command or byte, in `S` the seed.
const ROWS: [(&str, &str); 19] = [
    ("a command is not answered", "mute@N"),
    ("a command is refused as malformed", "refuse@N:5"),
    ("a command is refused for its checksum", "refuse@N:7"),
    ("a command is refused as failed", "refuse@N:6"),
    ("the cable comes off for 0.5 s", "unplug@N"),
    ("the cable comes off for good", "unplug@N:0"),
    ("to the board, one byte in 20,000 lost", "lose-in%20000,seed:S"),
    ("to the board, one byte in 2,000 lost", "lose-in%2000,seed:S"),
    ("to the board, one byte in 2,000 doubled", "double-in%2000,seed:S"),
    ("to the board, one bit in 2,000 bytes flipped", "flip-in%2000,seed:S"),
    ("from the board, one byte in 200 lost", "lose-out%200,seed:S"),
    ("from the board, one byte in 200 doubled", "double-out%200,seed:S"),
    ("from the board, one bit in 200 bytes flipped", "flip-out%200,seed:S"),
    ("one MD5 is wrong", "md5@N"),
    ("every MD5 is wrong", "md5@1+1"),
    ("USB goes away at every restart", "reenumerate"),
    ("watchdogs bite where left on", "watchdog"),
    ("erasing takes 20 times as long", "slow-erase:20"),
    ("noise both ways, and unplugged", "flip-out%1000,lose-in%10000,seed:S,unplug@N"),
];

/// Tries a row of the table, with every `stride`-th command; returns its outcomes.
fn tries(cable: Cable, faults: &str, commands: usize, stride: usize) -> Vec<Outcome> {
    let numbers = match faults {
        _ if faults.starts_with("md5@N") => 3,
        _ if faults.contains(['N', 'S']) => commands,
        _ => 1,
    };
    (1..=numbers)
        .step_by(stride)
        .map(|n| outcome(cable, &faults.replace(['N', 'S'], &n.to_string())))
        .collect()
}

/// `CSI_LAB_FAULTS=all cargo test -p csi-lab --test flashing_survives_faults -- --nocapture`
/// tries every command and prints the table of the docs; without it a sample is tried.
#[test]
fn every_fault_ends_well_or_is_named_and_recovered_from() {
    let all = std::env::var_os("CSI_LAB_FAULTS").is_some();
    let stride = if all { 1 } else { 23 };
    println!(
        "| fault | cable | tried | done at once | done after retries | named error | elsewhere |"
    );
    println!("|---|---|---|---|---|---|---|");
    for cable in [Cable::Bridge, Cable::SerialJtag] {
        let commands = commands(cable);
        for (what, faults) in ROWS {
            let outcomes = tries(cable, faults, commands, stride);
            let count = |of: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|o| of(o)).count();
            let at_once = count(&|o| *o == Outcome::Done { retries: 0 });
            let retried = count(&|o| matches!(o, Outcome::Done { retries: 1.. }));
            let codes: BTreeSet<&str> = outcomes
                .iter()
                .filter_map(|o| match o {
                    Outcome::Recovered { error } => Some(error.code()),
                    _ => None,
                })
                .collect();
            let named = count(&|o| matches!(o, Outcome::Recovered { .. }));
            let elsewhere = count(&|o| *o == Outcome::Elsewhere);
            let codes = codes.into_iter().collect::<Vec<_>>().join(", ");
            let tried = outcomes.len();
            println!(
                "| {what} | {cable:?} | {tried} | {at_once} | {retried} | {named} {codes} | {elsewhere} |"
            );
            let hopeless = faults == "unplug@N:0" || faults == "md5@1+1";
            assert_eq!(named == tried, hopeless, "{faults}: {outcomes:?}");
            let single = faults.contains("@N") && !faults.contains('%');
            assert!(hopeless || !single || named == 0, "one fault alone is overcome: {outcomes:?}");
        }
    }
}

/// Up to four faults of any kind at once.
#[derive(Clone, Debug)]
struct Mix(String);

impl Arbitrary for Mix {
    fn arbitrary(g: &mut Gen) -> Self {
        let mut words = vec![format!("seed:{}", u16::arbitrary(g))];
        for _ in 0..1 + u8::arbitrary(g) % 4 {
            let at = 1 + u16::arbitrary(g) % 80;
            let rate = 200 + u32::from(u16::arbitrary(g)) % 20_000;
            let kinds = [
                format!("mute@{at}"),
                format!("mute@{at}+9"),
                format!("refuse@{at}"),
                format!("refuse@{at}+5:7"),
                format!("unplug@{at}"),
                format!("unplug@{at}+30:900"),
                format!("lose-in%{rate}"),
                format!("double-in%{rate}"),
                format!("flip-in%{rate}"),
                format!("lose-out%{rate}"),
                format!("double-out%{rate}"),
                format!("flip-out%{rate}"),
                format!("md5@{}", 1 + at % 6),
                "reenumerate".to_string(),
                "watchdog:2000".to_string(),
                "slow-erase:9".to_string(),
            ];
            words.push(g.choose(&kinds).unwrap().clone());
        }
        Self(words.join(","))
    }
}

#[test]
fn any_mix_of_faults_ends_well_or_is_named_and_recovered_from() {
    fn holds(mix: Mix, jtag: bool) -> bool {
        let cable = if jtag { Cable::SerialJtag } else { Cable::Bridge };
        outcome(cable, &mix.0);
        true
    }
    let tests = if std::env::var_os("CSI_LAB_FAULTS").is_some() { 2_000 } else { 40 };
    QuickCheck::new().tests(tests).quickcheck(holds as fn(Mix, bool) -> bool);
}

/// A board whose loader no line reaches, started there by a person, is flashed and then restarted
/// by its own watchdog.
#[test]
fn a_board_in_its_loader_is_restarted_by_its_watchdog_where_no_line_reaches_it() {
    let cable = Cable::Unknown;
    let config = BoardConfig { cable, boots_into_loader: true, ..BoardConfig::new(flash()) };
    let mut board = Board::new(0, config);
    let (mut link, mut loader) = (Link::open(0), loader(cable));
    let events = run(&mut loader, &mut board, &mut link, Job::Write(plan()));
    assert_eq!(events.last(), Some(&Event::Done));
    // The pin that started the loader is let go.
    while board.poll_note().is_some() {}
    let events = run(&mut loader, &mut board, &mut link, Job::Restart);
    let causes: Vec<_> = std::iter::from_fn(|| board.poll_note())
        .filter_map(|note| match note {
            Note::Started { cause, .. } => Some(cause),
            _ => None,
        })
        .collect();
    assert_eq!(causes.first(), Some(&Cause::Watchdog), "{events:?}");
    assert!(events.contains(&Event::Restarted { heard: true }), "{events:?}");
}

/// The pulse of RTS restarts the board over either kind of cable, out of either kind of entry.
#[test]
fn a_restart_leaves_the_loader_over_both_cables() {
    for cable in [Cable::Bridge, Cable::SerialJtag] {
        let mut board = board(cable, flash(), "");
        let (mut link, mut loader) = (Link::open(0), loader(cable));
        run(&mut loader, &mut board, &mut link, Job::Identify);
        assert!(board.is_in_loader());
        let events = run(&mut loader, &mut board, &mut link, Job::Restart);
        assert!(events.contains(&Event::Restarted { heard: true }), "{cable:?}: {events:?}");
        assert!(!board.is_in_loader(), "{cable:?}");
        assert!(!events.contains(&Event::NeedsReset), "{cable:?}");
    }
}

#[test]
fn a_board_that_stays_in_its_loader_waits_for_reset_to_be_pressed() {
    let cable = Cable::SerialJtag;
    for faults in ["stuck:9", "stuck:9,reenumerate"] {
        let mut board = board(cable, flash(), faults);
        let (mut link, mut loader) = (Link::open(0), loader(cable));
        run(&mut loader, &mut board, &mut link, Job::Identify);
        loader.start(link.now_micros, Job::Restart);
        let mut events = Vec::new();
        let until = link.now_micros + HOUR;
        let asked = link.run(&mut loader, &mut board, until, |loader| {
            events.extend(std::iter::from_fn(|| loader.poll_event()));
            events.contains(&Event::NeedsReset)
        });
        assert!(asked, "{faults}: {events:?}");
        board.press_reset(link.now_micros);
        link.run(&mut loader, &mut board, until, |loader| {
            events.extend(std::iter::from_fn(|| loader.poll_event()));
            !loader.is_busy()
        });
        let restarted = events.iter().any(|e| matches!(e, Event::Restarted { .. }));
        assert!(restarted, "{faults}: {events:?}");
        assert_eq!(events.last(), Some(&Event::Done), "{faults}");
        assert!(!board.is_in_loader(), "{faults}");
    }
}
