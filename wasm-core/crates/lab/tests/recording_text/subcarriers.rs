//! Which subcarrier a value stands for, and what decides it.

use csi_lab::recording::{DecidedBy, Field, Order, Role, SubcarrierMap};

use super::*;

/// A table of frames of `pairs` pairs that are alive where `alive` says so.
fn table(pairs: usize, alive: impl Fn(usize) -> bool) -> Recording {
    let names: Vec<String> = (0..pairs).map(|p| format!("i{p},q{p}")).collect();
    let row: Vec<&str> = (0..pairs).map(|p| if alive(p) { "3,4" } else { "0,0" }).collect();
    open(format!("{}\n{}", names.join(","), format!("{}\n", row.join(",")).repeat(5)))
}

fn indices(map: &SubcarrierMap, field: Field) -> Vec<i16> {
    map.useful_of(field).iter().map(|&p| map.subcarriers[usize::from(p)].index.unwrap()).collect()
}

fn range(from: i16, to: i16, without: &[i16]) -> Vec<i16> {
    (from..=to).filter(|k| !without.contains(k)).collect()
}

#[test]
fn zeros_tell_fft_order() {
    let recording = table(64, |p| p != 0 && !(27..=37).contains(&p));
    let map = &recording.streams[0].map;
    assert_eq!((map.order, map.decided_by), (Order::Fft, DecidedBy::NullPattern));
    assert_eq!(indices(map, Field::Lltf), range(-26, 26, &[0]));
    assert_eq!(map.useful()[0], 38, "k = -26 stands at pair 38");
    assert_eq!(map.subcarriers[0].role, Role::Dc);
    assert_eq!(map.subcarriers[7].role, Role::Pilot);
}

#[test]
fn zeros_tell_centred_order() {
    let recording = table(64, |p| p != 32 && (6..=58).contains(&p));
    let map = &recording.streams[0].map;
    assert_eq!((map.order, map.decided_by), (Order::Centred, DecidedBy::NullPattern));
    assert_eq!(map.useful(), (6..=58).filter(|p| *p != 32).collect::<Vec<u16>>());
}

#[test]
fn without_zeros_fft_order_is_assumed_and_the_user_may_say_otherwise() {
    let recording = table(64, |_| true);
    let map = &recording.streams[0].map;
    assert_eq!((map.order, map.decided_by), (Order::Fft, DecidedBy::Assumed));
    let chosen = map.with_order(Order::Centred);
    assert_eq!((chosen.order, chosen.decided_by), (Order::Centred, DecidedBy::User));
    assert_eq!(chosen.subcarriers[32].role, Role::Dc);
    assert_eq!(chosen.useful().len(), 52);
    assert_eq!(chosen.with_order(Order::Fft).subcarriers, map.subcarriers);
}

#[test]
fn a_lone_ht_field_has_56_useful_subcarriers() {
    let recording = table(64, |p| p != 0 && !(29..=35).contains(&p));
    let map = &recording.streams[0].map;
    assert_eq!(indices(map, Field::HtLtf), range(-28, 28, &[0]));
}

#[test]
fn three_blocks_and_a_40_mhz_block_of_192_pairs_are_told_apart_by_zeros() {
    let null_20 = |p: usize, ht: bool| {
        p == 0 || if ht { (29..=35).contains(&p) } else { (27..=37).contains(&p) }
    };
    let three = table(192, |p| !null_20(p % 64, p >= 64));
    assert_eq!(three.streams[0].map.fields(), [Field::Lltf, Field::HtLtf, Field::StbcHtLtf]);
    assert_eq!(indices(&three.streams[0].map, Field::HtLtf), range(-28, 28, &[0]));
    let wide = table(192, |p| {
        if p < 64 { (6..=58).contains(&p) && p != 32 } else { !(124..=132).contains(&p) && p != 64 }
    });
    let map = &wide.streams[0].map;
    assert_eq!(map.fields(), [Field::Lltf, Field::HtLtf]);
    assert_eq!(indices(map, Field::HtLtf), range(-58, 58, &[-1, 0, 1]));
    assert_eq!(map.useful().len(), 114);
}

#[test]
fn a_centred_40_mhz_block_of_128_pairs_is_recognised() {
    let recording = table(128, |p| (6..=122).contains(&p) && !(63..=65).contains(&p));
    let map = &recording.streams[0].map;
    assert_eq!((map.order, map.fields()), (Order::Centred, vec![Field::HtLtf]));
    assert_eq!(map.useful().len(), 114);
    assert_eq!(map.subcarriers[64].index, Some(0));
}

#[test]
fn metadata_come_before_zeros() {
    // Secondary channel below, 40 MHz: centred LLTF, HT-LTF in FFT order of 128.
    let recording = open(fixture("recordings/espressif_ht40.csv"));
    let map = &recording.streams[0].map;
    assert_eq!((map.order, map.decided_by), (Order::Centred, DecidedBy::Metadata));
    assert_eq!((map.subcarriers[0].index, map.subcarriers[63].index), (Some(-32), Some(31)));
    assert_eq!((map.subcarriers[64].index, map.subcarriers[191].index), (Some(0), Some(-1)));
}

#[test]
fn the_first_word_is_garbage_where_the_format_says_so() {
    let roles = |file: &str| {
        let map = open(fixture(file)).streams[0].map.clone();
        [map.subcarriers[0].role, map.subcarriers[1].role]
    };
    assert_eq!(roles("recordings/walking_esp32_107hz.csv"), [Role::Garbage; 2]);
    assert_eq!(roles("recordings/espressif_ht40.csv"), [Role::Garbage; 2]);
    assert_eq!(roles("recordings/espressif_15_columns_SYNTHETIC.csv"), [Role::Null; 2]);
    let fft = open(fixture("recordings/esp32_sta_fft_order.csv"));
    assert!(!fft.streams[0].map.useful().contains(&1), "k = 1 is overwritten");
}

#[test]
fn the_sensing_servers_56_amplitudes_miss_eight_subcarriers() {
    let recording = open(fixture("recordings/ruview_server_amplitudes.csi.jsonl"));
    let map = &recording.streams[0].map;
    assert_eq!((map.subcarriers[31].index, map.subcarriers[55].index), (Some(31), Some(-9)));
    assert_eq!(indices(map, Field::Lltf), range(-26, 26, &[-8, -7, -6, -5, -4, -3, -2, -1, 0]));
}

#[test]
fn amplitudes_without_names_keep_their_order() {
    let recording = open(fixture("recordings/geotec_labelled_amplitudes.csv"));
    let map = &recording.streams[0].map;
    assert_eq!((map.order, map.decided_by), (Order::AmplitudeOnly, DecidedBy::Unknown));
    assert_eq!(map.useful(), (0..56).collect::<Vec<u16>>());
    assert_eq!(map.with_order(Order::Fft), *map, "there is nothing to reorder");
}

#[test]
fn zeros_tell_that_52_pairs_are_the_first_of_64() {
    let recording = table(52, |p| p != 0 && !(27..=37).contains(&p));
    let map = &recording.streams[0].map;
    assert_eq!((map.order, map.decided_by), (Order::Fft, DecidedBy::NullPattern));
    assert_eq!(indices(map, Field::Lltf), [range(-26, -13, &[]), range(1, 26, &[])].concat());
    let unknown = table(52, |_| true);
    assert_eq!(unknown.streams[0].map.order, Order::AsStored, "all alive: nothing tells");
}
