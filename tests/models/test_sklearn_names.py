"""Names of columns, classes and models of scikit-learn's trees, and what is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
import sklearn
from forests import CULTIVAR, DIABETES, ESTIMATORS, PROGRESSION, WINE
from sklearn.ensemble import (
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.preprocessing import StandardScaler
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
)

from sondage.errors import DataError, ModelError, QuestionError
from sondage.models import Model, as_model
from sondage.space import Continuous, Space


class TestNames:
    frame = pl.DataFrame(WINE, schema=[f"c{j}" for j in range(13)])

    @pytest.mark.parametrize("convert", [pl.DataFrame, pl.DataFrame.to_pandas])
    def test_a_model_fitted_with_names_reads_columns_by_name(
        self, convert: Callable[[pl.DataFrame], object]
    ) -> None:
        forest = RandomForestClassifier(10, random_state=0).fit(convert(self.frame), CULTIVAR)
        model = as_model(forest)
        assert model.feature_names == tuple(self.frame.columns)
        shuffled = self.frame.select(reversed(self.frame.columns)).with_columns(extra=pl.lit("x"))
        assert (model.proba(shuffled) == model.proba(WINE)).all()
        assert (model._user_predict(shuffled) == forest.predict(convert(self.frame))).all()
        with pytest.raises(DataError, match="no column 'c3'"):
            model.proba(self.frame.drop("c3"))

    def test_a_model_without_names_takes_those_of_the_space(self) -> None:
        tree = DecisionTreeClassifier().fit(WINE, CULTIVAR)
        assert as_model(tree).feature_names is None
        space = Space.from_frame(self.frame)
        assert as_model(tree, space=space).feature_names == tuple(self.frame.columns)

    def test_the_space_must_have_the_columns(self) -> None:
        space = Space({"c0": Continuous(0, 1), "other": Continuous(0, 1)})
        forest = DecisionTreeClassifier().fit(self.frame.select("c0", "c1").to_pandas(), CULTIVAR)
        with pytest.raises(ModelError, match=r"does not have: 'c1'; .* beyond .* 'other'"):
            as_model(forest, space=space)
        with pytest.raises(ModelError, match="reads 13 columns by position; the space has 2"):
            as_model(DecisionTreeClassifier().fit(WINE, CULTIVAR), space=space)


class TestLabels:
    def test_labels_are_found_by_value(self) -> None:
        model = as_model(DecisionTreeClassifier().fit(WINE, CULTIVAR))
        assert model.classes == (0, 1, 2)
        for label in (1, 1.0, np.int64(1), np.float32(1)):
            assert model.label_index(label) == 1
        for label in (3, "1", None, [1], (0, 1)):
            with pytest.raises(QuestionError, match="its classes: 0, 1, 2"):
                model.label_index(label)

    def test_words_and_truth_values(self) -> None:
        words = as_model(DecisionTreeClassifier().fit(WINE, np.array(["a", "b", "c"])[CULTIVAR]))
        assert words.classes == ("a", "b", "c")
        assert words.label_index(np.str_("b")) == 1
        truth = as_model(DecisionTreeClassifier().fit(WINE, CULTIVAR == 1))
        assert truth.classes == (False, True)
        assert truth.label_index(np.bool_(True)) == truth.label_index(1) == 1
        assert truth.predict(WINE).dtype == np.bool_

    def test_classes_can_be_renamed(self) -> None:
        forest = ESTIMATORS["wine forest"]()
        model = as_model(forest, classes=["class_0", "class_1", "class_2"])
        assert model.label_index("class_1") == 1
        expected = [f"class_{label}" for label in forest.predict(WINE)]
        assert model.predict(WINE).tolist() == model._user_predict(WINE).tolist() == expected
        for classes in (["a", "b"], ["a", "a", "b"]):
            with pytest.raises(ModelError, match="3 different ones are needed"):
                as_model(forest, classes=classes)
        with pytest.raises(ModelError, match="must be a sequence"):
            as_model(forest, classes="abc")


def test_a_model_says_what_it_is() -> None:
    model = as_model(ESTIMATORS["wine forest"]())
    assert model.name == "random_forest_classifier"
    assert model.library == f"scikit-learn {sklearn.__version__}"
    assert (model.kind, model.native, model.differentiable) == ("classifier", True, False)
    assert "100 trees" in model.describe()
    assert "3 classes" in model.describe()
    regressor = as_model(ESTIMATORS["regression tree"](), name="progression")
    assert regressor.describe().startswith("progression: a regressor from scikit-learn")
    assert regressor.classes is None
    assert regressor.predict(DIABETES).shape == (len(DIABETES),)
    with pytest.raises(ModelError, match="progression is a regressor"):
        regressor.proba(DIABETES)
    assert as_model(model) is model
    assert isinstance(model, Model)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (DecisionTreeClassifier, "DecisionTreeClassifier is not fitted"),
        (RandomForestRegressor, "RandomForestRegressor is not fitted"),
        (
            lambda: DecisionTreeRegressor().fit(DIABETES, np.c_[PROGRESSION, PROGRESSION]),
            "has 2 outputs",
        ),
        (
            lambda: RandomForestClassifier(2).fit(WINE, np.c_[CULTIVAR, CULTIVAR]),
            "has 2 outputs",
        ),
        (lambda: StandardScaler().fit(WINE), "StandardScaler is not supported"),
        (lambda: None, "NoneType is not supported"),
    ],
)
def test_other_models_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        as_model(make())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"output": "proba"}, "output='proba' is for callables"),
        ({"name": ""}, "name='' must be a non-empty string"),
        ({"name": 3}, "name=3 must be"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        as_model(DecisionTreeClassifier().fit(WINE, CULTIVAR), **arguments)


def test_regressors_have_no_classes_to_rename() -> None:
    with pytest.raises(ModelError, match="is a regressor"):
        as_model(ESTIMATORS["regression tree"](), classes=["a"])
