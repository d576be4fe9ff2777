//! Windows of feature rows, each inside one label.

use core::ops::Range;

use super::Tape;

/// How windows are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSpec {
    /// Rows in a window.
    pub len: usize,
    /// Rows from the start of one window to the next.
    pub hop: usize,
}

impl Default for WindowSpec {
    fn default() -> Self {
        Self { len: 50, hop: 25 }
    }
}

/// Where a window lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Its recording.
    pub tape: usize,
    /// Its first row.
    pub start: usize,
    /// First rows that a window inside the same stretch may have: what a shift in time draws from.
    pub room: Range<usize>,
    /// Its class.
    pub class: usize,
}

/// Labelled windows of some recordings.
#[derive(Clone, Debug)]
pub struct Windows {
    /// The names of the classes, in the order of the classifier.
    pub classes: Vec<String>,
    /// How they were cut.
    pub spec: WindowSpec,
    /// The recordings.
    pub tapes: Vec<Tape>,
    /// The windows, by recording and time.
    pub cuts: Vec<Cut>,
    /// Windows whose label is none of the classes; they are left out of `cuts`.
    pub unknown: usize,
}

impl Windows {
    /// Cuts recordings into windows. Classes are the labels that occur, sorted by name.
    ///
    /// A stretch shorter than a window gives none. Lengths and hops of 0 count as 1.
    pub fn cut(tapes: Vec<Tape>, spec: WindowSpec) -> Self {
        let mut classes: Vec<String> =
            tapes.iter().flat_map(|tape| &tape.spans).map(|span| span.label.clone()).collect();
        classes.sort();
        classes.dedup();
        Self::cut_for(tapes, spec, &classes)
    }

    /// The same for the classes of another set, or of a blob.
    pub fn cut_for(tapes: Vec<Tape>, spec: WindowSpec, classes: &[String]) -> Self {
        let spec = WindowSpec { len: spec.len.max(1), hop: spec.hop.max(1) };
        let (mut cuts, mut unknown) = (Vec::new(), 0);
        for (tape, of) in tapes.iter().enumerate() {
            for span in &of.spans {
                let class = classes.iter().position(|class| *class == span.label);
                let room = span.rows.start..(span.rows.end + 1).saturating_sub(spec.len);
                for start in room.clone().step_by(spec.hop) {
                    match class {
                        Some(class) => cuts.push(Cut { tape, start, room: room.clone(), class }),
                        None => unknown += 1,
                    }
                }
            }
        }
        Self { classes: classes.to_vec(), spec, tapes, cuts, unknown }
    }

    /// Returns the numbers in a row; 0 without a recording.
    pub fn dim(&self) -> usize {
        self.tapes.first().map_or(0, Tape::dim)
    }

    /// Returns the rows from `start` on that a window of that recording has, before its mean is
    /// removed, shape `[len, dim]`.
    pub fn raw(&self, tape: usize, start: usize) -> &[f32] {
        let dim = self.dim();
        &self.tapes[tape].values[start * dim..][..self.spec.len * dim]
    }

    /// Replaces the contents of `out` by a window as a head reads it, shape `[len, dim]`.
    pub fn read(&self, cut: &Cut, out: &mut Vec<f32>) {
        out.clear();
        out.extend_from_slice(self.raw(cut.tape, cut.start));
        self.tapes[cut.tape].config.finish_window(out);
    }

    /// Counts the windows of each class.
    pub fn counts(&self) -> Vec<usize> {
        self.count(|_| true)
    }

    /// Counts the windows of each class in one recording.
    pub fn counts_of(&self, tape: usize) -> Vec<usize> {
        self.count(|cut| cut.tape == tape)
    }

    /// Hashes every window with its class: FNV-1a, 64 bits.
    pub fn hash(&self) -> u64 {
        let mut hash = 0xCBF2_9CE4_8422_2325_u64;
        let mut add =
            |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        for cut in &self.cuts {
            (cut.class as u32).to_le_bytes().into_iter().for_each(&mut add);
            for number in self.raw(cut.tape, cut.start) {
                number.to_bits().to_le_bytes().into_iter().for_each(&mut add);
            }
        }
        hash
    }

    fn count(&self, of: impl Fn(&Cut) -> bool) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for cut in self.cuts.iter().filter(|cut| of(cut)) {
            counts[cut.class] += 1;
        }
        counts
    }
}
