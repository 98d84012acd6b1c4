"""Trained models, imported from the libraries that fitted them."""

from sondage.models._ensemble import ensemble
from sondage.models._import import as_model
from sondage.models._model import Model

__all__ = ["Model", "as_model", "ensemble"]
