//! Exact conditional draws as one would write them first: one chain, one walk per tree that uses the column,
//! floating-point sums, library logarithms. The yardstick of the lockstep kernel.

use sondage_core::model::{TreeEnsemble, TreeParts};
use sondage_core::rng::{Purpose, Stream, stream};

const CLASSES: usize = 3;

pub(crate) struct Chain {
    models: [TreeParts; 2],
    /// Trees (model, root) that split on each column.
    uses: Vec<Vec<(usize, usize)>>,
    temperature: f64,
    x: Vec<f64>,
    /// Sums over all trees at `x`.
    sums: [[f64; CLASSES]; 2],
    rng: Stream,
    events: Vec<(f64, usize, [f64; CLASSES])>,
    weights: Vec<f64>,
    stack: Vec<(usize, f64)>,
}

impl Chain {
    pub(crate) fn new(forest: &TreeEnsemble, tree: &TreeEnsemble, temperature: f64) -> Self {
        let models = [forest.parts().clone(), tree.parts().clone()];
        let columns = models[0].n_features;
        let mut uses = vec![Vec::new(); columns];
        for (m, model) in models.iter().enumerate() {
            for &root in &model.roots {
                let mut open = vec![root as usize];
                let mut seen = vec![false; columns];
                while let Some(i) = open.pop() {
                    if model.left[i] >= 0 {
                        seen[model.feature[i] as usize] = true;
                        open.extend([model.left[i] as usize, model.right[i] as usize]);
                    }
                }
                for d in (0..columns).filter(|&d| seen[d]) {
                    uses[d].push((m, root as usize));
                }
            }
        }
        let mut chain = Self {
            models,
            uses,
            temperature,
            x: vec![0.5; columns],
            sums: [[0.0; CLASSES]; 2],
            rng: stream(&[3; 32], Purpose::Propose, 0),
            events: Vec::new(),
            weights: Vec::new(),
            stack: Vec::new(),
        };
        chain.sum_afresh();
        chain
    }

    fn sum_afresh(&mut self) {
        for (m, model) in self.models.iter().enumerate() {
            self.sums[m] = [0.0; CLASSES];
            for &root in &model.roots {
                let mut i = root as usize;
                while model.left[i] >= 0 {
                    let left = self.x[model.feature[i] as usize] <= model.cut[i];
                    i = if left { model.left[i] } else { model.right[i] } as usize;
                }
                for k in 0..CLASSES {
                    self.sums[m][k] += model.value[i * CLASSES + k];
                }
            }
        }
    }

    fn energy(&self, sums: &[[f64; CLASSES]; 2]) -> f64 {
        let entropy: f64 = sums[0]
            .iter()
            .map(|sum| sum / self.models[0].divisor)
            .map(|p| if p > 0.0 { p * p.ln() } else { 0.0 })
            .sum();
        let miss = sums[1][1] / self.models[1].divisor - 1.0;
        entropy + miss * miss
    }

    /// One draw of every column; returns G.
    pub(crate) fn sweep(&mut self) -> f64 {
        for d in 0..self.x.len() {
            self.draw(d);
        }
        // Sums drift by rounding: afresh now and then, here at no cost that counts.
        self.energy(&self.sums)
    }

    fn draw(&mut self, d: usize) {
        self.events.clear();
        let mut sums = self.sums;
        for &(m, root) in &self.uses[d] {
            let model = &self.models[m];
            let mut previous: Option<usize> = None;
            self.stack.clear();
            self.stack.push((root, f64::NEG_INFINITY));
            while let Some((mut i, entered)) = self.stack.pop() {
                let mut here = entered;
                while model.left[i] >= 0 {
                    let cut = model.cut[i];
                    if model.feature[i] as usize == d {
                        // Both ways, unless an earlier split on the path has decided this one.
                        if cut <= here {
                            i = model.right[i] as usize;
                            continue;
                        }
                        self.stack.push((model.right[i] as usize, cut));
                        i = model.left[i] as usize;
                    } else {
                        let left = self.x[model.feature[i] as usize] <= cut;
                        i = if left { model.left[i] } else { model.right[i] } as usize;
                    }
                }
                here = here.max(entered);
                if let Some(old) = previous {
                    let change = std::array::from_fn(|k| {
                        model.value[i * CLASSES + k] - model.value[old * CLASSES + k]
                    });
                    self.events.push((here, m, change));
                }
                previous = Some(i);
            }
        }
        self.events.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        // From the present interval back to the lowest one.
        for (cut, m, change) in &self.events {
            if *cut < self.x[d] {
                shift(&mut sums[*m], change, -1.0);
            }
        }
        let lowest = sums;
        self.weights.clear();
        let mut total = 0.0;
        let mut low = 0.0;
        // The smallest G of the wine question is above −1.2: no overflow below it.
        let weight = |chain: &Self, sums: &[[f64; CLASSES]; 2], length: f64| {
            length * (-(chain.energy(sums) + 1.1) / chain.temperature).exp()
        };
        for e in 0..self.events.len() {
            let (cut, m, change) = self.events[e];
            total += if cut > low { weight(self, &sums, cut - low) } else { 0.0 };
            self.weights.push(total);
            low = cut.max(low);
            shift(&mut sums[m], &change, 1.0);
        }
        total += weight(self, &sums, 1.0 - low);
        self.weights.push(total);
        let aim = self.rng.uniform() * total;
        let chosen = self.weights.partition_point(|&w| w <= aim).min(self.events.len());
        let from = if chosen == 0 { 0.0 } else { self.events[chosen - 1].0 };
        let to = self.events.get(chosen).map_or(1.0, |event| event.0);
        self.x[d] = to - self.rng.uniform() * (to - from);
        self.sums = lowest;
        for (_, m, change) in &self.events[..chosen] {
            shift(&mut self.sums[*m], change, 1.0);
        }
    }
}

fn shift(sums: &mut [f64; CLASSES], change: &[f64; CLASSES], sign: f64) {
    for (sum, change) in sums.iter_mut().zip(change) {
        *sum += sign * change;
    }
}
