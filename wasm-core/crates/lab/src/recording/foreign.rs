//! Formats that are recognised but not read, so that the refusal can name them and say what
//! helps.
//!
//! Recognition looks at the first bytes only, never at the file name: `.csi` is the extension
//! of three formats.

use super::Refusal;
use super::carry::u32_le;

/// A file format that the lab knows but does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    /// PicoScenes `.csi`.
    PicoScenes,
    /// FeitCSI `.csi`.
    FeitCsi,
    /// NumPy archive of arrays, `.npz`.
    Npz,
    /// One NumPy array, `.npy`.
    Npy,
    /// HDF5, also MATLAB 7.3 files without their text header.
    Hdf5,
    /// MATLAB `.mat`, any version from 5.
    Matlab,
    /// ZIP archive.
    Zip,
    /// gzip-compressed file.
    Gzip,
    /// Another compressed file or archive: xz, bzip2, Zstandard, 7-Zip, RAR.
    Compressed,
}

impl Foreign {
    /// Every format.
    #[cfg(test)]
    const ALL: [Self; 9] = [
        Self::PicoScenes,
        Self::FeitCsi,
        Self::Npz,
        Self::Npy,
        Self::Hdf5,
        Self::Matlab,
        Self::Zip,
        Self::Gzip,
        Self::Compressed,
    ];

    /// Names the format that the first bytes of a file belong to.
    pub(super) fn recognise(start: &[u8]) -> Option<Self> {
        const MAGICS: [(&[u8], Foreign); 10] = [
            (b"\x93NUMPY", Foreign::Npy),
            (b"\x89HDF\r\n\x1a\n", Foreign::Hdf5),
            (b"MATLAB 5.0 MAT-file", Foreign::Matlab),
            (b"MATLAB 7.3 MAT-file", Foreign::Matlab),
            (b"\x1f\x8b", Foreign::Gzip),
            (b"\xfd7zXZ\0", Foreign::Compressed),
            (b"BZh", Foreign::Compressed),
            (b"\x28\xb5\x2f\xfd", Foreign::Compressed),
            (b"7z\xbc\xaf\x27\x1c", Foreign::Compressed),
            (b"Rar!\x1a\x07", Foreign::Compressed),
        ];
        if start.starts_with(b"PK\x03\x04") {
            return Some(if first_entry_is_npy(start) { Self::Npz } else { Self::Zip });
        }
        if start.get(4..8) == Some(&[0x15, 0x03, 0x15, 0x20]) {
            return Some(Self::PicoScenes);
        }
        let magic = MAGICS.iter().find(|(magic, _)| start.starts_with(magic));
        magic.map(|(_, format)| *format).or_else(|| is_feit_csi(start).then_some(Self::FeitCsi))
    }

    /// The refusal that says so.
    pub(super) const fn refusal(self) -> Refusal {
        Refusal::Foreign { code: self.code(), name: self.name(), advice: self.advice() }
    }

    /// The stable code that reports and the page match on.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::PicoScenes => "recording/picoscenes",
            Self::FeitCsi => "recording/feitcsi",
            Self::Npz => "recording/npz",
            Self::Npy => "recording/npy",
            Self::Hdf5 => "recording/hdf5",
            Self::Matlab => "recording/matlab",
            Self::Zip => "recording/zip",
            Self::Gzip => "recording/gzip",
            Self::Compressed => "recording/compressed",
        }
    }

    /// The format's name for people.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::PicoScenes => "a PicoScenes recording",
            Self::FeitCsi => "a FeitCSI recording",
            Self::Npz => "a NumPy .npz archive",
            Self::Npy => "a NumPy .npy array",
            Self::Hdf5 => "an HDF5 file",
            Self::Matlab => "a MATLAB .mat file",
            Self::Zip => "a ZIP archive",
            Self::Gzip => "a gzip-compressed file",
            Self::Compressed => "a compressed file",
        }
    }

    /// What a person can do to get the recording into the lab: one sentence.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::PicoScenes => {
                "Open it with the PicoScenes Python or MATLAB toolbox and write the CSI \
                 amplitudes to a CSV with one row a frame."
            }
            Self::FeitCsi => {
                "Convert it with CSIKit (csikit --csv FILE) or the scripts that come with FeitCSI \
                 to a CSV with one row a frame."
            }
            Self::Npz | Self::Npy => {
                "Load it in Python and write it with numpy.savetxt(\"out.csv\", array, \
                 delimiter=\",\"), one row a frame."
            }
            Self::Hdf5 => {
                "Load it in Python with h5py and write the CSI array with numpy.savetxt to a \
                 CSV, one row a frame."
            }
            Self::Matlab => {
                "Load it in MATLAB or with scipy.io.loadmat and write abs(csi) to a CSV, one \
                 row a frame."
            }
            Self::Zip | Self::Compressed => "Unpack it and open the recording inside.",
            Self::Gzip => "Unpack it (gunzip) and open the recording inside.",
        }
    }
}

/// Whether a ZIP's first local entry is a NumPy array.
fn first_entry_is_npy(start: &[u8]) -> bool {
    let length = start.get(26..28).map_or(0, |n| usize::from(u16::from_le_bytes([n[0], n[1]])));
    start.get(30..30 + length).is_some_and(|name| name.ends_with(b".npy"))
}

/// Whether a FeitCSI header's byte count agrees with its antennas and subcarriers: 4 bytes each.
fn is_feit_csi(start: &[u8]) -> bool {
    let agrees = || {
        let bytes = u32_le(start, 0)?;
        let (receivers, transmitters) = (u32::from(*start.get(46)?), u32::from(*start.get(47)?));
        let subcarriers = u32_le(start, 52)?;
        let known = matches!(subcarriers, 52 | 56 | 114 | 242 | 484 | 498 | 996 | 1992 | 2020);
        let chains = (1..=4).contains(&receivers) && (1..=4).contains(&transmitters);
        Some(known && chains && bytes == 4 * receivers * transmitters * subcarriers)
    };
    agrees().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_known_by_its_first_bytes() {
        let npz = [&b"PK\x03\x04"[..], &[0; 22], &[7, 0, 0, 0], b"csi.npy"].concat();
        let mut feit = [0u8; 272];
        feit[..4].copy_from_slice(&448u32.to_le_bytes());
        (feit[46], feit[47], feit[52]) = (2, 1, 56);
        let seen: Vec<_> = [
            &[0xd4, 0, 0, 0, 0x15, 0x03, 0x15, 0x20, 1, 0][..],
            &feit,
            &npz,
            b"\x93NUMPY\x01\x00",
            b"\x89HDF\r\n\x1a\n",
            b"MATLAB 5.0 MAT-file, Platform: GLNXA64",
            b"PK\x03\x04\x14\0\0\0",
            b"\x1f\x8b\x08",
            b"BZh9",
        ]
        .map(Foreign::recognise)
        .to_vec();
        assert_eq!(seen, Foreign::ALL.map(Some));
    }

    #[test]
    fn recordings_that_can_be_read_are_not_foreign() {
        for start in [&b"CSI_DATA,1,"[..], b"{\"timestamp\":1}", &[0x01, 0, 0x11, 0xc5], b""] {
            assert_eq!(Foreign::recognise(start), None);
        }
    }

    #[test]
    fn each_refusal_names_the_format_and_what_to_do() {
        for format in Foreign::ALL {
            assert!(format.name().starts_with("a"), "{}", format.code());
            assert!(format.advice().ends_with('.'), "{}", format.code());
        }
    }
}
