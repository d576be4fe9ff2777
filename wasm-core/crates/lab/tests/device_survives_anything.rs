//! Whatever a board sends and whenever the port goes away, a device neither panics nor hangs, and
//! it can be used afterwards.

mod device_support;

use csi_lab::device::{CheckAsk, Device, DeviceConfig, DeviceEvent, PlanAsk, Task};
use csi_temporal::crc32::crc32;
use device_support::{Story, blob, firmware, flashed, parity};
use esp_flasher::{Action, Cable};

struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.next() as u8).collect()
    }

    /// A sound frame of any kind with any payload: often a reply that was never asked for.
    fn frame(&mut self) -> Vec<u8> {
        let kind =
            [0x81, 0x82, 0x83, 0x84, 0x84, 0x84, 0x85, 0x86, 0x87, 0x01][self.below(10) as usize];
        let mut payload = self.bytes(80);
        if kind == 0x84 {
            payload = vec![1 + self.below(11) as u8, self.below(40) as u8, 0, 0, 0];
        }
        let mut body = vec![kind, payload.len() as u8, 0];
        body.extend(payload);
        let crc = crc32(&body);
        [&[0x55, 0xAA][..], &body, &crc.to_le_bytes()].concat()
    }

    /// A reply of a loader, or half of one.
    fn slip(&mut self) -> Vec<u8> {
        let op = [0x08, 0x14, 0x0A, 0x09, 0x0D, 0x0B, 0x02, 0x13][self.below(8) as usize];
        let mut packet = vec![0xC0, 0x01, op, 4, 0, 1, 2, 3, 4];
        packet.extend(self.bytes(24));
        packet.push(0xC0);
        packet
    }
}

#[test]
fn any_bytes_at_any_time_in_any_task() {
    let (weights, mut tasks) = (blob(1), [0; 2]);
    for seed in 1..=400_u64 {
        let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let cable = [Cable::SerialJtag, Cable::Bridge, Cable::Unknown][chance.below(3) as usize];
        let mut device = Device::new(DeviceConfig { cable, ..DeviceConfig::default() });
        let mut now = 0;
        device.attach();
        for _ in 0..60 {
            now += chance.below(1_500_000);
            match chance.below(10) {
                0 => device.handle_lost(now),
                1 => device.handle_opened(now),
                2 => device.handle_bytes(now, &chance.bytes(300)),
                3 | 4 => device.handle_bytes(now, &chance.frame()),
                5 | 6 => device.handle_bytes(now, &chance.slip()),
                _ => device.handle_timeout(now),
            }
            // Refused or not: nothing may break.
            let _ = match chance.below(16) {
                0 => device.connect(now),
                1 => device.identify(now),
                2 => device.parity(now, parity(&weights, 16)),
                3 => device.upload(now, weights.clone()),
                4 => device.check(now, CheckAsk::default()),
                5 => device.restart(now),
                6 => device.plan(&PlanAsk::Weights { blob: weights.clone() }).map(|_| ()),
                7 => device.write(now),
                _ => Ok(()),
            };
            if chance.below(20) == 0 {
                device.cancel(now);
            }
            while let Some(action) = device.poll_action() {
                if matches!(action, Action::SetBaud(_)) {
                    device.handle_opened(now);
                }
            }
            while let Some(event) = device.poll_event() {
                match event {
                    DeviceEvent::Done { .. } => tasks[0] += 1,
                    DeviceEvent::Failed { left, message, .. } => {
                        assert!(!left.is_empty() && !message.is_empty());
                        tasks[1] += 1;
                    }
                    _ => {}
                }
            }
        }
        // Left alone, whatever goes on comes to an end: everything has a limit.
        let mut steps = 0;
        while let Some(at) = device.poll_timeout() {
            now = now.max(at);
            device.handle_timeout(now);
            while device.poll_action().is_some() {}
            steps += 1;
            assert!(steps < 10_000, "seed {seed}, {at} at {now}: {:?}", device.view());
        }
        assert_eq!(device.view().task, None, "seed {seed}");
        device.disconnect();
        assert!(!device.view().is_open);
    }
    assert!(tasks.iter().all(|count| *count > 20), "{tasks:?} done and failed");
}

#[test]
fn writing_under_chance_faults_ends_with_the_node_or_a_named_error_that_a_new_write_mends() {
    let mut ends = [0; 2];
    for seed in 1..=12 {
        let faults = format!(
            "flip-in%3000,flip-out%3000,lose-out%9000,double-in%9000,mute%150,md5%40,unplug@{}:300,seed:{seed}",
            20 + seed * 3
        );
        let weights = blob(seed);
        let mut story = Story::new(flashed(None), Cable::Bridge, &faults).connected();
        story.device.set_firmware(Some(firmware()));
        let mut tries = 0;
        while let Err(error) = story.write(&PlanAsk::Firmware { blob: Some(weights.clone()) }) {
            tries += 1;
            ends[1] += 1;
            assert!(!error.code().is_empty() && tries < 10, "{faults}: {error}");
            if !story.device.view().is_open {
                story.link = csi_lab::sim::drive::Link::open(story.now());
                story.device.connect(story.now()).unwrap();
                assert_eq!(story.finish(), Ok(Task::Connect));
            }
        }
        ends[0] += 1;
        for (part, bytes) in firmware().parts() {
            assert_eq!(story.board.flash().read(part.offset, part.bytes), bytes, "{faults}");
        }
        assert_eq!(story.board.flash().read(0x11_0000, weights.len() as u32), weights, "{faults}");
    }
    println!("{} ended with the node, {} tries with a named error before", ends[0], ends[1]);
}
