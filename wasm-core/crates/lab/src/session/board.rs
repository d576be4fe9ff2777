//! What of the open recording and model a board is compared on.

use csi_temporal::feature::{Extractor, PipelineConfig};

use super::features::FeatureRows;
use super::model::Model;
use super::{LabError, Open, PipelineAsk, Result, Session};
use crate::device::{ParityAsk, ParityInput, Rows, RowsWanted, packet_of, rows_of};

impl Session {
    /// What it takes to compare a board with the open model on the first rows of the open stream,
    /// so many classifications, one a row. Rows are made by the pipeline that the model states,
    /// else by the one that is chosen here, with the mean of the window left in: board and page
    /// take it out where the model says so.
    ///
    /// As packets, the frames themselves are sent, and the board makes the rows; that needs a
    /// model that states its pipeline. A board with other weights gets the model's over the line.
    ///
    /// # Errors
    ///
    /// [`LabError::NoRecording`]; [`LabError::NoModel`]; [`LabError::Head`];
    /// [`LabError::Features`] for rows of another width than the model reads; [`LabError::NoRows`]
    /// for a recording too short for one classification; [`LabError::NoPhase`] for packets of
    /// frames that hold no pairs of 8 bits; [`LabError::Feature`].
    pub fn parity_ask(&mut self, classifications: u16, as_packets: bool) -> Result<ParityAsk> {
        let chosen = self.pipeline_ask()?;
        let (open, model) = (self.opened()?, self.need_model()?);
        let head = model.head.as_ref().map_err(|error| LabError::Head(*error))?;
        let pipeline = pipeline_of(open, model, &chosen)?;
        let expected = head.feature_dim();
        let window = if head.is_streaming() { 1 } else { usize::from(head.record().window_len) };
        let most = window + usize::from(classifications.max(1)) - 1;
        let stream = open.stream();
        let input = if as_packets {
            let (mut packets, mut rows) = (Vec::new(), 0);
            let mut extractor = Extractor::new(pipeline)?;
            for (index, frame) in stream.frames().enumerate() {
                if rows >= most {
                    break;
                }
                packets.push(packet_of(stream, index).ok_or(LabError::NoPhase)?);
                let mut made = 0;
                let _ = extractor.push(&frame, &mut |_| made += 1);
                // However many rows a frame brings, it brings one classification.
                rows += if rows < window { made } else { made.min(1) };
            }
            ParityInput::Packets { packets }
        } else {
            ParityInput::Rows { values: rows_of(stream, &pipeline, most)? }
        };
        if matches!(&input, ParityInput::Rows { values } if values.len() < window * expected) {
            return Err(LabError::NoRows);
        }
        Ok(ParityAsk {
            source: format!("{} {}", open.recording.report.source, open.recording.name),
            blob: self.blob_bytes()?.to_vec(),
            input,
            period_rows: 1,
            send_weights: true,
        })
    }

    /// Rows of the open stream that [`crate::device::Device::follow`] wants, made as for
    /// [`Session::parity_ask`], as far as the stream goes; none where there are no more. They end
    /// before a break of the clock.
    ///
    /// # Errors
    ///
    /// As [`Session::parity_ask`], but for [`LabError::NoRows`]; [`LabError::TooManyRows`].
    pub fn board_rows(&mut self, asked: &RowsWanted) -> Result<Rows> {
        let chosen = self.pipeline_ask()?;
        let pipeline = pipeline_of(self.opened()?, self.need_model()?, &chosen)?;
        let open = self.opened_mut()?;
        let mut rows = match open.for_board.take().filter(|rows| rows.is_of(&pipeline)) {
            Some(rows) => rows,
            None => FeatureRows::new(pipeline)?,
        };
        let part = rows.part(asked, open.stream());
        open.for_board = Some(rows);
        part
    }
}

/// The pipeline that the model states, else the one that is chosen here; one whose rows the model
/// reads.
fn pipeline_of(open: &Open, model: &Model, chosen: &PipelineAsk) -> Result<PipelineConfig> {
    let pipeline = match &model.blob.trailer.pipeline {
        Some(pipeline) => pipeline.clone(),
        None => open.config(chosen),
    };
    let (got, expected) = (pipeline.feature_dim(), model.blob.feature_dim());
    if got == expected { Ok(pipeline) } else { Err(LabError::Features { got, expected }) }
}
