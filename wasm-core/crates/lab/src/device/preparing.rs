//! What comes before rows are sent: HELLO, the weights if they differ, CONFIGURE.

use csi_node::protocol::{Reply, Request, Settings, VERSION, kind};

use super::DeviceError;
use super::event::NodeView;
use super::talk::{Patience, SOON_MICROS, Said, Talk, Turn};
use super::upload::Upload;

/// Makes the node ready to answer every row, as it comes, with all logits.
pub(super) struct Prepare {
    /// The blob, as a file.
    blob: Vec<u8>,
    blob_crc: u32,
    period_rows: u16,
    /// Whether a node with other weights gets these over the line.
    send_weights: bool,
    stage: Stage,
    patience: Patience,
    node: Option<NodeView>,
}

enum Stage {
    Hello,
    Upload(Upload),
    Configure,
}

impl Prepare {
    /// Sends nothing yet.
    pub fn new(blob: Vec<u8>, period_rows: u16, send_weights: bool) -> Self {
        let blob_crc = Upload::new(blob.clone()).blob_crc();
        let (stage, patience) = (Stage::Hello, Patience::default());
        let period_rows = period_rows.max(1);
        Self { blob, blob_crc, period_rows, send_weights, stage, patience, node: None }
    }

    /// The CRC that closes our blob.
    pub fn blob_crc(&self) -> u32 {
        self.blob_crc
    }

    /// Begins, or begins anew.
    pub fn begin(&mut self, talk: &mut Talk<'_>) {
        self.stage = Stage::Hello;
        self.ask_for(talk, &Request::Hello);
    }

    /// Whether weights are under way, which repair damage by themselves. Of any other damage, who
    /// asked begins anew.
    pub fn is_uploading(&self) -> bool {
        matches!(self.stage, Stage::Upload(_))
    }

    /// Takes what the node said; what it said of itself once it is ready. Errors are final.
    pub fn hear(&mut self, talk: &mut Talk<'_>, said: Said<'_>) -> Turn<NodeView> {
        if let Stage::Upload(upload) = &mut self.stage {
            if upload.hear(talk, said)?.is_some() {
                self.configure(talk);
            }
            return Ok(None);
        }
        match said {
            Said::Reply(Reply::Error { request, code }) => Err(DeviceError::refused(request, code)),
            Said::Reply(Reply::Greeting(greeting)) if matches!(self.stage, Stage::Hello) => {
                self.greeted(talk, NodeView::of(&greeting)).map(|()| None)
            }
            Said::Reply(Reply::Done { request: kind::CONFIGURE, .. })
                if matches!(self.stage, Stage::Configure) =>
            {
                self.patience.end();
                Ok(self.node.take())
            }
            Said::Reply(_) | Said::Damaged(_) => Ok(None),
        }
    }

    /// Returns the reason to begin anew, once an answer was waited for too long.
    pub fn handle_timeout(&mut self, talk: &mut Talk<'_>) -> Turn<DeviceError> {
        match &mut self.stage {
            Stage::Upload(upload) => upload.handle_timeout(talk).map(|_| None),
            _ => Ok(self.patience.is_over(talk.now_micros)),
        }
    }

    pub fn poll_timeout(&self) -> Option<u64> {
        match &self.stage {
            Stage::Upload(upload) => upload.poll_timeout(),
            _ => self.patience.poll_timeout(),
        }
    }

    fn ask_for(&mut self, talk: &mut Talk<'_>, request: &Request<'_>) {
        talk.send(request);
        self.patience.begin(talk.now_micros, request.kind(), SOON_MICROS);
    }

    fn greeted(&mut self, talk: &mut Talk<'_>, node: NodeView) -> Result<(), DeviceError> {
        if node.protocol != VERSION {
            return Err(DeviceError::Version { board: node.protocol });
        }
        let (board, ours) = (node.blob_crc, self.blob_crc);
        self.node = Some(node);
        if board == Some(ours) {
            self.configure(talk);
        } else if self.send_weights {
            let mut upload = Upload::new(self.blob.clone());
            upload.go(talk);
            self.stage = Stage::Upload(upload);
        } else {
            return Err(DeviceError::OtherWeights { board: board.unwrap_or(0), ours });
        }
        Ok(())
    }

    fn configure(&mut self, talk: &mut Talk<'_>) {
        let settings = Settings {
            send_logits: true,
            acknowledge: true,
            rows_as_they_come: true,
            period_rows: self.period_rows,
            ..Settings::default()
        };
        self.stage = Stage::Configure;
        self.ask_for(talk, &Request::Configure(settings));
    }
}
