//! Every lane operation gives the same bits at every level; table look-ups stay inside their tables
//! whatever the index.

use proptest::prelude::*;

use super::{LANES, Lanes, Level, Op, Simd, dispatch, math};

/// All operations on the same inputs, as bits.
struct Everything {
    a: Lanes<f64>,
    b: Lanes<f64>,
    c: Lanes<f64>,
    u: Lanes<u64>,
    v: Lanes<u64>,
    table: [u64; 64],
}

impl Op for Everything {
    type Output = Vec<[u64; LANES]>;

    #[inline(always)]
    fn call<S: Simd>(self, s: S) -> Vec<[u64; LANES]> {
        let Self { a, b, c, u, v, table } = self;
        let mut out = Vec::new();
        let (a, b, c, u, v) = (s.load(&a), s.load(&b), s.load(&c), s.load_u(&u), s.load_u(&v));
        let eight = Lanes(std::array::from_fn(|i| table[i]));
        for f in [
            s.add(a, b),
            s.sub(a, b),
            s.mul(a, b),
            s.div(a, b),
            s.mul_add(a, b, c),
            s.min(a, b),
            s.max(a, b),
            s.abs(a),
            s.select(s.lt(a, b), a, c),
            s.select(s.le(a, b), a, c),
            s.select(s.and_m(s.lt(a, b), s.lt(b, c)), a, c),
            s.select(s.or_m(s.lt(a, b), s.lt(b, c)), a, c),
            s.convert_i64(u),
            s.with_bits(s.to_bits(c)),
            s.splat(0.3),
            math::exp(s, a),
            math::ln(s, b),
            math::normal_cdf_pdf(s, c).0,
            math::normal_cdf_pdf(s, c).1,
        ] {
            let mut lanes = Lanes::splat(0.0);
            s.store(f, &mut lanes);
            // Which of two NaNs survives an operation is not specified.
            out.push(lanes.0.map(|x| if x.is_nan() { u64::MAX } else { x.to_bits() }));
        }
        for i in [
            s.add_u(u, v),
            s.sub_u(u, v),
            s.and_u(u, v),
            s.shl_u::<3>(u),
            s.shr_u::<5>(u),
            s.select_u(s.ne_u(u, v), u, s.splat_u(7)),
            s.trailing_zeros(u),
            s.trailing_zeros(s.splat_u(0)),
            s.permute(&eight, u),
            s.gather64(&table, u),
        ] {
            let mut lanes = Lanes::splat(0);
            s.store_u(i, &mut lanes);
            out.push(lanes.0);
        }
        out.push([u64::from(s.any(s.lt(a, b))); LANES]);
        out
    }
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        -50.0..50.0,
        0.0..1.0,
        Just(0.0),
        Just(-0.0),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(f64::NAN),
        Just(f64::from_bits(3)),
    ]
}

proptest! {
    #[test]
    fn levels_agree(
        a in prop::array::uniform8(float()), b in prop::array::uniform8(float()), c in prop::array::uniform8(float()),
        u in prop::array::uniform8(any::<u64>()), same in any::<bool>(), v in prop::array::uniform8(any::<u64>()),
        seed in any::<u64>(),
    ) {
        let run = |level| {
            let table = std::array::from_fn(|i| seed.wrapping_mul(i as u64 + 1));
            let v = if same { u } else { v };
            dispatch(level, Everything { a: Lanes(a), b: Lanes(b), c: Lanes(c), u: Lanes(u), v: Lanes(v), table })
        };
        let want = run(Level::Portable);
        for level in Level::available() {
            prop_assert_eq!(&run(level), &want, "{:?}", level);
        }
    }
}
