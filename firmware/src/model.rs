//! A blob at work: the weights, and the rows that they look at.
//!
//! What is large stands in boxes, and what is done once is done in functions of their own: a task
//! on the node has a small stack, and each move of a large value could be a copy there.

use crate::NodeError;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use csi_temporal::feature::{MeanRemoval, PipelineConfig};
use csi_temporal::head::{HeadError, HeadStream, HeadWindow, TemporalHead};
use csi_temporal::rvne::{AttentionPattern, WeightBlob};
use csi_temporal::window::FrameWindow;

/// What a model asks for and gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelInfo {
    /// Numbers in a row.
    pub feature_dim: usize,
    /// Numbers in the logits.
    pub classes: usize,
    /// Rows that a classification looks at.
    pub window_rows: usize,
    /// Rows a second that it was trained at; 0 = not stated.
    pub rate_hz: f32,
    /// Whether it classifies row by row instead of window by window.
    pub is_streaming: bool,
    /// The CRC that closes the blob.
    pub blob_crc: u32,
}

/// A parsed blob, before it has rows.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    head: Box<TemporalHead>,
    pub pipeline: Option<PipelineConfig>,
    name: String,
    pub info: ModelInfo,
}

impl Weights {
    /// Reads a blob. `window_rows` replaces the blob's own number of rows unless it is 0.
    #[inline(never)]
    pub fn parse(bytes: &[u8], window_rows: u16) -> Result<Box<Self>, NodeError> {
        let mut blob = parse(bytes)?;
        let mut info = ModelInfo::of(&blob, bytes);
        if window_rows > 0 {
            info.window_rows = usize::from(window_rows);
        }
        // The head copies what was parsed, and has its lists of each layer.
        let lists = usize::from(blob.shape.layers).saturating_mul(MARGIN / 2);
        probe(&[bytes.len().saturating_mul(2).saturating_add(lists)])?;
        let head = head_of(&blob)?;
        let pipeline = blob.trailer.pipeline.take();
        let name = blob.trailer.name.take().unwrap_or_default();
        Ok(Box::new(Self { head, pipeline, name, info }))
    }

    fn removes_window_mean(&self) -> bool {
        self.pipeline.as_ref().is_some_and(|p| p.mean_removal == MeanRemoval::Window)
    }
}

impl ModelInfo {
    fn of(blob: &WeightBlob, bytes: &[u8]) -> Self {
        let record = blob.trailer.attention.unwrap_or_default();
        Self {
            feature_dim: blob.feature_dim(),
            classes: usize::from(blob.shape.classes),
            window_rows: usize::from(record.window_len),
            rate_hz: record.frame_rate_hz,
            is_streaming: record.streaming,
            blob_crc: bytes.last_chunk().map_or(0, |footer| u32::from_le_bytes(*footer)),
        }
    }
}

/// Reads a blob that fits the memory and whose classes a packet can name.
#[inline(never)]
fn parse(bytes: &[u8]) -> Result<Box<WeightBlob>, NodeError> {
    // Parsing widens f16 to f32, and the head copies what was parsed.
    let widened = bytes.len().saturating_mul(2) + 1024;
    probe(&[widened, widened])?;
    let blob = Box::new(WeightBlob::parse(bytes)?);
    match blob.shape.classes {
        classes if classes > 256 => Err(NodeError::TooManyClasses { classes }),
        _ => Ok(blob),
    }
}

#[inline(never)]
fn head_of(blob: &WeightBlob) -> Result<Box<TemporalHead>, NodeError> {
    Ok(Box::new(TemporalHead::from_blob(blob)?))
}

/// Finds out whether blocks of these sizes fit into the memory together, and gives them back.
///
/// Much of what loading takes is taken by code that cannot fail politely, so it is asked here
/// first. A block in one piece is harder to find than the same in many: this refuses too early
/// rather than too late.
pub(crate) fn probe(sizes: &[usize]) -> Result<(), NodeError> {
    let mut blocks: [Vec<u8>; 2] = [Vec::new(), Vec::new()];
    for (block, &size) in blocks.iter_mut().zip(sizes) {
        block.try_reserve_exact(size).map_err(|_| NodeError::Memory { needed: size })?;
    }
    // Without a use the compiler may leave a block out.
    core::hint::black_box(&blocks);
    Ok(())
}

/// A blob at work.
#[derive(Clone, Debug)]
pub struct Model {
    weights: Box<Weights>,
    rows: Rows,
    held: Held,
}

/// The rows a model looks at. `Nothing` only when a failed swap could not even go back.
#[derive(Clone, Debug)]
enum Rows {
    Nothing,
    /// As far as the first layer gets with each row alone.
    Window(Box<HeadWindow>),
    /// Rows as they came, because the mean over all of them has to be removed before the first
    /// layer sees one.
    Whole {
        rows: FrameWindow,
        gathered: Vec<f32>,
        window: Box<HeadWindow>,
    },
    /// Row by row; the logits of the last row.
    Stream {
        stream: Box<HeadStream>,
        logits: Vec<f32>,
    },
}

impl Model {
    /// Reads a blob and makes room for its rows. `window_rows` replaces the blob's own number of
    /// rows unless it is 0.
    ///
    /// # Errors
    ///
    /// [`NodeError::Blob`], [`NodeError::Head`], [`NodeError::Window`],
    /// [`NodeError::TooManyClasses`], [`NodeError::WindowMeanInStream`], [`NodeError::Memory`].
    pub fn load(bytes: &[u8], window_rows: u16) -> Result<Self, NodeError> {
        Self::new(Weights::parse(bytes, window_rows)?)
    }

    pub(crate) fn new(weights: Box<Weights>) -> Result<Self, NodeError> {
        Ok(Self { rows: Rows::new(&weights)?, held: Held::new(weights.info.window_rows), weights })
    }

    /// Says what a blob asks for and gives, without making a model of it.
    ///
    /// # Errors
    ///
    /// [`NodeError::Blob`], [`NodeError::TooManyClasses`], [`NodeError::Memory`].
    pub fn describe(bytes: &[u8]) -> Result<ModelInfo, NodeError> {
        Ok(ModelInfo::of(&*parse(bytes)?, bytes))
    }

    /// Takes another blob instead. A blob that is refused changes nothing, unless the memory does
    /// not suffice for its rows: then the old weights stay, and their rows are forgotten.
    ///
    /// # Errors
    ///
    /// As [`Model::load`].
    pub fn replace(&mut self, bytes: &[u8], window_rows: u16) -> Result<(), NodeError> {
        self.exchange(Weights::parse(bytes, window_rows)?)
    }

    /// As [`Model::replace`]. The old rows go before the new ones come: both together are more
    /// than a node has.
    #[inline(never)]
    pub(crate) fn exchange(&mut self, weights: Box<Weights>) -> Result<(), NodeError> {
        self.rows = Rows::Nothing;
        match Rows::new(&weights) {
            Ok(rows) => {
                self.held = Held::new(weights.info.window_rows);
                self.rows = rows;
                self.weights = weights;
                Ok(())
            }
            Err(error) => {
                // What there was before fits the memory that it left.
                drop(weights);
                self.held.clear();
                self.rows = Rows::make(&self.weights)?;
                Err(error)
            }
        }
    }

    /// Returns what the model asks for and gives.
    pub fn info(&self) -> ModelInfo {
        self.weights.info
    }

    /// Returns the model's name, empty if it has none.
    pub fn name(&self) -> &str {
        &self.weights.name
    }

    /// Returns how many rows it holds; for a stream, how many it has taken.
    pub fn len(&self) -> usize {
        match &self.rows {
            Rows::Nothing => 0,
            Rows::Window(window) => window.len(),
            Rows::Whole { rows, .. } => rows.len(),
            Rows::Stream { stream, .. } => stream.len(),
        }
    }

    /// Tells whether it holds no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells whether there are enough rows to classify.
    pub fn is_ready(&self) -> bool {
        match &self.rows {
            Rows::Nothing => false,
            Rows::Window(window) => window.is_full(),
            Rows::Whole { rows, .. } => rows.is_full(),
            Rows::Stream { stream, .. } => !stream.is_empty(),
        }
    }

    /// Returns how many of the rows it looks at were pushed as held.
    pub fn held(&self) -> usize {
        self.held.count
    }

    /// Forgets all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.held.clear();
        match &mut self.rows {
            Rows::Nothing => {}
            Rows::Window(window) => window.clear(),
            Rows::Whole { rows, .. } => rows.clear(),
            Rows::Stream { stream, .. } => stream.reset(),
        }
    }

    /// Takes the next row, `[feature_dim]`; `is_held` says that it stands in for frames that did
    /// not come. Allocates nothing.
    ///
    /// # Errors
    ///
    /// [`NodeError::RowLength`], [`NodeError::RowNotFinite`]; [`NodeError::Head`] when numbers
    /// leave the range of `f32`. A window is then unchanged, a stream starts anew.
    pub fn push(&mut self, row: &[f32], is_held: bool) -> Result<(), NodeError> {
        self.check(row)?;
        let head = &self.weights.head;
        match &mut self.rows {
            Rows::Nothing => return Err(NodeError::NoWeights),
            Rows::Window(window) => window.push(head, row)?,
            Rows::Whole { rows, .. } => rows.push(row)?,
            Rows::Stream { stream, logits } => match stream.step(head, row) {
                Ok(now) => logits.copy_from_slice(now),
                Err(error) => {
                    stream.reset();
                    return Err(error.into());
                }
            },
        }
        self.held.push(is_held);
        Ok(())
    }

    /// Checks a row's length and that its numbers are finite.
    pub(crate) fn check(&self, row: &[f32]) -> Result<(), NodeError> {
        let expected = self.weights.info.feature_dim;
        if row.len() != expected {
            return Err(NodeError::RowLength { expected, got: row.len() });
        }
        match row.iter().position(|number| !number.is_finite()) {
            Some(column) => Err(NodeError::RowNotFinite { column }),
            None => Ok(()),
        }
    }

    /// Returns the logits, `[classes]`: of the rows it holds, oldest first; of a stream those of
    /// its last row. Allocates nothing.
    ///
    /// # Errors
    ///
    /// [`NodeError::WindowNotFull`]; [`NodeError::Head`] when numbers leave the range of `f32`.
    pub fn classify(&mut self) -> Result<&[f32], NodeError> {
        if !self.is_ready() {
            let needed = if self.info().is_streaming { 1 } else { self.info().window_rows };
            return Err(NodeError::WindowNotFull { rows: self.len(), needed });
        }
        let Weights { head, pipeline, .. } = &*self.weights;
        match &mut self.rows {
            Rows::Nothing => Err(NodeError::NoWeights),
            Rows::Window(window) => Ok(window.classify(head)?),
            Rows::Whole { rows, gathered, window } => {
                rows.copy_into(gathered);
                if let Some(pipeline) = pipeline {
                    pipeline.finish_window(gathered);
                }
                window.clear();
                for row in gathered.chunks_exact(rows.dim()) {
                    window.push(head, row)?;
                }
                Ok(window.classify(head)?)
            }
            Rows::Stream { logits, .. } => Ok(logits),
        }
    }
}

impl Rows {
    /// Makes room for rows, once the memory is known to hold them.
    #[inline(never)]
    fn new(weights: &Weights) -> Result<Self, NodeError> {
        let (head, info) = (&weights.head, weights.info);
        if !info.is_streaming {
            probe_rows(weights, |rows| Ok(open(head, rows)?.memory_bytes()))?;
        } else if !weights.removes_window_mean() {
            probe_rows(weights, |rows| Ok(begin(head, rows)?.memory_bytes()))?;
        } else {
            return Err(NodeError::WindowMeanInStream);
        }
        Self::make(weights)
    }

    #[inline(never)]
    fn make(weights: &Weights) -> Result<Self, NodeError> {
        let (head, info) = (&weights.head, weights.info);
        if info.is_streaming {
            let stream = begin(head, info.window_rows)?;
            return Ok(Self::Stream { stream, logits: vec![0.0; info.classes] });
        }
        let window = open(head, info.window_rows)?;
        if !weights.removes_window_mean() {
            return Ok(Self::Window(window));
        }
        let rows = FrameWindow::new(info.window_rows, info.feature_dim)?;
        let numbers = info.window_rows * info.feature_dim;
        let mut gathered = Vec::new();
        let needed = numbers.saturating_mul(size_of::<f32>());
        gathered.try_reserve_exact(numbers).map_err(|_| NodeError::Memory { needed })?;
        Ok(Self::Whole { rows, gathered, window })
    }
}

/// Asks for the memory that `rows` rows will take, judged by what a few take.
///
/// Large parts are asked for politely where they are made, but not the small ones that come
/// after, which a heap that is just full would not have.
#[inline(never)]
fn probe_rows(
    weights: &Weights,
    bytes_of: impl Fn(usize) -> Result<usize, HeadError>,
) -> Result<(), NodeError> {
    const FEW: usize = 8;
    let (head, info) = (&weights.head, weights.info);
    let shape = head.shape();
    let [d, q, kv, dim, layers] =
        [shape.input_dim, shape.q_heads, shape.kv_heads, shape.head_dim, shape.layers]
            .map(usize::from);
    // What a few take is not known either, but small: so many numbers a row, and its lists.
    // Groups of like keys are there from the start.
    let record = head.record();
    let groups = match record.pattern {
        AttentionPattern::Salient => {
            usize::from(record.salient) + 8 * usize::from(record.per_level)
        }
        _ => 0,
    };
    let a_row = head.feature_dim() + 2 * d + (q + 2 * kv) * dim;
    let guess = if info.is_streaming { 8 * FEW } else { 2 * FEW };
    let numbers = a_row.saturating_mul(guess + groups);
    // Streams have longer lists of what a row looks at, and do not count them.
    let margin = if info.is_streaming { 8 * MARGIN } else { MARGIN };
    let a_layer = numbers.saturating_mul(size_of::<f32>()).saturating_add(margin);
    // A stream that pools keeps the logits of a window whatever its reach.
    let pooled = usize::from(record.window_len) * info.classes * size_of::<f32>();
    probe(&[a_layer.saturating_mul(layers + 1).saturating_add(pooled)])?;
    let few = bytes_of(FEW)?;
    let a_row = few.saturating_sub(bytes_of(FEW / 2)?).div_ceil(FEW / 2);
    let needed = few.saturating_add(a_row.saturating_mul(info.window_rows));
    let margin = margin.saturating_mul(layers + 1).saturating_add(needed / 4);
    probe(&[needed.saturating_add(margin)])
}

/// Bytes that are asked for on top of an estimate.
const MARGIN: usize = 4096;

/// Starts a stream that has all the memory it will ever need.
#[inline(never)]
fn begin(head: &TemporalHead, rows: usize) -> Result<Box<HeadStream>, HeadError> {
    let mut stream = start(head, rows)?;
    // Rows of zeros can leave the range of f32 with some weights; then real ones do as well.
    let _ = stream.step(head, &vec![0.0; head.feature_dim()]);
    stream.reset();
    Ok(stream)
}

/// Makes a window that has all the memory it will ever need.
#[inline(never)]
fn open(head: &TemporalHead, rows: usize) -> Result<Box<HeadWindow>, HeadError> {
    let mut window = create(head, rows)?;
    let row = vec![0.0; head.feature_dim()];
    for _ in 0..rows.min(2) {
        // As above.
        let _ = window.push(head, &row);
    }
    let _ = window.classify(head);
    window.clear();
    Ok(window)
}

#[inline(never)]
fn start(head: &TemporalHead, rows: usize) -> Result<Box<HeadStream>, HeadError> {
    Ok(Box::new(head.start_stream(head.backend(), rows)?))
}

#[inline(never)]
fn create(head: &TemporalHead, rows: usize) -> Result<Box<HeadWindow>, HeadError> {
    Ok(Box::new(HeadWindow::new(head, rows)?))
}

/// Which of the last rows were held.
#[derive(Clone, Debug)]
struct Held {
    marks: Vec<bool>,
    next: usize,
    count: usize,
}

impl Held {
    fn new(rows: usize) -> Self {
        Self { marks: vec![false; rows], next: 0, count: 0 }
    }

    fn clear(&mut self) {
        self.marks.fill(false);
        self.count = 0;
    }

    fn push(&mut self, is_held: bool) {
        if let Some(mark) = self.marks.get_mut(self.next) {
            let was_held = core::mem::replace(mark, is_held);
            self.count = self.count + usize::from(is_held) - usize::from(was_held);
            self.next = (self.next + 1) % self.marks.len();
        }
    }
}
