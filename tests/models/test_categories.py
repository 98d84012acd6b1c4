"""Columns whose values a model looks up in a list of categories of its own."""

import numpy as np
import pytest

from sondage.models._adapter import NotNative
from sondage.models._categories import with_codes
from sondage.models._features import UNKNOWN, Chain, Features, RawColumn, Step, Table

WORDS = RawColumn("word", ("a", "b", "c"))
NUMBERS = RawColumn("number", (2.0, 5.0, 0.0))


def codes_of(features: Features, rows: list[float]) -> list[float]:
    return features.encode(np.array(rows)[:, None])[:, 0].tolist()


def test_levels_are_looked_up_as_they_are() -> None:
    own = with_codes(Features.of([WORDS]), {0: {"c": 0, "a": 1}})
    assert codes_of(own, [0.0, 1.0, 2.0, UNKNOWN, 9.0]) == [1.0, UNKNOWN, 0.0, UNKNOWN, UNKNOWN]
    assert np.isnan(codes_of(own, [np.nan])[0])


def test_numbers_that_are_levels_are_not_taken_for_positions() -> None:
    own = with_codes(Features.of([NUMBERS]), {0: {0.0: 0, 2.0: 1, 5.0: 2}})
    assert codes_of(own, [0.0, 1.0, 2.0]) == [1.0, 2.0, 0.0]


def test_what_an_encoder_gives_is_looked_up_by_number() -> None:
    # As an OrdinalEncoder with -1 for unknown and -2 for missing values, then a model that has
    # seen -2, 0 and 1.
    encoded = Features((WORDS,), (Table(0, (1.0, 0.0, 2.0), -1.0, -2.0),))
    own = with_codes(encoded, {0: {-2.0: 0, 0.0: 1, 1.0: 2}})
    assert codes_of(own, [0.0, 1.0, 2.0, 7.0]) == [2.0, 1.0, UNKNOWN, UNKNOWN]
    assert codes_of(own, [np.nan]) == [0.0]


def test_other_features_stay() -> None:
    features = Features(
        (WORDS, RawColumn("x")),
        (Chain(1, (Step("sub", 1.0),)), Table(0, (0.0, 1.0, 2.0), -1.0, np.nan)),
    )
    own = with_codes(features, {1: {"b": 0}})
    assert own.features[0] == features.features[0]
    assert own.features[1] != features.features[1]
    assert with_codes(features, {}) == features


def test_a_number_has_no_list_of_values() -> None:
    features = Features.of([RawColumn("x"), RawColumn()])
    with pytest.raises(
        NotNative, match="column 'x' is a number that the model takes as a category"
    ):
        with_codes(features, {0: {1.0: 0}})
    with pytest.raises(NotNative, match="column number 1 is"):
        with_codes(features, {1: {1.0: 0}})
