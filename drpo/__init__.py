"""Dataset Reset Policy Optimization (arXiv 2404.08495): the library under the dashboard."""

__version__ = "0.1.0"
