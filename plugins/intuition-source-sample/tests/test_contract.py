from intuition_source_sample import Sample

from intuition_core.testing import SourceContract


class TestSample(SourceContract):
    part = Sample
