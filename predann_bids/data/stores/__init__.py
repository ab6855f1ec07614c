"""Stores that windows are cut from: mapped recordings, features and waveforms; resident on a device, or halved."""
