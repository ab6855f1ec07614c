"""Compile for a GPU what Triton compiles for it, if there is a C compiler. It needs no GPU."""

import shutil
import sys

if not shutil.which("gcc"):
    sys.exit(0)

import triton
from triton import language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.build import compile_module_from_src

SOURCE = """
#include <Python.h>
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "check", 0, -1, 0};
PyMODINIT_FUNC PyInit_check(void) { return PyModule_Create(&definition); }
"""


@triton.jit
def double(x, n, BLOCK: tl.constexpr):  # noqa: D103
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(x + place, 2 * tl.load(x + place, mask=place < n), mask=place < n)


compile_module_from_src(src=SOURCE, name="check")
kernel = ASTSource(fn=double, signature={"x": "*fp32", "n": "i32", "BLOCK": "constexpr"}, constexprs={"BLOCK": 128})
program = triton.compile(kernel, target=GPUTarget("cuda", 90, 32)).asm["cubin"]
sys.stdout.write(f"Triton compiles: {len(program)} bytes for a GPU\n")
