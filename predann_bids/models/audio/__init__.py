"""What decoders can hear of a stimulus: spectra, waveforms, features of frozen networks; a class for each."""
