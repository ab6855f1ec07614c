"""EEG files of all formats of BIDS, written by other programs than those that read them here."""

import edfio
import h5py
import numpy as np
import pybv
from eeglabio.raw import export_set
from scipy.io import savemat

RATE, SECONDS = 200, 10
NAMES = ["Fp1", "Cz", "Oz", "EOG1"]
MARKS = [(1.0, 0.0, "hello"), (3.0, 1.5, "BAD_muscle"), (6.0, 0.5, "boundary")]
DATA = np.random.default_rng(0).normal(0, 20, (4, RATE * SECONDS))  # microvolts
NAME = "sub-01_task-music"


def write_brainvision(stem, data=DATA, names=NAMES):
    events = [
        {"onset": round(onset * RATE), "duration": round(length * RATE), "type": "Comment", "description": text,
         "channels": "all"}
        for onset, length, text in MARKS
    ]  # fmt: skip
    pybv.write_brainvision(
        data=data / 1e6, sfreq=RATE, ch_names=list(names), fname_base=stem.name, folder_out=stem.parent, events=events
    )
    return stem.with_suffix(".vhdr")


def write_edf(stem, data=DATA, names=NAMES, unit="uV", kind=edfio.Edf, signal=edfio.EdfSignal, suffix=".edf"):
    signals = [
        signal(trace, RATE, label=name, physical_dimension=unit, physical_range=(-200, 200))
        for name, trace in zip(names, data, strict=True)
    ]
    path = stem.with_suffix(suffix)
    kind(signals, annotations=[edfio.EdfAnnotation(onset, length, text) for onset, length, text in MARKS]).write(path)
    return path


def write_bdf(stem, data=DATA, names=NAMES):
    return write_edf(stem, data, names, kind=edfio.Bdf, signal=edfio.BdfSignal, suffix=".bdf")


def write_set(stem, data=DATA, names=NAMES, fmt="v5"):
    path = stem.with_suffix(".set")
    onsets, lengths, texts = (list(column) for column in zip(*MARKS, strict=True))
    export_set(path, data / 1e6, RATE, list(names), annotations=[texts, np.array(onsets), np.array(lengths)], fmt=fmt)
    return path


def write_set_hdf5(stem, data=DATA, names=NAMES):
    return write_set(stem, data, names, fmt="v7.3")


def eeglab_struct(data, names, samples):
    chanlocs = np.rec.fromarrays([names], names=["labels"])
    events = np.rec.fromarrays(
        [[t for *_, t in MARKS], [o * RATE + 1.0 for o, *_ in MARKS], [d * RATE for _, d, _ in MARKS]],
        names=["type", "latency", "duration"],
    )
    empty = {key: [] for key in ("icawinv", "icasphere", "icaweights")}
    scalars = {"nbchan": float(len(names)), "pnts": float(samples), "trials": 1.0, "srate": float(RATE)}
    return {"EEG": {"setname": "x", "data": data, "chanlocs": chanlocs, "event": events, **scalars, **empty}}


def write_set_struct(stem, data=DATA, names=NAMES):
    path = stem.with_suffix(".set")
    savemat(path, eeglab_struct(data.astype("f4"), names, data.shape[1]), appendmat=False)
    return path


def write_set_and_fdt(stem, data=DATA, names=NAMES, named=None):
    path = stem.with_suffix(".set")
    savemat(path, eeglab_struct(named or f"{stem.name}.fdt", names, data.shape[1]), appendmat=False)
    data.T.astype("<f4").tofile(stem.with_suffix(".fdt"))
    return path


def write_set_hdf5_and_fdt(stem, data=DATA, names=NAMES):
    """The layout of `save -v7.3 EEG`: characters as uint16, a struct array as references."""
    path = stem.with_suffix(".set")
    write_set_and_fdt(stem, data, names)
    with h5py.File(path, "w", userblock_size=512) as file:
        eeg = file.create_group("EEG")
        eeg.attrs["MATLAB_class"] = np.bytes_("struct")

        def put(group, name, value):
            text = isinstance(value, str)
            value = np.frombuffer(value.encode("utf-16-le"), "<u2") if text else np.asarray(value, float)
            dataset = group.create_dataset(name, data=np.atleast_2d(value).T)
            dataset.attrs["MATLAB_class"] = np.bytes_("char" if text else "double")
            if text:
                dataset.attrs["MATLAB_int_decode"] = np.int64(2)
            return dataset

        put(eeg, "data", f"{stem.name}.fdt")
        for key, value in {"nbchan": len(names), "pnts": data.shape[1], "trials": 1, "srate": RATE}.items():
            put(eeg, key, value)
        references = file.create_group("#refs#")
        for struct, fields in {
            "chanlocs": {"labels": names},
            "event": {
                "type": [text for *_, text in MARKS],
                "latency": [onset * RATE + 1 for onset, *_ in MARKS],
                "duration": [length * RATE for _, length, _ in MARKS],
            },
        }.items():
            group = eeg.create_group(struct)
            group.attrs["MATLAB_class"] = np.bytes_("struct")
            for field, values in fields.items():
                links = [put(references, f"{struct}{field}{i}", value).ref for i, value in enumerate(values)]
                group.create_dataset(field, data=np.array(links, dtype=h5py.ref_dtype)[:, np.newaxis])
    header = b"MATLAB 7.3 MAT-file".ljust(116) + b" " * 8 + b"\x00\x02IM"
    with path.open("r+b") as file:
        file.write(header)
    return path
