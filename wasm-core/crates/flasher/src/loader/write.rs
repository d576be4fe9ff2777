//! Carrying out a plan: piece by piece erased and sent, proved, and again where that failed.

use alloc::vec::Vec;

use crate::command::{BLOCK, Command};
use crate::error::FlashError;
use crate::loader::Event;
use crate::loader::session::Session;
use crate::plan::{Piece, Plan, Region};

/// How often it may fail without more pieces having been proved in between.
const FAILURES: u32 = 5;
/// After so many of them the chip is reset and spoken to at its first speed.
const SOFT_FAILURES: u32 = 2;
/// How often a block is sent that the loader finds damaged.
const SENDS: u32 = 6;
/// The loader's words for a request of a wrong length or checksum, which it does not carry out.
const DAMAGED: [u8; 2] = [5, 7];
/// How long a block may take that is not packed, in microseconds.
const BLOCK_MICROS: u64 = 3_000_000;
/// What a flash may take to erase and to write a megabyte, in seconds: what esptool allows.
const WRITE_SECONDS_PER_MB: u64 = 40;

/// How far a plan has come.
#[derive(Default)]
struct Position {
    region: usize,
    /// Which pieces of this region the chip has proved one by one; shorter where not yet known.
    proved: Vec<bool>,
    /// The most pieces of this region that were ever proved.
    best: usize,
    written_bytes: u32,
    /// Whether pieces are looked at before they are sent, since something failed.
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

/// Goes on with the first region that is not proved.
///
/// A region is sent as a whole, and then proved as a whole. Where either fails, its pieces are
/// looked at one by one, and those that differ are sent again.
async fn go_on(session: &mut Session, plan: &Plan, at: &mut Position) -> Result<(), FlashError> {
    let chip = session.ready().await?;
    if plan.end() > chip.flash_bytes {
        let (needed, have) = (plan.end(), chip.flash_bytes);
        return Err(FlashError::FlashTooSmall { needed, have });
    }
    while let Some(region) = plan.regions().get(at.region) {
        at.proved.resize(region.pieces().len(), false);
        let mut done = 0;
        for (number, piece) in region.pieces().iter().enumerate() {
            let look = at.look_first || plan.skips_equal();
            if look && !at.proved[number] {
                at.proved[number] = session.md5(piece.offset, piece.len).await? == piece.md5;
                let proved = at.proved.iter().filter(|proved| **proved).count();
                if proved > at.best {
                    (at.best, at.failures) = (proved, 0);
                }
            }
            if !at.proved[number] {
                let begun = piece.offset + piece.len - region.offset();
                session.io.set_unfinished(Some((at.region, region.offset(), begun)));
                at.written_bytes += piece.len;
                send(session, region, piece, (at.region, done)).await?;
            }
            done += piece.len;
        }
        prove(session, region, at).await?;
        session.io.set_unfinished(None);
        *at = Position { region: at.region + 1, ..Position::default() };
    }
    Ok(())
}

/// Erases a piece and sends it.
async fn send(
    session: &Session,
    region: &Region,
    piece: &Piece,
    (number, done): (usize, u32),
) -> Result<(), FlashError> {
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
    progress(session, region, number, done);
    session.ask(&begin, micros).await?;
    let block_micros = if packed { micros } else { BLOCK_MICROS };
    for (sequence, block) in payload.chunks(BLOCK).enumerate() {
        let data = Command::Data { packed, sequence: sequence as u32, payload: block };
        send_block(session, &data, block_micros).await?;
        let sent = ((sequence + 1) * BLOCK).min(payload.len()) as u64;
        let share = u64::from(piece.len) * sent / payload.len() as u64;
        progress(session, region, number, done + share as u32);
    }
    Ok(())
}

/// Sends a block, and again when it arrived damaged. When it is not answered nobody knows whether
/// it was written, so the piece must begin anew.
async fn send_block(session: &Session, data: &Command<'_>, micros: u64) -> Result<(), FlashError> {
    let op = data.op();
    let mut refused = FlashError::NoReply { op };
    for _ in 0..SENDS {
        session.io.send(data);
        let answer = session.io.answer(op, micros).await?;
        match answer.as_ref().and_then(|answer| answer.reply()).map(|reply| reply.refused) {
            None => return Err(FlashError::NoReply { op }),
            Some(None) => return Ok(()),
            Some(Some(reason)) => {
                refused = FlashError::Refused { op, reason };
                if !DAMAGED.contains(&reason) {
                    break;
                }
            }
        }
    }
    Err(refused)
}

/// Has the chip prove the region as a whole.
async fn prove(session: &Session, region: &Region, at: &mut Position) -> Result<(), FlashError> {
    let offset = region.offset();
    let (len, md5) = region.proof();
    // One bit error in a reply is no reason to write again.
    if session.md5(offset, len).await? != md5 && session.md5(offset, len).await? != md5 {
        at.proved.fill(false);
        return Err(FlashError::Verify { offset, len });
    }
    progress(session, region, at.region, region.len());
    let (md5, written_bytes) = (region.md5(), at.written_bytes.min(region.len()));
    session.io.tell(Event::Verified { region: at.region, md5, written_bytes });
    Ok(())
}

fn progress(session: &Session, region: &Region, number: usize, done: u32) {
    let total_bytes = region.len();
    let done_bytes = done.min(total_bytes);
    session.io.tell(Event::Progress { region: number, done_bytes, total_bytes });
}
