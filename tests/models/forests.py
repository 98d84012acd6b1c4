"""Fitted trees and forests of scikit-learn, and the data they are fitted to."""

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.preprocessing import MinMaxScaler
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

WINE = MinMaxScaler().fit_transform(load_wine().data)
CULTIVAR = load_wine().target
CANCER, MALIGNANT = load_breast_cancer(return_X_y=True)
DIABETES, PROGRESSION = load_diabetes(return_X_y=True)
HOLES = WINE.copy()
HOLES[np.random.default_rng(0).random(WINE.shape) < 0.2] = np.nan

ESTIMATORS = {
    "wine forest": lambda: RandomForestClassifier(
        100, max_depth=3, min_samples_leaf=10, min_samples_split=40, random_state=641
    ).fit(WINE, CULTIVAR),
    "500 deep trees": lambda: RandomForestClassifier(500, random_state=0).fit(CANCER, MALIGNANT),
    "regression forest": lambda: RandomForestRegressor(50, random_state=1).fit(
        DIABETES, PROGRESSION
    ),
    "extra trees": lambda: ExtraTreesClassifier(50, random_state=2).fit(WINE, CULTIVAR),
    "extra trees, regression": lambda: ExtraTreesRegressor(30, max_depth=6, random_state=3).fit(
        DIABETES, PROGRESSION
    ),
    "tree": lambda: DecisionTreeClassifier(random_state=4).fit(CANCER, MALIGNANT),
    "regression tree": lambda: DecisionTreeRegressor(random_state=5).fit(DIABETES, PROGRESSION),
    "extra tree, words as labels": lambda: ExtraTreeClassifier(max_depth=5, random_state=6).fit(
        WINE, np.array(["low", "middle", "high"])[CULTIVAR]
    ),
    "extra tree, regression": lambda: ExtraTreeRegressor(max_depth=5, random_state=7).fit(
        DIABETES, PROGRESSION
    ),
    "weighted classes": lambda: RandomForestClassifier(
        20, class_weight="balanced_subsample", max_leaf_nodes=12, random_state=8
    ).fit(WINE, CULTIVAR),
    "missing values": lambda: RandomForestClassifier(30, random_state=9).fit(HOLES, CULTIVAR),
    "missing values, random splits": lambda: ExtraTreesClassifier(20, random_state=9).fit(
        HOLES, CULTIVAR
    ),
    "monotonic": lambda: RandomForestClassifier(
        20, monotonic_cst=[1, -1, 0] * 10, random_state=9
    ).fit(CANCER, MALIGNANT),
    "one class": lambda: RandomForestClassifier(5).fit(WINE, np.full(len(WINE), 7)),
    "a stump that never splits": lambda: DecisionTreeClassifier(max_depth=1).fit(
        np.zeros((4, 2)), [0, 1, 1, 1]
    ),
}
