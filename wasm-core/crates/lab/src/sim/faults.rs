//! What goes wrong, when it is asked for.
//!
//! A list in words, with commas between them; `N` counts from 1.
//!
//! | word                        | what goes wrong                                              |
//! |-----------------------------|--------------------------------------------------------------|
//! | `lose-in`, `lose-out`       | a byte on its way to the board, or from it, is lost          |
//! | `double-in`, `double-out`   | it arrives twice                                             |
//! | `flip-in`, `flip-out`       | one of its bits flips                                        |
//! | `mute`                      | a command is carried out and never answered                  |
//! | `refuse`, `refuse:REASON`   | a command is answered by an error, 6 unless told             |
//! | `unplug`, `unplug:MS`       | the cable comes off at a command, for 500 ms; 0 = for good   |
//! | `md5`                       | an MD5 is answered wrong                                     |
//! | `stuck:N`                   | the next N restarts out of the loader end in it; RESET helps |
//! | `slow-erase:N`              | erasing takes N times as long                                |
//! | `reenumerate`, `reenumerate:MS` | USB goes away at every restart, for 400 ms               |
//! | `watchdog`, `watchdog:MS`   | a watchdog that nobody switched off restarts the chip, after 9 s |
//! | `seed:N`                    | which way chance falls                                       |
//!
//! Those up to `unplug`, and `md5`, need to be told when: `@N` the Nth byte or command, `@N+M` and every M-th after
//! it, `%N` one in N by chance. Commands are counted as the loader understands them. Bytes
//! are counted each way, from the start of the simulation. Example: `flip-out%5000,unplug@12:800`.

use std::fmt;
use std::str::FromStr;

/// Lists to choose from, each with what it does in a few words.
pub const EXAMPLES: &[(&str, &str)] = &[
    ("", "nothing goes wrong"),
    ("flip-out%3000,lose-in%60000", "noise on the line, both ways"),
    ("mute@20+40", "now and then no answer"),
    ("md5@1", "the first MD5 is wrong"),
    ("unplug@24:1500", "the cable comes off while it is written, for 1.5 s"),
    ("stuck:3", "the loader does not let go"),
    ("slow-erase:8", "erasing takes eight times as long"),
    ("reenumerate:400", "USB goes away at every restart"),
    ("watchdog:1500", "a watchdog is left on"),
];

/// Which way a byte goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the board.
    In,
    /// From the board.
    Out,
}

/// What goes wrong at a byte, a command or an MD5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A byte is lost.
    Lose(Way),
    /// A byte comes twice.
    Double(Way),
    /// One bit of a byte flips.
    Flip(Way),
    /// A command is not answered.
    Mute,
    /// A command is not carried out, and answered by this reason.
    Refuse(u8),
    /// The cable comes off for so long, in microseconds; 0 = for good.
    Unplug(u64),
    /// An MD5 is wrong.
    Md5,
}

/// When it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At the `first`, from 1 on, and then at every `step`-th; 0 = never again.
    At {
        /// The first time.
        first: u64,
        /// Steps from there.
        step: u64,
    },
    /// By chance, one in so many.
    OneIn(u64),
}

/// Everything that goes wrong. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// What goes wrong at bytes, commands and MD5s.
    pub events: Vec<(What, When)>,
    /// Restarts that end in the loader, whatever the lines say.
    pub stuck_restarts: u32,
    /// How many times as long erasing takes; 0 counts as 1.
    pub erase_factor: u32,
    /// How long USB goes away at every restart, in microseconds; 0 = it does not.
    pub reenumerate_micros: u64,
    /// When a watchdog restarts the chip that nobody switched off, in microseconds; 0 = never.
    pub watchdog_micros: u64,
    /// For chance.
    pub seed: u64,
}

/// Why a list of faults was refused. `item` counts from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// No such word.
    Word {
        /// Which item of the list.
        item: usize,
    },
    /// It has to be told when, or must not be.
    When {
        /// Which item of the list.
        item: usize,
    },
    /// A number is missing, is none, or is out of range.
    Number {
        /// Which item of the list.
        item: usize,
    },
}

impl FaultError {
    /// Returns the stable code that the page and the docs match on.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Word { .. } => "sim/fault-word",
            Self::When { .. } => "sim/fault-when",
            Self::Number { .. } => "sim/fault-number",
        }
    }
}

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word { item } => write!(
                f,
                "fault {item} is none of lose-in, lose-out, double-in, double-out, flip-in, \
                 flip-out, mute, refuse, unplug, md5, stuck, slow-erase, reenumerate, watchdog, seed"
            ),
            Self::When { item } => {
                write!(
                    f,
                    "fault {item} takes @N, @N+M or %N after a byte, command or MD5, else none"
                )
            }
            Self::Number { item } => {
                write!(f, "fault {item} has a number that is missing or wrong")
            }
        }
    }
}

impl std::error::Error for FaultError {}

impl FromStr for Faults {
    type Err = FaultError;

    /// Reads a list as the module describes it; an empty one is no faults.
    fn from_str(text: &str) -> Result<Self, FaultError> {
        let mut faults = Self::default();
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        for (index, text) in items.enumerate() {
            faults.add(index + 1, text)?;
        }
        Ok(faults)
    }
}

impl Faults {
    fn add(&mut self, item: usize, text: &str) -> Result<(), FaultError> {
        let wrong = FaultError::Number { item };
        let number = |text: &str| text.parse::<u64>().map_err(|_| wrong);
        let (head, argument) = match text.split_once(':') {
            Some((head, argument)) => (head, Some(number(argument)?)),
            None => (text, None),
        };
        let end = head.find(['@', '%']).unwrap_or(head.len());
        let (word, when) = head.split_at(end);
        let small =
            |default: u32| u32::try_from(argument.unwrap_or(default.into())).map_err(|_| wrong);
        let micros = |default: u64| {
            argument.unwrap_or(default).checked_mul(1000).filter(|it| *it < 1 << 50).ok_or(wrong)
        };
        let what = match word {
            "lose-in" => What::Lose(Way::In),
            "lose-out" => What::Lose(Way::Out),
            "double-in" => What::Double(Way::In),
            "double-out" => What::Double(Way::Out),
            "flip-in" => What::Flip(Way::In),
            "flip-out" => What::Flip(Way::Out),
            "mute" => What::Mute,
            "md5" => What::Md5,
            "refuse" => What::Refuse(u8::try_from(small(6)?).map_err(|_| wrong)?),
            "unplug" => What::Unplug(micros(500)?),
            setting => {
                match setting {
                    "stuck" => self.stuck_restarts = small(1)?,
                    "slow-erase" => self.erase_factor = small(10)?,
                    "reenumerate" => self.reenumerate_micros = micros(400)?,
                    "watchdog" => self.watchdog_micros = micros(9000)?,
                    "seed" => self.seed = argument.ok_or(wrong)?,
                    _ => return Err(FaultError::Word { item }),
                }
                return if when.is_empty() { Ok(()) } else { Err(FaultError::When { item }) };
            }
        };
        let takes_argument = matches!(what, What::Refuse(_) | What::Unplug(_));
        if argument.is_some() && !takes_argument {
            return Err(wrong);
        }
        let when = match (when.strip_prefix('@'), when.strip_prefix('%')) {
            (Some(at), _) => {
                let (first, step) = at.split_once('+').map_or((at, None), |(a, b)| (a, Some(b)));
                let step = step.map(number).transpose()?;
                if step == Some(0) {
                    return Err(wrong);
                }
                When::At { first: number(first)?, step: step.unwrap_or(0) }
            }
            (_, Some(one_in)) => When::OneIn(number(one_in)?),
            _ => return Err(FaultError::When { item }),
        };
        if matches!(when, When::At { first: 0, .. } | When::OneIn(0)) {
            return Err(wrong);
        }
        self.events.push((what, when));
        Ok(())
    }
}

/// Faults at work: what has been counted so far.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    faults: Faults,
    chance: u64,
    bytes: [u64; 2],
    commands: u64,
    md5s: u64,
}

impl Schedule {
    pub fn new(faults: Faults) -> Self {
        // Zero would stay zero.
        let chance = faults.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        Self { faults, chance, bytes: [0; 2], commands: 0, md5s: 0 }
    }

    /// Returns the settings.
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Returns a number that nobody expects: xorshift.
    pub fn chance(&mut self) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 8
    }

    /// Returns what arrives of a byte: none, one or two of them.
    pub fn byte(&mut self, way: Way, byte: u8) -> ([u8; 2], usize) {
        let counter = &mut self.bytes[usize::from(way == Way::Out)];
        *counter += 1;
        let number = *counter;
        let (mut byte, mut times) = (byte, 1);
        for index in 0..self.faults.events.len() {
            let (what, when) = self.faults.events[index];
            match what {
                What::Lose(at) | What::Double(at) | What::Flip(at)
                    if at == way && self.strikes(when, number) =>
                {
                    match what {
                        What::Lose(_) => times = 0,
                        What::Double(_) => times = 2,
                        _ => byte ^= 1 << (self.chance() % 8),
                    }
                }
                _ => {}
            }
        }
        ([byte; 2], times)
    }

    /// Counts a command and returns what goes wrong with it.
    pub fn command(&mut self) -> Option<What> {
        self.commands += 1;
        let number = self.commands;
        self.first(number, |what| matches!(what, What::Mute | What::Refuse(_) | What::Unplug(_)))
    }

    /// Counts an MD5 and tells whether it goes wrong.
    pub fn md5(&mut self) -> bool {
        self.md5s += 1;
        let number = self.md5s;
        self.first(number, |what| what == What::Md5).is_some()
    }

    /// Tells whether a restart ends in the loader whatever the lines say.
    pub fn is_stuck(&mut self) -> bool {
        let left = self.faults.stuck_restarts.checked_sub(1);
        self.faults.stuck_restarts = left.unwrap_or(0);
        left.is_some()
    }

    fn first(&mut self, number: u64, of: impl Fn(What) -> bool) -> Option<What> {
        let mut found = None;
        for index in 0..self.faults.events.len() {
            let (what, when) = self.faults.events[index];
            if of(what) && self.strikes(when, number) {
                found = found.or(Some(what));
            }
        }
        found
    }

    fn strikes(&mut self, when: When, number: u64) -> bool {
        match when {
            When::At { first, step: 0 } => number == first,
            When::At { first, step } => number >= first && (number - first).is_multiple_of(step),
            When::OneIn(many) => self.chance().is_multiple_of(many.max(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_word_by_word() {
        let text = "flip-out%5000, unplug@12:800,refuse@3+4,lose-in@1,stuck:2,slow-erase,seed:7,\
                    reenumerate,watchdog:20,md5@2,unplug@9";
        let faults: Faults = text.parse().unwrap();
        let at = |first, step| When::At { first, step };
        assert_eq!(
            faults.events,
            [
                (What::Flip(Way::Out), When::OneIn(5000)),
                (What::Unplug(800_000), at(12, 0)),
                (What::Refuse(6), at(3, 4)),
                (What::Lose(Way::In), at(1, 0)),
                (What::Md5, at(2, 0)),
                (What::Unplug(500_000), at(9, 0)),
            ]
        );
        assert_eq!((faults.stuck_restarts, faults.erase_factor, faults.seed), (2, 10, 7));
        assert_eq!((faults.reenumerate_micros, faults.watchdog_micros), (400_000, 20_000));
        assert_eq!("".parse(), Ok(Faults::default()));
    }

    #[test]
    fn examples_are_lists() {
        for (text, sentence) in EXAMPLES {
            let faults: Faults = text.parse().unwrap();
            assert_eq!(faults == Faults::default(), text.is_empty(), "{sentence}");
        }
    }

    #[test]
    fn what_is_wrong_in_a_list_is_named_with_its_place() {
        let word = |item| Err(FaultError::Word { item });
        let when = |item| Err(FaultError::When { item });
        let number = |item| Err(FaultError::Number { item });
        for (text, expected) in [
            ("loose-in@1", word(1)),
            ("md5@1,@2", word(2)),
            ("mute", when(1)),
            ("stuck@1", when(1)),
            ("md5@0", number(1)),
            ("md5%0", number(1)),
            ("md5@", number(1)),
            ("md5@1+", number(1)),
            ("md5@1+0", number(1)),
            ("md5@1:5", number(1)),
            ("refuse@1:256", number(1)),
            ("stuck:1,stuck:x", number(2)),
            ("unplug@1:18446744073709551615", number(1)),
            ("seed", number(1)),
        ] {
            assert_eq!(text.parse::<Faults>(), expected, "{text}");
        }
    }

    #[test]
    fn faults_strike_when_they_are_told_to() {
        let mut schedule = Schedule::new("lose-in@3+2,double-in@4,mute@2,md5@1".parse().unwrap());
        let times: Vec<usize> = (0..8).map(|_| schedule.byte(Way::In, 1).1).collect();
        assert_eq!(times, [1, 1, 0, 2, 0, 1, 0, 1]);
        assert_eq!(schedule.byte(Way::Out, 9), ([9, 9], 1));
        assert_eq!([schedule.command(), schedule.command()], [None, Some(What::Mute)]);
        assert_eq!([schedule.md5(), schedule.md5()], [true, false]);
    }

    #[test]
    fn chance_is_as_frequent_as_it_says_and_follows_the_seed() {
        let run = |seed: u64| {
            let faults = format!("flip-out%100,seed:{seed}").parse().unwrap();
            let mut schedule = Schedule::new(faults);
            (0..100_000).map(|_| schedule.byte(Way::Out, 0).0[0]).collect::<Vec<u8>>()
        };
        let struck = run(1).iter().filter(|byte| **byte != 0).count();
        assert!((800..1200).contains(&struck), "{struck}");
        assert!(run(1).iter().all(|byte| byte.count_ones() <= 1));
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}
