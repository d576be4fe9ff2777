//! What the programs of `bench/` print: one line of JSON per subject, and questions to all of them.

use serde_json::Value;

use crate::sys::Result;

/// Where something was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Native,
    Node,
    Chromium,
}

impl Place {
    pub const ALL: [Self; 3] = [Self::Native, Self::Node, Self::Chromium];

    /// The name in the programs' lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Node => "node",
            Self::Chromium => "chromium",
        }
    }
}

/// One subject of one size in one build.
#[derive(Clone, Debug, PartialEq)]
struct Record {
    place: Place,
    build: String,
    name: String,
    size: usize,
    micros: f64,
    flops: f64,
    memory_bytes: f64,
    bits: u64,
    difference: Option<f64>,
}

/// All that was measured.
#[derive(Clone, Debug, Default)]
pub struct Records {
    records: Vec<Record>,
    /// A line per place: versions and clock.
    pub places: Vec<String>,
}

impl Records {
    /// Adds what a program printed.
    ///
    /// # Errors
    ///
    /// When a line is not one of the programs'.
    pub fn read(&mut self, place: Place, lines: &str) -> Result<()> {
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            let value: Value =
                serde_json::from_str(line).map_err(|error| format!("`{line}`: {error}"))?;
            if let Some(version) = value["version"].as_str() {
                let clock = value["clock"].as_str().unwrap_or_default();
                self.places.push(format!("{version}, {clock}"));
            } else {
                let record =
                    record(place, &value).ok_or_else(|| format!("`{line}` lacks a key"))?;
                self.records.push(record);
            }
        }
        Ok(())
    }

    /// Returns the sizes at which a subject was measured, ascending.
    pub fn sizes(&self, name: &str) -> Vec<usize> {
        let named = self.records.iter().filter(|record| record.name == name);
        let mut sizes: Vec<usize> = named.map(|record| record.size).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    fn find(&self, place: Place, subject: Subject<'_>, size: usize) -> Option<&Record> {
        let (build, name) = subject;
        self.records.iter().find(|record| {
            record.place == place
                && record.build == build
                && record.name == name
                && record.size == size
        })
    }

    /// Returns the time of one run, in microseconds: the median, in Chromium the least.
    pub fn micros(&self, place: Place, subject: Subject<'_>, size: usize) -> Option<f64> {
        self.find(place, subject, size).map(|record| record.micros)
    }

    /// Returns how many times `quick` runs while `slow` runs once.
    pub fn ratio(
        &self,
        place: Place,
        slow: Subject<'_>,
        quick: Subject<'_>,
        size: usize,
    ) -> Option<f64> {
        Some(self.micros(place, slow, size)? / self.micros(place, quick, size)?)
    }

    /// Returns the additions and multiplications of one run, where they are counted.
    pub fn flops(&self, place: Place, subject: Subject<'_>, size: usize) -> Option<f64> {
        self.find(place, subject, size).map(|record| record.flops).filter(|flops| *flops > 0.0)
    }

    /// Returns the bytes that a stream keeps, where it says them.
    pub fn memory_bytes(&self, place: Place, subject: Subject<'_>, size: usize) -> Option<f64> {
        let bytes = self.find(place, subject, size)?.memory_bytes;
        (bytes > 0.0).then_some(bytes)
    }

    /// Returns additions and multiplications per nanosecond.
    pub fn gigaflops(&self, place: Place, subject: Subject<'_>, size: usize) -> Option<f64> {
        Some(self.flops(place, subject, size)? / self.micros(place, subject, size)? / 1e3)
    }

    /// Returns the time of the fastest subject of this build whose name starts so.
    pub fn best(&self, place: Place, build: &str, start: &str, size: usize) -> Option<f64> {
        let fits = |record: &&Record| {
            record.place == place
                && record.build == build
                && record.size == size
                && record.name.starts_with(start)
        };
        self.records.iter().filter(fits).map(|record| record.micros).reduce(f64::min)
    }

    /// Returns the largest difference of our outputs to upstream's for the same edges.
    pub fn largest_difference(&self) -> Option<f64> {
        self.records.iter().filter_map(|record| record.difference).reduce(f64::max)
    }

    /// Returns how many windows of our own kernels (subject, size) were computed in more than one
    /// build or place, and how many of these differ in any bit. Streams are at other tokens in
    /// each place, so their last outputs are not compared.
    pub fn bits(&self) -> (usize, usize) {
        let ours = |record: &&Record| {
            let other = record.name.starts_with("upstream") || record.name.ends_with("step");
            record.build != "peer" && !["peak", "tile"].contains(&record.name.as_str()) && !other
        };
        let mut keys: Vec<_> =
            self.records.iter().filter(ours).map(|r| (&r.name, r.size)).collect();
        keys.sort_unstable();
        keys.dedup();
        let (mut compared, mut different) = (0, 0);
        for (name, size) in keys {
            let same = self.records.iter().filter(|r| r.name == *name && r.size == size);
            let bits: Vec<u64> = same.map(|record| record.bits).collect();
            compared += usize::from(bits.len() > 1);
            different += usize::from(bits.iter().any(|hash| *hash != bits[0]));
        }
        (compared, different)
    }
}

/// Build and name.
pub type Subject<'a> = (&'a str, &'a str);

fn record(place: Place, value: &Value) -> Option<Record> {
    let time = if place == Place::Chromium { "least_micros" } else { "median_micros" };
    Some(Record {
        place,
        build: value["build"].as_str()?.to_string(),
        name: value["name"].as_str()?.to_string(),
        size: usize::try_from(value["size"].as_u64()?).ok()?,
        micros: value[time].as_f64()?,
        flops: value["flops"].as_f64()?,
        memory_bytes: value["memory_bytes"].as_f64()?,
        bits: value["bits"].as_u64()?,
        difference: value["difference"].as_f64(),
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A line as the programs print it.
    pub fn line(build: &str, name: &str, size: usize, micros: f64) -> String {
        format!(
            "{{\"build\":\"{build}\",\"name\":\"{name}\",\"size\":{size},\"median_micros\":{micros},\
             \"least_micros\":{},\"flops\":2000,\
             \"memory_bytes\":300,\"bits\":7,\"difference\":null}}\n",
            micros / 2.0
        )
    }

    #[test]
    fn chromium_is_quoted_by_its_least_time_and_others_by_their_median() {
        let mut records = Records::default();
        for place in Place::ALL {
            records.read(place, &line("simd", "sparse", 64, 10.0)).unwrap();
        }
        let micros = Place::ALL.map(|place| records.micros(place, ("simd", "sparse"), 64));
        assert_eq!(micros, [Some(10.0), Some(10.0), Some(5.0)]);
        assert_eq!(records.gigaflops(Place::Node, ("simd", "sparse"), 64), Some(0.2));
    }

    #[test]
    fn ratios_need_both_sides() {
        let mut records = Records::default();
        let lines = line("simd", "a", 64, 10.0) + &line("scalar", "b", 64, 40.0);
        records.read(Place::Node, &lines).unwrap();
        let ratio = |slow, size| records.ratio(Place::Node, slow, ("simd", "a"), size);
        assert_eq!(ratio(("scalar", "b"), 64), Some(4.0));
        assert_eq!(ratio(("scalar", "c"), 64), None);
        assert_eq!(ratio(("scalar", "b"), 65), None);
        assert_eq!(records.best(Place::Node, "simd", "", 64), Some(10.0));
    }

    #[test]
    fn other_bits_in_any_build_are_counted() {
        let mut records = Records::default();
        let same = line("simd", "a", 64, 1.0) + &line("scalar", "a", 64, 1.0);
        records.read(Place::Node, &same).unwrap();
        assert_eq!(records.bits(), (1, 0));
        let other = line("native", "a", 64, 1.0).replace("\"bits\":7", "\"bits\":8");
        records.read(Place::Native, &other).unwrap();
        assert_eq!(records.bits(), (1, 1));
        let upstream = line("native", "upstream-x", 64, 1.0).replace("\"bits\":7", "\"bits\":8");
        records.read(Place::Native, &upstream).unwrap();
        assert_eq!(records.bits(), (1, 1));
    }

    #[test]
    fn foreign_lines_are_refused_and_versions_kept() {
        let mut records = Records::default();
        assert!(records.read(Place::Node, "hello").is_err());
        assert!(records.read(Place::Node, "{\"name\":\"a\"}").is_err());
        records.read(Place::Node, "{\"version\":\"node 20\",\"clock\":\"CPU\"}\n\n").unwrap();
        assert_eq!(records.places, ["node 20, CPU"]);
    }
}
