"""Ask trained models questions; the answer is a sample from a stated distribution.

>>> import sondage as sd
>>> space = sd.Space({"x": sd.Continuous(0.0, 1.0)})
>>> answer = sd.ask(sd.near({"x": 0.3}), space, draws=200, temperature=0.02, seed=1)
>>> answer.status
'complete'
"""

from sondage import decoders, metrics, posterior, reference, testing
from sondage._core import build_info
from sondage.answer import Answer, load_answer
from sondage.ask import ask
from sondage.custom import custom, term
from sondage.errors import (
    DataError,
    ForeignModelWarning,
    InternalError,
    MissingDependencyError,
    ModelError,
    ModelParityError,
    QuestionError,
    SamplingError,
    SondageError,
    SondageWarning,
    SpaceError,
    StartError,
)
from sondage.exact import Gaussian, linear_gaussian
from sondage.kernels import (
    MALA,
    Barker,
    Conditional,
    Cycle,
    Independence,
    Kernel,
    Mixture,
    RandomWalk,
    Smoothed,
    Tempered,
)
from sondage.measure import Measure, measure
from sondage.models import Model, as_model, ensemble
from sondage.pullback import pullback
from sondage.queries import ask_each, counterfactuals
from sondage.questions import (
    Question,
    fixed_label,
    model_contrasting,
    near,
    parameter_sensitive,
    prediction_risky,
    require,
)
from sondage.report import Section
from sondage.space import Categorical, Continuous, Fixed, Integer, Space
from sondage.tempering import LogEvidence
from sondage.variational import VariationalAnswer, variational

__version__: str = build_info()["version"]

__all__ = [
    "MALA",
    "Answer",
    "Barker",
    "Categorical",
    "Conditional",
    "Continuous",
    "Cycle",
    "DataError",
    "Fixed",
    "ForeignModelWarning",
    "Gaussian",
    "Independence",
    "Integer",
    "InternalError",
    "Kernel",
    "LogEvidence",
    "Measure",
    "MissingDependencyError",
    "Mixture",
    "Model",
    "ModelError",
    "ModelParityError",
    "Question",
    "QuestionError",
    "RandomWalk",
    "SamplingError",
    "Section",
    "Smoothed",
    "SondageError",
    "SondageWarning",
    "Space",
    "SpaceError",
    "StartError",
    "Tempered",
    "VariationalAnswer",
    "__version__",
    "as_model",
    "ask",
    "ask_each",
    "build_info",
    "counterfactuals",
    "custom",
    "decoders",
    "ensemble",
    "fixed_label",
    "linear_gaussian",
    "load_answer",
    "measure",
    "metrics",
    "model_contrasting",
    "near",
    "parameter_sensitive",
    "posterior",
    "prediction_risky",
    "pullback",
    "reference",
    "require",
    "term",
    "testing",
    "variational",
]
