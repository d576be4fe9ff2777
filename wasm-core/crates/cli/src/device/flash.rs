//! `csi flash`: writes firmware, weights or a plan, proves it, restarts the board and listens.

use std::path::PathBuf;

use csi_lab::device::{DeviceEvent, FateView, PlanAsk, PlanView};

use super::{firmware, open, plan_file, tell};
use crate::args::{Args, Item, required, unknown_option};
use crate::error::CliError;
use crate::files;

const BAUD: u32 = 921_600;

/// Writes what was asked for.
pub fn run(mut args: Args) -> Result<String, CliError> {
    let (mut port, mut plan, mut weights, mut folder) = (None, None, None, None::<PathBuf>);
    let (mut baud, mut is_dry) = (BAUD, false);
    while let Some(item) = args.next()? {
        let Item::Option(name) = item else {
            return Err(CliError::usage("csi flash takes options only; see `csi help`"));
        };
        match name.as_str() {
            "port" => port = Some(args.text(&name)?),
            "plan" => plan = Some(args.path()?),
            "weights" => weights = Some(args.path()?),
            "firmware" => folder = Some(args.path()?),
            "baud" => baud = args.value(&name)?,
            "dry-run" => is_dry = true,
            _ => return Err(unknown_option(&name)),
        }
    }
    let blob = weights.as_deref().map(files::read).transpose()?;
    let firmware = folder.as_deref().map(firmware).transpose()?;
    let ask = match (&plan, blob, &firmware) {
        (Some(path), None, _) => plan_file::read(path)?,
        (None, blob, Some(_)) => PlanAsk::Firmware { blob },
        (None, Some(blob), None) => PlanAsk::Weights { blob },
        (Some(_), Some(_), _) => {
            return Err(CliError::usage("either --plan or --weights; a plan can name the weights"));
        }
        (None, None, None) => {
            return Err(CliError::usage("flash what? --weights, --firmware or --plan"));
        }
    };
    let refused = |e| CliError::usage(format!("no plan of that: {e}"));
    if is_dry {
        let mut device = csi_lab::device::Device::new(Default::default());
        device.set_firmware(firmware);
        return Ok(show(device.plan(&ask).map_err(refused)?));
    }
    let mut drive = open(&required(port, "--port")?, baud)?;
    drive.device.set_firmware(firmware);
    let failed = |e| CliError::usage(format!("flash: {e}"));
    drive.device.attach();
    let now = drive.now();
    drive.device.identify(now).map_err(failed)?;
    drive.finish(|event| tell(&event)).map_err(failed)?;
    let shown = show(drive.device.plan(&ask).map_err(refused)?);
    eprint!("{shown}");
    let now = drive.now();
    drive.device.write(now).map_err(failed)?;
    let mut percent = 0;
    let mut left = "";
    drive
        .finish(|event| {
            tell(&event);
            match &event {
                DeviceEvent::Progress { progress } => {
                    let done = progress.done_bytes * 10 / progress.total_bytes.max(1) * 10;
                    if done != percent {
                        percent = done;
                        eprintln!("{done} %, {}", progress.region);
                    }
                }
                DeviceEvent::Failed { left: state, .. } => left = state,
                _ => {}
            }
        })
        .map_err(|e| CliError::usage(format!("flash: {e}. {left}")))?;
    let view = drive.device.view();
    let hash = view.plan.map_or_else(String::new, |plan| plan.hash);
    let runs = view.node.map_or_else(String::new, |node| {
        let crc = node.blob_crc.map_or("without weights".into(), |crc| format!("{crc:08x}"));
        format!("; {} runs csi-node {} {crc}", node.board_name, node.version)
    });
    Ok(format!("written and proved: plan {hash}{runs}\n"))
}

/// A plan as people read it.
fn show(plan: &PlanView) -> String {
    let mut text = String::new();
    for range in &plan.ranges {
        let fate = match range.fate {
            FateView::Keep => "keep ",
            FateView::Write => "write",
            FateView::Erase => "erase",
        };
        let hash = range.sha256.get(..16).unwrap_or("");
        let (from, to) = (range.offset, range.offset + range.bytes);
        text += &format!("{fate} {from:#010x}..{to:#010x} {} {hash}\n", range.name);
    }
    plan.notes.iter().for_each(|note| text += &format!("{note}\n"));
    text += &format!(
        "about {:.1} s at {} bits a second; plan {}\nby hand: {}\n",
        plan.estimate_seconds, plan.baud, plan.hash, plan.esptool
    );
    text
}
