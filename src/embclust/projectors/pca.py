"""Principal components: a quick linear map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from embclust.projectors._components import check_input, frame, principal_components

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embclust.data import Vectors
    from embclust.protocols import Bar

__all__ = ["PcaProjector"]


class PcaProjector:
    """The first two or three principal components. Nothing is random in it."""

    class Options(BaseModel):
        """Options of `project.kind: pca`: there are none."""

        model_config = ConfigDict(extra="forbid")

    def __init__(self, options: Options) -> None:
        self._options = options

    def project(self, vectors: Vectors, dims: int, progress: Bar) -> NDArray[np.float32]:
        """Return float32 (n, dims) in [-1, 1], centred on the origin.

        Where the vectors span fewer dimensions than asked for, the others are zero.
        Raises UsageError for dims other than 2 and 3, no rows, and values that are not finite.
        """
        check_input(vectors, dims)
        progress.total(1)
        coords = frame(principal_components(vectors, dims), dims)
        progress.advance()
        return coords
