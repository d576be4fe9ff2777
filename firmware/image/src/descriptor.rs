//! The description that the bootloader and flashing tools look for at the start of an image.
//!
//! | bytes      | field       | meaning                                             |
//! |------------|-------------|-----------------------------------------------------|
//! | `0..4`     | magic       | `0xABCD5432`                                        |
//! | `4..16`    |             | secure version and reserved, 0                      |
//! | `16..48`   | version     | text, filled up with zeros                          |
//! | `48..80`   | project     | text                                                |
//! | `80..112`  | time, date  | empty: an image is the same whenever it is built    |
//! | `112..144` | idf version | text                                                |
//! | `144..176` | ELF SHA-256 | written when the image is made                      |
//! | `176..180` | eFuse block | lowest and highest revision that it runs on, as u16 |
//! | `180`      | MMU page    | log2 of its bytes                                   |
//! | `181..256` |             | reserved, 0                                         |
//!
//! Source: ESP-IDF, `esp_app_desc_t`.

const LEN: usize = 256;
const HASH: usize = 144;

#[repr(C, align(4))]
struct Descriptor([u8; LEN]);

#[unsafe(link_section = ".flash.appdesc")]
#[used]
static DESCRIPTOR: Descriptor = Descriptor({
    let mut bytes = [0; LEN];
    put(&mut bytes, 0, &0xABCD_5432_u32.to_le_bytes());
    put(&mut bytes, 16, env!("CARGO_PKG_VERSION").as_bytes());
    put(&mut bytes, 48, b"csi-node");
    put(&mut bytes, 112, b"none");
    put(&mut bytes, 178, &u16::MAX.to_le_bytes());
    bytes[180] = 16;
    bytes
});

const fn put(bytes: &mut [u8; LEN], at: usize, what: &[u8]) {
    let mut index = 0;
    while index < what.len() {
        bytes[at + index] = what[index];
        index += 1;
    }
}

/// Returns the first eight bytes of the image's hash; zeros in a file that was only linked.
pub fn image_hash() -> [u8; 8] {
    let first = (&raw const DESCRIPTOR).cast::<u8>();
    // SAFETY: within the descriptor; volatile, because tools change it after the compiler.
    core::array::from_fn(|index| unsafe { first.add(HASH + index).read_volatile() })
}
