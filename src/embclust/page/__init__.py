"""The page: data in, one self-contained HTML file out.

`data.py` says what a page is made of, `build.py` puts it together, `viewer/` is what runs in it.
"""

from embclust.page.build import build_page
from embclust.page.data import Built, PageCluster, PageData

__all__ = ["Built", "PageCluster", "PageData", "build_page"]
