"""Audio features, the input of decoders: spectra, waveforms, features of frozen networks; one class for each."""
