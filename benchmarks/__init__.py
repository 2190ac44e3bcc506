"""Programs that measure. Each prints ratios taken within one run; none is a test."""
