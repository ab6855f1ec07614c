"""Datasets of the kinds that are out there, made from a simulated one: same music and EEG, other formats and tables."""

import json
import shutil
import warnings

import mne
import numpy as np
import pandas as pd
import soundfile

MELODIES = ["do wah ditty.wav", "it's (live) [2].wav", "Für Élise.wav", "ring of fire.wav", "cindy.wav", "iron man.wav"]


def recordings(source):
    """Give each recording of a simulated dataset: participant, raw, and a table of what was played when."""
    for header in sorted(source.glob("sub-*/eeg/*_eeg.vhdr")):
        raw = mne.io.read_raw_brainvision(header, preload=True, verbose="error")
        raw.set_annotations(None)
        events = pd.read_csv(header.with_name(header.name.replace("_eeg.vhdr", "_events.tsv")), sep="\t")
        yield header.parts[-3], raw, events[events["stim_file"].notna()]


def begin(source, root, names):
    """Start a dataset: description, and the audio under new names."""
    (root / "stimuli").mkdir(parents=True)
    description = {"Name": "Music", "BIDSVersion": "1.8.0", "DatasetType": "raw"}
    (root / "dataset_description.json").write_text(json.dumps(description))
    (root / "README").write_text("Music and EEG. " * 20)
    for audio, name in zip(sorted((source / "stimuli").glob("*.wav")), names, strict=False):
        shutil.copyfile(audio, root / "stimuli" / name)
    return root


def save(raw, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw.export(path, overwrite=True, verbose="error")


def write_table(path, header, rows):
    lines = ["\t".join(header), *("\t".join(str(cell) for cell in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


def describe(path, **content):
    path.write_text(
        json.dumps({"PowerLineFrequency": 50, "EEGReference": "common", "SoftwareFilters": "n/a", **content})
    )


def song_number(stim_file):
    return int(stim_file.removeprefix("song-").removesuffix(".wav"))


def song_familiarity(source, root):
    """Like ds005876: EEGLAB, names with spaces, markers of 1 ms, notes twice, an end code, no channels.tsv."""
    begin(source, root, MELODIES)
    for participant, raw, music in recordings(source):
        stem = root / participant / "eeg" / f"{participant}_task-songfamiliarity"
        save(raw, stem.with_name(stem.name + "_eeg.set"))
        rows = []
        for trial, event in enumerate(music.itertuples()):
            stop = event.onset + event.duration * (0.6 if trial % 2 else 1.0)
            rows.append((event.onset, 0.001, 1, MELODIES[song_number(event.stim_file) - 1]))
            rows += [(round(event.onset + 0.7 * n, 4), 0, "noteOnset", "n/a") for n in range(1, 6) for _ in range(2)]
            rows += [(stop, 0.001, 2, "n/a")] if trial % 2 else []
            rows += [(stop + 0.5, 0.001, 3, "n/a"), (stop + 1.0, 0.001, 4, "n/a")]
        write_table(
            stem.with_name(stem.name + "_events.tsv"), ("onset", "duration", "value", "stim_file"), sorted(rows)
        )
        describe(
            stem.with_name(stem.name + "_eeg.json"), TaskName="songfamiliarity", SamplingFrequency=raw.info["sfreq"]
        )
    return root


def genres(source, root, lead_s=10.0):
    """Like ds003774: a session for each song, EGI names, positions in cm, times of the uncut recording."""
    begin(source, root, [f"song-{number:02d}.wav" for number in range(1, 13)])
    for participant, raw, music in recordings(source):
        rate = raw.info["sfreq"]
        rows = [(3.004, 34962.0, "n/a", "boundary")]
        rows += [(event.onset + 500, 1000.0, "n/a", code) for event in music.itertuples() for code in ("fxcl", "fxnd")]
        electrodes = pd.read_csv(next(source.glob(f"{participant}/eeg/*_electrodes.tsv")), sep="\t").set_index("name")
        places = electrodes.loc[raw.ch_names, ["x", "y", "z"]].to_numpy(dtype=float)
        for number, event in enumerate(music.itertuples(), 1):
            song = song_number(event.stim_file)
            start, stop = round(event.onset * rate), round((event.onset + event.duration + 1) * rate)
            data = raw.get_data(start=start, stop=stop)
            lead = np.resize(raw.get_data(stop=round(3 * rate)), (len(data), round(lead_s * rate)))
            names = [f"E{index}" for index in range(1, len(data) + 1)]
            # the reference is recorded along, and flat
            cut = mne.io.RawArray(
                np.vstack([np.hstack([lead, data]), np.zeros(lead.shape[1] + data.shape[1])]),
                mne.create_info([*names, "Cz"], rate, "eeg"),
                verbose="error",
            )
            entities = f"{participant}_ses-{song:02d}_task-MusicListening_run-{number}"
            stem = root / participant / f"ses-{song:02d}" / "eeg" / entities
            save(cut, stem.with_name(stem.name + "_eeg.set"))
            header = ("onset", "duration", "stim_file", "value")
            write_table(stem.with_name(stem.name + "_events.tsv"), header, rows)
            positions = [
                (name, *(f"{100 * value:.2f}" for value in place)) for name, place in zip(names, places, strict=True)
            ]
            write_table(
                stem.with_name(stem.name + "_electrodes.tsv"),
                ("name", "x", "y", "z"),
                [*positions, ("Cz", "0.00", "0.00", "9.50")],
            )
            system = {
                "EEGCoordinateUnits": "mm",
                "EEGCoordinateSystem": "Other",
                "EEGCoordinateSystemDescription": "EEGLAB",
            }
            stem.with_name(stem.name + "_coordsystem.json").write_text(json.dumps(system))
            channels = [(name, "EEG", "microV") for name in cut.ch_names]
            write_table(stem.with_name(stem.name + "_channels.tsv"), ("name", "type", "units"), channels)
            told = {"TaskName": "MusicListening", "SamplingFrequency": rate, "EEGReference": "Cz"}
            describe(stem.with_name(stem.name + "_eeg.json"), **told)
    return root


def film_music(source, root):
    """Like ds002721: EDF, a task for each run, codes in trial_type some time before the music; old electrode names."""
    begin(source, root, [])
    codes = {}
    for audio in sorted((source / "stimuli").glob("*.wav")):
        codes[audio.name] = 300 + 87 * song_number(audio.name)
        sound, rate = soundfile.read(audio)
        soundfile.write(root / "stimuli" / f"{codes[audio.name] - 300:03d}.mp3", sound, rate)
    old = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6", "Fp1": "FP1", "Fp2": "FP2"}
    for participant, raw, music in recordings(source):
        raw.rename_channels({new: name for new, name in old.items() if new in raw.ch_names})
        halves = np.array_split(np.arange(len(music)), 2)
        for run, half in enumerate(halves, 2):
            part = music.iloc[half]
            start = max(0.0, part["onset"].min() - 4)
            stop = part["onset"].max() + part["duration"].iloc[-1] + 2
            cut = raw.copy().crop(start, min(stop, raw.times[-1]))
            stem = root / participant / "eeg" / f"{participant}_task-run{run}"
            save(cut, stem.with_name(stem.name + "_eeg.edf"))
            rows = [(2.337, 20, 263)]
            for trial, event in enumerate(part.itertuples()):
                onset = round(event.onset - start, 3)
                announced = round(onset - (0, 1.7)[trial % 2], 3)  # with the music, or before it
                rows += [(onset, 20, 788), (announced, 20, codes[event.stim_file]), (round(onset + 2.2, 3), 20, 257)]
                rows.append((round(onset + event.duration + 0.5, 3), 20, 800))
            write_table(stem.with_name(stem.name + "_events.tsv"), ("onset", "duration", "trial_type"), rows)
            channels = [(name, "EEG", "microV", "good") for name in cut.ch_names]
            write_table(stem.with_name(stem.name + "_channels.tsv"), ("name", "type", "units", "status"), channels)
            describe(stem.with_name(stem.name + "_eeg.json"), TaskName="Run", SamplingFrequency=raw.info["sfreq"])
    return root


FILMS = ("DespicableMe", "ThePresent", "FunwithFractals", "DiaryOfAWimpyKid")
NOT_SHOWN_S = 8  # of FunwithFractals


def films(source, root):
    """Like HBN-EEG: EEGLAB, a task for each film, video_start and video_stop; other tasks without music."""
    begin(source, root, [f"{film}.wav" for film in FILMS])
    fractals, rate = soundfile.read(root / "stimuli" / "FunwithFractals.wav")
    lead = np.resize(fractals[::-1], NOT_SHOWN_S * rate)
    soundfile.write(root / "stimuli" / "FunwithFractals.wav", np.concatenate([lead, fractals]), rate)
    for participant, raw, music in recordings(source):
        (root / participant / "eeg").mkdir(parents=True)
        for event in music.itertuples():
            film = FILMS[song_number(event.stim_file) - 1]
            start = max(0.0, event.onset - 3)
            cut = raw.copy().crop(start, min(event.onset + event.duration + 2, raw.times[-1]))
            onset = event.onset - start
            stem = root / participant / "eeg" / f"{participant}_task-{film}"
            save(cut, stem.with_name(stem.name + "_eeg.set"))
            rows = [(onset, "n/a", "video_start"), (onset + event.duration, "n/a", "video_stop")]
            write_table(stem.with_name(stem.name + "_events.tsv"), ("onset", "duration", "value"), rows)
            describe(stem.with_name(stem.name + "_eeg.json"), TaskName=film, SamplingFrequency=raw.info["sfreq"])
        rest = root / participant / "eeg" / f"{participant}_task-RestingState"
        save(raw.copy().crop(0, 8), rest.with_name(rest.name + "_eeg.set"))
        rows = [(1.0, "n/a", "instructed_toOpenEyes"), (5.0, "n/a", "instructed_toCloseEyes")]
        write_table(rest.with_name(rest.name + "_events.tsv"), ("onset", "duration", "value"), rows)
        describe(rest.with_name(rest.name + "_eeg.json"), TaskName="RestingState", SamplingFrequency=raw.info["sfreq"])
    return root
