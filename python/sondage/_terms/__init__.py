"""The terms of questions: each says which loss of which outputs, and the same in words."""

from sondage._terms.comparison import ModelContrasting, ParameterSensitive
from sondage._terms.custom import Custom, OutputLoss
from sondage._terms.distance import Distance
from sondage._terms.label import FixedLabel, Require
from sondage._terms.risky import PredictionRisky

__all__ = [
    "Custom",
    "Distance",
    "FixedLabel",
    "ModelContrasting",
    "OutputLoss",
    "ParameterSensitive",
    "PredictionRisky",
    "Require",
]
