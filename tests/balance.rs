//! Detailed balance point by point: π(x) q(y|x) a(x, y) = π(y) q(x|y) a(y, x), with the kernel's own
//! acceptance probability and proposal densities written here independently (MATH.md section 11, item 7);
//! and the smoothed drift against its estimate (item 9).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

mod common;

use common::{energy, output_as_energy, tree};
use sondage_core::adapt::Phase;
use sondage_core::drift::{Drift, Noise};
use sondage_core::kernel::{Reply, Request, Schedule, Spec, State, Streams, Target};
use sondage_core::question::{Energy, Localizer, Workspace};
use sondage_core::rng::{Purpose, stream};
use sondage_core::simd::{LANES, Lanes, Level};
use sondage_core::space::{Base, Boundary};

const SAMPLING: Phase = Phase { step: 10, warmup: 0 };
const TEMPERATURE: f64 = 0.3;
const BOX: [(f64, f64); 2] = [(0.0, 1.0), (-1.0, 2.0)];

fn question() -> Energy {
    let leaf = (0, 0.0, -1, -1);
    let model = tree(
        2,
        &[(0, 0.4, 1, 4), (1, 0.7, 2, 3), leaf, leaf, (1, 0.2, 5, 6), leaf, leaf],
        &[&[0.0], &[0.0], &[0.2], &[1.5], &[0.0], &[0.9], &[0.3]],
    );
    let near = Localizer::new(0.5, 2, vec![0.3, 0.6], vec![1.0, 0.2]).unwrap();
    energy(&BOX, Some(model), vec![output_as_energy()], vec![near])
}

fn target(energy: &Energy, boundary: Boundary) -> Target {
    Target {
        bounds: energy.bounds().clone(),
        constraints: energy.constraints().to_vec(),
        base: Base::new(energy.bounds().clone(), energy.reference()),
        temperature: TEMPERATURE,
        boundary,
        measures: vec![],
        level: Level::detect(),
    }
}

fn state(energy: &Energy, x: Vec<Lanes<f64>>) -> State {
    let g = energy.at(&x, &mut Workspace::default());
    State { x, energy: g, version: 0 }
}

/// Asks a kernel for a step from `x` and tells it that it proposed `y` there: by giving it the energy and the
/// drift at its own proposal. Returns the proposal, the acceptance probability, and the drifts used.
struct Step {
    y: Vec<Lanes<f64>>,
    probability: Lanes<f64>,
}

fn step(
    energy: &Energy,
    target: &Target,
    spec: &Spec,
    x: &[Lanes<f64>],
    key: u8,
    drift: impl Fn(&[Lanes<f64>]) -> Vec<Lanes<f64>>,
) -> Step {
    let mut schedule = Schedule::new(spec, target, &[key; 32]);
    let mut streams = Streams::new(&[key; 32], 0);
    let mut state = state(energy, x.to_vec());
    schedule.begin();
    let mover = schedule.next_mover().unwrap();
    let mut y = Vec::new();
    loop {
        match mover.ask(target, SAMPLING, &state, &mut streams) {
            Request::Done => break,
            Request::DriftHere => {
                let b = drift(&state.x);
                mover.tell(target, SAMPLING, &mut state, Reply::Drift(&b), &mut streams);
            }
            request @ (Request::Energy | Request::EnergyAndDrift) => {
                y = mover.proposal().to_vec();
                let g = energy.at(&y, &mut Workspace::default());
                let b = drift(&y);
                let reply =
                    if request == Request::Energy { Reply::Energy(g) } else { Reply::EnergyAndDrift(g, &b) };
                mover.tell(target, SAMPLING, &mut state, reply, &mut streams);
            }
            other => panic!("{other:?}"),
        }
    }
    Step { y, probability: mover.tally().accepted }
}

/// Any deterministic field will do.
fn field(x: &[Lanes<f64>]) -> Vec<Lanes<f64>> {
    (0..2)
        .map(|d| Lanes(std::array::from_fn(|l| (7.0 * x[0][l]).sin() + 0.5 * x[1][l] * (d as f64 + 1.0))))
        .collect()
}

/// Density of `y` given `x` by brute force: 41 images of the mean on both sides, or none without folding.
fn density(x: [f64; 2], b: [f64; 2], y: [f64; 2], step: f64, boundary: Boundary) -> f64 {
    (0..2)
        .map(|d| {
            let (l, u) = BOX[d];
            let p = (u - l) * (u - l);
            let variance = 2.0 * step * TEMPERATURE * p;
            let mean = x[d] - step * p * b[d];
            let normal = |z: f64| {
                (-(z - mean) * (z - mean) / (2.0 * variance)).exp()
                    / (2.0 * std::f64::consts::PI * variance).sqrt()
            };
            if boundary == Boundary::Reflect {
                (-20..=20)
                    .map(|k| 2.0 * f64::from(k) * (u - l))
                    .map(|s| normal(s + y[d]) + normal(s + 2.0 * l - y[d]))
                    .sum()
            } else {
                normal(y[d])
            }
        })
        .product()
}

#[test]
fn langevin_steps_balance_point_by_point() {
    let energy = question();
    let eta = 0.05;
    let spec =
        Spec::Mala { step: Some(eta), drift: Drift::ClosedForm { sigma: Some(0.2) }, precondition: true };
    let mut rng = stream(&[1; 32], Purpose::Start, 0);
    let mut checked = 0;
    for boundary in [Boundary::Reflect, Boundary::Reject] {
        let target = target(&energy, boundary);
        for key in 0..60 {
            let x: Vec<Lanes<f64>> = BOX
                .iter()
                .map(|&(l, u)| Lanes(std::array::from_fn(|_| l + rng.uniform() * (u - l))))
                .collect();
            let forward = step(&energy, &target, &spec, &x, key, field);
            let gx = energy.at(&x, &mut Workspace::default());
            let gy = energy.at(&forward.y, &mut Workspace::default());
            let (bx, by) = (field(&x), field(&forward.y));
            for lane in 0..LANES {
                let at = |v: &[Lanes<f64>]| [v[0][lane], v[1][lane]];
                if at(&forward.y) == at(&x)
                    || forward.y[0][lane] == x[0][lane]
                    || forward.y[1][lane] == x[1][lane]
                {
                    // A proposal outside the box under `reject`.
                    assert_eq!(forward.probability[lane], 0.0);
                    continue;
                }
                let there = density(at(&x), at(&bx), at(&forward.y), eta, boundary);
                let back = density(at(&forward.y), at(&by), at(&x), eta, boundary);
                let ratio = (-(gy[lane] - gx[lane]) / TEMPERATURE).exp() * back / there;
                let want = ratio.min(1.0);
                let got = forward.probability[lane];
                assert!((got - want).abs() < 1e-9, "{boundary:?} key {key} lane {lane}: {got} not {want}");
                // With a(y, x) = min(1, 1/ratio), both sides of the balance are equal.
                let (px, py) = ((-gx[lane] / TEMPERATURE).exp(), (-gy[lane] / TEMPERATURE).exp());
                let (left, right) = (px * there * got, py * back * (1.0 / ratio).min(1.0));
                assert!((left - right).abs() <= 1e-8 * left.max(right), "{left} against {right}");
                checked += 1;
            }
        }
    }
    assert!(checked > 500, "{checked}");
}

/// Signs of Barker steps: `1/(1 + exp(t))`.
fn keep(t: f64) -> f64 {
    0.5 * (1.0 - (0.5 * t).tanh())
}

/// Where `x + step` comes to in the box, and whether an odd number of reflections led there: one after the other.
fn reflected(x: f64, step: f64, (l, u): (f64, f64)) -> (f64, bool) {
    let (mut y, mut turned) = (x + step, false);
    while !(l <= y && y <= u) {
        y = if y < l { 2.0 * l - y } else { 2.0 * u - y };
        turned = !turned;
    }
    (y, turned)
}

/// Steps of standard deviation `s` that lead from x to y, up to ten images away: their densities and those of the
/// ways back.
fn ways(x: f64, bx: f64, y: f64, by: f64, s: f64, (l, u): (f64, f64)) -> Vec<(f64, f64)> {
    let normal = |z: f64| (-z * z / (2.0 * s * s)).exp() / (s * (2.0 * std::f64::consts::PI).sqrt());
    (-10..=10)
        .map(|k| 2.0 * f64::from(k) * (u - l))
        .flat_map(|shift| [(shift + y - x, 1.0), (shift + 2.0 * l - y - x, -1.0)])
        .map(|(step, image)| {
            // Beyond the bounds the slope at an image is that of G on the reflected line.
            let go = 2.0 * normal(step) * keep(step * bx / TEMPERATURE);
            let come = 2.0 * normal(step) * keep(-step * image * by / TEMPERATURE);
            (go, come)
        })
        .collect()
}

#[test]
fn barker_steps_balance_pair_by_pair() {
    let energy = question();
    let eta = 0.4;
    let spec = Spec::Barker { step: Some(eta) };
    let mut rng = stream(&[4; 32], Purpose::Start, 0);
    let (mut checked, mut turns) = (0, 0);
    for boundary in [Boundary::Reflect, Boundary::Reject] {
        let target = target(&energy, boundary);
        for key in 0..60 {
            let x: Vec<Lanes<f64>> = BOX
                .iter()
                .map(|&(l, u)| Lanes(std::array::from_fn(|_| l + rng.uniform() * (u - l))))
                .collect();
            let forward = step(&energy, &target, &spec, &x, key, field);
            let gx = energy.at(&x, &mut Workspace::default());
            let gy = energy.at(&forward.y, &mut Workspace::default());
            let (bx, by) = (field(&x), field(&forward.y));
            for lane in 0..LANES {
                let mut noise = stream(&[key; 32], Purpose::Propose, lane as u64);
                let (mut ratio, mut outside) = ((-(gy[lane] - gx[lane]) / TEMPERATURE).exp(), false);
                for d in 0..2 {
                    let s = (2.0 * eta * TEMPERATURE).sqrt() * (BOX[d].1 - BOX[d].0);
                    let (delta, u) = (s * noise.normal(), noise.uniform());
                    let t = delta * bx[d][lane] / TEMPERATURE;
                    let delta = if u < keep(t) { delta } else { -delta };
                    let (y, turned) = reflected(x[d][lane], delta, BOX[d]);
                    outside |= boundary == Boundary::Reject && y != x[d][lane] + delta;
                    let want =
                        if boundary == Boundary::Reject && y != x[d][lane] + delta { x[d][lane] } else { y };
                    assert!((forward.y[d][lane] - want).abs() < 1e-12, "{boundary:?} {key} {lane} {d}");
                    let back = if turned { delta } else { -delta };
                    ratio *= keep(back * by[d][lane] / TEMPERATURE) / keep(delta * bx[d][lane] / TEMPERATURE);
                    turns += usize::from(turned && boundary == Boundary::Reflect);
                }
                let want = if outside { 0.0 } else { ratio.min(1.0) };
                let got = forward.probability[lane];
                assert!((got - want).abs() < 1e-9, "{boundary:?} key {key} lane {lane}: {got} not {want}");
                if boundary == Boundary::Reject {
                    continue;
                }
                // What flows from x to y on all ways, accepted by what each of them asks for, flows back.
                let of = |x: &[Lanes<f64>], bx: &[Lanes<f64>], y: &[Lanes<f64>], by: &[Lanes<f64>]| {
                    [0, 1].map(|d| {
                        let s = (2.0 * eta * TEMPERATURE).sqrt() * (BOX[d].1 - BOX[d].0);
                        ways(x[d][lane], bx[d][lane], y[d][lane], by[d][lane], s, BOX[d])
                    })
                };
                let flow = |p: f64, q: f64, [first, second]: [Vec<(f64, f64)>; 2]| -> f64 {
                    first
                        .iter()
                        .flat_map(|a| second.iter().map(move |b| (a.0 * b.0, a.1 * b.1)))
                        .filter(|&(go, _)| go > 0.0)
                        .map(|(go, come)| p * go * (q * come / (p * go)).min(1.0))
                        .sum()
                };
                let (px, py) = ((-gx[lane] / TEMPERATURE).exp(), (-gy[lane] / TEMPERATURE).exp());
                let there = flow(px, py, of(&x, &bx, &forward.y, &by));
                let back = flow(py, px, of(&forward.y, &by, &x, &bx));
                assert!((there - back).abs() <= 1e-9 * there.max(back), "{there} against {back}");
                checked += 1;
            }
        }
    }
    assert!(checked == 480 && turns > 100, "{checked} {turns}");
}

#[test]
fn random_walks_accept_by_the_ratio_of_targets() {
    let energy = question();
    let spec = Spec::RandomWalk { scale: Some(0.3) };
    let target = target(&energy, Boundary::Reflect);
    let mut rng = stream(&[2; 32], Purpose::Start, 0);
    for key in 0..60 {
        let x: Vec<Lanes<f64>> =
            BOX.iter().map(|&(l, u)| Lanes(std::array::from_fn(|_| l + rng.uniform() * (u - l)))).collect();
        let forward = step(&energy, &target, &spec, &x, key, field);
        let gx = energy.at(&x, &mut Workspace::default());
        let gy = energy.at(&forward.y, &mut Workspace::default());
        for lane in 0..LANES {
            let want = (-(gy[lane] - gx[lane]) / TEMPERATURE).exp().min(1.0);
            assert!((forward.probability[lane] - want).abs() < 1e-12);
        }
    }
}

fn drift_at(
    energy: &Energy,
    drift: Drift,
    x: &[Lanes<f64>],
    sigma: &[Lanes<f64>],
    directions: &[Lanes<f64>],
) -> Vec<Lanes<f64>> {
    let mut out = vec![Lanes::splat(0.0); x.len()];
    drift.evaluate(energy, &mut Workspace::default(), x, sigma, directions, &mut out);
    out
}

/// The mean over a million antithetic directions and its standard error, in lane 0.
fn estimate(energy: &Energy, x: &[Lanes<f64>], sigma: &[Lanes<f64>]) -> ([f64; 2], [f64; 2]) {
    let mut rng = stream(&[3; 32], Purpose::Noise, 0);
    let drift = Drift::Smoothed { sigma: None, directions: 1, noise: Noise::Shared };
    let (mut mean, mut square) = ([0.0; 2], [0.0; 2]);
    let n = 1_000_000 / LANES;
    for _ in 0..n {
        let directions: Vec<Lanes<f64>> =
            (0..2).map(|_| Lanes(std::array::from_fn(|_| rng.normal()))).collect();
        let b = drift_at(energy, drift, x, sigma, &directions);
        for d in 0..2 {
            for drift in b[d].0 {
                mean[d] += drift;
                square[d] += drift * drift;
            }
        }
    }
    let n = (n * LANES) as f64;
    let mean = mean.map(|m| m / n);
    (mean, [0, 1].map(|d| ((square[d] / n - mean[d] * mean[d]) / n).sqrt()))
}

#[test]
fn the_closed_form_is_the_mean_of_the_estimates() {
    // G is linear in the tree's output, so the smoothed G is the G of the smoothed output.
    let wide = [(-1e6, 1e6); 2];
    let leaf = (0, 0.0, -1, -1);
    let model = tree(
        2,
        &[(0, 0.4, 1, 4), (1, 0.7, 2, 3), leaf, leaf, (1, 0.2, 5, 6), leaf, leaf],
        &[&[0.0], &[0.0], &[0.2], &[1.5], &[0.0], &[0.9], &[0.3]],
    );
    let energy = energy(&wide, Some(model), vec![output_as_energy()], vec![]);
    let sigma = vec![Lanes::splat(0.15), Lanes::splat(0.4)];
    for x in [[0.35, 0.5], [0.6, 0.1], [0.1, 0.9]] {
        let x: Vec<Lanes<f64>> = x.iter().map(|&v| Lanes::splat(v)).collect();
        let exact = drift_at(&energy, Drift::ClosedForm { sigma: None }, &x, &sigma, &[]);
        let (mean, error) = estimate(&energy, &x, &sigma);
        for d in 0..2 {
            let z = (mean[d] - exact[d][0]) / error[d];
            assert!(z.abs() < 4.5, "column {d}: {} against {} ± {}", exact[d][0], mean[d], error[d]);
            assert!(error[d] < 0.01);
        }
    }
}

#[test]
fn the_estimate_of_a_quadratic_is_its_gradient() {
    let near = Localizer::new(1.5, 2, vec![0.2, -0.3], vec![1.0, 2.0]).unwrap();
    let energy = energy(&BOX, None, vec![], vec![near]);
    let sigma = vec![Lanes::splat(0.15), Lanes::splat(0.4)];
    let x = vec![Lanes::splat(0.7), Lanes::splat(0.4)];
    let exact = energy.gradient(&[0.7, 0.4]).unwrap();
    assert!((exact[0] - 1.5).abs() < 1e-12 && (exact[1] - 4.2).abs() < 1e-12);
    let (mean, error) = estimate(&energy, &x, &sigma);
    for d in 0..2 {
        assert!((mean[d] - exact[d]).abs() < 4.5 * error[d], "column {d}: {} not {}", mean[d], exact[d]);
    }
    assert_eq!(drift_at(&energy, Drift::Gradient, &x, &sigma, &[])[1][0], exact[1]);
}
