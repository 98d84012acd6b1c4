//! Which graphs can be stacked.

use super::*;
use crate::error::Error;
use crate::model::{TreeEnsemble, TreeParts};

fn linear(source: usize, rows: usize, columns: usize, seed: u8) -> Op {
    let mut rng = stream(&[seed; 32], Purpose::Start, 4);
    let mut numbers = |n: usize| (0..n).map(|_| rng.normal()).collect::<Vec<_>>();
    Op::Linear {
        source,
        weights: Matrix::new(rows, columns, numbers(rows * columns)).unwrap(),
        bias: numbers(rows),
    }
}

fn relu(source: usize) -> Op {
    Op::Activation { source, kind: Activation::Relu }
}

fn stack(members: Vec<Vec<Op>>) -> Result<Stack, Error> {
    let n = members.len();
    let graphs: Vec<_> = members.into_iter().map(|ops| Arc::new(Graph::new(D, ops).unwrap())).collect();
    Stack::new(&graphs, vec![1.0 / n as f64; n])
}

fn refused(members: Vec<Vec<Op>>) -> String {
    match stack(members) {
        Err(Error::Model(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn graphs_of_other_forms_are_refused() {
    let net = |seed| {
        vec![Op::Row, linear(0, 4, D, seed), relu(1), linear(2, 3, 4, seed), Op::Softmax { source: 3 }]
    };
    let other = |i: usize, op: Op| {
        let mut ops = net(2);
        ops[i] = op;
        ops
    };
    assert!(refused(vec![net(1), net(2)[..4].to_vec()]).contains("member 1 has 5 columns and 4 operations"));
    let tanh = Op::Activation { source: 1, kind: Activation::Tanh };
    assert!(refused(vec![net(1), other(2, tanh)]).contains("operation 2 of member 1"));
    let wide = vec![Op::Row, linear(0, 5, D, 2), relu(1), linear(2, 3, 5, 2), Op::Softmax { source: 3 }];
    assert!(refused(vec![net(1), wide]).contains("operation 1 of member 1"));
    assert!(refused(vec![net(1), other(4, Op::LogSoftmax { source: 3 })]).contains("operation 4"));
    let features = |c| {
        let mut ops = net(2);
        let steps = vec![Step::Sub(c)];
        ops[1] = Op::Encode((0..D).map(|column| Feature::Chain { column, steps: steps.clone() }).collect());
        ops[2] = linear(1, 4, D, 3);
        ops
    };
    assert!(refused(vec![features(0.5), features(0.25)]).contains("operation 1 of member 1"));
}

#[test]
fn layers_that_do_not_follow_one_another_are_refused() {
    let trees = |value: f64| {
        let ensemble = TreeEnsemble::new(TreeParts {
            n_features: D,
            n_outputs: 1,
            roots: vec![0],
            feature: vec![0],
            cut: vec![0.0],
            left: vec![-1],
            right: vec![-1],
            value: vec![value],
            first_output: vec![0],
            base: vec![0.0],
            divisor: 1.0,
            ..TreeParts::default()
        });
        vec![Op::Row, Op::Trees(Arc::new(ensemble.unwrap())), linear(0, 1, D, 1)]
    };
    assert!(refused(vec![trees(1.0), trees(2.0)]).contains("node 1"));
    let foreign = vec![Op::Row, Op::Foreign { width: 2, gradient: true }, linear(1, 2, 2, 1)];
    assert!(refused(vec![foreign]).contains("node 1"));
    assert!(refused(vec![vec![Op::Row, Op::Softmax { source: 0 }]]).contains("no linear layer"));
    assert!(refused(vec![]).contains("at least one"));
    // Two layers abreast.
    let abreast =
        |seed| vec![Op::Row, linear(0, 3, D, seed), linear(0, 3, D, seed + 9), Op::Multiply { a: 1, b: 2 }];
    assert!(!refused(vec![abreast(1), abreast(2)]).is_empty());
    // A layer behind a softmax.
    let behind =
        |seed| vec![Op::Row, linear(0, 3, D, seed), Op::Softmax { source: 1 }, linear(2, 2, 3, seed)];
    assert!(refused(vec![behind(1), behind(2)]).contains("node 2"));
    // What skips a layer.
    let skip = |seed| {
        vec![Op::Row, linear(0, 3, D, seed), relu(1), linear(2, 3, 3, seed), Op::Multiply { a: 2, b: 3 }]
    };
    assert!(refused(vec![skip(1), skip(2)]).contains("node 4"));
    let past = |seed| vec![Op::Row, linear(0, D, D, seed), Op::Multiply { a: 0, b: 1 }];
    assert!(refused(vec![past(1), past(2)]).contains("node 2"));
}

#[test]
fn shares_are_one_number_for_each_member() {
    let graph = Arc::new(Graph::new(D, vec![Op::Row, linear(0, 1, D, 1)]).unwrap());
    for shares in [vec![], vec![0.5], vec![1.0, -0.1], vec![1.0, f64::NAN], vec![f64::INFINITY, 0.0]] {
        assert!(Stack::new(&[Arc::clone(&graph), Arc::clone(&graph)], shares).is_err());
    }
}

#[test]
fn only_outputs_of_the_last_layer_can_be_asked_for() {
    let net = |seed| {
        vec![Op::Row, linear(0, 4, D, seed), relu(1), linear(2, 3, 4, seed), Op::Softmax { source: 3 }]
    };
    let stack = stack(vec![net(1), net(2)]).unwrap();
    assert_eq!((stack.len(), stack.width(3).unwrap(), stack.width(4).unwrap()), (2, 3, 3));
    for node in [0, 1, 2, 5] {
        assert!(stack.width(node).is_err() && stack.forward(&[0.0; D], node).is_err());
    }
    assert!(stack.forward(&[0.0; D + 1], 4).is_err());
    assert_eq!(stack.forward(&[], 4).unwrap(), Vec::<f64>::new());
}

/// Layers that all members share are computed once, in front, or with the graph's other operations, behind.
#[test]
fn layers_that_agree_are_no_part_of_the_chain() {
    let mut rng = stream(&[5; 32], Purpose::Start, 5);
    let rows = rows(&mut rng, 9);
    let net = |first, second, third| {
        vec![
            Op::Row,
            linear(0, 4, D, first),
            relu(1),
            linear(2, 3, 4, second),
            relu(3),
            linear(4, 2, 3, third),
            Op::Softmax { source: 5 },
        ]
    };
    for (a, b, exit) in [
        ((1, 2, 3), (1, 2, 4), 5),
        ((1, 2, 3), (4, 2, 3), 1),
        ((1, 2, 3), (1, 4, 3), 3),
        ((1, 2, 3), (4, 2, 5), 5),
        ((1, 2, 3), (1, 2, 3), 1),
    ] {
        let members: Vec<_> = [a, b]
            .map(|(first, second, third)| Arc::new(Graph::new(D, net(first, second, third)).unwrap()))
            .to_vec();
        let stack = Stack::new(&members, vec![0.25, 0.75]).unwrap();
        assert!(stack.width(exit).is_ok() && stack.width(exit - 1).is_err());
        let request =
            MeanRequest { node: 6, loss: Loss::CrossEntropy { label: 1 }, weight: 1.0, gradient: true };
        let got = mean(&stack, Level::detect(), 2, &request, &rows, &[]);
        close(&got, &plainly(&members, &[0.25, 0.75], &request, &rows, &[]), 1e-12).unwrap();
    }
}
