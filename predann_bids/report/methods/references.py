"""The works that the methods text of a run refers to."""

from __future__ import annotations

from typing import NamedTuple


class Work(NamedTuple):
    """A work, as the text cites it (`Author, year`), its entry in the list of references, and its address."""

    cited: str
    entry: str
    link: str


REFERENCES = (
    Work(
        "Akama et al., 2025",
        "Akama, T. et al. (2025). Predicting artificial neural network representations to learn recognition model for"
        " music identification from brain recordings. Scientific Reports.",
        "https://doi.org/10.1038/s41598-025-02790-6",
    ),
    Work(
        "Clopper and Pearson, 1934",
        "Clopper, C. J. and Pearson, E. S. (1934). The use of confidence or fiducial limits illustrated in the case of"
        " the binomial. Biometrika, 26, 404–413.",
        "https://doi.org/10.1093/biomet/26.4.404",
    ),
    Work(
        "Crosse et al., 2016",
        "Crosse, M. J., Di Liberto, G. M., Bednar, A. and Lalor, E. C. (2016). The multivariate temporal response"
        " function (mTRF) toolbox: A MATLAB toolbox for relating neural signals to continuous stimuli. Frontiers in"
        " Human Neuroscience, 10, 604.",
        "https://doi.org/10.3389/fnhum.2016.00604",
    ),
    Work(
        "de Cheveigné et al., 2018",
        "de Cheveigné, A., Wong, D. D. E., Di Liberto, G. M., Hjortkjær, J., Slaney, M. and Lalor, E. (2018). Decoding"
        " the auditory brain with canonical component analysis. NeuroImage, 172, 206–216.",
        "https://doi.org/10.1016/j.neuroimage.2018.01.033",
    ),
    Work(
        "El Ouahidi et al., 2025",
        "El Ouahidi, Y. et al. (2025). REVE: A foundation model for EEG – Adapting to any setup with large-scale"
        " pretraining on 25,000 subjects. Advances in Neural Information Processing Systems, 38.",
        "https://openreview.net/forum?id=ZeFMtRBy4Z",
    ),
    Work(
        "Gramfort et al., 2013",
        "Gramfort, A. et al. (2013). MEG and EEG data analysis with MNE-Python. Frontiers in Neuroscience, 7, 267.",
        "https://doi.org/10.3389/fnins.2013.00267",
    ),
    Work(
        "He and Wu, 2020",
        "He, H. and Wu, D. (2020). Transfer learning for brain–computer interfaces: A Euclidean space data alignment"
        " approach. IEEE Transactions on Biomedical Engineering, 67, 399–410.",
        "https://doi.org/10.1109/TBME.2019.2913914",
    ),
    Work(
        "Holm, 1979",
        "Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics,"
        " 6, 65–70.",
        "https://www.jstor.org/stable/4615733",
    ),
    Work(
        "Jiang et al., 2024",
        "Jiang, W.-B., Zhao, L.-M. and Lu, B.-L. (2024). Large brain model for learning generic representations with"
        " tremendous EEG data in BCI. International Conference on Learning Representations.",
        "https://openreview.net/forum?id=QzTpTRVtrP",
    ),
    Work(
        "Kriegeskorte et al., 2008",
        "Kriegeskorte, N., Mur, M. and Bandettini, P. (2008). Representational similarity analysis – connecting the"
        " branches of systems neuroscience. Frontiers in Systems Neuroscience, 2, 4.",
        "https://doi.org/10.3389/neuro.06.004.2008",
    ),
    Work(
        "McNemar, 1947",
        "McNemar, Q. (1947). Note on the sampling error of the difference between correlated proportions or"
        " percentages. Psychometrika, 12, 153–157.",
        "https://doi.org/10.1007/BF02295996",
    ),
    Work(
        "Nichols and Holmes, 2002",
        "Nichols, T. E. and Holmes, A. P. (2002). Nonparametric permutation tests for functional neuroimaging: A primer"
        " with examples. Human Brain Mapping, 15, 1–25.",
        "https://doi.org/10.1002/hbm.1058",
    ),
    Work(
        "Noguchi et al., 2026",
        "Noguchi, Akama, Nakamura, Minamikawa and Polouliakh (2026). PredANN++. arXiv 2603.03190.",
        "https://arxiv.org/abs/2603.03190",
    ),
    Work(
        "Ojala and Garriga, 2010",
        "Ojala, M. and Garriga, G. C. (2010). Permutation tests for studying classifier performance. Journal of Machine"
        " Learning Research, 11, 1833–1863.",
        "https://www.jmlr.org/papers/v11/ojala10a.html",
    ),
    Work(
        "Phipson and Smyth, 2010",
        "Phipson, B. and Smyth, G. K. (2010). Permutation p-values should never be zero: Calculating exact p-values"
        " when permutations are randomly drawn. Statistical Applications in Genetics and Molecular Biology, 9, 39.",
        "https://doi.org/10.2202/1544-6115.1585",
    ),
    Work(
        "Wang et al., 2025",
        "Wang, J. et al. (2025). CBraMod: A criss-cross brain foundation model for EEG decoding. International"
        " Conference on Learning Representations.",
        "https://arxiv.org/abs/2412.07236",
    ),
    Work(
        "Yang et al., 2023",
        "Yang, C., Westover, M. B. and Sun, J. (2023). BIOT: Biosignal transformer for cross-data learning in the wild."
        " Advances in Neural Information Processing Systems, 36.",
        "https://arxiv.org/abs/2305.10351",
    ),
)
OF_SOFTWARE = (
    Work(
        "Gorgolewski et al., 2017",
        "Gorgolewski, K. J. et al. (2017). BIDS apps: Improving ease of use, accessibility, and reproducibility of"
        " neuroimaging data analysis methods. PLOS Computational Biology, 13, e1005209.",
        "https://doi.org/10.1371/journal.pcbi.1005209",
    ),
    Work(
        "Pernet et al., 2019",
        "Pernet, C. R. et al. (2019). EEG-BIDS, an extension to the brain imaging data structure for"
        " electroencephalography. Scientific Data, 6, 103.",
        "https://doi.org/10.1038/s41597-019-0104-8",
    ),
    Work(
        "Yarkoni et al., 2019",
        "Yarkoni, T. et al. (2019). PyBIDS: Python tools for BIDS datasets. Journal of Open Source Software, 4, 1294.",
        "https://doi.org/10.21105/joss.01294",
    ),
)
OF_TEACHERS = (
    Work(
        "Baevski et al., 2020",
        "Baevski, A., Zhou, H., Mohamed, A. and Auli, M. (2020). wav2vec 2.0: A framework for self-supervised learning"
        " of speech representations. Advances in Neural Information Processing Systems, 33, 12449–12460.",
        "https://doi.org/10.48550/arXiv.2006.11477",
    ),
    Work(
        "Bittner et al., 2022",
        "Bittner, R. M., Bosch, J. J., Rubinstein, D., Meseguer-Brocal, G. and Ewert, S. (2022). A lightweight"
        " instrument-agnostic model for polyphonic note transcription and multipitch estimation. ICASSP, 781–785.",
        "https://doi.org/10.1109/ICASSP43922.2022.9746549",
    ),
    Work(
        "Copet et al., 2023",
        "Copet, J. et al. (2023). Simple and controllable music generation. Advances in Neural Information Processing"
        " Systems, 36.",
        "https://doi.org/10.48550/arXiv.2306.05284",
    ),
    Work(
        "Défossez et al., 2023",
        "Défossez, A., Copet, J., Synnaeve, G. and Adi, Y. (2023). High fidelity neural audio compression. Transactions"
        " on Machine Learning Research.",
        "https://doi.org/10.48550/arXiv.2210.13438",
    ),
    Work(
        "Hsu et al., 2021",
        "Hsu, W.-N. et al. (2021). HuBERT: Self-supervised speech representation learning by masked prediction of"
        " hidden units. IEEE/ACM Transactions on Audio, Speech, and Language Processing, 29, 3451–3460.",
        "https://doi.org/10.1109/TASLP.2021.3122291",
    ),
    Work(
        "Kim et al., 2018",
        "Kim, J. W., Salamon, J., Li, P. and Bello, J. P. (2018). CREPE: A convolutional representation for pitch"
        " estimation. ICASSP, 161–165.",
        "https://doi.org/10.1109/ICASSP.2018.8461329",
    ),
    Work(
        "Pearce, 2005",
        "Pearce, M. T. (2005). The construction and evaluation of statistical models of melodic structure in music"
        " perception and composition. Doctoral thesis, City University London.",
        "https://openaccess.city.ac.uk/id/eprint/8459/",
    ),
    Work(
        "Pons and Serra, 2019",
        "Pons, J. and Serra, X. (2019). musicnn: Pre-trained convolutional neural networks for music audio tagging."
        " Late-breaking session of ISMIR.",
        "https://doi.org/10.48550/arXiv.1909.06654",
    ),
    Work(
        "Zhu et al., 2025",
        "Zhu, H. et al. (2025). MuQ: Self-supervised music representation learning with mel residual vector"
        " quantization. arXiv, 2501.01108.",
        "https://doi.org/10.48550/arXiv.2501.01108",
    ),
)
_WORKS = {work.cited: work for work in (*REFERENCES, *OF_SOFTWARE, *OF_TEACHERS)}


def add_works(*works: Work) -> None:
    """Add works that methods texts may cite, such as those of a preprocessing step."""
    _WORKS.update({work.cited: work for work in works})


def references(methods: str) -> list[tuple[str, str]]:
    """List the works, with their addresses, that a text cites as `Author, year` or `Author (year)`."""
    plain = methods.replace(" (", ", ")
    return sorted(
        ((work.entry, work.link) for work in _WORKS.values() if work.cited in plain),
        key=lambda reference: reference[0].casefold(),
    )
