"""The works that the methods text of a run refers to."""

from __future__ import annotations

REFERENCES = (
    (
        "Akama et al., 2025",
        "Akama, T. et al. (2025). Predicting artificial neural network representations to learn recognition model for"
        " music identification from brain recordings. Scientific Reports.",
        "https://doi.org/10.1038/s41598-025-02790-6",
    ),
    (
        "Crosse et al., 2016",
        "Crosse, M. J., Di Liberto, G. M., Bednar, A. and Lalor, E. C. (2016). The multivariate temporal response"
        " function (mTRF) toolbox: A MATLAB toolbox for relating neural signals to continuous stimuli. Frontiers in"
        " Human Neuroscience, 10, 604.",
        "https://doi.org/10.3389/fnhum.2016.00604",
    ),
    (
        "Gramfort et al., 2013",
        "Gramfort, A. et al. (2013). MEG and EEG data analysis with MNE-Python. Frontiers in Neuroscience, 7, 267.",
        "https://doi.org/10.3389/fnins.2013.00267",
    ),
    (
        "He and Wu, 2020",
        "He, H. and Wu, D. (2020). Transfer learning for brain–computer interfaces: A Euclidean space data alignment"
        " approach. IEEE Transactions on Biomedical Engineering, 67, 399–410.",
        "https://doi.org/10.1109/TBME.2019.2913914",
    ),
    (
        "Hesterberg, 2015",
        "Hesterberg, T. C. (2015). What teachers should know about the bootstrap: Resampling in the undergraduate"
        " statistics curriculum. The American Statistician, 69, 371–386.",
        "https://doi.org/10.1080/00031305.2015.1089789",
    ),
    (
        "Holm, 1979",
        "Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics,"
        " 6, 65–70.",
        "https://www.jstor.org/stable/4615733",
    ),
    (
        "Kriegeskorte et al., 2008",
        "Kriegeskorte, N., Mur, M. and Bandettini, P. (2008). Representational similarity analysis – connecting the"
        " branches of systems neuroscience. Frontiers in Systems Neuroscience, 2, 4.",
        "https://doi.org/10.3389/neuro.06.004.2008",
    ),
    (
        "McNemar, 1947",
        "McNemar, Q. (1947). Note on the sampling error of the difference between correlated proportions or"
        " percentages. Psychometrika, 12, 153–157.",
        "https://doi.org/10.1007/BF02295996",
    ),
    (
        "Nadeau and Bengio, 2003",
        "Nadeau, C. and Bengio, Y. (2003). Inference for the generalization error. Machine Learning, 52, 239–281.",
        "https://doi.org/10.1023/A:1024068626366",
    ),
    (
        "Nichols and Holmes, 2002",
        "Nichols, T. E. and Holmes, A. P. (2002). Nonparametric permutation tests for functional neuroimaging: A primer"
        " with examples. Human Brain Mapping, 15, 1–25.",
        "https://doi.org/10.1002/hbm.1058",
    ),
    (
        "Ojala and Garriga, 2010",
        "Ojala, M. and Garriga, G. C. (2010). Permutation tests for studying classifier performance. Journal of Machine"
        " Learning Research, 11, 1833–1863.",
        "https://www.jmlr.org/papers/v11/ojala10a.html",
    ),
    (
        "Phipson and Smyth, 2010",
        "Phipson, B. and Smyth, G. K. (2010). Permutation p-values should never be zero: Calculating exact p-values"
        " when permutations are randomly drawn. Statistical Applications in Genetics and Molecular Biology, 9, 39.",
        "https://doi.org/10.2202/1544-6115.1585",
    ),
)
OF_PREPROCESSING = (
    (
        "Ablin et al., 2018",
        "Ablin, P., Cardoso, J.-F. and Gramfort, A. (2018). Faster independent component analysis by"
        " preconditioning with Hessian approximations. IEEE Transactions on Signal Processing, 66, 4040–4049.",
        "https://doi.org/10.1109/TSP.2018.2844203",
    ),
    (
        "Appelhoff et al., 2022",
        "Appelhoff, S. et al. (2022). PyPREP: A Python implementation of the preprocessing pipeline (PREP) for EEG"
        " data. Zenodo.",
        "https://zenodo.org/badge/latestdoi/129240824",
    ),
    (
        "Bigdely-Shamlo et al., 2015",
        "Bigdely-Shamlo, N., Mullen, T., Kothe, C., Su, K.-M. and Robbins, K. A. (2015). The PREP pipeline:"
        " Standardized preprocessing for large-scale EEG analysis. Frontiers in Neuroinformatics, 9, 16.",
        "https://doi.org/10.3389/fninf.2015.00016",
    ),
    (
        "de Cheveigné, 2020",
        "de Cheveigné, A. (2020). ZapLine: A simple and effective method to remove power line artifacts."
        " NeuroImage, 207, 116356.",
        "https://doi.org/10.1016/j.neuroimage.2019.116356",
    ),
    (
        "Gorgolewski et al., 2017",
        "Gorgolewski, K. J. et al. (2017). BIDS apps: Improving ease of use, accessibility, and reproducibility of"
        " neuroimaging data analysis methods. PLOS Computational Biology, 13, e1005209.",
        "https://doi.org/10.1371/journal.pcbi.1005209",
    ),
    (
        "Li et al., 2022",
        "Li, A., Feitelberg, J., Saini, A. P., Höchenberger, R. and Scheltienne, M. (2022). MNE-ICALabel:"
        " Automatically annotating ICA components with ICLabel in Python. Journal of Open Source Software, 7, 4484.",
        "https://doi.org/10.21105/joss.04484",
    ),
    (
        "Pernet et al., 2019",
        "Pernet, C. R. et al. (2019). EEG-BIDS, an extension to the brain imaging data structure for"
        " electroencephalography. Scientific Data, 6, 103.",
        "https://doi.org/10.1038/s41597-019-0104-8",
    ),
    (
        "Perrin et al., 1989",
        "Perrin, F., Pernier, J., Bertrand, O. and Echallier, J. F. (1989). Spherical splines for scalp potential"
        " and current density mapping. Electroencephalography and Clinical Neurophysiology, 72, 184–187.",
        "https://doi.org/10.1016/0013-4694(89)90180-6",
    ),
    (
        "Pion-Tonachini et al., 2019",
        "Pion-Tonachini, L., Kreutz-Delgado, K. and Makeig, S. (2019). ICLabel: An automated"
        " electroencephalographic independent component classifier, dataset, and website. NeuroImage, 198, 181–197.",
        "https://doi.org/10.1016/j.neuroimage.2019.05.026",
    ),
    (
        "Yarkoni et al., 2019",
        "Yarkoni, T. et al. (2019). PyBIDS: Python tools for BIDS datasets. Journal of Open Source Software, 4, 1294.",
        "https://doi.org/10.21105/joss.01294",
    ),
    (
        "Yao, 2001",
        "Yao, D. (2001). A method to standardize a reference of scalp EEG recordings to a point at infinity."
        " Physiological Measurement, 22, 693–711.",
        "https://doi.org/10.1088/0967-3334/22/4/305",
    ),
)


def references(methods: str) -> list[tuple[str, str]]:
    """List the works, with their addresses, that a text cites as `Author, year` or `Author (year)`."""
    plain = methods.replace(" (", ", ")
    return sorted(
        ((entry, link) for cited, entry, link in (*REFERENCES, *OF_PREPROCESSING) if cited in plain),
        key=lambda reference: reference[0].casefold(),
    )
