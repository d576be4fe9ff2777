//! Plain tables: one row a frame, one cell a number.
//!
//! | columns                              | taken as                                   |
//! |--------------------------------------|--------------------------------------------|
//! | `i0,q0,i1,q1,...`, `re0,im0,...`     | pairs; `i` is the driver's first byte, the imaginary part |
//! | 128, 256, 376, 380, 384, 612 numbered columns | pairs as the driver writes them   |
//! | 64 numbered columns of Python's complex numbers, `(3-4j)` | pairs in ascending order, as tools for Nexmon write them |
//! | other numbered columns (`a0..a55`, `sc_0..`), at least 30 | amplitudes            |
//! | `label`, `class`, `activity`         | the frame's label                          |
//! | `rssi`, `mac`, `node`, a sequence number | what they say                          |
//! | `timestamp`, `time`, `ts`, ... with or without a unit | the clock                 |
//!
//! Without a header, rows of 128, 256 or 384 integers are pairs and rows of 52, 56, 64 or 114
//! numbers are amplitudes. The unit of a clock is taken from its name, else from the size of the
//! first value; the report says which. A quoted cell may hold commas but no line end.

use csi_temporal::frame::CsiValues;
use csv_core::ReadRecordResult;

use super::line::{Line, LineFormat, Lines};
use super::subcarrier::{ASCENDING_64, Layout, SubcarrierRule};
use super::{FrameMeta, FrameTime, Position, Sender, Sink, SkipReason, serial, sink, time_text};

/// Cells that a row may have.
const MAX_CELLS: usize = sink::MAX_VALUES + 64;
/// Numbered columns that make a table one of subcarriers.
const MIN_COLUMNS: usize = 30;
/// Row lengths that the driver's buffer has, in numbers.
const RAW_LENGTHS: [usize; 6] = [128, 256, 376, 380, 384, 612];
/// Row lengths taken as amplitudes where nothing names the columns.
const AMPLITUDE_LENGTHS: [usize; 4] = [52, 56, 64, 114];

/// What one column is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    /// The number that goes to this place of the frame.
    Value(u16),
    Time(Unit),
    Rssi,
    Label,
    Mac,
    Node,
    Sequence,
    Ignored,
}

/// What a clock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// Not named: told from the first value.
    Unknown,
    Seconds,
    Millis,
    Micros,
    Nanos,
    /// Date and time.
    Text,
}

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Seconds => "seconds",
            Self::Millis => "milliseconds",
            Self::Micros => "microseconds",
            Self::Nanos => "nanoseconds",
            Self::Text => "date and time",
        }
    }
}

/// The columns of a table.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    columns: Vec<Column>,
    values: usize,
    pairs: bool,
    /// Each cell holds both numbers of a pair.
    complex: bool,
    header: bool,
}

impl Columns {
    /// Takes the columns for pairs if the first row holds complex numbers; says whether it does.
    ///
    /// Only for the 64 columns whose order is known.
    fn become_complex(&mut self, row: &Cells) -> bool {
        let values = || {
            let cells = row.iter().zip(&self.columns);
            cells.filter(|(_, column)| matches!(column, Column::Value(_))).map(|(cell, _)| cell)
        };
        let fits = self.values == ASCENDING_64.len() && row.len() == self.columns.len();
        let known = fits && values().all(|cell| complex(cell).is_some());
        if !known || values().all(|cell| number(cell).is_some()) {
            return false;
        }
        for column in &mut self.columns {
            if let Column::Value(place) = column {
                *place *= 2;
            }
        }
        self.values *= 2;
        (self.pairs, self.complex) = (true, true);
        true
    }
}

/// The columns of a table of CSI and how they were told, if `head` begins one.
pub(super) fn recognise(head: &[u8]) -> Option<(Columns, String)> {
    let mut found: Option<Option<(Columns, String)>> = None;
    let mut row_seen = false;
    let mut lines = Lines::new(head.len());
    let mut cells = Cells::default();
    let mut each = |line: Line<'_>, _| {
        let (Line::Whole(line) | Line::Last(line)) = line else {
            return;
        };
        if row_seen || line.trim_ascii().is_empty() || !cells.split(line) {
            return;
        }
        match &mut found {
            None => found = Some(named(&cells).or_else(|| unnamed(&cells))),
            Some(columns) => {
                row_seen = true;
                if let Some((columns, how)) = columns
                    && columns.become_complex(&cells)
                {
                    *how =
                        "64 columns of complex numbers, taken as pairs in ascending order".into();
                }
            }
        }
    };
    lines.push(head, &mut each);
    lines.finish(&mut each);
    found.flatten()
}

/// Columns by their names.
fn named(cells: &Cells) -> Option<(Columns, String)> {
    let names: Vec<String> = cells.iter().map(tidy).collect();
    if names.iter().any(|name| name.parse::<f64>().is_ok()) {
        return None;
    }
    let mut columns: Vec<Column> = names.iter().map(|name| by_name(name)).collect();
    let numbered: Vec<Option<(&str, u32)>> = names.iter().map(|name| split_number(name)).collect();
    let count_of = |prefix: &str| numbered.iter().flatten().filter(|(p, _)| *p == prefix).count();
    let parts = [("i", "q"), ("im", "re"), ("imag", "real"), ("imaginary", "real")];
    let part = parts.into_iter().find(|(first, second)| {
        count_of(first) >= MIN_COLUMNS / 2 && count_of(first) == count_of(second)
    });
    let (values, pairs, how) = if let Some((first, second)) = part {
        let mut ids: Vec<u32> =
            numbered.iter().flatten().filter(|(p, _)| *p == first).map(|n| n.1).collect();
        ids.sort_unstable();
        for (column, numbered) in columns.iter_mut().zip(&numbered) {
            let Some((prefix, id)) = numbered else {
                continue;
            };
            let half = if *prefix == first { 0 } else { 1 };
            if *prefix == first || *prefix == second {
                *column = Column::Value((2 * ids.binary_search(id).ok()? + half) as u16);
            }
        }
        (2 * ids.len(), true, format!("the columns are pairs {first}0, {second}0, ..."))
    } else {
        let prefixes = numbered.iter().flatten().map(|(prefix, _)| *prefix);
        let prefix = prefixes.max_by_key(|prefix| count_of(prefix))?;
        let count = count_of(prefix);
        if count < MIN_COLUMNS {
            return None;
        }
        let mut place = 0;
        for (column, numbered) in columns.iter_mut().zip(&numbered) {
            if numbered.is_some_and(|(p, _)| p == prefix) {
                *column = Column::Value(place);
                place += 1;
            }
        }
        let pairs = RAW_LENGTHS.contains(&count) && !prefix.starts_with('a');
        let what = if pairs { "numbers of pairs" } else { "amplitudes" };
        (count, pairs, format!("{count} columns are named {prefix}..., taken as {what}"))
    };
    let complete = columns.iter().filter(|c| matches!(c, Column::Value(_))).count() == values;
    let columns = Columns { columns, values, pairs, complex: false, header: true };
    (complete && values <= sink::MAX_VALUES).then_some((columns, how))
}

/// Columns of a table without names: numbers alone, as many as a frame has.
fn unnamed(cells: &Cells) -> Option<(Columns, String)> {
    let count = cells.len();
    if !cells.iter().all(|cell| number(cell).is_some()) {
        return None;
    }
    let whole = cells.iter().all(|cell| serial::integer(cell.trim_ascii()).is_some());
    let pairs = whole && RAW_LENGTHS.contains(&count);
    let columns = (0..count).map(|place| Column::Value(place as u16)).collect();
    let what = if pairs { "integers, taken as pairs" } else { "numbers, taken as amplitudes" };
    let columns = Columns { columns, values: count, pairs, complex: false, header: false };
    (pairs || AMPLITUDE_LENGTHS.contains(&count))
        .then(|| (columns, format!("rows of {count} {what}, without column names")))
}

/// A column's name in lower case, without quotes and without a unit in brackets.
fn tidy(cell: &[u8]) -> String {
    let text = String::from_utf8_lossy(cell);
    let name = text.trim().trim_matches(['"', '\'']).to_lowercase();
    name.replace("(us)", "_us").replace("(ms)", "_ms").replace("(s)", "_s")
}

fn by_name(name: &str) -> Column {
    let (stem, unit) = [
        ("_us", Unit::Micros),
        ("_micros", Unit::Micros),
        ("_ms", Unit::Millis),
        ("_millis", Unit::Millis),
        ("_ns", Unit::Nanos),
        ("_sec", Unit::Seconds),
        ("_s", Unit::Seconds),
    ]
    .into_iter()
    .find_map(|(suffix, unit)| Some((name.strip_suffix(suffix)?, unit)))
    .unwrap_or((name, Unit::Unknown));
    match stem {
        "local_timestamp" => Column::Time(Unit::Micros),
        "timestamp" | "time" | "ts" | "t" | "esp_timestamp" | "epoch" | "datetime"
        | "date_time" | "device_time" | "host_time" => Column::Time(unit),
        "rssi" | "rssi_dbm" => Column::Rssi,
        "label" | "class" | "activity" | "target" => Column::Label,
        "mac" => Column::Mac,
        "node" | "node_id" => Column::Node,
        "seq" | "sequence" | "packet_idx" | "packet_id" => Column::Sequence,
        _ => Column::Ignored,
    }
}

/// `csi_17` is ("csi", 17); the underscore may be missing.
fn split_number(name: &str) -> Option<(&str, u32)> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = name[stem.len()..].parse().ok()?;
    Some((stem.trim_end_matches(['_', ' ', '-']), number))
}

/// A cell as a number; NaN and infinity count as numbers here.
fn number(cell: &[u8]) -> Option<f64> {
    let cell = cell.trim_ascii();
    if let Some(whole) = serial::integer(cell) {
        return Some(whole as f64);
    }
    core::str::from_utf8(cell).ok()?.parse().ok()
}

/// A cell as imaginary and real part: `(-88-612j)`, `3j` or a plain number, as Python writes them.
fn complex(cell: &[u8]) -> Option<[f64; 2]> {
    let text = core::str::from_utf8(cell).ok()?.trim();
    let text = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')).unwrap_or(text);
    let Some(text) = text.strip_suffix('j') else {
        return Some([0.0, text.parse().ok()?]);
    };
    // The sign between the parts is the last one that neither begins nor belongs to an exponent.
    let bytes = text.as_bytes();
    let between = (1..bytes.len())
        .rfind(|&at| matches!(bytes[at], b'+' | b'-') && !matches!(bytes[at - 1], b'e' | b'E'));
    let (real, imaginary) = text.split_at(between.unwrap_or(0));
    let real = if real.is_empty() { 0.0 } else { real.parse().ok()? };
    Some([imaginary.parse().ok()?, real])
}

/// The cells of one row, in buffers that outlive it.
struct Cells {
    splitter: csv_core::Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    count: usize,
}

impl Default for Cells {
    fn default() -> Self {
        let splitter = csv_core::Reader::new();
        Self { splitter, text: Vec::new(), ends: vec![0; MAX_CELLS], count: 0 }
    }
}

impl Cells {
    /// Splits a row; `false` if it has too many cells.
    fn split(&mut self, row: &[u8]) -> bool {
        self.count = 0;
        self.text.resize(row.len().max(1), 0);
        let reader = &mut self.splitter;
        reader.reset();
        let (result, read, wrote, count) = reader.read_record(row, &mut self.text, &mut self.ends);
        let (rest, text) = (&row[read..], &mut self.text[wrote..]);
        if !matches!(result, ReadRecordResult::InputEmpty) || !rest.is_empty() {
            return false;
        }
        // An empty input ends the record.
        let (result, _, _, last) = reader.read_record(&[], text, &mut self.ends[count..]);
        self.count = count + last;
        // csv-core counts the ends from the beginning of the record.
        matches!(result, ReadRecordResult::Record) && self.count > 0
    }

    fn len(&self) -> usize {
        self.count
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let ends = &self.ends[..self.count];
        let starts = core::iter::once(0).chain(ends.iter().copied());
        starts.zip(ends).map(|(start, &end)| self.text.get(start..end).unwrap_or(&[]))
    }
}

/// Reads a table row by row.
pub(super) struct Table {
    columns: Columns,
    cells: Cells,
    header_passed: bool,
    floats: Vec<f32>,
    wide: Vec<i16>,
    narrow: Vec<i8>,
}

impl Table {
    pub(super) fn new(columns: Columns) -> Self {
        Self {
            columns,
            cells: Cells::default(),
            header_passed: false,
            floats: Vec::new(),
            wide: Vec::new(),
            narrow: Vec::new(),
        }
    }
}

impl LineFormat for Table {
    fn line(&mut self, text: &[u8], last: bool, at: Position, sink: &mut Sink) {
        if text.trim_ascii().is_empty() {
            return;
        }
        if self.columns.header && !self.header_passed {
            self.header_passed = true;
            return sink.header();
        }
        if let Err(reason) = self.row(text, last, at, sink) {
            sink.skip(reason, at);
        }
    }
}

impl Table {
    fn row(
        &mut self,
        text: &[u8],
        last: bool,
        at: Position,
        sink: &mut Sink,
    ) -> Result<(), SkipReason> {
        let fits = self.cells.split(text) && self.cells.len() == self.columns.columns.len();
        if !fits {
            return Err(if last { SkipReason::CutShort } else { SkipReason::WrongCellCount });
        }
        self.floats.clear();
        self.floats.resize(self.columns.values, 0.0);
        let mut meta = FrameMeta::default();
        for (cell, column) in self.cells.iter().zip(&mut self.columns.columns) {
            match column {
                Column::Value(place) if self.columns.complex => {
                    let pair = complex(cell).ok_or(SkipReason::NotANumber)?;
                    let place = usize::from(*place);
                    if let Some(to) = self.floats.get_mut(place..place + 2) {
                        to.copy_from_slice(&pair.map(|part| part as f32));
                    }
                }
                Column::Value(place) => {
                    let value = number(cell).ok_or(SkipReason::NotANumber)?;
                    if let Some(to) = self.floats.get_mut(usize::from(*place)) {
                        *to = value as f32;
                    }
                }
                Column::Time(unit) => {
                    if *unit == Unit::Unknown {
                        *unit = guess_unit(cell);
                        let name = unit.name();
                        sink.note(format!("The clock's unit is not named; taken as {name}."));
                    }
                    meta.time = time(cell, *unit).ok_or(SkipReason::NotANumber)?;
                }
                Column::Rssi => {
                    meta.rssi_dbm =
                        number(cell).map(|dbm| dbm as i8).filter(|dbm| (-127..0).contains(dbm));
                }
                Column::Label => meta.label = core::str::from_utf8(cell).ok(),
                Column::Mac => meta.sender = serial::mac(cell.trim_ascii()),
                Column::Node => {
                    let node = number(cell).filter(|n| (0.0..256.0).contains(n));
                    meta.sender = node.map_or(Sender::Unknown, |node| Sender::Node(node as u8));
                }
                Column::Sequence => {
                    let number = number(cell).filter(|n| (0.0..4e9).contains(n));
                    meta.sequence = number.map(|n| n as u32);
                }
                Column::Ignored => {}
            }
        }
        if self.floats.iter().any(|value| !value.is_finite()) {
            return Err(SkipReason::NotFinite);
        }
        if !self.columns.pairs {
            meta.layout = Layout { rule: SubcarrierRule::Unordered, ..Layout::default() };
            sink.frame(meta, CsiValues::Amplitude(&self.floats), at);
            return Ok(());
        }
        if self.columns.complex {
            meta.layout.rule = SubcarrierRule::Listed(&ASCENDING_64);
        }
        // The smallest type that holds the row.
        self.wide.clear();
        self.wide.extend(self.floats.iter().map(|&v| v as i16));
        self.narrow.clear();
        self.narrow.extend(self.wide.iter().map(|&v| v as i8));
        if self.floats.iter().zip(&self.narrow).all(|(&f, &n)| f == f32::from(n)) {
            sink.frame(meta, CsiValues::Iq8(&self.narrow), at);
        } else if self.floats.iter().zip(&self.wide).all(|(&f, &w)| f == f32::from(w)) {
            sink.note("Some values lie beyond -128..127.");
            sink.frame(meta, CsiValues::Iq16(&self.wide), at);
        } else {
            sink.frame(meta, CsiValues::IqF32(&self.floats), at);
        }
        Ok(())
    }
}

/// The unit that a clock's first value suggests.
fn guess_unit(cell: &[u8]) -> Unit {
    let fraction = cell.contains(&b'.');
    match number(cell).map(f64::abs) {
        None => Unit::Text,
        Some(value) if value >= 1e17 => Unit::Nanos,
        Some(value) if value >= 1e14 => Unit::Micros,
        Some(value) if value >= 1e11 => Unit::Millis,
        // 2001 to 2065 in seconds.
        Some(value) if (1e9..3e9).contains(&value) => Unit::Seconds,
        Some(_) if fraction => Unit::Seconds,
        Some(value) if value >= 1e6 => Unit::Micros,
        Some(_) => Unit::Millis,
    }
}

fn time(cell: &[u8], unit: Unit) -> Option<FrameTime> {
    let scale = match unit {
        Unit::Text | Unit::Unknown => {
            let text = core::str::from_utf8(cell).ok()?;
            return time_text::parse(text).map(FrameTime::EpochMicros);
        }
        Unit::Micros => {
            if let Some(time) = serial::micros_32(cell.trim_ascii()) {
                return Some(time);
            }
            1.0
        }
        Unit::Seconds => 1e6,
        Unit::Millis => 1e3,
        Unit::Nanos => 1e-3,
    };
    if let (Unit::Nanos, Some(nanos)) = (unit, serial::integer(cell.trim_ascii())) {
        return Some(FrameTime::Micros(nanos / 1000));
    }
    let micros = number(cell)? * scale;
    (micros.abs() < 9e18).then(|| FrameTime::Micros(libm::round(micros) as i64))
}
