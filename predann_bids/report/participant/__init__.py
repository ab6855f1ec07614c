"""The participant report: for each recording, what was done to it and what the EEG looks like before and after.

The page is an `mne.Report` with one section per recording. It shows a reader what no table of scores can: which
channels were bad and why, what was taken out of the EEG, whether filters did what the sidecar claims, which music was
played when, how much of it can be used, and whether the EEG responds to it at all.
"""

from predann_bids.report.participant.page import ReportJob, write_report

__all__ = ["ReportJob", "write_report"]
