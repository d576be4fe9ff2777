//! Carrying out a plan: piece by piece erased, sent and proved, and again where that failed.

use crate::command::{BLOCK, Command};
use crate::error::FlashError;
use crate::loader::Event;
use crate::loader::session::Session;
use crate::plan::{Piece, Plan, Region};

/// How often it may fail without a piece having been proved in between.
const FAILURES: u32 = 5;
/// After so many of them the chip is reset and spoken to at its first speed.
const SOFT_FAILURES: u32 = 2;
/// How often a block is sent whose checksum the loader finds wrong.
const SENDS: u32 = 3;
/// The loader's word for a wrong checksum.
const WRONG_CHECKSUM: u8 = 7;
/// How long a block may take that is not packed, in microseconds.
const BLOCK_MICROS: u64 = 3_000_000;
/// What a flash may take to erase and to write a megabyte, in seconds: what esptool allows.
const WRITE_SECONDS_PER_MB: u64 = 40;

/// How far a plan has come.
#[derive(Default)]
struct Position {
    region: usize,
    piece: usize,
    /// Of this region.
    done_bytes: u32,
    written_bytes: u32,
    /// Whether pieces are looked at before they are written, since something failed.
    look_first: bool,
    failures: u32,
}

pub(super) async fn write(session: &mut Session, plan: &Plan) -> Result<(), FlashError> {
    let mut at = Position::default();
    loop {
        let error = match go_on(session, plan, &mut at).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let again = matches!(
            error,
            FlashError::Lost
                | FlashError::NoReply { .. }
                | FlashError::Refused { .. }
                | FlashError::Unsteady { .. }
                | FlashError::Verify { .. }
        );
        at.failures += 1;
        if !again || at.failures >= FAILURES {
            return Err(error);
        }
        at.look_first = true;
        session.io.tell(Event::Retrying(error));
        if session.io.is_lost() {
            session.io.reopen(session.config.reopen_micros).await?;
        }
        if at.failures > SOFT_FAILURES {
            session.slow = true;
            session.io.set_chip(None);
        }
    }
}

/// Goes on with the first piece that is not proved.
async fn go_on(session: &mut Session, plan: &Plan, at: &mut Position) -> Result<(), FlashError> {
    let chip = session.ready().await?;
    let needed = plan.flash_bytes().min(plan.end());
    if needed > chip.flash_bytes {
        return Err(FlashError::FlashTooSmall { needed, have: chip.flash_bytes });
    }
    while let Some(region) = plan.regions().get(at.region) {
        while let Some(piece) = region.pieces().get(at.piece) {
            let look = at.look_first || plan.skips_equal();
            if !look || session.md5(piece.offset, piece.len).await? != piece.md5 {
                session.io.set_unfinished(Some((at.region, piece.offset, piece.len)));
                send(session, region, piece, at).await?;
                at.written_bytes += piece.len;
            }
            session.io.set_unfinished(None);
            at.done_bytes += piece.len;
            at.piece += 1;
            (at.failures, at.look_first) = (0, false);
            progress(session, region, at, 0);
        }
        prove(session, region, at).await?;
        *at = Position { region: at.region + 1, ..Position::default() };
    }
    Ok(())
}

/// Erases a piece, sends it, and has the chip prove it.
async fn send(
    session: &Session,
    region: &Region,
    piece: &Piece,
    at: &Position,
) -> Result<(), FlashError> {
    progress(session, region, at, 0);
    let packed = !piece.packed.is_empty();
    let raw;
    let payload = if packed {
        &piece.packed
    } else {
        raw = region.bytes(piece.offset, piece.len);
        &raw
    };
    let micros = 3_000_000 + u64::from(piece.len) * WRITE_SECONDS_PER_MB;
    let begin = Command::Begin {
        packed,
        size: piece.padded(),
        blocks: piece.blocks(),
        offset: piece.offset,
    };
    session.ask(&begin, micros).await?;
    let block_micros = if packed { micros } else { BLOCK_MICROS };
    for (sequence, block) in payload.chunks(BLOCK).enumerate() {
        let data = Command::Data { packed, sequence: sequence as u32, payload: block };
        send_block(session, &data, block_micros).await?;
        let sent = ((sequence + 1) * BLOCK).min(payload.len()) as u64;
        let share = u64::from(piece.len) * sent / payload.len() as u64;
        // The last bytes count when they are proved.
        progress(session, region, at, (share as u32).min(piece.len - 1));
    }
    // One bit error in the reply is no reason to write again.
    let (offset, len) = (piece.offset, piece.len);
    for _ in 0..2 {
        if session.md5(offset, len).await? == piece.md5 {
            return Ok(());
        }
    }
    Err(FlashError::Verify { offset, len })
}

/// Sends a block, and again when it arrived damaged. When it is not answered nobody knows whether
/// it was written, so the piece must begin anew.
async fn send_block(session: &Session, data: &Command<'_>, micros: u64) -> Result<(), FlashError> {
    let op = data.op();
    let mut error = FlashError::NoReply { op };
    for _ in 0..SENDS {
        session.io.send(data);
        let answer = session.io.answer(op, micros).await?;
        match answer.as_ref().and_then(|answer| answer.reply()).map(|reply| reply.refused) {
            None => return Err(FlashError::NoReply { op }),
            Some(None) => return Ok(()),
            Some(Some(reason)) => error = FlashError::Refused { op, reason },
        }
        if error != (FlashError::Refused { op, reason: WRONG_CHECKSUM }) {
            break;
        }
    }
    Err(error)
}

/// Has the chip prove the region as a whole.
async fn prove(session: &Session, region: &Region, at: &mut Position) -> Result<(), FlashError> {
    let (offset, len) = (region.offset(), region.len());
    if region.pieces().len() > 1 && session.md5(offset, len).await? != region.md5() {
        (at.piece, at.done_bytes) = (0, 0);
        return Err(FlashError::Verify { offset, len });
    }
    let (md5, written_bytes) = (region.md5(), at.written_bytes);
    session.io.tell(Event::Verified { region: at.region, md5, written_bytes });
    Ok(())
}

fn progress(session: &Session, region: &Region, at: &Position, more: u32) {
    session.io.tell(Event::Progress {
        region: at.region,
        done_bytes: at.done_bytes + more,
        total_bytes: region.len(),
    });
}
