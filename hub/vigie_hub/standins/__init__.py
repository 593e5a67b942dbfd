"""Small modules that take the place of a large distribution in the enclave root; used nowhere else.

``scipy``: LightGBM imports ``scipy.sparse`` for the names of its classes, to ask whether what it was given is one of them.
An enclave never holds a sparse matrix, and is 95 MB, a Fortran run time and a quarter of a second smaller without the
real one. Whatever is asked of it beyond those names fails.

``narwhals``: LightGBM asks it whether what it was given is a data frame. An enclave gives it NumPy arrays only, which the
real one answers with no, a twentieth of a second of imports later.
"""
