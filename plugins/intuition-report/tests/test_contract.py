from intuition_report import Html

from intuition_core.testing import ReportContract


class TestHtml(ReportContract):
    part = Html
