"""Maps φ from latent rows to rows of data, for `sondage.pullback` (MATH section 7)."""

from sondage.decoders._base import Decoder
from sondage.decoders._called import Function, Module
from sondage.decoders._native import Affine, BoxSigmoid, Embedding

__all__ = ["Affine", "BoxSigmoid", "Decoder", "Embedding", "Function", "Module"]
