//! Readers of model files under broken input: what to break, how, and what must hold.
//!
//! A reader may return anything or an error. It must not panic, and not use more memory than it says
//! for every byte of its input.
#![allow(dead_code, unreachable_pub, unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use sondage_core::import::{MEMORY_PER_BYTE, catboost, lightgbm, xgboost};

/// A reader: whether it takes the bytes.
pub type Read = fn(&[u8]) -> bool;

pub struct Target {
    pub name: &'static str,
    pub read: Read,
    /// Folder below `tests/data` and suffixes of the whole files that inputs are made from.
    pub folder: &'static str,
    pub suffixes: &'static [&'static str],
    /// Words of the format.
    pub words: &'static [&'static [u8]],
}

/// Every reader. To fuzz another, add a line and whole files of its format.
pub const TARGETS: &[Target] = &[
    Target {
        name: "xgboost",
        read: |bytes| xgboost::read(bytes).is_ok(),
        folder: "xgboost",
        suffixes: &["json", "ubj"],
        words: &[
            b"[$l#L\0\0\0\0\0\0\0\x07",
            b"[$d#U\x07",
            b"[#l\x7f\xff\xff\xff",
            b"NaN",
            b"\"\\ud800\"",
            b"gblinear",
        ],
    },
    Target {
        name: "lightgbm",
        read: |bytes| lightgbm::read(bytes).is_ok(),
        folder: "lightgbm",
        suffixes: &["txt"],
        words: &[
            b"\n",
            b"\n\n",
            b" ",
            b"=",
            b"Tree=1\n",
            b"end of trees\n",
            b"end of parameters\n",
            b"average_output\n",
            b"is_linear=1\n",
            b"inf",
        ],
    },
    Target {
        name: "catboost",
        read: |bytes| catboost::read(bytes).is_ok(),
        folder: "catboost",
        suffixes: &["json"],
        words: &[
            b"\"value\":",
            b"\"splits\":null,",
            b"\"ctrs\":[],",
            b"\"trees\":[],",
            b"OneHotFeature",
            b"AsTrue",
            b"1,",
            b"NaN",
        ],
    },
];

impl Target {
    /// The files, in the order of their names.
    pub fn seeds(&self) -> std::io::Result<Vec<Vec<u8>>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(self.folder);
        let mut paths: Vec<_> =
            std::fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
        paths.sort();
        paths
            .iter()
            .filter(|path| path.file_name().is_none_or(|name| name != "expected.json"))
            .filter(|path| path.extension().is_some_and(|own| self.suffixes.iter().any(|s| own == *s)))
            .map(std::fs::read)
            .collect()
    }
}

#[derive(Clone, Debug, Default)]
pub struct Report {
    pub inputs: u64,
    /// Broken inputs that were still read.
    pub taken: u64,
    pub panics: u64,
    /// Most bytes that one read held at once, and most per byte of input.
    pub peak: usize,
    pub peak_per_byte: f64,
    /// Reads that used more than they may.
    pub greedy: u64,
    pub slowest: Duration,
    /// The first input with a panic or too much memory.
    pub offender: Option<Vec<u8>>,
}

impl Report {
    pub fn merge(&mut self, other: Report) {
        self.inputs += other.inputs;
        self.taken += other.taken;
        self.panics += other.panics;
        self.greedy += other.greedy;
        self.peak = self.peak.max(other.peak);
        self.peak_per_byte = self.peak_per_byte.max(other.peak_per_byte);
        self.slowest = self.slowest.max(other.slowest);
        self.offender = self.offender.take().or(other.offender);
    }
}

/// Reads `n` broken inputs.
pub fn fuzz(target: &Target, seeds: &[Vec<u8>], n: u64, seed: u64) -> Report {
    let mut report = Report::default();
    let mut random = Random(seed);
    for _ in 0..n {
        let input = broken(seeds, target.words, &mut random);
        let start = Instant::now();
        let before = Counting::reset_peak();
        let outcome = catch_unwind(AssertUnwindSafe(|| (target.read)(&input)));
        let used = Counting::peak().saturating_sub(before);
        report.slowest = report.slowest.max(start.elapsed());
        report.inputs += 1;
        report.peak = report.peak.max(used);
        // Messages and the like do not depend on the input's length.
        let allowed = MEMORY_PER_BYTE * input.len() + 4096;
        report.peak_per_byte =
            report.peak_per_byte.max(used.saturating_sub(4096) as f64 / input.len().max(1) as f64);
        report.greedy += u64::from(used > allowed);
        report.panics += u64::from(outcome.is_err());
        if outcome.is_err() || used > allowed {
            report.offender.get_or_insert(input);
        }
        report.taken += u64::from(matches!(outcome, Ok(true)));
    }
    report
}

/// A whole file, or two, with some changes.
fn broken(seeds: &[Vec<u8>], words: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..1 << random.below(4) {
        change(&mut bytes, seeds, words, random);
    }
    bytes
}

const NUMBERS: &[&[u8]] = &[
    b"-1",
    b"0",
    b"1",
    b"2",
    b"255",
    b"256",
    b"65536",
    b"16777216",
    b"2147483647",
    b"-2147483648",
    b"4294967296",
    b"9223372036854775807",
    b"18446744073709551616",
    b"1e39",
    b"-1E-46",
    b"1e400",
    b"0.5",
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"-0",
    b"1e",
    b"-",
    b"0x1",
    b"[]",
    b"{}",
    b"\"\"",
    b"null",
    b"true",
];

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&[u8]], random: &mut Random) {
    if bytes.is_empty() {
        bytes.push(random.next() as u8);
    }
    let n = bytes.len();
    let at = random.below(n);
    let longest = 1 << random.below(10);
    let length = random.below(longest).min(n - at);
    match random.below(12) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.next() as u8,
        2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'[', b'{', b'"', b'L'][random.below(9)],
        3 => bytes.truncate(at),
        4 => drop(bytes.drain(at..at + length)),
        5 => {
            let copy = bytes[at..at + length].to_vec();
            let to = random.below(n);
            drop(bytes.splice(to..to, copy));
        }
        6 => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len());
            let end = (from + length).min(other.len());
            drop(bytes.splice(at..at + length, other[from..end].iter().copied()));
        }
        7 => {
            let word = if words.is_empty() { b"\0" } else { words[random.below(words.len())] };
            drop(bytes.splice(at..at, word.iter().copied()));
        }
        // A count or a number as big-endian bytes.
        8 => {
            let number = [0, 1, 0x7f, 0xff, 0xffff, 1 << 31, 1 << 40, u64::MAX, 1 << 63][random.below(9)];
            let size = [1, 2, 4, 8][random.below(4)].min(n - at);
            bytes[at..at + size].copy_from_slice(&number.to_be_bytes()[8 - size..]);
        }
        // A number in the text by another: what gets past a parser to what uses its numbers.
        _ => {
            let digits = |byte: &u8| byte.is_ascii_digit() || b"+-.".contains(byte);
            let Some(start) = bytes[at..].iter().position(digits).map(|i| at + i) else { return };
            let end =
                bytes[start..].iter().position(|b| !digits(b) && !b"eE".contains(b)).map_or(n, |i| start + i);
            let other = if random.below(2) == 0 {
                NUMBERS[random.below(NUMBERS.len())].to_vec()
            } else {
                random.below(20).to_string().into_bytes()
            };
            drop(bytes.splice(start..end, other));
        }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Counts what each thread holds.
pub struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

impl Counting {
    fn add(size: usize) {
        let held = HELD.get().wrapping_add(size);
        HELD.set(held);
        PEAK.set(PEAK.get().max(held));
    }

    fn remove(size: usize) {
        // A thread may free what another one made.
        HELD.set(HELD.get().saturating_sub(size));
    }

    pub fn reset_peak() -> usize {
        PEAK.set(HELD.get());
        HELD.get()
    }

    pub fn peak() -> usize {
        PEAK.get()
    }
}

// SAFETY: every call goes to the system's allocator as it is; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::remove(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // While it moves, both are there.
        Self::add(size);
        Self::remove(layout.size());
        unsafe { System.realloc(pointer, layout, size) }
    }
}
